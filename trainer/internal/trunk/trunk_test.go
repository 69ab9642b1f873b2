package trunk

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"cull/trainer/internal/grad"
)

func noise(r *rand.Rand, n, h, w, c int) *grad.Tensor {
	t := grad.NewTensor(n, h, w, c)
	for i := range n {
		for y := range h {
			row := t.Row(i, y)
			for j := range row {
				row[j] = float32(r.NormFloat64())
			}
		}
	}
	return t
}

func dot(a, b *grad.Tensor) float64 {
	var s float64
	for i, v := range a.Data {
		s += float64(v) * float64(b.Data[i])
	}
	return s
}

// The whole network's gradient, all taps at once, against central differences.
// Directions are a whole layer's weights: a ReLU that switches on the way costs
// little there.
func TestTrunkGradient(t *testing.T) {
	be, r := grad.NewCPU(2), rand.New(rand.NewPCG(1, 2))
	net := New(Shape{Width: 8, Blocks: [Stages]int{1, 2, 1}, Smooth: true}, r)
	x := noise(r, 8, 32, 32, 3)
	var g []*grad.Tensor
	for _, f := range net.Forward(be, x, true) {
		g = append(g, noise(r, f.N, f.H, f.W, f.C))
	}
	loss := func() (sum float64) {
		for i, f := range net.Forward(be, x, true) {
			sum += dot(f, g[i])
		}
		return sum
	}
	loss()
	var spent []*grad.Tensor
	for _, u := range g {
		v := *u
		v.Data = append([]float32(nil), u.Data...)
		spent = append(spent, &v)
	}
	net.Backward(be, spent)
	for _, p := range net.Params() {
		const eps = 1e-4
		keep := append([]float32(nil), p.W...)
		var norm float64
		for _, v := range p.G {
			norm += float64(v) * float64(v)
		}
		norm = math.Sqrt(norm)
		at := func(e float64) float64 { // along the gradient
			for i := range p.W {
				p.W[i] = keep[i] + float32(e*float64(p.G[i])/norm)
			}
			return loss()
		}
		gradient := append([]float32(nil), p.G...)
		copy(p.G, gradient)
		got := (at(eps) - at(-eps)) / (2 * eps)
		copy(p.W, keep)
		if math.Abs(got-norm) > 0.05*norm {
			t.Errorf("%s: finite difference %.5g, gradient %.5g", p.Name, got, norm)
		}
	}
}

func BenchmarkStep(b *testing.B) {
	for _, threads := range []int{1, 2} {
		b.Run(fmt.Sprintf("threads%d", threads), func(b *testing.B) {
			be, r := grad.NewCPU(threads), rand.New(rand.NewPCG(1, 2))
			net := New(Shape{Width: 32, Blocks: [Stages]int{2, 2, 2}}, r)
			x := noise(r, 32, 96, 96, 3)
			var g []*grad.Tensor
			for b.Loop() {
				taps := net.Forward(be, x, true)
				for i, f := range taps {
					if len(g) <= i {
						g = append(g, noise(r, f.N, f.H, f.W, f.C))
					}
				}
				net.Backward(be, g)
			}
			b.ReportMetric(float64(32*b.N)/b.Elapsed().Seconds(), "images/s")
		})
	}
}
