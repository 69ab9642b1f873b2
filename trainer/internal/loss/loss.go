// Package loss is what pre-training can ask of a trunk's features: terms that
// turn taps and what is known about the pictures into a value and gradients.
package loss

import (
	"math"
	"math/rand/v2"

	"cull/trainer/internal/grad"
	"cull/trainer/internal/trunk"
)

// A Batch is what is known about the pictures whose features a term sees.
//
// With Pairs the network saw 2N pictures: the N twins (clean, another nuisance
// draw), then the N images with their defects. Without, the N images only.
type Batch struct {
	N     int
	Pairs bool

	// Label is the anomaly score on the grid of each tap, [N][h][w] in [0, 1].
	Label [trunk.Stages][]float32
	// Class of each image, for Class alone.
	Class []int
	// Maps are the regression targets of each image, one list per Target of the
	// recipe: Maps[target][n][stage] is [h][w][channels].
	Maps [][][trunk.Stages][]float32
}

// Images returns the part of a tap that belongs to the images with defects.
func (b *Batch) Images(t *grad.Tensor) *grad.Tensor {
	if b.Pairs {
		return t.Images(b.N, 2*b.N)
	}
	return t
}

// A Term is one summand of the loss.
type Term interface {
	Name() string
	// Pairs reports whether the term needs the clean twins.
	Pairs() bool
	// Params lists what the term itself learns (its heads, thrown away at export).
	Params() []grad.Param
	// State lists what it keeps besides, for the checkpoint. The slices are live.
	State() [][]float32
	// Apply returns the value, adds weight times its gradient to gtaps and sets the
	// gradients of Params.
	Apply(be grad.Backend, b *Batch, taps, gtaps []*grad.Tensor, weight float64) float64
}

// A head is a 1x1 convolution with bias on one tap. Its channels are rounded up to
// whole vectors; the caller gives those beyond its own no gradient.
type head struct {
	name    string
	f       grad.Filter
	bias    []float32
	dw, db  []float32
	one     []float32
	zero    []float32
	out, gx *grad.Tensor
}

func newHead(name string, in, out int, rng *rand.Rand) *head {
	out = (out + 7) / 8 * 8
	h := &head{name: name, f: grad.NewFilter(in, out, 1, 1, 1)}
	bound := 1 / math.Sqrt(float64(in))
	for i := range h.f.W {
		h.f.W[i] = float32((2*rng.Float64() - 1) * bound)
	}
	h.bias, h.db = make([]float32, out), make([]float32, out)
	h.one, h.zero = make([]float32, out), make([]float32, out)
	for i := range h.one {
		h.one[i] = 1
	}
	h.dw = make([]float32, len(h.f.W))
	return h
}

func (h *head) params() []grad.Param {
	return []grad.Param{
		{Name: h.name + ".weight", W: h.f.W, G: h.dw, Decay: true},
		{Name: h.name + ".bias", W: h.bias, G: h.db},
	}
}

func (h *head) forward(be grad.Backend, x *grad.Tensor) *grad.Tensor {
	if h.out == nil || h.out.N != x.N || h.out.H != x.H || h.out.W != x.W {
		h.out = grad.NewTensor(x.N, x.H, x.W, h.f.Out)
	}
	be.Conv(h.out, x, &h.f)
	be.Norm(h.out, h.out, h.one, h.bias, false)
	return h.out
}

// backward takes the gradient in out (overwritten by the caller), sets those of
// the parameters and adds that of x to gx.
func (h *head) backward(be grad.Backend, x, gx *grad.Tensor) {
	be.ConvWeight(h.dw, x, h.out, &h.f)
	s0, s1 := make([]float64, h.f.Out), make([]float64, h.f.Out)
	be.Sums(s0, s1, h.out, h.out, nil, h.zero)
	for i, v := range s0 {
		h.db[i] = float32(v)
	}
	h.gx = grad.Like(h.gx, x)
	be.ConvInput(h.gx, h.out, &h.f)
	be.Add(gx, h.gx)
}

// sum adds per-image values in order.
func sum(v []float64) (s float64) {
	for _, x := range v {
		s += x
	}
	return s
}

// huber is smooth L1: x^2/(2 beta) within beta, |x| - beta/2 beyond; and its slope.
func huber(x, beta float32) (value, slope float32) {
	if a := max(x, -x); a >= beta {
		return a - beta/2, x / a
	}
	return x * x / (2 * beta), x / beta
}

// Labels brings a score map [h][w] to the grids of the taps: 3x3 mean (zeros outside),
// then the maximum of each 4 x 4, 8 x 8 and 16 x 16 block.
func Labels(score []float32, h, w int) (all [trunk.Stages][]float32) {
	mean := make([]float32, h*w)
	for y := range h {
		for x := range w {
			var s float32
			for j := max(0, y-1); j <= min(h-1, y+1); j++ {
				for i := max(0, x-1); i <= min(w-1, x+1); i++ {
					s += score[j*w+i]
				}
			}
			mean[y*w+x] = s / 9
		}
	}
	from, k := mean, 4
	for s := range all {
		all[s] = blockMax(from, h, w, k)
		from, h, w, k = all[s], h/k, w/k, 2
	}
	return all
}

// blockMax is the maximum of each k x k block of values that are not negative.
func blockMax(v []float32, h, w, k int) []float32 {
	out := make([]float32, (h/k)*(w/k))
	for y := range h / k * k {
		o := out[y/k*(w/k):]
		for x := range w / k * k {
			o[x/k] = max(o[x/k], v[y*w+x])
		}
	}
	return out
}
