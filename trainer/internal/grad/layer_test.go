package grad

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// checkGradient compares the directional derivative of loss along random
// directions of w with the analytic gradient g (central differences).
func checkGradient(t *testing.T, name string, r *rand.Rand, w, g []float32,
	inside func(i int) bool, loss func() float64,
) {
	t.Helper()
	const eps, directions = 2e-4, 12
	var square, norm float64
	for range directions {
		dir := make([]float32, len(w))
		var want float64
		for i := range dir {
			if inside == nil || inside(i) {
				dir[i] = float32(r.NormFloat64())
				want += float64(dir[i]) * float64(g[i])
				norm += float64(g[i]) * float64(g[i]) / directions
			}
		}
		keep := append([]float32(nil), w...)
		step := func(e float32) float64 {
			for i := range w {
				w[i] = keep[i] + e*dir[i]
			}
			return loss()
		}
		got := (step(eps) - step(-eps)) / (2 * eps)
		copy(w, keep)
		square += (got - want) * (got - want) / directions
	}
	if math.Sqrt(square) > 0.01*math.Sqrt(norm)+1e-3 {
		t.Errorf("%s: finite differences and gradient differ by %.3g (gradient's norm %.3g)",
			name, math.Sqrt(square), math.Sqrt(norm))
	}
}

// inner reports whether index i of t.Data is not in the border.
func inner(t *Tensor) func(i int) bool {
	return func(i int) bool {
		i %= t.Image()
		y, x := i/t.Pitch(), i%t.Pitch()/t.C
		return y >= 1 && y <= t.H && x >= 1 && x <= t.W
	}
}

func dot(a, b *Tensor) float64 {
	var s float64
	for i, v := range a.Data {
		s += float64(v) * float64(b.Data[i])
	}
	return s
}

func TestBlockGradient(t *testing.T) {
	for _, s := range []struct {
		in, out, stride int
		smooth, frozen  bool
	}{{16, 16, 1, false, false}, {16, 24, 2, false, false}, {16, 24, 2, true, false}, {16, 24, 2, true, true}} {
		t.Run(fmt.Sprint(s), func(t *testing.T) {
			be, r := NewCPU(1), rng(11)
			b := NewBlock("b", s.in, s.out, s.stride, s.smooth, r)
			for _, l := range b.Layers() {
				for i := range l.Gamma { // far from the ReLU's corner, on either side of it
					l.Gamma[i], l.Beta[i] = 0.3+0.3*r.Float32(), float32(2-4*(i%2))
					l.Mean[i], l.Var[i] = r.Float32()-0.5, 1+r.Float32()
				}
				l.Frozen = s.frozen
			}
			x := random(r, 4, 8, 8, s.in)
			n := 8 / s.stride
			gz, gp := random(r, 4, n, n, s.out), random(r, 4, n, n, s.out)
			loss := func() float64 {
				b.Forward(be, x, true)
				return dot(b.Z, gz) + dot(b.P, gp)
			}
			loss()
			dx := NewTensor(4, 8, 8, s.in)
			b.Backward(be, gz, clone(gp), dx)
			checkGradient(t, "x", r, x.Data, clone(dx).Data, inner(x), loss)
			for _, l := range b.Layers() {
				for _, p := range l.Params() {
					checkGradient(t, p.Name, r, p.W, append([]float32(nil), p.G...), nil, loss)
				}
			}
		})
	}
}

// A frozen layer computes in training what it does at inference and keeps its statistics.
func TestFrozenLayerIsTheOneOfInference(t *testing.T) {
	be, r := NewCPU(1), rng(5)
	l := NewConvNorm("l", 8, 16, 3, 1, r)
	for i := range l.Mean {
		l.Mean[i], l.Var[i] = r.Float32(), 0.5+r.Float32()
	}
	l.Frozen = true
	mean, variance := append([]float32(nil), l.Mean...), append([]float32(nil), l.Var...)
	x := random(r, 2, 8, 8, 8)
	l.Forward(be, x, false)
	a, b := append([]float32(nil), l.A...), append([]float32(nil), l.B...)
	l.Forward(be, x, true)
	for i := range a {
		if l.A[i] != a[i] || l.B[i] != b[i] || l.Mean[i] != mean[i] || l.Var[i] != variance[i] {
			t.Fatalf("channel %d: %g %g, want %g %g", i, l.A[i], l.B[i], a[i], b[i])
		}
	}
}

func TestFoldedConvolutionEqualsInference(t *testing.T) {
	be, r := NewCPU(1), rng(2)
	l := NewConvNorm("l", 16, 24, 3, 2, r)
	x := random(r, 3, 9, 8, 16)
	for i := range l.Gamma {
		l.Gamma[i], l.Beta[i] = r.Float32()+0.5, r.Float32()-0.5
	}
	for range 5 {
		l.Forward(be, x, true)
	}
	l.Forward(be, x, false)
	want := NewTensor(3, 5, 4, 24)
	be.Norm(want, l.Y, l.A, l.B, false)
	l.Filter.Winograd = true
	f, bias := l.Folded()
	if f.Winograd {
		t.Error("a folded filter by Winograd: sums of the device's integers would be rounded")
	}
	got, one := NewTensor(3, 5, 4, 24), make([]float32, 24)
	for i := range one {
		one[i] = 1
	}
	be.Conv(got, x, &f)
	be.Norm(got, got, one, bias, false)
	near(t, "folded", got.Data, want.Data)
}
