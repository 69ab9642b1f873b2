package fixed

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"cull/internal/fixed/internal/kernel"
	"cull/internal/impl/impltest"
	"cull/padim"
)

func maps(t testing.TB, h, w int, pic []int8) (colour, spots, lines padim.Map) {
	t.Helper()
	m, err := New(h, w)
	if err != nil {
		t.Fatal(err)
	}
	list := m.Append(nil, pic)
	return list[0], list[1], list[2]
}

// grey returns a picture of level(y, x), clamped.
func grey(h, w int, level func(y, x int) float64) []int8 {
	pic := make([]int8, 0, 3*h*w)
	for y := range h {
		for x := range w {
			v := int8(math.Round(min(max(level(y, x), -127), 127)))
			pic = append(pic, v, v, v)
		}
	}
	return pic
}

func noise(h, w int, seed uint64) []int8 {
	rng := rand.New(rand.NewPCG(seed, 1))
	// Some pictures of little contrast, some of all that there is, some of large patches.
	amp, patch := 1+rng.IntN(127), 1+rng.IntN(6)
	patches := make([]int8, (h/patch+1)*(w/patch+1)*3)
	for i := range patches {
		patches[i] = int8(rng.IntN(2*amp+1) - amp)
	}
	pic := make([]int8, 0, 3*h*w)
	for y := range h {
		for x := range w {
			pic = append(pic, patches[3*(y/patch*(w/patch+1)+x/patch):][:3]...)
		}
	}
	return pic
}

// The definition, a pixel and a place at a time.
func plainSpots(h, w int, pic []int8) []int8 {
	at := func(y, x int) int {
		p := pic[3*(y*w+x):]
		return (int(p[0]) + int(p[1]) + int(p[2]) + 381) / 3
	}
	rise := func(y, x, k int) int { // in direction k
		if y < 1 || y >= h-1 || x < 1 || x >= w-1 {
			return 0
		}
		var gx, gy int
		for i, f := range []int{1, 2, 1} {
			gx += f * (at(y+i-1, x+1) - at(y+i-1, x-1))
			gy += f * (at(y+1, x+i-1) - at(y-1, x+i-1))
		}
		v := []int{gx, (gx + gy) * 23 / 32, gy, (gy - gx) * 23 / 32}[k%4]
		if k >= 4 {
			v = -v
		}
		return min(max(v, 0)/4, 127)
	}
	wide := func(y, x, k int) (v int) {
		if y < 3 || y >= h-3 || x < 3 || x >= w-3 {
			return 0
		}
		for dy := -1; dy <= 1; dy++ {
			for dx := -1; dx <= 1; dx++ {
				v = max(v, rise(y+dy, x+dx, k))
			}
		}
		return v
	}
	all := make([]int, h*w*8)
	for i := range all {
		all[i] = wide(i/8/w, i/8%w, i%8)
	}
	out := make([]int8, h/8*(w/8)*4)
	for y := range h {
		for x := range w {
			for ring, r := range []float64{2, 3} {
				for sign := range 2 {
					least := 127
					for k := range 8 {
						a := float64(k) * math.Pi / 4
						py, px := y+int(math.Round(r*math.Sin(a))), x+int(math.Round(r*math.Cos(a)))
						if py < 0 || py >= h || px < 0 || px >= w {
							least = 0
							continue
						}
						least = min(least, all[(py*w+px)*8+(k+4*sign)%8])
					}
					o := &out[(y/8*(w/8)+x/8)*4+2*sign+ring]
					*o = max(*o, int8(least))
				}
			}
		}
	}
	return plainNear(h/8, w/8, out)
}

// plainNear is the largest of a cell and those around it, of four channels.
func plainNear(h, w int, own []int8) []int8 {
	near := make([]int8, len(own))
	for cy := range h {
		for cx := range w {
			for c := range 4 {
				for y := max(cy-reach, 0); y <= min(cy+reach, h-1); y++ {
					for x := max(cx-reach, 0); x <= min(cx+reach, w-1); x++ {
						o := &near[(cy*w+cx)*4+c]
						*o = max(*o, own[(y*w+x)*4+c])
					}
				}
			}
		}
	}
	return near
}

