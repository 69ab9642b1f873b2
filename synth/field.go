package synth

import (
	"math"

	"cull/internal/exact"
)

// hash2 mixes a lattice point and a salt to 32 bits.
func hash2(x, y int32, salt uint32) uint32 {
	h := uint32(x)*0x9e3779b1 ^ uint32(y)*0x85ebca77 ^ salt
	h ^= h >> 15
	h *= 0x2c1b3c6d
	h ^= h >> 12
	h *= 0x297a2d39
	return h ^ h>>15
}

// unit is a hash as a number in [0, 1).
func unit(h uint32) float32 { return float32(float32(h>>8) * 0x1p-24) }

// gradients are 16 directions of length sqrt(2), so that perlin nearly fills [-1, 1].
var gradients = gradientTable()

func gradientTable() (t [16][2]float32) {
	for i := range t {
		c, s := turn(float64(i) * 22.5)
		t[i] = [2]float32{float32(c * math.Sqrt2), float32(s * math.Sqrt2)}
	}
	return t
}

// perlin is gradient noise of period 1 in [-1, 1] (Perlin, SIGGRAPH 1985, 2002).
// x and y must be within +-2^20.
func perlin(x, y float32, salt uint32) float32 {
	fx, fy := float32(math.Floor(float64(x))), float32(math.Floor(float64(y)))
	ix, iy := int32(fx), int32(fy)
	x, y = x-fx, y-fy
	corner := func(i, j int32, dx, dy float32) float32 {
		v := &gradients[hash2(ix+i, iy+j, salt)&15]
		return float32(v[0]*dx) + float32(v[1]*dy)
	}
	u, v := fade(x), fade(y)
	top := lerp(corner(0, 0, x, y), corner(1, 0, x-1, y), u)
	return lerp(top, lerp(corner(0, 1, x, y-1), corner(1, 1, x-1, y-1), u), v)
}

// fade is 6t^5 - 15t^4 + 10t^3.
func fade(t float32) float32 {
	p := float32(t*6) - 15
	p = float32(t*p) + 10
	return float32(float32(float32(t*t)*t) * p)
}

// A field is a plane of numbers read between its points.
type field struct {
	w, h int
	v    []float32
}

// at reads the field at (x, y), clamped to it.
func (f *field) at(x, y float32) float32 {
	x, y = clamp(x, 0, float32(f.w-1)-0.01), clamp(y, 0, float32(f.h-1)-0.01)
	ix, iy := int(x), int(y)
	p := f.v[iy*f.w+ix:]
	q := p[f.w:]
	fx := x - float32(ix)
	return lerp(lerp(p[0], p[1], fx), lerp(q[0], q[1], fx), y-float32(iy))
}

// row returns row y of the field from column x on.
func (f *field) row(x, y int) []float32 { return f.v[y*f.w+x:] }

// fractal fills a plane of the generator's size with 1/f^a noise, mean about 0, standard
// deviation about 1; stretch doubles its grain along x so many times.
func (g *Generator) fractal(dst []float32, r *exact.Rand, a float64, stretch int) {
	g.noiseField(&field{g.w, g.h, dst}, r, a, stretch)
}

// square returns scratch field k, wide enough for the picture turned by any angle.
func (g *Generator) square(k int) *field {
	f := &g.fields[k]
	if f.v == nil {
		n := int(hypot(float64(g.w), float64(g.h))) + 4
		*f = field{n, n, make([]float32, n*n)}
	}
	return f
}

