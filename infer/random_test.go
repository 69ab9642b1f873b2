package infer

import (
	"fmt"
	"math"
	"math/rand/v2"

	"cull/infer/net"
)

// randomModel returns a valid model of up to 14 nodes that uses every
// operation sooner or later. It uses no floating-point sum, so every CPU gets
// the same model.
func randomModel(rng *rand.Rand) *Model {
	for {
		g := randomGraph(rng)
		if g.Validate() != nil {
			continue
		}
		if _, err := g.Shapes(47, 53); err == nil { // some shapes fit no size
			m := &Model{Graph: g, Meta: Meta{Name: "random"}}
			fillRandom(m, rng)
			return m
		}
	}
}

// lopsidedModel is a randomModel whose convolutions of 3x3 have other windows and padding.
func lopsidedModel(rng *rand.Rand) *Model {
	for {
		g := randomGraph(rng)
		changed := 0
		for i := range g.Nodes {
			if n := &g.Nodes[i]; n.Op == net.Conv && n.Kernel == 3 {
				n.Kernel += 2 * rng.IntN(3)
				n.Pad = rng.IntN(n.Kernel/2 + 1)
				n.PadExtra = rng.IntN(min(2, n.Kernel/2-n.Pad+1))
				changed += n.Kernel - 3 + n.PadExtra
			}
		}
		if changed == 0 || g.Validate() != nil {
			continue
		}
		if _, err := g.Shapes(47, 53); err == nil {
			m := &Model{Graph: g, Meta: Meta{Name: "lopsided"}}
			fillRandom(m, rng)
			return m
		}
	}
}

var channelChoices = []int{1, 2, 3, 4, 7, 8, 12, 16, 17, 24, 31, 32, 33, 48, 64, 65}

func randomGraph(rng *rand.Rand) net.Graph {
	g := net.Graph{InputChannels: 1 + rng.IntN(4), Nodes: []net.Node{{Name: "in", Op: net.Input}}}
	pick := func(v ...int) int { return v[rng.IntN(len(v))] }
	for i := 1; i < 3+rng.IntN(12); i++ {
		channels := g.Channels()
		from := i - 1
		if rng.IntN(4) == 0 {
			from = rng.IntN(i)
		}
		in := channels[from]
		n := net.Node{Name: fmt.Sprint("n", i), In: []int{from}}
		switch op := net.Op(1 + rng.IntN(10)); op {
		default:
			n.Op, n.Out, n.Groups = net.Conv, channelChoices[rng.IntN(len(channelChoices))], 1
			n.Kernel, n.Stride = pick(1, 3, 3), pick(1, 1, 2)
			n.Pad = rng.IntN(n.Kernel/2 + 1)
			n.Act = net.Act(rng.IntN(3))
			switch rng.IntN(5) {
			case 0:
				n.Groups, n.Out = in, in
			case 1:
				if in%2 == 0 {
					n.Groups, n.Out = pick(2, in/2), in*pick(1, 2)
				}
			}
		case net.Add:
			same := []int{}
			for j, c := range channels {
				if c == in && g.Stride(j) == g.Stride(from) {
					same = append(same, j)
				}
			}
			n.Op, n.In = op, []int{from, same[rng.IntN(len(same))]}
			n.Act = net.Act(rng.IntN(3))
		case net.ReLU:
			n.Op = op
		case net.MaxPool, net.AvgPool:
			n.Op, n.Kernel = op, 1+rng.IntN(7)
			n.Stride = 1 + rng.IntN(min(n.Kernel, 3))
			n.Pad = rng.IntN(min(n.Kernel/2+1, n.Kernel))
		case net.ResizeNearest, net.ResizeBilinear:
			n.Op, n.Factor = op, 2+rng.IntN(2)
		}
		g.Nodes = append(g.Nodes, n)
	}
	for i := range g.Nodes {
		if len(g.Taps) < 4 && g.Stride(i) > 0 && rng.IntN(3) == 0 || i == len(g.Nodes)-1 {
			g.Taps = append(g.Taps, net.Tap{Name: fmt.Sprint("t", i), Node: i})
		}
	}
	return g
}

// fillRandom gives m's graph random parameters. Some filters are all extremes.
func fillRandom(m *Model, rng *rand.Rand) {
	channels := m.Graph.Channels()
	m.Params = make([]Params, len(m.Graph.Nodes))
	for i := range m.Graph.Nodes {
		n, p, s := &m.Graph.Nodes[i], &m.Params[i], m.sizes(i, channels)
		for k := range s.weights {
			w := int8(rng.IntN(255) - 127)
			if k*7/s.weights == 3 {
				w = 127
			}
			p.Weights = append(p.Weights, w)
		}
		window := 1
		if n.Op == net.Conv {
			window = s.weights / n.Out
		}
		root := int(math.Sqrt(float64(window)))
		for range s.bias {
			p.Bias = append(p.Bias, int32(rng.IntN(4000*root)-2000*root))
		}
		for range s.scale {
			v := float32(200+rng.IntN(1000)) / 1000
			if n.Op == net.Conv {
				v = float32(300+rng.IntN(700)) / float32(40000*root)
			} else if n.Op == net.AvgPool {
				v /= float32(n.Kernel * n.Kernel)
			}
			p.Scale = append(p.Scale, v)
		}
		for range s.scaleB {
			p.ScaleB = append(p.ScaleB, float32(200+rng.IntN(1000))/1000)
		}
	}
	for _, t := range m.Graph.Taps {
		step := make([]float32, channels[t.Node])
		for c := range step {
			step[c] = float32(1+rng.IntN(100)) / 1024
		}
		m.TapStep = append(m.TapStep, step)
	}
}

