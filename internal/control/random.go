package control

import (
	"fmt"
	"math"
	"slices"

	"cull/infer"
	"cull/infer/net"
	"cull/internal/exact"
)

// deviation is what the channels of a random network's layers are scaled to:
// about four of it fill the int8 range.
const deviation = 32

// RandomWeights returns a network of graph g whose weights are drawn at random
// (normal, He et al. 2015) and whose layers are scaled and centred, channel by
// channel, as batch normalisation would on pics, [h][w][3] each. The same
// arguments give the same network on every CPU.
func RandomWeights(g net.Graph, seed uint64, pics [][]int8, h, w int) (*infer.Model, error) {
	if err := g.Validate(); err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	if len(pics) == 0 {
		return nil, ErrNotCalibrated
	}
	g.Nodes = slices.Clone(g.Nodes)
	m := &infer.Model{
		Graph: g, Params: make([]infer.Params, len(g.Nodes)),
		Meta: infer.Meta{Name: "random", Seed: seed, Images: 0},
	}
	channels := g.Channels()
	rng := exact.NewRand(seed, 0x72616e646f6d) // "random"
	for i, n := range g.Nodes {
		p := &m.Params[i]
		switch n.Op {
		case net.Conv:
			in := channels[n.In[0]] / n.Groups
			p.Weights = drawWeights(&rng, n.Out, n.Kernel*n.Kernel*in)
			p.Bias = make([]int32, n.Out)
			fan := math.Sqrt(float64(n.Kernel * n.Kernel * in))
			p.Scale = filled(n.Out, 1/(weightDeviation*fan))
		case net.Add:
			p.Scale, p.ScaleB = filled(channels[i], 0.5), filled(channels[i], 0.5)
		case net.AvgPool:
			p.Scale = filled(1, 1/float64(n.Kernel*n.Kernel))
		}
	}
	for _, t := range g.Taps {
		m.TapStep = append(m.TapStep, filled(channels[t.Node], 1.0/deviation))
	}
	if side := min(h, w, 96) &^ 15; side > 0 {
		pics, h, w = middles(pics, h, w, side), side, side
	}
	for i, n := range g.Nodes {
		if n.Op == net.Conv || n.Op == net.Add {
			if err := normaliseNode(m, i, pics, h, w); err != nil {
				return nil, fmt.Errorf("control: %w", err)
			}
		}
	}
	return m, nil
}

// weightDeviation is of a weight in int8; normal draws beyond 4 are clipped.
const weightDeviation = 31

// drawWeights returns rows of n weights.
func drawWeights(rng *exact.Rand, rows, n int) []int8 {
	w := make([]int8, rows*n)
	for i := range w {
		w[i] = int8(min(max(math.RoundToEven(float64(rng.Normal()*weightDeviation)), -127), 127))
	}
	return w
}

func filled(n int, v float64) []float32 {
	s := make([]float32, n)
	for i := range s {
		s[i] = float32(v)
	}
	return s
}

// normaliseNode sets scale and bias of node i so that its channels, before the
// activation, have mean 0 and the deviation wanted. Saturation hides the true
// deviation, so it measures several times, from afar to near.
func normaliseNode(m *infer.Model, i int, pics [][]int8, h, w int) error {
	act := m.Graph.Nodes[i].Act
	m.Graph.Nodes[i].Act = net.None
	defer func() { m.Graph.Nodes[i].Act = act }()
	p := &m.Params[i]
	for range 4 {
		mean, sd, err := channelStatistics(m, i, pics, h, w)
		if err != nil {
			return err
		}
		for c := range p.Scale {
			// a quarter at most and four times at least: a saturated channel comes back
			f := float32(min(max(deviation/max(sd[c], 0.5), 0.25), 4))
			if p.Bias != nil {
				p.Bias[c] -= int32(math.RoundToEven(mean[c] / float64(p.Scale[c])))
			} else {
				p.ScaleB[c] *= f
			}
			p.Scale[c] *= f
		}
	}
	return nil
}

// channelStatistics returns mean and standard deviation of node i's int8 values.
func channelStatistics(m *infer.Model, i int, pics [][]int8, h, w int) (mean, sd []float64, err error) {
	upTo := &infer.Model{
		Graph: net.Graph{
			InputChannels: m.Graph.InputChannels, Nodes: m.Graph.Nodes[:i+1],
			Taps: []net.Tap{{Name: "node", Node: i}},
		},
		Params: m.Params[:i+1], TapStep: [][]float32{filled(m.Graph.Channels()[i], 1)},
	}
	r, err := upTo.NewRunner(h, w, infer.Options{})
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	var n int64
	var sum, square []int64 // integers: the same on every CPU
	for _, pic := range pics {
		out := r.Run(pic)[0]
		if sum == nil {
			sum, square = make([]int64, out.C), make([]int64, out.C)
		}
		n += int64(out.H * out.W)
		for j, v := range out.Data {
			sum[j%out.C] += int64(v)
			square[j%out.C] += int64(v) * int64(v)
		}
	}
	for c := range sum {
		mu := float64(sum[c]) / float64(n)
		mean = append(mean, mu)
		sd = append(sd, math.Sqrt(max(0, float64(square[c])/float64(n)-float64(mu*mu))))
	}
	return mean, sd, nil
}

// middles returns the middle side x side pixels of pictures [h][w][3]; the
// statistics of a whole picture would cost more than they are worth.
func middles(pics [][]int8, h, w, side int) [][]int8 {
	var out [][]int8
	for _, pic := range pics {
		var m []int8
		for y := (h - side) / 2; y < (h+side)/2; y++ {
			m = append(m, pic[(y*w+(w-side)/2)*3:][:side*3]...)
		}
		out = append(out, m)
	}
	return out
}
