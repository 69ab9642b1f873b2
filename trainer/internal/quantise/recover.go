package quantise

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"cull/infer"
	"cull/infer/net"
	"cull/infer/quant"
	"cull/trainer/internal/grad"
	"cull/trainer/internal/trunk"
)

// ErrTopology reports a network that is not a trunk.
var ErrTopology = errors.New("not a network that pretrain made: only those can be trained on")

// Trunk returns the float trunk of an int8 model, which pretrain or adapt must have made, and the
// ranges with which Model gives the model back. The weights are the rounded ones; batch
// normalisation has mean 0 and variance 1, so the trunk is to be frozen before it is trained.
// Linear maps behind the taps are left out: Projections has them.
func Trunk(m *infer.Model) (*trunk.Trunk, Ranges, error) {
	m = bare(m)
	t, err := sameTopology(m)
	if err != nil {
		return nil, nil, fmt.Errorf("quantise: %s: %w", m.Meta.Name, err)
	}
	step := steps(m)
	layers := map[string]*grad.ConvNorm{}
	for _, l := range t.Layers() {
		layers[l.Name] = l
	}
	for i, node := range m.Graph.Nodes {
		switch node.Op {
		case net.AvgPool:
			step[i] = step[node.In[0]]
		case net.Conv:
			if step[i] == nil {
				step[i] = constant(node.Out, freeRange/quant.Max)
			}
			unfold(layers[node.Name], &m.Params[i], step[node.In[0]], step[i])
		}
	}
	r := make(Ranges, len(step))
	for i := range step {
		r[i] = make([]float32, len(step[i]))
		for c, s := range step[i] {
			r[i][c] = s * quant.Max
		}
	}
	return t, r, nil
}

// bare is m without the linear maps that Project put behind its taps. A tap before its map has any
// step: the map's weights hold it.
func bare(m *infer.Model) *infer.Model {
	g := &net.Graph{InputChannels: m.Graph.InputChannels, Nodes: m.Graph.Nodes, Taps: slices.Clone(m.Graph.Taps)}
	b := &infer.Model{Graph: *g, Params: m.Params, TapStep: slices.Clone(m.TapStep), Meta: m.Meta}
	for k := len(b.Graph.Taps) - 1; k >= 0; k-- {
		last := len(b.Graph.Nodes) - 1
		node := &m.Graph.Nodes[last]
		if b.Graph.Taps[k].Node != last || node.Op != net.Conv || node.Kernel != 1 {
			break
		}
		b.Graph.Taps[k].Node = node.In[0]
		b.TapStep[k] = constant(m.Graph.Channels()[node.In[0]], freeRange/quant.Max)
		b.Graph.Nodes, b.Params = b.Graph.Nodes[:last], b.Params[:last]
	}
	return b
}

// A Projection is a linear map behind a tap in real numbers: W [channels of the tap][outputs],
// Bias and, after rounding, Range [outputs]. One without outputs is none.
type Projection struct{ W, Bias, Range []float32 }

// Projections returns the maps behind the taps of a model that Trunk takes.
func Projections(m *infer.Model) []Projection {
	b := bare(m)
	all := make([]Projection, len(m.Graph.Taps))
	for k, tap := range m.Graph.Taps {
		if tap.Node == b.Graph.Taps[k].Node {
			continue
		}
		p, in, outs := &m.Params[tap.Node], b.TapStep[k], len(m.TapStep[k])
		v := Projection{make([]float32, len(p.Weights)), make([]float32, outs), make([]float32, outs)}
		for o, step := range m.TapStep[k] {
			unit := float64(p.Scale[o]) * float64(step)
			for c := range in {
				v.W[c*outs+o] = float32(float64(p.Weights[o*len(in)+c]) * unit / float64(in[c]))
			}
			v.Bias[o], v.Range[o] = float32(float64(p.Bias[o])*unit), step*quant.Max
		}
		all[k] = v
	}
	return all
}