// The definition, a pixel and a place at a time.
func plainLines(h, w int, pic []int8) []int8 {
	full := make([]int, h*w)
	for i := range full {
		p := pic[3*i:]
		full[i] = (int(p[0]) + int(p[1]) + int(p[2]) + 381) / 3
	}
	half := make([]int, h/2*(w/2))
	for i := range half {
		at := func(j, k int) int { return full[(2*(i/(w/2))+j)*w+2*(i%(w/2))+k] }
		half[i] = middle(middle(at(0, 0), at(1, 0)), middle(at(0, 1), at(1, 1)))
	}
	own := make([]int8, h/8*(w/8)*4)
	plainRidges(own, full, h, w, 8)
	plainRidges(own[2:], half, h/2, w/2, 4)
	return plainNear(h/8, w/8, own)
}

func middle(a, b int) int { return (a + b + 1) / 2 }

// A plain is a number of every orientation for every pixel of a picture, and 0 for those around it.
type plain struct {
	w int
	v [][8]int
}

const plainEdge = 24

func newPlain(h, w int) plain {
	return plain{w + 2*plainEdge, make([][8]int, (h+2*plainEdge)*(w+2*plainEdge))}
}

func (p plain) at(y, x int) *[8]int { return &p.v[(y+plainEdge)*p.w+x+plainEdge] }

func plainRidges(own []int8, grey []int, h, w, cell int) {
	smooth := func(y, x int) (v int) {
		for j, a := range []int{1, 4, 6, 4, 1} {
			for i, b := range []int{1, 4, 6, 4, 1} {
				v += a * b * grey[(y+j-2)*w+x+i-2]
			}
		}
		return v >> 3
	}
	type square = [2]int
	turned := newPlain(h, w) // second derivatives
	energy, count := make(map[square]int), make(map[square]int)
	fraction := func(v, by int) int { return (v*by + 1<<14) >> 15 }
	for y := 4; y < h-4; y++ {
		for x := 4; x < w-4; x++ {
			xx := smooth(y, x-2) + smooth(y, x+2) - 2*smooth(y, x)
			yy := smooth(y-2, x) + smooth(y+2, x) - 2*smooth(y, x)
			xy := smooth(y-1, x-1) + smooth(y+1, x+1) - smooth(y-1, x+1) - smooth(y+1, x-1)
			a, b, c := xx+yy, xx-yy, 2*xy
			v := turned.at(y, x)
			for k := range v { // across the line: a quarter turn further
				v[k] = []int{a - b, a - fraction(b+c, 23170), a - c, a - fraction(c-b, 23170)}[k%4]
				if k >= 4 {
					v[k] = 2*a - v[k]
				}
			}
			energy[square{y / 8, x / 8}] += 2*(a>>2)*(a>>2) + (b>>2)*(b>>2) + (c>>2)*(c>>2)
			count[square{y / 8, x / 8}]++
		}
	}
	gain := func(y, x int) int {
		var e, n int
		for j := -1; j <= 1; j++ {
			for i := -1; i <= 1; i++ {
				e += energy[square{y/8 + j, x/8 + i}]
				n += count[square{y/8 + j, x/8 + i}]
			}
		}
		return int(255. / 4 * 32768 / math.Sqrt(8*float64(e)/float64(n)+64*64))
	}
	mean := func(of plain, y, x int, near, far float64) (m [8]int) {
		for k := range m {
			sin, cos := math.Sincos(float64(k) * math.Pi / 8)
			to := func(r float64) (dy, dx int) { return int(math.Round(r * sin)), int(math.Round(r * cos)) }
			ny, nx := to(near)
			fy, fx := to(far)
			at := func(j, i int) int { return of.at(y+j*ny+i*fy, x+j*nx+i*fx)[k] }
			m[k] = middle(middle(at(-1, -1), at(1, -1)), middle(at(-1, 1), at(1, 1)))
		}
		return m
	}
	for sign := range 2 {
		z, near := newPlain(h, w), newPlain(h, w)
		for y := 4; y < h-4; y++ {
			for x := 4; x < w-4; x++ {
				g := gain(y, x) * (1 - 2*sign)
				for k, v := range turned.at(y, x) {
					z.at(y, x)[k] = min(max(fraction(v, g), 0), 255)
				}
			}
		}
		for y := -12; y < h+12; y++ {
			for x := -12; x < w+12; x++ {
				*near.at(y, x) = mean(z, y, x, 1, 2)
			}
		}
		for y := range h {
			for x := range w {
				s := mean(near, y, x, 4, 8)
				all := middle(
					middle(middle(s[0], s[4]), middle(s[2], s[6])),
					middle(middle(s[1], s[5]), middle(s[3], s[7])))
				o := &own[(y/cell*(w/cell)+x/cell)*4+sign]
				*o = max(*o, int8((slices.Max(s[:])-all)/2))
			}
		}
	}
}

