package synth

import (
	"math"

	"cull/internal/exact"
)

// A Fractal is one class of a formula-driven data set without defects, for comparison: an
// iterated function system as in FractalDB (Kataoka et al., ACCV 2020, arXiv 2101.08515).
//
//	x' = A_i x + b_i, i = 1..N drawn with probability |det A_i| by their sum, N = 2..6
//	A_i = R(u) diag(s1, s2) R(v) diag(+-1, +-1), 1 > s1 > s2 > 0, b_i from U(-1, 1)^2
//	(5+N)/2 <= sum over i of s1 + 2 s2 <= (6+N)/2
//
// the sampling of Anderson and Farrell (WACV 2022, arXiv 2110.03091), which keeps systems
// contracting but not to dust. A class is the first system of its stream that covers at least
// a tenth of a 64 x 64 picture.
type Fractal struct {
	Class uint64
	maps  []affine
}

// An affine is x' = a x + b y + e, y' = c x + d y + f, chosen up to a cumulative share.
type affine struct{ a, b, c, d, e, f, upTo float64 }

// Fractals of a class differ in their parameters, each multiplied by 0.9 to 1.1.
const (
	fractalProbe  = 64
	fractalCover  = fractalProbe * fractalProbe / 10
	fractalJitter = 0.1
)

// NewFractal finds the system of a class.
func NewFractal(class uint64) Fractal {
	r := exact.NewRand(class, 0xf2ac7a1)
	probe := Picture{W: fractalProbe, H: fractalProbe, Pix: make([]uint8, 3*fractalProbe*fractalProbe)}
	for {
		f := Fractal{class, make([]affine, 2+r.IntN(5))}
		drawSystem(f.maps, &r)
		weigh(f.maps)
		clear(probe.Pix)
		if plot(&probe, f.maps, r, [3]uint8{255, 255, 255}) >= fractalCover {
			return f
		}
		r.Uint64()
	}
}

// drawSystem draws the maps.
func drawSystem(maps []affine, r *exact.Rand) {
	n := float64(len(maps))
	var s [6][2]float64
	for sum := 0.0; sum < (5+n)/2 || sum > (6+n)/2; {
		sum = 0
		for i := range maps {
			u, v := r.Float64(), r.Float64()
			s[i] = [2]float64{max(u, v), min(u, v)}
			sum += s[i][0] + float64(2*s[i][1])
		}
	}
	for i := range maps {
		cu, su := turn(r.Range(0, 360))
		cv, sv := turn(r.Range(0, 360))
		fx, fy := float64(1-2*r.IntN(2)), float64(1-2*r.IntN(2))
		s1, s2 := s[i][0], s[i][1]
		maps[i] = affine{
			a: float64(fx * (float64(float64(s1*cu)*cv) - float64(float64(s2*su)*sv))),
			b: float64(fy * (float64(float64(-s1*cu)*sv) - float64(float64(s2*su)*cv))),
			c: float64(fx * (float64(float64(s1*su)*cv) + float64(float64(s2*cu)*sv))),
			d: float64(fy * (float64(float64(-s1*su)*sv) + float64(float64(s2*cu)*cv))),
			e: r.Range(-1, 1), f: r.Range(-1, 1),
		}
	}
}

// weigh sets the shares of the maps.
func weigh(maps []affine) {
	sum := 0.0
	for i := range maps {
		m := &maps[i]
		sum += math.Abs(float64(m.a*m.d)-float64(m.b*m.c)) + 1e-3
		m.upTo = sum
	}
	for i := range maps {
		maps[i].upTo /= sum
	}
}

// Draw renders the instance of a seed on black, in one colour, into dst of its size. Its
// parameters differ from the class's; an instance that diverges falls back to the class.
func (f *Fractal) Draw(dst *Picture, seed uint64) {
	r := exact.NewRand(seed, exact.Mix(f.Class))
	maps := make([]affine, len(f.maps))
	copy(maps, f.maps)
	for i := range maps {
		m := &maps[i]
		for _, p := range []*float64{&m.a, &m.b, &m.c, &m.d, &m.e, &m.f} {
			*p = float64(*p * r.Range(1-fractalJitter, 1+fractalJitter))
		}
	}
	weigh(maps)
	tone := hsv(r.Float64(), r.Range(0, 0.8), r.Range(0.6, 1))
	colour := [3]uint8{byteOf(tone[0]), byteOf(tone[1]), byteOf(tone[2])}
	clear(dst.Pix)
	if plot(dst, maps, r, colour) == 0 {
		plot(dst, f.maps, r, colour)
	}
}

// plot iterates the system, 3/2 points a pixel, fitted to the picture, and returns the number
// of pixels it lit: 0 when it diverges or shrinks to a point.
func plot(dst *Picture, maps []affine, r exact.Rand, colour [3]uint8) (lit int) {
	const skip, fit, far = 30, 600, 1e4
	var x, y float64
	x0, y0, x1, y1 := far, far, -far, -far
	walk := r
	for n := range skip + fit {
		x, y = iterate(maps, &walk, x, y)
		if !(math.Abs(x) < far && math.Abs(y) < far) {
			return 0
		}
		if n >= skip {
			x0, x1 = min(x0, x), max(x1, x)
			y0, y1 = min(y0, y), max(y1, y)
		}
	}
	if x1-x0 < 1e-6 || y1-y0 < 1e-6 {
		return 0
	}
	kx := float64(dst.W) * 0.92 / (x1 - x0)
	ky := float64(dst.H) * 0.92 / (y1 - y0)
	for range dst.W * dst.H * 3 / 2 {
		x, y = iterate(maps, &walk, x, y)
		px := float64((x-x0)*kx) + float64(float64(dst.W)*0.04)
		py := float64((y-y0)*ky) + float64(float64(dst.H)*0.04)
		if !(px >= 0 && py >= 0 && px < float64(dst.W) && py < float64(dst.H)) {
			continue
		}
		p := dst.Pix[3*(int(py)*dst.W+int(px)):][:3]
		if p[0]|p[1]|p[2] == 0 {
			lit++
		}
		copy(p, colour[:])
	}
	return lit
}

func iterate(maps []affine, r *exact.Rand, x, y float64) (float64, float64) {
	u := r.Float64()
	i := 0
	for i < len(maps)-1 && u >= maps[i].upTo {
		i++
	}
	m := &maps[i]
	return float64(m.a*x) + float64(m.b*y) + m.e, float64(m.c*x) + float64(m.d*y) + m.f
}