// freeRange is the range given to results between two convolutions, whose scale is free:
// that of normalised channels.
const freeRange = 4.0

// What recipes allow: larger networks are not built in search of a topology.
const (
	widest  = 256
	deepest = 16
)

// sameTopology returns a new trunk whose graph is the model's.
func sameTopology(m *infer.Model) (*trunk.Trunk, error) {
	g := &m.Graph
	if len(g.Taps) != trunk.Stages || len(g.Nodes) < 2 || g.Nodes[1].Out > widest {
		return nil, ErrTopology
	}
	s := trunk.Shape{Width: g.Nodes[1].Out}
	from := 3 // behind the stem
	for i, tap := range g.Taps {
		for j := from; j < tap.Node; j++ {
			if n := &g.Nodes[j]; n.Op == net.Conv && n.Kernel == 3 {
				s.Blocks[i]++
			}
			s.Smooth = s.Smooth || g.Nodes[j].Op == net.AvgPool
		}
		s.Blocks[i] /= 2
		from = max(from, tap.Node)
		if s.Blocks[i] < 1 || s.Blocks[i] > deepest || s.Width < 1 {
			return nil, ErrTopology
		}
	}
	t := trunk.New(s, rand.New(rand.NewPCG(0, 0)))
	n := FromTrunk(t)
	want, err := n.Graph.Encode()
	if err != nil {
		return nil, err
	}
	got, err := g.Encode()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(got, want) {
		return nil, ErrTopology
	}
	return t, nil
}

// steps returns the steps of a trunk's nodes that its file tells, nil for the others: those
// of the input and the taps, and of what is joined to a tap by sums. A sum's input has the
// step scale*(the sum's). Behind each tap but the last is the same sum after the ReLU.
func steps(m *infer.Model) [][]float32 {
	step := make([][]float32, len(m.Graph.Nodes))
	step[0] = constant(m.Graph.InputChannels, InputStep)
	for k, tap := range m.Graph.Taps {
		step[tap.Node] = m.TapStep[k]
	}
	for i := len(step) - 1; i >= 0; i-- {
		node, p := &m.Graph.Nodes[i], &m.Params[i]
		if node.Op != net.Add {
			continue
		}
		if step[i] == nil {
			tap := i - 1
			step[i] = make([]float32, len(p.Scale))
			for c, s := range m.Params[tap].Scale {
				step[i][c] = s * step[tap][c] / p.Scale[c]
			}
		}
		for k, scale := range [][]float32{p.Scale, p.ScaleB} {
			in := make([]float32, len(scale))
			for c, s := range scale {
				in[c] = s * step[i][c]
			}
			step[node.In[k]] = in
		}
	}
	return step
}

// unfold fills a layer with a node's weights in real numbers,
//
//	w[k][in] gamma = q[k][in] scale step_out / step_in, beta = bias scale step_out
//
// with He's norm, the square root of 2, in each channel's w and the rest in gamma.
func unfold(l *grad.ConvNorm, p *infer.Params, in, out []float32) {
	f := &l.Filter
	window := len(f.W) / f.Out
	v := make([]float64, window)
	for c := range f.Out {
		unit := float64(p.Scale[c]) * float64(out[c])
		var square float64
		for k := range v {
			v[k] = float64(p.Weights[c*window+k]) * unit / float64(in[f.Source(k, c)])
			square += v[k] * v[k]
		}
		gamma := math.Sqrt(square / 2)
		if gamma == 0 {
			gamma = 1
		}
		for k := range v {
			f.W[k*f.Out+c] = float32(v[k] / gamma)
		}
		l.Gamma[c], l.Beta[c] = float32(gamma), float32(float64(p.Bias[c])*unit)
		l.Mean[c], l.Var[c] = 0, 1-grad.NormEps
	}
}

func constant(n int, v float32) []float32 {
	s := make([]float32, n)
	for i := range s {
		s[i] = v
	}
	return s
}