func TestSpotsAreTheirDefinition(t *testing.T) { areTheirDefinition(t, 1, plainSpots) }

func TestLinesAreTheirDefinition(t *testing.T) { areTheirDefinition(t, 2, plainLines) }

func areTheirDefinition(t *testing.T, which int, define func(h, w int, pic []int8) []int8) {
	type example struct{ pic, want []int8 }
	for _, size := range [][2]int{{8, 8}, {8, 32}, {48, 16}, {64, 72}, {40, 96}} {
		h, w := size[0], size[1]
		var examples []example
		seen := false
		for seed := range uint64(12) {
			pic := noise(h, w, seed)
			want := define(h, w, pic)
			examples = append(examples, example{pic, want})
			seen = seen || slices.Max(want) > 0
		}
		if !seen && h > 8 {
			t.Errorf("%d x %d: nothing in any picture: nothing compared", h, w)
		}
		impltest.Each(t, kernel.Pkg, func(t *testing.T) {
			m, err := New(h, w)
			if err != nil {
				t.Fatal(err)
			}
			for seed, e := range examples {
				got := m.Append(nil, e.pic)[which].Data // of the same Maps: nothing of the last picture may stay
				if !slices.Equal(got, e.want) {
					t.Fatalf("%d x %d, seed %d: got %v, want %v", h, w, seed, got, e.want)
				}
			}
		})
	}
}

// Drawn in the middle of a picture of 64 x 64.
func TestSpotsAreRound(t *testing.T) {
	const n, contrast = 64, 60
	soft := func(d float64) float64 { return contrast / (1 + math.Exp(2*d)) } // d < 0 is inside
	disc := func(r, cy, cx, sign float64) func(y, x int) float64 {
		return func(y, x int) float64 {
			return sign * soft(math.Hypot(float64(y)-cy, float64(x)-cx)-r)
		}
	}
	for _, c := range []struct {
		name         string
		level        func(y, x int) float64
		dark, bright bool
	}{
		{"a pit of radius 2", disc(2, 35, 36, -1), true, false},
		{"a pit of radius 3.5 between pixels", disc(3.5, 35.5, 36.3, -1), true, false},
		{"a crumb of radius 2", disc(2, 36, 35, 1), false, true},
		{"nothing", func(y, x int) float64 { return 20 }, false, false},
		{"an edge", func(y, x int) float64 { return soft(float64(x)*.8 + float64(y)*.6 - 45) }, false, false},
		{"a line", func(y, x int) float64 { return -soft(math.Abs(float64(x)*.8-float64(y)*.6-7) - 1) }, false, false},
		{"a corner", func(y, x int) float64 { return -soft(max(float64(x), float64(y)) - 35) }, false, false},
		{"a slope", func(y, x int) float64 { return float64(x+y) - 64 }, false, false},
		{"a large disc", disc(14, 32, 32, -1), false, false},
	} {
		_, m, _ := maps(t, n, n, grey(n, n, c.level))
		var dark, bright int8
		for i, v := range m.Data {
			y, x := i/4/8, i/4%8
			if far := max(y-4, 4-y, x-4, 4-x) > reach; v > 15 && far {
				t.Errorf("%s: %d in cell %d, %d", c.name, v, y, x)
			}
			if i%4 < 2 {
				dark = max(dark, v)
			} else {
				bright = max(bright, v)
			}
		}
		if (dark > 15) != c.dark || (bright > 15) != c.bright {
			t.Errorf("%s: dark %d, bright %d", c.name, dark, bright)
		}
	}
}

