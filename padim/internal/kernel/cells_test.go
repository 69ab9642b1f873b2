package kernel

import (
	"math"
	"math/rand/v2"
	"testing"

	"cull/internal/impl/impltest"
)

// definite returns eight covariances of order d.
func definite(rng *rand.Rand, d int) []float64 {
	a := make([]float64, d*(d+1)/2*Cells)
	x := make([]float64, d)
	for c := range Cells {
		for range 2*d + 1 {
			for j := range x {
				x[j] = rng.NormFloat64() / float64(1+j%5)
			}
			for i := range d {
				for j := range i + 1 {
					at(a, i, j)[c] += x[i] * x[j]
				}
			}
		}
	}
	return a
}

func TestCholeskyAndInverseEqualTheDefinition(t *testing.T) {
	impltest.Each(t, Pkg, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(6, 6))
		for d := 1; d < 50; d++ {
			a := definite(rng, d)
			want := append([]float64(nil), a...)
			choleskyGeneric(want, d)
			got := append(append([]float64(nil), a...), 12345)
			Cholesky(got, d)
			same(t, "L", d, got[:len(a)], want)
			w := make([]float64, len(a)+1)
			w[len(a)] = 12345
			Invert(w, got, d)
			wantInverse := make([]float64, len(a))
			invertGeneric(wantInverse, want, d)
			same(t, "inverse", d, w[:len(a)], wantInverse)
			if got[len(a)] != 12345 || w[len(a)] != 12345 {
				t.Fatalf("d=%d: written past the end", d)
			}
			identity(t, d, want, wantInverse)
		}
	})
}

func same(t *testing.T, name string, d int, got, want []float64) {
	t.Helper()
	for k := range want {
		if math.Float64bits(got[k]) != math.Float64bits(want[k]) {
			t.Fatalf("%s, d=%d: element %d, matrix %d: got %v, want %v", name, d, k/Cells, k%Cells, got[k], want[k])
		}
	}
}

// identity checks that W L = I.
func identity(t *testing.T, d int, l, w []float64) {
	t.Helper()
	for c := range Cells {
		for i := range d {
			for j := range i + 1 {
				v := 0.0
				for k := j; k <= i; k++ {
					v += at(w, i, k)[c] * at(l, k, j)[c]
				}
				want := 0.0
				if i == j {
					want = 1
				}
				if math.Abs(v-want) > 1e-9 {
					t.Fatalf("d=%d: W L at (%d, %d) is %v", d, i, j, v)
				}
			}
		}
	}
}

func TestCholeskyShowsWhatIsNotPositiveDefinite(t *testing.T) {
	impltest.Each(t, Pkg, func(t *testing.T) {
		a := definite(rand.New(rand.NewPCG(9, 9)), 6)
		at(a, 4, 4)[3] = -1
		Cholesky(a, 6)
		for c := range Cells {
			if good := at(a, 4, 4)[c] > 0; good != (c != 3) {
				t.Errorf("matrix %d: diagonal %v", c, at(a, 4, 4)[c])
			}
		}
	})
}

func BenchmarkCholeskyInvert(b *testing.B) {
	const d = 96
	a := definite(rand.New(rand.NewPCG(1, 1)), d)
	l, w := make([]float64, len(a)), make([]float64, len(a))
	for b.Loop() {
		copy(l, a)
		Cholesky(l, d)
		Invert(w, l, d)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/Cells, "us/matrix")
}
