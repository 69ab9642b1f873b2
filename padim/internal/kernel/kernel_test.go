package kernel

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"

	"cull/internal/impl/impltest"
)

func TestHalfRoundTripsEveryFiniteValue(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		if !Finite(h) {
			continue
		}
		if got := ToHalf(FromHalf(h)); got != h {
			t.Fatalf("%#04x: got %#04x", h, got)
		}
	}
}

// Between neighbouring halves the nearest wins, the even one at the middle.
func TestHalfRoundsToNearestEven(t *testing.T) {
	for h := uint16(0); h < 0x7bff; h++ {
		lo, hi := FromHalf(h), FromHalf(h+1)
		mid := lo + (hi-lo)/2
		even := h + h&1
		for _, c := range []struct {
			v    float32
			want uint16
		}{
			{mid, even},
			{math.Nextafter32(mid, 0), h},
			{math.Nextafter32(mid, 1e9), h + 1},
		} {
			if got := ToHalf(c.v); got != c.want {
				t.Fatalf("%g between %#04x and %#04x: got %#04x", c.v, h, h+1, got)
			}
			if got := ToHalf(-c.v); got != c.want|0x8000 {
				t.Fatalf("%g: got %#04x", -c.v, got)
			}
		}
	}
}

// triangle returns a random factor, dense and packed.
func triangle(rng *rand.Rand, d int) (dense [][]float32, half, single []byte) {
	dense = make([][]float32, d)
	for i := range dense {
		dense[i] = make([]float32, d)
		for j := range i + 1 {
			dense[i][j] = FromHalf(ToHalf(float32(rng.NormFloat64())))
		}
	}
	row, column := Order(d)
	for k := range row {
		var v float32
		if int(row[k]) < d {
			v = dense[row[k]][column[k]]
		}
		single = binary.LittleEndian.AppendUint32(single, math.Float32bits(v))
		half = binary.LittleEndian.AppendUint16(half, ToHalf(v))
	}
	return dense, half, single
}

// reference is the definition in the documentation of Norm2Half, word by word.
func reference(w [][]float32, mean, x []float32) float32 {
	z := make([]float32, len(x))
	for i := range w {
		for j := range i + 1 {
			y := x[j] - mean[j]
			z[i] += float32(w[i][j] * y)
		}
	}
	var lane [16]float32
	for i, v := range z {
		lane[i%16] += float32(v * v)
	}
	for _, h := range []int{8, 4, 2, 1} {
		for l := range h {
			lane[l] += lane[l+h]
		}
	}
	return lane[0]
}

// guarded returns n elements, at any alignment, between guards that check looks at.
func guarded[T int32 | float32](n, offset int) (v []T, check func(t *testing.T)) {
	const mark = 12345
	all := make([]T, n+64+offset)
	for i := range all {
		all[i] = mark
	}
	at := 32 + offset
	return all[at : at+n : at+n], func(t *testing.T) {
		t.Helper()
		for i, x := range all {
			if (i < at || i >= at+n) && x != mark {
				t.Fatalf("n=%d: element %d was overwritten", n, i-at)
			}
		}
	}
}

func TestKernelsEqualTheDefinition(t *testing.T) {
	impltest.Each(t, Pkg, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 2))
		for d := 1; d <= 230; d++ {
			dense, half, single := triangle(rng, d)
			if len(single) != 4*Size(d) {
				t.Fatalf("d=%d: %d bytes, Size says %d values", d, len(single), Size(d))
			}
			n := Padded(d)
			mean, _ := guarded[float32](n, d%3)
			x, _ := guarded[float32](n, d%5)
			y, checkY := guarded[float32](n, d%7)
			clear(mean)
			clear(x)
			for j := range d {
				mean[j], x[j] = float32(rng.NormFloat64()), float32(rng.NormFloat64())
			}
			want := reference(dense, mean, x)
			if got := Norm2Half(half, mean, x, y, d); got != want {
				t.Fatalf("d=%d: half: got %v, want %v", d, got, want)
			}
			if got := Norm2Single(single, mean, x, y, d); got != want {
				t.Fatalf("d=%d: single: got %v, want %v", d, got, want)
			}
			checkY(t)
		}
	})
}