// randomSize returns a picture size that m's graph accepts, preferring small ones.
func randomSize(m *Model, rng *rand.Rand) (h, w int) {
	for limit := 12; ; limit++ {
		h, w = 1+rng.IntN(limit), 1+rng.IntN(limit)
		if limit > 100 {
			h, w = 47, 53
		}
		if _, err := m.Graph.Shapes(h, w); err == nil {
			return h, w
		}
	}
}

func randomPicture(m *Model, h, w int, rng *rand.Rand) []int8 {
	in := make([]int8, h*w*m.Graph.InputChannels)
	TestPicture(in, rng.Uint64())
	return in
}

// naive computes every node by the definitions of doc/architecture.md, one
// value at a time.
func naive(m *Model, h, w int, in []int8) [][]int8 {
	shapes, err := m.Graph.Shapes(h, w)
	if err != nil {
		panic(err)
	}
	results := make([][]int8, len(shapes))
	for i := range m.Graph.Nodes {
		v := naiveNode{n: &m.Graph.Nodes[i], p: &m.Params[i], lo: lowest(m.Graph, i), out: shapes[i]}
		if i == 0 {
			results[0] = in
			continue
		}
		v.a, v.in = results[v.n.In[0]], shapes[v.n.In[0]]
		if len(v.n.In) > 1 {
			v.b = results[v.n.In[1]]
		}
		for y := range v.out.H {
			for x := range v.out.W {
				for c := range v.out.C {
					results[i] = append(results[i], v.value(y, x, c))
				}
			}
		}
	}
	return results
}

func lowest(g net.Graph, i int) float64 {
	if g.Signed()[i] {
		return -127
	}
	return 0
}

type naiveNode struct {
	n       *net.Node
	p       *Params
	lo      float64
	in, out net.Shape
	a, b    []int8
}

func (v *naiveNode) at(a []int8, y, x, c int) int {
	if y < 0 || x < 0 || y >= v.in.H || x >= v.in.W {
		return 0
	}
	return int(a[(y*v.in.W+x)*v.in.C+c])
}

func (v *naiveNode) clamp(x float32) int8 {
	return int8(max(v.lo, min(127, math.RoundToEven(float64(x)))))
}

func (v *naiveNode) value(y, x, c int) int8 {
	n := v.n
	switch n.Op {
	case net.Conv:
		per, share := v.out.C/n.Groups, v.in.C/n.Groups
		sum := int64(v.p.Bias[c])
		k := c * n.Kernel * n.Kernel * share
		for ky := range n.Kernel {
			for kx := range n.Kernel {
				for ci := range share {
					a := v.at(v.a, y*n.Stride-n.Pad+ky, x*n.Stride-n.Pad+kx, c/per*share+ci)
					sum += int64(v.p.Weights[k]) * int64(a)
					k++
				}
			}
		}
		return v.clamp(float32(sum) * v.p.Scale[c])
	case net.Add:
		a, b := float32(v.at(v.a, y, x, c)), float32(v.at(v.b, y, x, c))
		return v.clamp(float32(a*v.p.Scale[c]) + float32(b*v.p.ScaleB[c]))
	case net.ReLU:
		return int8(max(0, v.at(v.a, y, x, c)))
	case net.MaxPool:
		best := -128
		v.pool(y, x, func(yy, xx int) {
			if yy >= 0 && xx >= 0 && yy < v.in.H && xx < v.in.W {
				best = max(best, v.at(v.a, yy, xx, c))
			}
		})
		return int8(best)
	case net.AvgPool:
		sum := 0
		v.pool(y, x, func(yy, xx int) { sum += v.at(v.a, yy, xx, c) })
		return v.clamp(float32(sum) * v.p.Scale[0])
	case net.ResizeNearest:
		return int8(v.at(v.a, y/n.Factor, x/n.Factor, c))
	}
	return v.bilinear(y, x, c)
}

func (v *naiveNode) pool(y, x int, f func(y, x int)) {
	for ky := range v.n.Kernel {
		for kx := range v.n.Kernel {
			f(y*v.n.Stride-v.n.Pad+ky, x*v.n.Stride-v.n.Pad+kx)
		}
	}
}

// bilinear follows the definition in exact binary64 arithmetic (numerators and
// denominators are small integers; the quotient's distance to a tie is either
// zero or far above the rounding error).
func (v *naiveNode) bilinear(y, x, c int) int8 {
	f := v.n.Factor
	fy, fx := 2*y+1-f, 2*x+1-f // in units of 1/2f pixel
	jy, jx := int(math.Floor(float64(fy)/float64(2*f))), int(math.Floor(float64(fx)/float64(2*f)))
	ry, rx := fy-jy*2*f, fx-jx*2*f
	clampY := func(i int) int { return max(0, min(v.in.H-1, i)) }
	clampX := func(i int) int { return max(0, min(v.in.W-1, i)) }
	sum := 0
	for dy, wy := range []int{2*f - ry, ry} {
		for dx, wx := range []int{2*f - rx, rx} {
			sum += wy * wx * v.at(v.a, clampY(jy+dy), clampX(jx+dx), c)
		}
	}
	return int8(math.RoundToEven(float64(sum) / float64(4*f*f)))
}
