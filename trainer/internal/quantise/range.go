package quantise

import (
	"fmt"
	"math"

	"cull/infer/net"
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
