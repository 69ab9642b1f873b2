package quantise

import (
	"fmt"
	"math"

	"cull/infer"
	"cull/infer/net"
	"cull/infer/quant"
	"cull/trainer/internal/grad"
	"cull/trainer/internal/trunk"
)

// Aware is a trunk in quantisation-aware training: Forward computes what the device
// computes of the trunk's weights, rounded by the device's own rule (package quant), and
// Backward takes every rounding for the identity, the straight-through estimator of
// Bengio et al. 2013 (arXiv 1308.3432):
//
//	d rne(x) / dx = 1, d clamp(x) / dx = 1 inside its bounds, else 0
//
// Weights, gamma and beta are learnt; batch-norm statistics and ranges stay.
// Activations are whole numbers in float32, which hold every sum below 2^24: 1040 products
// of the largest numbers. The widest convolution here has 1152; a sum beyond 2^24, which
// wants nearly all of them at the largest, would lose its last bit.
type Aware struct {
	Ranges Ranges

	trunk  *trunk.Trunk
	graph  net.Graph
	layers []*grad.ConvNorm // of the Conv nodes
	lo     []int8           // least result of each node
	zeros  []float32

	step   [][]float32
	params []infer.Params
	whole  []grad.Filter // a Conv's rounded weights
	real   []grad.Filter // the same in real numbers

	out    []*grad.Tensor // results in steps
	inside []*grad.Tensor // of Conv and Add: 1 where the clamp did nothing, else 0
	taps   []*grad.Tensor // in real numbers
	g      []*grad.Tensor // gradients of the results in real numbers
	spare  []*grad.Tensor // of the same shapes
	begun  []bool         // g has been written to
	s0, s1 []float64
}

// NewAware returns the training of t under the ranges, which are those of FromTrunk(t)'s nodes.
func NewAware(t *trunk.Trunk, r Ranges) *Aware {
	n := FromTrunk(t)
	nodes := len(n.Graph.Nodes)
	a := &Aware{
		Ranges: r, trunk: t, graph: n.Graph, layers: make([]*grad.ConvNorm, nodes), lo: make([]int8, nodes),
		params: make([]infer.Params, nodes), whole: make([]grad.Filter, nodes), real: make([]grad.Filter, nodes),
		out: make([]*grad.Tensor, nodes), inside: make([]*grad.Tensor, nodes),
		taps: make([]*grad.Tensor, len(n.Graph.Taps)),
		g:    make([]*grad.Tensor, nodes), spare: make([]*grad.Tensor, nodes), begun: make([]bool, nodes),
	}
	all := t.Layers()
	most := 0
	for i, signed := range n.Graph.Signed() {
		if signed {
			a.lo[i] = -quant.Max
		}
		if n.Graph.Nodes[i].Op == net.Conv {
			a.layers[i], all = all[0], all[1:] // FromTrunk keeps their order
			a.whole[i], a.real[i] = n.Filters[i], n.Filters[i]
			a.whole[i].W = make([]float32, len(n.Filters[i].W))
			a.real[i].W = make([]float32, len(n.Filters[i].W))
		}
		most = max(most, len(r[i]))
	}
	a.zeros, a.s0, a.s1 = make([]float32, most), make([]float64, most), make([]float64, most)
	return a
}

// Forward returns the taps of the pictures x, as Load makes them, in real numbers: the
// device's int8 times the taps' steps. They are Aware's until the next call.
func (a *Aware) Forward(be grad.Backend, x *grad.Tensor) []*grad.Tensor {
	a.round(be)
	a.out[0] = grad.Like(a.out[0], x)
	rows(be, x, func(n, y int) {
		in, out := x.Row(n, y), a.out[0].Row(n, y)
		for i, v := range in {
			out[i] = float32(math.RoundToEven(float64(v) / InputStep))
		}
	})
	for i := range a.graph.Nodes[1:] {
		a.forward(be, i+1)
	}
	for k, t := range a.graph.Taps {
		y := a.out[t.Node]
		a.taps[k] = grad.Like(a.taps[k], y)
		be.Norm(a.taps[k], y, a.step[t.Node], a.zeros[:y.C], false)
	}
	return a.taps
}

