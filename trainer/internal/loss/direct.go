package loss

import (
	"math"
	"math/rand/v2"
	"slices"

	"cull/trainer/internal/grad"
	"cull/trainer/internal/trunk"
)

// Direct is L_direct: a 1x1 convolution of each tap regresses the anomaly score,
//
//	mean over stages of [ mean_u BCE(sigmoid(h(u)), S(u)) + Image BCE(mean of top k sigmoid(h), max S) ]
//
// with k one hundredth of the grid, at least one. The labels are soft, so BCE is a
// regression of the logistic score (Schlüter et al., NSA, arXiv 2109.15222).
type Direct struct {
	Image float64 // weight of the image term

	heads [trunk.Stages]*head
}

// NewDirect returns the term with new heads.
func NewDirect(image float64, shape trunk.Shape, rng *rand.Rand) *Direct {
	d := &Direct{Image: image}
	for s := range d.heads {
		d.heads[s] = newHead("direct"+string(rune('1'+s)), shape.Channels(s), 1, rng)
	}
	return d
}

// Name is "direct".
func (d *Direct) Name() string { return "direct" }

// Pairs is false.
func (d *Direct) Pairs() bool { return false }

// Params lists the heads.
func (d *Direct) Params() (all []grad.Param) {
	for _, h := range d.heads {
		all = append(all, h.params()...)
	}
	return all
}

// State is empty.
func (d *Direct) State() [][]float32 { return nil }

// Apply see Term.
func (d *Direct) Apply(be grad.Backend, b *Batch, taps, gtaps []*grad.Tensor, weight float64) float64 {
	var total float64
	for s, h := range d.heads {
		x := b.Images(taps[s])
		out := h.forward(be, x)
		values := make([]float64, b.N)
		scale := 1 / float64(b.N*trunk.Stages)
		be.Each(b.N, func(n int) {
			label := b.Label[s][n*x.H*x.W:][:x.H*x.W]
			values[n] = d.image(out, label, n, weight*scale)
		})
		total += sum(values) * scale
		h.backward(be, x, b.Images(gtaps[s]))
	}
	return total
}

// image replaces the logits of image n by their gradient and returns its loss.
func (d *Direct) image(out *grad.Tensor, label []float32, n int, scale float64) float64 {
	grid := len(label)
	p := make([]float64, grid)
	g := make([]float64, grid)
	var value, worst float64
	for i, s := range label {
		z := float64(out.Data[out.At(n, i/out.W, i%out.W)])
		p[i] = 1 / (1 + math.Exp(-z))
		// BCE of a logit: max(z, 0) - z s + log(1 + exp(-|z|))
		value += (max(z, 0) - z*float64(s) + math.Log1p(math.Exp(-math.Abs(z)))) / float64(grid)
		g[i] = (p[i] - float64(s)) / float64(grid)
		worst = max(worst, float64(s))
	}
	if d.Image > 0 {
		value += d.Image * topTerm(p, g, worst, d.Image)
	}
	for y := range out.H {
		row := out.Row(n, y)
		clear(row)
		for x := range out.W {
			row[x*out.C] = float32(g[y*out.W+x] * scale)
		}
	}
	return value
}

// topTerm is BCE(mean of the top k of p, want); it adds weight times its gradient
// with respect to the logits to g.
func topTerm(p, g []float64, want, weight float64) float64 {
	k := max(1, len(p)/100)
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case p[a] > p[b]:
			return -1
		case p[a] < p[b]:
			return 1
		}
		return 0
	})
	var q float64
	for _, i := range order[:k] {
		q += p[i] / float64(k)
	}
	q = min(max(q, 1e-6), 1-1e-6)
	slope := (q - want) / (q * (1 - q)) / float64(k)
	for _, i := range order[:k] {
		g[i] += weight * slope * p[i] * (1 - p[i])
	}
	return -want*math.Log(q) - (1-want)*math.Log(1-q)
}
