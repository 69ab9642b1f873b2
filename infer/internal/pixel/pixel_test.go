package pixel

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"cull/internal/impl/impltest"
)

// guarded returns n bytes between guard bytes, and a check of them.
func guarded(t *testing.T, n int) ([]uint8, func()) {
	const guard = 64
	b := bytes.Repeat([]uint8{0xa5}, n+2*guard)
	return b[guard : guard+n : guard+n], func() {
		t.Helper()
		for i, v := range b {
			if (i < guard || i >= guard+n) && v != 0xa5 {
				t.Fatalf("byte %d of %d overwritten", i-guard, n)
			}
		}
	}
}

// bytesOf are random, with many at the ends of the range.
func bytesOf(rng *rand.Rand, n int) []uint8 {
	b := make([]uint8, n)
	for i := range b {
		switch rng.IntN(4) {
		case 0:
			b[i] = 0
		case 1:
			b[i] = 255
		default:
			b[i] = uint8(rng.Uint32())
		}
	}
	return b
}

func same(t *testing.T, what string, got, want []uint8) {
	t.Helper()
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("%s, %d of %d: %d, want %d", what, i, len(want), got[i], want[i])
		}
	}
}

func TestPick(t *testing.T) {
	impltest.Each(t, Pkg, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 1))
		for step := 1; step <= 4; step++ {
			for n := range 150 {
				dst, check := guarded(t, n)
				src := bytesOf(rng, max(0, (n-1)*step+1)) // not a byte more than is picked
				want := make([]uint8, n)
				pickGeneric(want, src, step)
				Pick(dst, src, step)
				check()
				same(t, "pick", dst, want)
			}
		}
	})
}

// weights returns n that sum to 1<<Bits.
func weights(rng *rand.Rand, n int) []int32 {
	w := make([]int32, n)
	left := int32(1 << Bits)
	for i := range n - 1 {
		w[i] = rng.Int32N(left + 1)
		left -= w[i]
	}
	w[n-1] = left
	rng.Shuffle(n, func(i, j int) { w[i], w[j] = w[j], w[i] })
	return w
}

func testRow(t *testing.T, rng *rand.Rand, outputs, taps, samples int) {
	first, count := make([]int32, outputs), make([]int32, outputs)
	for i := range first {
		first[i] = rng.Int32N(int32(samples))
	}
	slices.Sort(first)
	var coef []int32
	for i, f := range first {
		n := 1 + rng.IntN(min(taps, samples-int(f)))
		count[i] = int32(n)
		coef = append(coef, append(weights(rng, n), make([]int32, taps-n)...)...)
	}
	row := NewRow(first, count, coef, taps)
	src := bytesOf(rng, row.Span(samples))
	want := make([]uint8, outputs)
	rowGeneric(want, src, &row)
	dst, check := guarded(t, Padded(outputs))
	row.Apply(dst, src)
	check()
	same(t, "row", dst[:outputs], want)
}

func TestRow(t *testing.T) {
	impltest.Each(t, Pkg, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(2, 2))
		for range 400 {
			testRow(t, rng, 1+rng.IntN(80), 1+rng.IntN(30), 1+rng.IntN(200))
		}
	})
}

func TestColumns(t *testing.T) {
	impltest.Each(t, Pkg, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(3, 3))
		for range 200 {
			n, taps := Block*(1+rng.IntN(5)), 1+rng.IntN(12)
			stride := n + Block*rng.IntN(3)
			coef := weights(rng, taps)
			rows := bytesOf(rng, (taps-1)*stride+n)
			want := make([]uint8, n)
			columnsGeneric(want, rows, stride, coef)
			dst, check := guarded(t, n)
			Columns(dst, rows, stride, coef)
			check()
			same(t, "columns", dst, want)
		}
	})
}

// The matrices of package prep, and the largest numbers that cannot leave 32 bits.
var matrices = []Matrix{
	{16, 76309, 104597, -25675, -53279, 132201},
	{0, 65536, 91881, -22553, -46802, 116130},
	{255, 1 << 22, 1 << 22, -1 << 22, -1 << 22, 1 << 22},
}

func TestRGB(t *testing.T) {
	impltest.Each(t, Pkg, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(4, 4))
		for k := range 60 {
			m := matrices[k%len(matrices)]
			n := Block * (1 + rng.IntN(4))
			var got, want [3][]uint8
			var checks []func()
			for c := range got {
				g, check := guarded(t, n)
				copy(g, bytesOf(rng, n))
				got[c], want[c] = g, slices.Clone(g)
				checks = append(checks, check)
			}
			m.rgbGeneric(want[0], want[1], want[2])
			m.RGB(got[0], got[1], got[2])
			for c := range got {
				checks[c]()
				same(t, "RGB"[c:c+1], got[c], want[c])
			}
		}
	})
}

// Every colour there is.
func TestRGBOfEveryColour(t *testing.T) {
	impltest.Each(t, Pkg, func(t *testing.T) {
		m := matrices[0]
		var got, want [3][256]uint8
		for y := range 256 {
			for cb := range 256 {
				if testing.Short() && (y*7+cb)%16 != 0 {
					continue
				}
				for cr := range 256 {
					got[0][cr], got[1][cr], got[2][cr] = uint8(y), uint8(cb), uint8(cr)
				}
				want = got
				m.rgbGeneric(want[0][:], want[1][:], want[2][:])
				m.RGB(got[0][:], got[1][:], got[2][:])
				if got != want {
					t.Fatalf("Y %d, Cb %d differ", y, cb)
				}
			}
		}
	})
}

func TestInterleave(t *testing.T) {
	impltest.Each(t, Pkg, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(5, 5))
		for n := range 100 {
			a, b, c := bytesOf(rng, n), bytesOf(rng, n), bytesOf(rng, n)
			want, got := make([]int8, 3*n), make([]int8, 3*n+64)
			interleaveGeneric(want, a, b, c)
			for i := range got {
				got[i] = 77
			}
			Interleave(got[:3*n], a, b, c)
			if !slices.Equal(got[:3*n], want) {
				t.Fatalf("%d pixels differ", n)
			}
			for _, v := range got[3*n:] {
				if v != 77 {
					t.Fatalf("%d pixels: written past the end", n)
				}
			}
		}
	})
}

func FuzzRow(f *testing.F) {
	f.Add(uint64(1), uint8(10), uint8(5), uint16(60))
	f.Fuzz(func(t *testing.T, seed uint64, outputs, taps uint8, samples uint16) {
		if outputs == 0 || taps == 0 || samples == 0 {
			return
		}
		impltest.Each(t, Pkg, func(t *testing.T) {
			testRow(t, rand.New(rand.NewPCG(seed, 0)), int(outputs), int(taps), int(samples))
		})
	})
}