// Drawn across the middle of a picture of 64 x 64, on grain.
func TestLinesAreLong(t *testing.T) {
	const n = 64
	rng := rand.New(rand.NewPCG(1, 1))
	var grain [n][n]float64
	for i := range n * n {
		grain[i/n][i%n] = 3 * rng.NormFloat64()
	}
	line := func(degrees, contrast, width float64) func(y, x int) float64 {
		s, c := math.Sincos(degrees * math.Pi / 180)
		return func(y, x int) float64 {
			d := (float64(x)-n/2)*s - (float64(y)-n/2)*c
			return contrast * math.Exp(-d*d/(2*width*width))
		}
	}
	all := func(level func(y, x int) float64, grainy float64) []int8 {
		_, _, m := maps(t, n, n, grey(n, n, func(y, x int) float64 { return level(y, x) + grainy*grain[y][x] }))
		return m.Data
	}
	highest := func(data []int8, channel int) (v int8) {
		for i := channel; i < len(data); i += 4 {
			v = max(v, data[i])
		}
		return v
	}
	nothing := all(func(y, x int) float64 { return 0 }, 1)
	for degrees := 0.; degrees < 180; degrees += 10 {
		for c, contrast := range []float64{-15, 15} { // dark, bright
			for o, width := range []float64{1, 2.5} { // full size, half size
				got, other := all(line(degrees, contrast, width), 1), 2*o+1-c
				least := highest(nothing, 2*o+c) * 5 / 4
				if v := highest(got, 2*o+c); v < least {
					t.Errorf("%g degrees, %g levels, %g pixels wide: %d, want %d at least", degrees, contrast, width, v, least)
				}
				if v := highest(got, other); v >= highest(got, 2*o+c) {
					t.Errorf("%g degrees, %g levels: %d as a line of the other sign", degrees, contrast, v)
				}
			}
		}
	}
	// Five times the contrast, grain and line: the same line.
	weak, strong := all(line(30, -12, 1), 1), all(line(30, -60, 1), 5)
	if a, b := highest(weak, 0), highest(strong, 0); max(a, b)-min(a, b) > 6 {
		t.Errorf("a line of 12 levels is %d, of 60 %d", a, b)
	}
	if v := all(func(y, x int) float64 { return 20 }, 0); slices.Max(v) != 0 {
		t.Errorf("of an even picture: %d", v)
	}
	if v := all(func(y, x int) float64 { return float64(y+2*x) - 80 }, 0); slices.Max(v) > 4 {
		t.Errorf("of a slope: %d", v)
	}
}

func TestColour(t *testing.T) {
	const h, w = 24, 40 // 3 x 5 cells
	cells := [3][5][3]int{
		{{100, 20, -20}, {}, {}, {}, {127, -127, -127}},
		{},
		{{}, {}, {}, {-3, 1, 2}, {}},
	}
	pic := make([]int8, 0, 3*h*w)
	for y := range h {
		for x := range w {
			c := cells[y/Side][x/Side]
			for _, v := range c {
				pic = append(pic, int8(v))
			}
		}
	}
	m, _, _ := maps(t, h, w, pic)
	if m.H != 3 || m.W != 5 || m.C != 4 || m.Stride != 8 {
		t.Fatalf("map of %d x %d x %d, stride %d", m.H, m.W, m.C, m.Stride)
	}
	for _, c := range []struct {
		y, x int
		want [4]int8 // most red, most blue, least red, least blue, these turned
	}{
		{0, 0, [4]int8{50, 0, 0, 40}},  // its own: (200 - 20 + 20)/4, (-40 - 100 - 20)/4; the next is grey
		{1, 1, [4]int8{50, 0, 0, 40}},  // its neighbour's
		{1, 2, [4]int8{0, 2, 2, 0}},    // (-6 - 3)/4 = -2.25; (4 + 2)/4 = 1.5 rounds up
		{1, 4, [4]int8{127, 2, 2, 63}}, // of two neighbours; 508/4; -254/4 = -63.5 rounds up
		{2, 0, [4]int8{0, 0, 0, 0}},    // grey
		{0, 4, [4]int8{127, 0, 0, 63}},
	} {
		if got := [4]int8(m.Data[4*(c.y*m.W+c.x):]); got != c.want {
			t.Errorf("cell %d, %d: %d, want %d", c.y, c.x, got, c.want)
		}
	}
}

func TestSizesThatDoNotFit(t *testing.T) {
	for _, s := range [][2]int{{0, 8}, {8, -8}, {12, 16}, {16, 20}} {
		if _, err := New(s[0], s[1]); err == nil {
			t.Errorf("%d x %d: no error", s[0], s[1])
		}
	}
}

func BenchmarkMaps(b *testing.B) {
	for _, n := range []int{256} {
		pic := noise(n, n, 3)
		m, err := New(n, n)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var list []padim.Map
			for b.Loop() {
				list = m.Append(list[:0], pic)
			}
		})
	}
}