// round brings the trunk's present weights to int8.
func (a *Aware) round(be grad.Backend) {
	n := FromTrunk(a.trunk)
	a.step = a.Ranges.steps()
	be.Each(len(a.params), func(i int) {
		a.params[i] = round(n, i, a.step)
		if a.layers[i] == nil {
			return
		}
		p, f := &a.params[i], &a.whole[i]
		in, out := a.step[a.graph.Nodes[i].In[0]], a.step[i]
		window := len(f.W) / f.Out
		for c := range f.Out {
			unit := p.Scale[c] * out[c]
			for k := range window {
				q := float32(p.Weights[c*window+k])
				f.W[k*f.Out+c] = q
				a.real[i].W[k*f.Out+c] = q * unit / in[f.Source(k, c)]
			}
		}
	})
}

func (a *Aware) forward(be grad.Backend, i int) {
	node, p, lo := &a.graph.Nodes[i], &a.params[i], a.lo[i]
	in := a.out[node.In[0]]
	switch node.Op {
	case net.Conv:
		a.out[i] = result(a.out[i], node, in, node.Out)
		a.inside[i] = grad.Like(a.inside[i], a.out[i])
		be.Conv(a.out[i], in, &a.whole[i])
		rows(be, a.out[i], func(n, y int) { requantize(a.out[i].Row(n, y), a.inside[i].Row(n, y), p, lo) })
	case net.Add:
		b := a.out[node.In[1]]
		a.out[i], a.inside[i] = grad.Like(a.out[i], in), grad.Like(a.inside[i], in)
		rows(be, in, func(n, y int) {
			addRequantize(a.out[i].Row(n, y), a.inside[i].Row(n, y), in.Row(n, y), b.Row(n, y), p, lo)
		})
	case net.AvgPool:
		a.out[i] = result(a.out[i], node, in, in.C)
		rows(be, a.out[i], func(n, y int) { average(node, a.out[i], in, n, y, p.Scale[0], lo) })
	default:
		panic(fmt.Sprintf("quantise: a trunk has no %s", node.Op))
	}
}

// rows calls f for every row of every image on the backend's threads.
func rows(be grad.Backend, t *grad.Tensor, f func(n, y int)) {
	be.Each(t.N, func(n int) {
		for y := range t.H {
			f(n, y)
		}
	})
}

// requantize turns a row of sums of products into activations.
func requantize(row, inside []float32, p *infer.Params, lo int8) {
	n := len(p.Bias)
	scale := p.Scale[:n]
	for at := 0; at < len(row); at += n {
		v, in := row[at:][:n], inside[at:][:n]
		for c, bias := range p.Bias {
			acc := int32(v[c]) + bias
			v[c] = float32(quant.Requantize(acc, scale[c], lo))
			in[c] = within(float32(float32(acc)*scale[c]), lo)
		}
	}
}

// addRequantize adds two rows of activations.
func addRequantize(row, inside, x, y []float32, p *infer.Params, lo int8) {
	n := len(p.Scale)
	scaleB := p.ScaleB[:n]
	for at := 0; at < len(row); at += n {
		v, in, x, y := row[at:][:n], inside[at:][:n], x[at:][:n], y[at:][:n]
		for c, scale := range p.Scale {
			v[c] = float32(quant.AddRequantize(int8(x[c]), int8(y[c]), scale, scaleB[c], lo))
			in[c] = within(float32(x[c]*scale)+float32(y[c]*scaleB[c]), lo)
		}
	}
}

