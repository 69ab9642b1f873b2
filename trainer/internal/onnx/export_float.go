package onnx

import (
	"math"

	"cull/infer/net"
)

// closeEnough is the relative difference of two scales that count as one.
const closeEnough = 1e-6

// writeFloat writes the network in real numbers. Node i's value is its int8 value times a
// gauge per channel, which is chosen so that sums and pools need no scale of their own:
// the steps of the taps where they reach, through sums, else one that suits.
func (b *builder) writeFloat() {
	g := b.gauges()
	for i := range b.net.Graph.Nodes {
		if i > 0 {
			b.floatNode(i, g)
		}
	}
	for k, t := range b.net.Graph.Taps {
		v := b.scaled(t.Node, g, t.Name+"/step", func(c int) float64 { return float64(b.net.TapStep[k][c]) })
		b.node("Identity", t.Name, []string{v})
	}
}

// A bond says that the gauge of in is the gauge of out times factor, per channel.
type bond struct {
	in, out int
	factor  []float64
}

// bonds lists what the nodes that have no weights demand of their gauges.
func (b *builder) bonds() []bond {
	var all []bond
	for i := range b.net.Graph.Nodes {
		n, p := &b.net.Graph.Nodes[i], &b.net.Params[i]
		switch n.Op {
		case net.Input, net.Conv:
		case net.Add:
			all = append(all, bond{n.In[0], i, wide(p.Scale)}, bond{n.In[1], i, wide(p.ScaleB)})
		case net.AvgPool:
			area := float64(n.Kernel * n.Kernel)
			all = append(all, bond{n.In[0], i, fill(b.channels[i], area*float64(p.Scale[0]))})
		default:
			all = append(all, bond{n.In[0], i, fill(b.channels[i], 1)})
		}
	}
	return all
}

// gauges chooses a gauge for every node and channel: the known ones first, then what
// the bonds make of them.
func (b *builder) gauges() [][]float64 {
	g, bonds := make([][]float64, len(b.values)), b.bonds()
	set := func(i int, v []float64) {
		if g[i] != nil {
			return
		}
		g[i] = v
		for todo := []int{i}; len(todo) > 0; todo = todo[1:] {
			for _, d := range bonds {
				from, to, power := d.out, d.in, 1.
				if d.in == todo[0] {
					from, to, power = d.in, d.out, -1
				}
				if from != todo[0] || g[to] != nil {
					continue
				}
				g[to] = make([]float64, len(g[from]))
				for c, v := range g[from] {
					g[to][c] = v * math.Pow(d.factor[c], power)
				}
				todo = append(todo, to)
			}
		}
	}
	set(0, fill(b.channels[0], inputStep))
	for k, t := range b.net.Graph.Taps {
		set(t.Node, wide(b.net.TapStep[k]))
	}
	for i, n := range b.net.Graph.Nodes {
		if n.Act == net.ActReLU6 {
			set(i, fill(b.channels[i], 6./127))
		}
	}
	for i, c := range b.channels {
		set(i, fill(c, 1./127))
	}
	return g
}

// scaled returns the value of node i in another gauge.
func (b *builder) scaled(i int, g [][]float64, name string, to func(c int) float64) string {
	factor, same := make([]float64, b.channels[i]), true
	for c := range factor {
		factor[c] = to(c) / g[i][c]
		same = same && math.Abs(factor[c]-1) < closeEnough
	}
	if same {
		return b.values[i]
	}
	return b.node("Mul", b.name(name+"/scaled"), []string{
		b.values[i], b.floats(name, factor, 1, len(factor), 1, 1),
	})
}

func (b *builder) floatNode(i int, g [][]float64) {
	n, p := &b.net.Graph.Nodes[i], &b.net.Params[i]
	in := func(k int, name string, factor func(c int) float64) string {
		return b.scaled(n.In[k], g, n.Name+name, func(c int) float64 { return factor(c) * g[i][c] })
	}
	one := func(int) float64 { return 1 }
	out := b.name(n.Name)
	switch n.Op {
	case net.Conv:
		b.floatConv(i, out, g)
	case net.Add:
		v := []string{
			in(0, "/a", func(c int) float64 { return float64(p.Scale[c]) }),
			in(1, "/b", func(c int) float64 { return float64(p.ScaleB[c]) }),
		}
		b.activate(i, "Add", out, g, v)
	case net.ReLU:
		b.node("Relu", out, []string{in(0, "/in", one)})
	case net.MaxPool:
		b.node("MaxPool", out, []string{in(0, "/in", one)}, window(n)...)
	case net.AvgPool:
		v := in(0, "/in", func(int) float64 { return float64(n.Kernel*n.Kernel) * float64(p.Scale[0]) })
		b.node("AveragePool", out, []string{v}, append(window(n), integer("count_include_pad", 1))...)
	default:
		scales, attrs := b.resize(n)
		b.node("Resize", out, append([]string{in(0, "/in", one)}, scales...), attrs...)
	}
	b.values[i] = out
}

// floatConv writes node i with the gauges in its weights.
func (b *builder) floatConv(i int, out string, g [][]float64) {
	n, p := &b.net.Graph.Nodes[i], &b.net.Params[i]
	w, dims := filters(b, i, func(w int8, o, c int) float64 {
		return float64(w) * float64(p.Scale[o]) * g[i][o] / g[n.In[0]][c]
	})
	bias := make([]float64, n.Out)
	for c := range bias {
		bias[c] = float64(p.Bias[c]) * float64(p.Scale[c]) * g[i][c]
	}
	v := []string{
		b.values[n.In[0]], b.floats(n.Name+"/weight", w, dims...), b.floats(n.Name+"/bias", bias, n.Out),
	}
	b.activate(i, "Conv", out, g, v, append(window(n), integer("group", n.Groups))...)
}

// activate writes node i's operation and its activation. The clip of a ReLU6 is the
// value of 127, which calibration put at six or below.
func (b *builder) activate(i int, op, out string, g [][]float64, in []string, attrs ...Attr) {
	n := &b.net.Graph.Nodes[i]
	if n.Act == net.None {
		b.node(op, out, in, attrs...)
		return
	}
	sum := b.node(op, b.name(n.Name+"/sum"), in, attrs...)
	top, same := make([]float64, n.Out), true
	if n.Act == net.ActReLU6 {
		top = make([]float64, b.channels[i])
		for c := range top {
			top[c] = 127 * g[i][c]
			same = same && top[c] == top[0]
		}
	}
	switch {
	case n.Act == net.ActReLU:
		b.node("Relu", out, []string{sum})
	case same:
		lo, hi := b.floats(n.Name+"/zero", []float64{0}), b.floats(n.Name+"/top", top[:1])
		b.node("Clip", out, []string{sum, lo, hi})
	default:
		hi := b.floats(n.Name+"/top", top, 1, len(top), 1, 1)
		low := b.node("Min", b.name(n.Name+"/min"), []string{sum, hi})
		b.node("Relu", out, []string{low})
	}
}

func wide(v []float32) []float64 {
	w := make([]float64, len(v))
	for i, x := range v {
		w[i] = float64(x)
	}
	return w
}

func fill(n int, v float64) []float64 {
	w := make([]float64, n)
	for i := range w {
		w[i] = v
	}
	return w
}