// noiseField sums octaves of white noise from coarse to fine; octave l, of wavelength 2^l
// pixels, has the standard deviation 2^(l(a-1)): in two dimensions a spectrum 1/f^a. With
// stretch the noise is that of a picture 2^stretch times narrower.
func (g *Generator) noiseField(f *field, r *exact.Rand, a float64, stretch int) {
	type size struct{ w, h int }
	var levels [16]size
	n := 0
	for w, h := f.w, f.h; ; n++ {
		levels[n] = size{w, h}
		if n == len(levels)-1 || (w <= 4 && h <= 4) {
			break
		}
		w = (w+1)/2 + 2
		if n >= stretch {
			h = (h+1)/2 + 2
		}
		if w <= 5 && h <= 5 { // a fixed point of the halving
			break
		}
	}
	stretch = min(stretch, n)
	var sum float64
	step := exact.Exp((a - 1) * math.Ln2)
	amp := 1.0
	for l := 0; l <= n; l++ {
		if l >= stretch {
			sum += float64(amp * amp)
		}
		amp *= step
	}
	norm := 1 / math.Sqrt(sum)
	var from []float32
	for l := n; l >= 0; l-- {
		amp /= step
		s := levels[l]
		to := f.v
		if l > 0 {
			g.pyramid[l&1] = grow(g.pyramid[l&1], s.w*s.h)
			to = g.pyramid[l&1]
		}
		if l >= stretch {
			fillNormal(to, r)
			scale(to, float32(amp*norm))
		} else {
			clear(to)
		}
		if l < n {
			upsample(to, s.w, s.h, from, levels[l+1].w, levels[l+1].h)
		}
		from = to
	}
}

func scale(v []float32, k float32) {
	for i := range v {
		v[i] *= k
	}
}

// upsample adds a plane of half the width, and half the height unless that is the same, to dst:
// weights 3/4 and 1/4 per axis, one column (and row) of margin.
func upsample(dst []float32, w, h int, src []float32, sw, sh int) {
	for y := range h {
		i, j := y, y
		if sh != h {
			i, j = y/2+1, y/2+2*(y&1)
		}
		a, b := src[i*sw:(i+1)*sw], src[j*sw:(j+1)*sw]
		row := dst[y*w : (y+1)*w]
		mix := func(i int) float32 { return float32(0.75*a[i]) + float32(0.25*b[i]) }
		left, mid := mix(0), mix(1)
		for x := 0; x < w; x += 2 {
			right := mix(x/2 + 2)
			row[x] += float32(0.75*mid) + float32(0.25*left)
			if x+1 < w {
				row[x+1] += float32(0.75*mid) + float32(0.25*right)
			}
			left, mid = mid, right
		}
	}
}

// A cell is a seed point of a Voronoi diagram.
type cell struct {
	x, y float32
	hash uint32
}

// A voronoi is a jittered lattice of seed points, one per square of side size.
type voronoi struct {
	cells  []cell
	nx     int
	size   float32
	margin float32 // the lattice starts this far left of and above the origin
}

// voronoi scatters seed points over a picture with jitter 0 (square lattice) to 1. Positions
// up to one cell outside the picture may be asked for.
func (g *Generator) voronoi(r *exact.Rand, size, jitter float32) voronoi {
	v := voronoi{size: size, margin: 3 * size}
	v.nx = int(float32(g.w)/size) + 8
	ny := int(float32(g.h)/size) + 8
	g.cells = grow(g.cells, v.nx*ny)
	for j := range ny {
		for i := range v.nx {
			u := r.Uint64()
			c := &g.cells[j*v.nx+i]
			c.x = float32((float32(i)+0.5+float32(jitter*float32(unit(uint32(u))-0.5)))*size) - v.margin
			c.y = float32((float32(j)+0.5+float32(jitter*(unit(uint32(u>>32))-0.5)))*size) - v.margin
			c.hash = uint32(exact.Mix(u))
		}
	}
	v.cells = g.cells
	return v
}

// nearest returns the distances to the two nearest seed points and the hash of the nearest.
func (v *voronoi) nearest(x, y float32) (f1, f2 float32, hash uint32) {
	ci := max(int((x+v.margin)/v.size), 1)
	cj := max(int((y+v.margin)/v.size), 1)
	f1, f2 = 1e18, 1e18
	for j := cj - 1; j <= cj+1; j++ {
		row := v.cells[j*v.nx+ci-1 : j*v.nx+ci+2]
		for i := range row {
			c := &row[i]
			dx, dy := x-c.x, y-c.y
			switch d := float32(dx*dx) + float32(dy*dy); {
			case d < f1:
				f1, f2, hash = d, f1, c.hash
			case d < f2:
				f2 = d
			}
		}
	}
	return float32(math.Sqrt(float64(f1))), float32(math.Sqrt(float64(f2))), hash
}