// within is 1 where the clamp lo..127 leaves x alone, else 0. No branch: after a ReLU half of
// them would be mispredicted.
func within(x float32, lo int8) float32 {
	over := math.Float32bits(x-min(max(x, float32(lo)), quant.Max)) << 1 // 0: nothing
	return math.Float32frombits(((over|-over)>>31 - 1) & one)
}

// one is the bit pattern of 1.
const one = 0x3f800000

// average computes row y of image img of an AvgPool: the sum of the window, requantised.
func average(node *net.Node, out, in *grad.Tensor, img, y int, scale float32, lo int8) {
	for col := range out.W {
		o := out.Data[out.At(img, y, col):][:out.C]
		clear(o)
		window(node, in, img, y, col, func(_, at int) {
			for c, v := range in.Data[at:][:len(o)] {
				o[c] += v
			}
		})
		for c, v := range o {
			o[c] = float32(quant.Requantize(int32(v), scale, lo))
		}
	}
}

// Backward takes the gradients of the taps of the last Forward, overwrites them, and leaves
// the gradients of all parameters in the trunk's Params.
func (a *Aware) Backward(be grad.Backend, gtaps []*grad.Tensor) {
	clear(a.begun)
	for k, t := range a.graph.Taps { // taps feed no other node
		a.g[t.Node], a.begun[t.Node] = gtaps[k], true
	}
	for i := len(a.graph.Nodes) - 1; i > 0; i-- {
		switch node := &a.graph.Nodes[i]; node.Op {
		case net.Conv:
			a.backConv(be, i, node.In[0])
		case net.Add:
			for _, j := range node.In {
				a.give(be, j, func(dst *grad.Tensor) { be.Mask(dst, a.g[i], a.inside[i]) })
			}
		case net.AvgPool:
			w := grad.Window{Kernel: node.Kernel, Stride: node.Stride, Pad: node.Pad}
			a.give(be, node.In[0], func(dst *grad.Tensor) { grad.AvgPoolBack(be, dst, a.g[i], w) })
		}
	}
}

// give adds what write writes to the gradient of node i.
func (a *Aware) give(be grad.Backend, i int, write func(dst *grad.Tensor)) {
	if !a.begun[i] {
		a.g[i], a.begun[i] = grad.Like(a.g[i], a.out[i]), true
		write(a.g[i])
		return
	}
	a.spare[i] = grad.Like(a.spare[i], a.out[i])
	write(a.spare[i])
	be.Add(a.g[i], a.spare[i])
}

// backConv leaves the gradients of node i's layer, whose folded weights are W A, A = gamma
// istd, and whose bias is beta - mean A:
//
//	dW = d(WA) A, dgamma = (sum of d(WA) W - mean dbias) istd, dbeta = dbias
func (a *Aware) backConv(be grad.Backend, i, in int) {
	l, g := a.layers[i], a.g[i]
	be.Sums(a.s0[:g.C], a.s1[:g.C], g, a.out[i], a.inside[i], a.zeros[:g.C]) // clears g outside
	p := l.Params()
	dw, dgamma, dbeta := p[0].G, p[1].G, p[2].G
	f := &a.whole[i]
	be.ConvWeight(dw, a.out[in], g, f)
	window := len(dw) / f.Out
	for c := range f.Out {
		istd := 1 / math.Sqrt(float64(l.Var[c])+grad.NormEps)
		scale := l.Gamma[c] * float32(istd)
		var sum float64
		for k := range window {
			d := dw[k*f.Out+c] * a.step[in][f.Source(k, c)]
			sum += float64(d) * float64(l.Filter.W[k*f.Out+c])
			dw[k*f.Out+c] = d * scale
		}
		dgamma[c] = float32((sum - float64(l.Mean[c])*a.s0[c]) * istd)
		dbeta[c] = float32(a.s0[c])
	}
	if in > 0 {
		a.give(be, in, func(dst *grad.Tensor) { be.ConvInput(dst, g, &a.real[i]) })
	}
}