// Values at the ends of the range, subnormal halves and signed zeros.
func TestKernelsAgreeOnExtremes(t *testing.T) {
	const d = 100
	row, column := Order(d)
	half := make([]byte, 2*Size(d))
	rng := rand.New(rand.NewPCG(8, 8))
	for k := range row {
		if h := uint16(rng.Uint32()); Finite(h) && row[k] < d && column[k] <= row[k] {
			binary.LittleEndian.PutUint16(half[2*k:], h)
		}
	}
	mean, x, y := make([]float32, Padded(d)), make([]float32, Padded(d)), make([]float32, Padded(d))
	for j := range d {
		x[j] = []float32{0, float32(math.Copysign(0, -1)), 1e-30, -1e9, 1e-45, 3}[j%6]
	}
	want := applyGeneric(half, mean, x, y, d, true)
	impltest.Each(t, Pkg, func(t *testing.T) {
		if got := Norm2Half(half, mean, x, y, d); math.Float32bits(got) != math.Float32bits(want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

func TestProjectIsTheMatrixProduct(t *testing.T) {
	impltest.Each(t, Pkg, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(3, 4))
		for n := 1; n < 220; n += 1 + n/17 {
			for c := 1; c < 70; c += 1 + c/9 {
				w := make([]int16, n*c)
				for i := range w {
					w[i] = int16(rng.IntN(255)) - 127
				}
				p := NewProjection(w, n, c)
				x := make([]int16, p.Inputs())
				for i := range x {
					x[i] = int16(rng.Uint32())
				}
				dst, check := guarded[int32](p.Outputs(), c%3)
				p.Project(dst, x)
				check(t)
				for j := range dst {
					var want int32
					for k := 0; j < n && k < c; k++ {
						want += int32(x[k]) * int32(w[j*c+k])
					}
					if dst[j] != want {
						t.Fatalf("%dx%d, row %d: got %d, want %d", n, c, j, dst[j], want)
					}
				}
			}
		}
	})
}

func TestRowsEqualTheDefinition(t *testing.T) {
	impltest.Each(t, Pkg, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(5, 5))
		for n := range 130 {
			v := make([][]int32, 3)
			for i := range v {
				v[i], _ = guarded[int32](n, i)
				for k := range v[i] {
					v[i][k] = int32(rng.Uint32()) / 4
				}
			}
			sum, checkSum := guarded[int32](n, n%3)
			x, checkX := guarded[float32](n, n%5)
			f := make([]float32, n)
			want := make([]float32, n)
			for k := range x {
				x[k], f[k] = rng.Float32(), rng.Float32()
				want[k] = x[k] + float32(float32(v[0][k]+v[1][k]+v[2][k])*f[k])
			}
			Sum3(sum, v[0], v[1], v[2])
			AddScaled3(x, v[0], v[1], v[2], f)
			checkSum(t)
			checkX(t)
			for k := range x {
				if sum[k] != v[0][k]+v[1][k]+v[2][k] || x[k] != want[k] {
					t.Fatalf("n=%d, element %d: got %d and %v", n, k, sum[k], x[k])
				}
			}
		}
	})
}

func BenchmarkNorm2(b *testing.B) {
	const d, cells = 96, 1024
	rng := rand.New(rand.NewPCG(5, 6))
	_, half, single := triangle(rng, d)
	x, mean, y := make([]float32, d), make([]float32, d), make([]float32, d)
	for j := range x {
		x[j] = float32(rng.NormFloat64())
	}
	halves, singles := make([]byte, 0, cells*len(half)), make([]byte, 0, cells*len(single))
	for range cells {
		halves, singles = append(halves, half...), append(singles, single...)
	}
	b.Run("half", func(b *testing.B) {
		b.SetBytes(int64(len(halves)))
		for b.Loop() {
			for p := range cells {
				Norm2Half(halves[p*len(half):][:len(half)], mean, x, y, d)
			}
		}
	})
	b.Run("single", func(b *testing.B) {
		b.SetBytes(int64(len(singles)))
		for b.Loop() {
			for p := range cells {
				Norm2Single(singles[p*len(single):][:len(single)], mean, x, y, d)
			}
		}
	})
	b.Run("gonum", func(b *testing.B) {
		b.SetBytes(int64(8 * cells * d * d))
		factors := make([]*mat.Cholesky, cells)
		for p := range factors {
			sigma := mat.NewSymDense(d, nil)
			for i := range d {
				sigma.SetSym(i, i, 2)
				if i > 0 {
					sigma.SetSym(i, i-1, 0.3)
				}
			}
			factors[p] = new(mat.Cholesky)
			if !factors[p].Factorize(sigma) {
				b.Fatal("not positive definite")
			}
		}
		at, from := mat.NewVecDense(d, nil), mat.NewVecDense(d, nil)
		for j, v := range x {
			at.SetVec(j, float64(v))
		}
		for b.Loop() {
			for p := range cells {
				stat.Mahalanobis(at, from, factors[p])
			}
		}
	})
}
