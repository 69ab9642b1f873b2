package kernel

import (
	"math"
	"math/rand/v2"
	"testing"

	"cull/internal/impl/impltest"
)

func TestSharedIsNorm2OfEachVector(t *testing.T) {
	impltest.Each(t, Pkg, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(7, 1))
		for d := 1; d <= 230; d += 1 + d/9 {
			dense, half, single := triangle(rng, d)
			pad, n := Padded(d), 1+d%14
			mean, x := make([]float32, pad), make([]float32, n*pad)
			for j := range d {
				mean[j] = float32(rng.NormFloat64())
				for c := range n {
					x[c*pad+j] = float32(rng.NormFloat64())
				}
			}
			for i, s := range []*Shared{NewShared(half, mean, d, true), NewShared(single, mean, d, false)} {
				y, checkY := guarded[float32](Scratch(d), d%5)
				clear(y)
				got, checkGot := guarded[float32](n, d%3)
				s.Norm2(got, x, y)
				checkY(t)
				checkGot(t)
				for c, v := range got {
					if want := reference(dense, mean, x[c*pad:][:pad]); v != want {
						t.Fatalf("d=%d, factor %d, vector %d of %d: got %v, want %v", d, i, c, n, v, want)
					}
				}
			}
		}
	})
}

// Values at the ends of the range, subnormal halves and signed zeros.
func TestSharedAgreesOnExtremes(t *testing.T) {
	const d, n = 100, 9
	pad := Padded(d)
	half := make([]byte, 2*Size(d))
	rng := rand.New(rand.NewPCG(8, 9))
	row, column := Order(d)
	for k := range row {
		if h := uint16(rng.Uint32()); Finite(h) && row[k] < d && column[k] <= row[k] {
			half[2*k], half[2*k+1] = byte(h), byte(h>>8)
		}
	}
	mean, x, y := make([]float32, pad), make([]float32, n*pad), make([]float32, pad)
	for c := range n {
		for j := range d {
			x[c*pad+j] = []float32{0, float32(math.Copysign(0, -1)), 1e-30, -1e9, 1e-45, 3, -7e-20}[(j+c)%7]
		}
	}
	s := NewShared(half, mean, d, true)
	impltest.Each(t, Pkg, func(t *testing.T) {
		got := make([]float32, n)
		s.Norm2(got, x, make([]float32, Scratch(d)))
		for c, v := range got {
			want := applyGeneric(half, mean, x[c*pad:][:pad], y, d, true)
			if math.Float32bits(v) != math.Float32bits(want) {
				t.Errorf("vector %d: got %v, want %v", c, v, want)
			}
		}
	})
}
