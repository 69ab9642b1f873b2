package quantise

import (
	"fmt"
	"math"

	"cull/infer"
	"cull/infer/net"
	"cull/infer/quant"
)

// Model rounds the network to int8 with the given ranges. Weights are symmetric
// with one scale per output channel; a bias is an int32 in units of the
// accumulator. The model is validated: no accumulator can overflow.
func Model(n *Network, r Ranges) (*infer.Model, error) {
	m := &infer.Model{Graph: n.Graph, Params: make([]infer.Params, len(n.Graph.Nodes))}
	step := r.steps()
	for i := range n.Graph.Nodes {
		m.Params[i] = round(n, i, step)
	}
	for _, t := range n.Graph.Taps {
		m.TapStep = append(m.TapStep, step[t.Node])
	}
	if err := m.Validate(); err != nil {
		return nil, fmt.Errorf("quantise: %w", err)
	}
	return m, nil
}

// steps are the units of the int8 results: a range is quant.Max of them.
func (r Ranges) steps() [][]float32 {
	step := make([][]float32, len(r))
	for i, clips := range r {
		step[i] = make([]float32, len(clips))
		for c, v := range clips {
			step[i][c] = v / quant.Max
		}
	}
	return step
}

// round returns the numbers of node i.
func round(n *Network, i int, step [][]float32) infer.Params {
	switch node := &n.Graph.Nodes[i]; node.Op {
	case net.Conv:
		return roundConv(n, i, step[node.In[0]], step[i])
	case net.Add:
		return infer.Params{
			Scale: ratio(step[node.In[0]], step[i]), ScaleB: ratio(step[node.In[1]], step[i]),
		}
	case net.AvgPool:
		return infer.Params{Scale: []float32{1 / float32(node.Kernel*node.Kernel)}}
	}
	return infer.Params{}
}

func ratio(in, out []float32) []float32 {
	s := make([]float32, len(out))
	for c := range s {
		s[c] = in[c] / out[c]
	}
	return s
}

// roundConv rounds node i. The input's steps, one per channel, go into the weights
// before they are rounded, so the kernels need no scale per input channel:
//
//	v[k][in] = w[k][in] step[in], q = rne(v / s), s = max |v| / 127 per output channel
//
// s is larger where the bias would otherwise not fit beside the products in 31 bits.
func roundConv(n *Network, i int, in, out []float32) infer.Params {
	f := &n.Filters[i]
	window := len(f.W) / f.Out
	p := infer.Params{
		Weights: make([]int8, len(f.W)), Bias: make([]int32, f.Out), Scale: make([]float32, f.Out),
	}
	for c := range f.Out {
		v := make([]float64, window)
		var top float64
		for k := range v {
			v[k] = float64(f.W[k*f.Out+c]) * float64(in[f.Source(k, c)])
			top = max(top, math.Abs(v[k]))
		}
		b := float64(n.Bias[i][c])
		s := max(top/quant.Max, math.Abs(b)/(1<<28), 1e-15)
		for k := range v {
			p.Weights[c*window+k] = int8(math.RoundToEven(v[k] / s))
		}
		p.Bias[c] = int32(math.RoundToEven(b / s))
		p.Scale[c] = float32(s / float64(out[c]))
	}
	return p
}
