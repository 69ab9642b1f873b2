package kernel

import (
	"math/rand/v2"
	"slices"
	"testing"

	"cull/internal/impl/impltest"
)

// signed returns n numbers of -most to most; some are at one end or the other.
func signed(rng *rand.Rand, n, most int) []int16 {
	v := make([]int16, n)
	for i := range v {
		switch rng.IntN(6) {
		case 0:
			v[i] = int16(most)
		case 1:
			v[i] = int16(-most)
		default:
			v[i] = int16(rng.IntN(2*most+1) - most)
		}
	}
	return v
}

func unsigned(rng *rand.Rand, n, most int) []uint16 {
	v := make([]uint16, n)
	for i, s := range signed(rng, n, most) {
		v[i] = uint16(max(s, -s))
	}
	return v
}

// pair is the mean of two, rounded half up.
func pair[T uint8 | int](a, b T) int { return (int(a) + int(b) + 1) / 2 }

func TestColumnAndRow(t *testing.T) {
	impltest.Each(t, Pkg, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(5, 5))
		lengths(func(n int) {
			n -= rng.IntN(Lane) // of any length
			var rows [Near][]uint8
			for k := range rows {
				rows[k] = numbers(rng, n, 254)
			}
			column, src, row := make([]uint16, n), unsigned(rng, n+4, 16*254), make([]uint16, n)
			Column(column, &rows)
			Row(row, src)
			for i := range n {
				var down, along int
				for k, w := range []int{1, 4, 6, 4, 1} {
					down += w * int(rows[k][i])
					along += w * int(src[i+k])
				}
				if int(column[i]) != down || int(row[i]) != along/8 {
					t.Fatalf("%d of %d: column %d, want %d, row %d, want %d", i, n, column[i], down, row[i], along/8)
				}
			}
		})
	})
}

func TestCurve(t *testing.T) {
	impltest.Each(t, Pkg, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(6, 6))
		lengths(func(n int) {
			n -= 2 * rng.IntN(Lane/2)
			var rows [Near][]uint16
			for k := range rows {
				rows[k] = unsigned(rng, n+4, 4000) // so that no sum is beyond sixteen bits
			}
			c := Curvature{signed(rng, n, 1), signed(rng, n, 1), signed(rng, n, 1)}
			energy := make([]uint32, n/2)
			for i := range energy {
				energy[i] = uint32(rng.IntN(1 << 29))
			}
			before := slices.Clone(energy)
			Curve(c, energy, &rows)
			for i := range n {
				at := func(y, x int) int { return int(rows[2+y][i+2+x]) }
				xx := at(0, -2) - 2*at(0, 0) + at(0, 2)
				yy := at(-2, 0) - 2*at(0, 0) + at(2, 0)
				xy := at(-1, -1) + at(1, 1) - at(1, -1) - at(-1, 1)
				if int(c.Sum[i]) != xx+yy || int(c.Difference[i]) != xx-yy || int(c.Mixed[i]) != 2*xy {
					t.Fatalf("%d of %d: %d %d %d, want %d %d %d", i, n, c.Sum[i], c.Difference[i], c.Mixed[i], xx+yy, xx-yy, 2*xy)
				}
				a, b, m := (xx+yy)>>2, (xx-yy)>>2, (2*xy)>>2
				before[i/2] += uint32(2*a*a + b*b + m*m)
			}
			if !slices.Equal(energy, before) {
				t.Fatalf("of %d: energies %d, want %d", n, energy, before)
			}
		})
	})
}

// Of a picture's largest contrasts, no sum on the way overflows: the patterns are those that drive each to its end.
func TestNothingOverflows(t *testing.T) {
	binomial := [Near]int{1, 4, 6, 4, 1}
	type filter map[[2]int]int
	smooth := func(y, x, weight int, to filter) {
		for j, a := range binomial {
			for i, b := range binomial {
				to[[2]int{y + j, x + i}] += weight * a * b
			}
		}
	}
	xx, yy, xy := filter{}, filter{}, filter{}
	for _, far := range []int{-2, 2} {
		smooth(0, far, 1, xx)
		smooth(far, 0, 1, yy)
		smooth(0, 0, -1, xx)
		smooth(0, 0, -1, yy)
		smooth(far/2, far/2, 2, xy) // doubled
		smooth(far/2, -far/2, -2, xy)
	}
	for _, c := range [][3]int{ // twice the weights of xx + yy, xx - yy, xy
		{2, 0, 0},
		{0, 2, 0},
		{0, 0, 2},
		{0, 2, 2},
		{0, -2, 2},
		{2, 2, 0},
		{2, -2, 0},
		{2, 0, 2},
		{2, 0, -2},
		{2, 2, 2},
		{2, -2, 2},
		{2, 2, -2},
		{2, -2, -2}, // with 1 in place of 1/√2: more than it is
	} {
		var most int
		for p := range xy {
			most += max(0, (c[0]*(xx[p]+yy[p])+c[1]*(xx[p]-yy[p])+c[2]*xy[p])/2)
		}
		for p := range xx {
			if _, both := xy[p]; !both {
				most += max(0, (c[0]*(xx[p]+yy[p])+c[1]*(xx[p]-yy[p]))/2)
			}
		}
		for p := range yy {
			_, a := xx[p]
			if _, b := xy[p]; !a && !b {
				most += max(0, (c[0]-c[1])*yy[p]/2)
			}
		}
		if v := most*254/8 + 16; v > 32767 {
			t.Errorf("weights %d: up to %d", c, v)
		}
	}
}

