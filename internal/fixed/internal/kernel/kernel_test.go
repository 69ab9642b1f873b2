package kernel

import (
	_ "embed"
	"math/rand/v2"
	"slices"
	"testing"

	"cull/internal/asmgen/asmtest"
	"cull/internal/impl/impltest"
)

// numbers returns n numbers of 0 to most; some runs are at one end or the other.
func numbers(rng *rand.Rand, n, most int) []uint8 {
	v := make([]uint8, n)
	for i := range v {
		switch rng.IntN(4) {
		case 0:
			v[i] = uint8(most)
		case 1:
		default:
			v[i] = uint8(rng.IntN(most + 1))
		}
	}
	return v
}

// lengths are of every kind of remainder.
func lengths(do func(n int)) {
	for n := Lane; n <= 20*Lane; n += Lane {
		do(n)
	}
}

//go:embed kernel_arm64.s
var arm64 string

//go:embed lines_arm64.s
var arm64Lines string

func TestWordsAreTheirMnemonics(t *testing.T) {
	asmtest.Words(t, arm64)
	asmtest.Words(t, arm64Lines)
}

func TestGrey(t *testing.T) {
	impltest.Each(t, Pkg, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(4, 4))
		lengths(func(n int) {
			n -= rng.IntN(Lane) // of any length
			src := make([]int8, 3*n)
			for i, v := range numbers(rng, 3*n, 254) {
				src[i] = int8(int(v) - 127)
			}
			got := make([]uint8, n)
			Grey(got, src)
			for i, v := range got {
				p := src[3*i:]
				if want := (int(p[0]) + int(p[1]) + int(p[2]) + 381) / 3; int(v) != want {
					t.Fatalf("%d of %d, %d: %d, want %d", i, n, p[:3], v, want)
				}
			}
		})
		// Every sum.
		var src []int8
		for v := range 3*254 + 1 {
			src = append(src, int8(min(v, 254)-127), int8(min(max(v-254, 0), 254)-127), int8(max(v-508, 0)-127))
		}
		got := make([]uint8, len(src)/3)
		Grey(got, src)
		for v, g := range got {
			if int(g) != v/3 {
				t.Fatalf("sum %d: %d, want %d", v, g, v/3)
			}
		}
	})
}

func TestSobel(t *testing.T) {
	impltest.Each(t, Pkg, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 1))
		lengths(func(n int) {
			up, mid, down := numbers(rng, n+2, 254), numbers(rng, n+2, 254), numbers(rng, n+2, 254)
			var to [Directions][]uint8
			for k := range to {
				to[k] = numbers(rng, n, 127)
			}
			Sobel(&to, up, mid, down)
			for x := range n {
				at := func(row []uint8, i int) int { return int(row[x+i]) }
				gx := at(up, 2) + 2*at(mid, 2) + at(down, 2) - at(up, 0) - 2*at(mid, 0) - at(down, 0)
				gy := at(down, 0) + 2*at(down, 1) + at(down, 2) - at(up, 0) - 2*at(up, 1) - at(up, 2)
				for k := range to {
					rise := [4]int{gx, gx + gy, gy, gy - gx}[k%4]
					if k >= 4 {
						rise = -rise
					}
					rise = max(rise, 0)
					if k%2 == 1 {
						rise = rise * 23 / 32
					}
					if want := min(rise/4, 127); int(to[k][x]) != want {
						t.Fatalf("%d pixels: direction %d of pixel %d: %d, want %d", n, k, x, to[k][x], want)
					}
				}
			}
		})
	})
}

func TestLargest(t *testing.T) {
	impltest.Each(t, Pkg, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(2, 2))
		lengths(func(n int) {
			a, b, c, got := numbers(rng, n, 127), numbers(rng, n, 127), numbers(rng, n, 127), numbers(rng, n, 127)
			Largest(got, a, b, c)
			for i, v := range got {
				if want := max(a[i], b[i], c[i]); v != want {
					t.Fatalf("%d of %d: %d, want %d", i, n, v, want)
				}
			}
		})
	})
}

func TestRaiseToLeast(t *testing.T) {
	impltest.Each(t, Pkg, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(3, 3))
		lengths(func(n int) {
			var from [Directions][]uint8
			for k := range from {
				from[k] = numbers(rng, n, 127)
				for i := range from[k] {
					from[k][i] |= uint8(rng.IntN(2)) * 96 // so that the least is not 0 nearly always
				}
			}
			got := numbers(rng, n, 127)
			want := slices.Clone(got)
			for i := range want {
				least := from[0][i]
				for _, f := range from {
					least = min(least, f[i])
				}
				want[i] = max(want[i], least)
			}
			RaiseToLeast(got, &from)
			if !slices.Equal(got, want) {
				t.Fatalf("of %d: %d, want %d", n, got, want)
			}
		})
	})
}

func TestEightNumbersInAWord(t *testing.T) {
	word := func(v uint64) uint64 { return v * 0x0101010101010101 }
	for a := range uint64(128) {
		for b := range uint64(128) {
			x, y := word(a), word(b)&^0xff00|(127-b)<<8 // a byte that differs must not disturb the others
			lo, hi := smaller(x, y), larger(x, y)
			if lo != word(min(a, b))&^0xff00|min(a, 127-b)<<8 || hi != word(max(a, b))&^0xff00|max(a, 127-b)<<8 {
				t.Fatalf("of %d and %d: %#x and %#x", a, b, lo, hi)
			}
			if got := LargestOf([]uint8{0, 0, 0, uint8(a), 0, uint8(b), 0, 0}); got != uint8(max(a, b)) {
				t.Fatalf("largest of %d and %d: %d", a, b, got)
			}
		}
	}
}
