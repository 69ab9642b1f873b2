package quantise

import (
	"fmt"
	"math"

	"cull/infer/net"
	"cull/infer/quant"
	"cull/trainer/internal/grad"
)

// A Rule chooses where to clip a distribution of magnitudes.
type Rule struct {
	// Percentile is the share of values, in percent, that must not be clipped.
	// 0 takes the clip with the least mean square error instead.
	Percentile float64
}

const bins = 2048

// A histogram counts magnitudes in bins of equal width up to limit.
type histogram struct {
	limit float32
	count [bins]int64
}

func (h *histogram) add(v float32) {
	v = max(v, -v)
	h.count[min(int(v/h.limit*bins), bins-1)]++
}

// clip applies the rule.
func (h *histogram) clip(r Rule) float32 {
	if r.Percentile > 0 {
		return h.percentile(r.Percentile / 100)
	}
	best, least := h.limit, h.error(bins)
	for k := bins * 3 / 4; k > bins/20; k = k * 31 / 32 {
		if e := h.error(k); e < least {
			best, least = h.limit*float32(k)/bins, e
		}
	}
	return best
}

func (h *histogram) percentile(share float64) float32 {
	var total, below int64
	for _, n := range h.count {
		total += n
	}
	for k, n := range h.count {
		below += n
		if float64(below) >= share*float64(total) {
			return h.limit * float32(k+1) / bins
		}
	}
	return h.limit
}

// error is the sum of squares of clipping at k bins and rounding to 127 steps, in
// units of a bin.
func (h *histogram) error(k int) (sum float64) {
	step := float64(k) / 127
	for i, n := range h.count {
		e := step * step / 12
		if i >= k {
			over := float64(i) + 0.5 - float64(k)
			e = over * over
		}
		sum += float64(n) * e
	}
	return sum
}

// Ranges are the clips of every node, one per channel.
type Ranges [][]float32

// narrowest bounds a channel's range from below, as a share of its node's widest:
// a channel that calibration never saw active has a range of nothing.
const narrowest = 1. / 1024

// Calibrate runs the network over batches of pictures, twice each, and returns
// the ranges. each calls its argument with every batch.
func Calibrate(be grad.Backend, n *Network, rule Rule, each func(func(x *grad.Tensor)) error) (Ranges, error) {
	channels := n.Graph.Channels()
	groups := make([][]histogram, len(channels))
	for i, c := range channels {
		groups[i] = make([]histogram, c)
	}
	visit := func(f func(h *histogram, v float32)) error {
		return each(func(x *grad.Tensor) {
			out := n.Run(be, x)
			be.Each(len(out), func(i int) { scan(out[i], groups[i], f) })
		})
	}
	if err := visit(func(h *histogram, v float32) { h.limit = max(h.limit, v, -v) }); err != nil {
		return nil, fmt.Errorf("quantise: calibration: %w", err)
	}
	for i, hs := range groups {
		for c := range hs {
			if v := float64(hs[c].limit); math.IsNaN(v) || math.IsInf(v, 0) {
				return nil, fmt.Errorf("quantise: calibration: channel %d of node %q is not finite: the network overflows float32", c, n.Graph.Nodes[i].Name)
			}
			hs[c].limit = max(hs[c].limit, 1e-6)
		}
	}
	if err := visit((*histogram).add); err != nil {
		return nil, fmt.Errorf("quantise: calibration: %w", err)
	}
	ranges := make(Ranges, len(channels))
	for i, c := range channels {
		ranges[i] = make([]float32, c)
		var widest float32
		for k := range ranges[i] {
			ranges[i][k] = groups[i][k].clip(rule)
			widest = max(widest, ranges[i][k])
		}
		for k, v := range ranges[i] {
			ranges[i][k] = max(v, widest*narrowest)
		}
		switch node := n.Graph.Nodes[i]; node.Op {
		case net.Input:
			for k := range ranges[0] {
				ranges[0][k] = 127 * InputStep
			}
		case net.ReLU, net.MaxPool, net.AvgPool: // have no scale per channel
			copy(ranges[i], ranges[node.In[0]])
		case net.Conv, net.Add:
			ranges.raise(n, i)
		}
	}
	return ranges, nil
}

func scan(t *grad.Tensor, hs []histogram, f func(h *histogram, v float32)) {
	for n := range t.N {
		for y := range t.H {
			for i, v := range t.Row(n, y) {
				f(&hs[i%t.C], v)
			}
		}
	}
}

// raise widens the clips of node i until its scales are what the device takes (quant.MaxScale). They are too narrow
// where all channels were silent, or where terms that are far larger all but cancel: at such steps products would leave int32.
func (r Ranges) raise(n *Network, i int) {
	step := make([][]float32, i+1)
	for _, k := range append([]int{i}, n.Graph.Nodes[i].In...) {
		step[k] = r[k : k+1].steps()[0]
	}
	p := round(n, i, step)
	reach := func(int) int64 { return quant.Max }
	if f := &n.Filters[i]; n.Graph.Nodes[i].Op == net.Conv {
		window := len(p.Weights) / f.Out
		reach = func(c int) int64 { return span(p.Weights[c*window:][:window], p.Bias[c]) }
	}
	for _, scale := range [][]float32{p.Scale, p.ScaleB} {
		for c, v := range scale {
			if most := quant.MaxScale(reach(c)); v > most {
				const rounded = 1 + 1e-6 // the step's and the scale's rounding
				r[i][c] = max(r[i][c], float32(float64(step[i][c])*float64(v)/float64(most)*quant.Max*rounded))
			}
		}
	}
}

// span is the largest magnitude of an accumulator, bias included.
func span(w []int8, bias int32) int64 {
	sum := max(int64(bias), -int64(bias))
	for _, v := range w {
		sum += quant.Max * max(int64(v), -int64(v))
	}
	return sum
}