func TestStrengths(t *testing.T) {
	impltest.Each(t, Pkg, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(7, 7))
		lengths(func(n int) {
			n -= rng.IntN(Lane)
			c := Curvature{signed(rng, n, 16000), signed(rng, n, 8000), signed(rng, n, 8000)}
			gain, step := signed(rng, n, []int{600, 32640}[rng.IntN(2)]), n+rng.IntN(5)
			got := numbers(rng, 7*step+n, 255)
			want := slices.Clone(got)
			for i := range n {
				a, b, m := int(c.Sum[i]), int(c.Difference[i]), int(c.Mixed[i])
				share := func(v, by int) int { return (v*by + 1<<14) >> 15 }
				more, less := share(b+m, 23170), share(m-b, 23170)
				for k, v := range []int{a - b, a - more, a - m, a - less, a + b, a + more, a + m, a + less} {
					want[k*step+i] = uint8(min(max(share(v, int(gain[i])), 0), 255))
				}
			}
			Strengths(got, step, c, gain)
			if !slices.Equal(got, want) {
				t.Fatalf("of %d: %d, want %d", n, got, want)
			}
		})
	})
}

func TestMean(t *testing.T) {
	impltest.Each(t, Pkg, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(8, 8))
		lengths(func(n int) {
			var from [4][]uint8
			for k := range from {
				from[k] = numbers(rng, n, 255)
			}
			got := make([]uint8, n)
			Mean(got, from[0], from[1], from[2], from[3])
			for i, v := range got {
				if want := (pair(from[0][i], from[1][i]) + pair(from[2][i], from[3][i]) + 1) / 2; int(v) != want {
					t.Fatalf("%d of %d: %d, want %d", i, n, v, want)
				}
			}
		})
	})
}

func TestRaiseToExcess(t *testing.T) {
	impltest.Each(t, Pkg, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(9, 9))
		lengths(func(n int) {
			var from [Orientations][]uint8
			for k := range from {
				from[k] = numbers(rng, n, 255)
			}
			got := numbers(rng, n, 40)
			want := slices.Clone(got)
			for i := range want {
				var v [Orientations]int
				for k := range v {
					v[k] = int(from[k][i])
				}
				mean := pair(
					pair(pair(v[0], v[4]), pair(v[2], v[6])),
					pair(pair(v[1], v[5]), pair(v[3], v[7])))
				want[i] = max(want[i], uint8((slices.Max(v[:])-mean)/2))
			}
			RaiseToExcess(got, &from)
			if !slices.Equal(got, want) {
				t.Fatalf("of %d: %d, want %d", n, got, want)
			}
		})
	})
}

func TestHalve(t *testing.T) {
	rng := rand.New(rand.NewPCG(10, 10))
	lengths(func(n int) {
		up, down, got := numbers(rng, n, 255), numbers(rng, n, 255), make([]uint8, n/2)
		Halve(got, up, down)
		for i, v := range got {
			if want := (pair(up[2*i], down[2*i]) + pair(up[2*i+1], down[2*i+1]) + 1) / 2; int(v) != want {
				t.Fatalf("%d of %d: %d, want %d", i, n/2, v, want)
			}
		}
	})
}

func TestEightBytesInAWord(t *testing.T) {
	for a := range uint64(256) {
		for b := range uint64(256) {
			x, y := a*0x0101010101010101, b*0x0101010101010101&^0xff00|(255-b)<<8 // a byte that differs must not disturb the others
			word := func(f func(a, b uint64) uint64) uint64 { return f(a, b)*0x0101010101010101&^0xff00 | f(a, 255-b)<<8 }
			most := word(func(a, b uint64) uint64 { return max(a, b) })
			mean := word(func(a, b uint64) uint64 { return (a + b + 1) / 2 })
			if m, h := middle(x, y), largerOf(x, y); m != mean || h != most {
				t.Fatalf("of %d and %d: mean %#x, larger %#x", a, b, m, h)
			}
		}
	}
}
