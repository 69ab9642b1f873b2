// Package spoil draws defects on real good pictures: what features are tried on where no real
// defects of a kind are at hand. It also changes pictures as a whole, as a line does that drifts. None of its formulas is one that pre-training draws by (package
// synth), and nothing is trained on what it makes. Figures on drawn defects find blind spots; they have misled as a
// criterion of choice (doc/experiments.md).
package spoil

import (
	"math"
	"slices"

	"cull/internal/exact"
)

// A Kind is a kind of defect or of drift. Sizes are in pixels of a picture of 256 x 256, contrasts in grey levels.
type Kind string

// The kinds of defects.
const (
	Pit     Kind = "pit"     // dark disc of radius 2 to 5, 40 to 80 levels, its rim lit on one side
	Speck   Kind = "speck"   // bright disc of radius 1.5 to 4, 40 to 90 levels
	Stain   Kind = "stain"   // soft patch of radius 12 to 28, 14 to 30 levels darker or brighter
	Colour  Kind = "colour"  // patch of radius 8 to 20, 20 to 45 levels of another colour, as bright on the mean
	Blur    Kind = "blur"    // patch of radius 12 to 24 out of focus, sigma 2.5
	Copy    Kind = "copy"    // patch of radius 10 to 20 from elsewhere in the picture, turned
	Scratch Kind = "scratch" // bent line 30 to 90 long, of half width 0.6 to 1.5, 25 to 60 levels darker or brighter
)

// Defects lists the kinds of defects.
var Defects = []Kind{Pit, Speck, Stain, Colour, Blur, Copy, Scratch}

// The kinds of drift: what has become of the camera or of the parts' place, the same for each picture.
const (
	Defocus   Kind = "defocus"   // out of focus, sigma 2
	Displaced Kind = "displaced" // 8 down and to the right, the border repeated
	Smear     Kind = "smear"     // dirt on the lens: a third of the light is lost in a soft spot of radius 13
	Grain     Kind = "grain"     // noise of 8 levels, the same in all channels
)

// Drifts lists the kinds of drift.
var Drifts = []Kind{Defocus, Displaced, Smear, Grain}

// reference is the side that sizes are given for.
const reference = 256

// A canvas is a picture that is drawn on, [size][size][3].
type canvas struct {
	size int
	pic  []uint8
	rng  exact.Rand
	out  []uint8
	mask []bool
}

// Draw returns pic, [size][size][3] bytes R, G, B, with one defect of the kind in its middle half, and where the defect is; or as a
// kind of drift changes it, and no mask.
func Draw(kind Kind, pic []uint8, size int, seed, stream uint64) (out []uint8, mask []bool) {
	if slices.Contains(Drifts, kind) {
		return drifted(kind, pic, size, exact.NewRand(seed, stream)), nil
	}
	c := &canvas{
		size: size, pic: pic, rng: exact.NewRand(seed, stream),
		out: slices.Clone(pic), mask: make([]bool, size*size),
	}
	switch kind {
	case Pit:
		c.pit()
	case Speck:
		b := c.blob(1.5, 4, 0.5)
		amp := c.rng.Range(40, 90)
		c.paint(b, 1.3, func(_, _, _ int, v, in float64) float64 { return v + amp*in })
	case Stain:
		b := c.blob(12, 28, 4)
		amp := c.sign() * c.rng.Range(14, 30)
		c.paint(b, 1.1, func(_, _, _ int, v, in float64) float64 { return v + amp*in })
	case Colour:
		b, hue := c.blob(8, 20, 2), c.hue()
		amp := c.rng.Range(20, 45)
		c.paint(b, 1.1, func(_, _, k int, v, in float64) float64 { return v + amp*hue[k]*in })
	case Blur:
		soft := blurred(pic, size, 2.5*c.unit())
		c.paint(c.blob(12, 24, 2), 1.1, func(y, x, k int, v, in float64) float64 {
			return v + (soft[(y*size+x)*3+k]-v)*in
		})
	case Copy:
		b := c.blob(10, 20, 0.7)
		dy, dx, turn := size/6+c.rng.IntN(size*2/3), size/6+c.rng.IntN(size*2/3), c.rng.IntN(4)
		c.paint(b, 1.1, func(y, x, k int, v, in float64) float64 {
			for range turn {
				y, x = x, size-1-y
			}
			return v + (float64(pic[((y+dy)%size*size+(x+dx)%size)*3+k])-v)*in
		})
	case Scratch:
		c.scratch()
	default:
		panic("spoil: no kind " + string(kind))
	}
	return c.out, c.mask
}

// unit is a reference pixel in pixels.
func (c *canvas) unit() float64 { return float64(c.size) / reference }

func (c *canvas) sign() float64 { return float64(2*c.rng.IntN(2) - 1) }

// hue is a colour whose channels sum to 0, the strongest of them 1 or -1.
func (c *canvas) hue() (h [3]float64) {
	for k := range h {
		h[k] = c.rng.Normal()
	}
	mean, most := (h[0]+h[1]+h[2])/3, 0.0
	for k := range h {
		h[k] -= mean
		most = max(most, math.Abs(h[k]))
	}
	for k := range h {
		h[k] /= most
	}
	return h
}

// A blob is an ellipse with a soft edge.
type blob struct {
	cy, cx, sin, cos float64
	r, flat          float64 // radius, and the shorter one's share of it
	soft             float64 // of the edge
}

// blob draws one of radius lo to hi in the middle half of the picture.
func (c *canvas) blob(lo, hi, soft float64) blob {
	u, s := c.unit(), float64(c.size)
	b := blob{cy: c.rng.Range(0.27*s, 0.73*s), cx: c.rng.Range(0.27*s, 0.73*s)}
	b.r, b.flat, b.soft = u*c.rng.Range(lo, hi), c.rng.Range(0.6, 1), u*soft
	a := c.rng.Range(0, math.Pi)
	b.sin, b.cos = exact.Sin(a), exact.Cos(a)
	return b
}

// at returns a pixel's place in the ellipse's axes, 1 at the end of each.
func (b *blob) at(y, x int) (v, u float64) {
	dy, dx := float64(y)-b.cy, float64(x)-b.cx
	return (dy*b.cos - dx*b.sin) / (b.r * b.flat), (dx*b.cos + dy*b.sin) / b.r
}

// paint sets every channel of every pixel to f of its place, value and share of the blob, 0 to 1. The mask is what is nearer to
// the centre than reach radii.
func (c *canvas) paint(b blob, reach float64, f func(y, x, channel int, value, in float64) float64) {
	for y := range c.size {
		for x := range c.size {
			q := math.Hypot(b.at(y, x))
			in := logistic((1 - q) * b.r / b.soft)
			c.mask[y*c.size+x] = q < reach
			c.set(y, x, in, f)
		}
	}
}

func (c *canvas) set(y, x int, in float64, f func(y, x, channel int, value, in float64) float64) {
	if in < 1e-3 {
		return
	}
	for k := range 3 {
		i := (y*c.size+x)*3 + k
		c.out[i] = uint8(min(max(math.Round(f(y, x, k, float64(c.pic[i]), in)), 0), 255))
	}
}

// pit is a disc, darker, and a ring about it that light from one side makes brighter.
func (c *canvas) pit() {
	b := c.blob(2, 5, 0.5)
	light, amp := c.rng.Range(0, 2*math.Pi), c.rng.Range(40, 80)
	ly, lx := exact.Sin(light), exact.Cos(light)
	for y := range c.size {
		for x := range c.size {
			v, u := b.at(y, x)
			q := math.Hypot(v, u)
			d := (q - 1.2) * b.r / c.unit()
			rim := exact.Exp(-min(d*d, 50)) * min(max((v*ly+u*lx)/max(q, 0.3), 0), 1)
			change := 0.6*rim - logistic((1-q)*b.r/b.soft)
			c.mask[y*c.size+x] = q < 1.3
			c.set(y, x, math.Abs(change), func(_, _, _ int, v, _ float64) float64 { return v + amp*change })
		}
	}
}

func (c *canvas) scratch() {
	b := c.blob(15, 45, 1) // its radius is half the length
	width, bend := c.unit()*c.rng.Range(0.6, 1.5), c.rng.Range(-0.01, 0.01)/c.unit()
	amp := c.sign() * c.rng.Range(25, 60)
	for y := range c.size {
		for x := range c.size {
			v, u := b.at(y, x)
			across, along := v*b.r*b.flat-bend*u*b.r*u*b.r, math.Abs(u)*b.r
			in := exact.Exp(-min(across*across/(2*width*width), 50)) * logistic((b.r-along)/b.soft)
			c.mask[y*c.size+x] = in > 0.3
			c.set(y, x, in, func(_, _, _ int, v, in float64) float64 { return v + amp*in })
		}
	}
}

func logistic(x float64) float64 { return 1 / (1 + exact.Exp(-min(max(x, -50), 50))) }

// blurred is pic under a Gaussian, its border repeated.
func blurred(pic []uint8, size int, sigma float64) []float64 {
	r := int(math.Ceil(3 * sigma))
	taps, sum := make([]float64, 2*r+1), 0.0
	for i := range taps {
		d := float64(i-r) / sigma
		taps[i] = exact.Exp(-d * d / 2)
		sum += taps[i]
	}
	in, out := make([]float64, len(pic)), make([]float64, len(pic))
	for i, v := range pic {
		in[i] = float64(v)
	}
	for _, step := range [][2]int{{0, 1}, {1, 0}} {
		for y := range size {
			for x := range size {
				for k := range 3 {
					s := 0.0
					for i, t := range taps {
						yy, xx := min(max(y+(i-r)*step[0], 0), size-1), min(max(x+(i-r)*step[1], 0), size-1)
						s += t * in[(yy*size+xx)*3+k]
					}
					out[(y*size+x)*3+k] = s / sum
				}
			}
		}
		in, out = out, in
	}
	return in
}

// drifted is pic as a kind of drift changes it.
func drifted(kind Kind, pic []uint8, size int, rng exact.Rand) []uint8 {
	unit := float64(size) / reference
	var f func(y, x, k int) float64 // the value of a channel
	value := func(y, x, k int) float64 { return float64(pic[(y*size+x)*3+k]) }
	switch kind {
	case Defocus:
		soft := blurred(pic, size, 2*unit)
		f = func(y, x, k int) float64 { return soft[(y*size+x)*3+k] }
	case Displaced:
		by := int(math.Round(8 * unit))
		f = func(y, x, k int) float64 { return value(max(y-by, 0), max(x-by, 0), k) }
	case Smear:
		f = func(y, x, k int) float64 {
			dy, dx := float64(y)-0.6*float64(size), float64(x)-0.4*float64(size)
			return value(y, x, k) * (1 - 0.35*exact.Exp(-min((dy*dy+dx*dx)/(2*13*13*unit*unit), 50)))
		}
	case Grain:
		var noise float64
		f = func(y, x, k int) float64 {
			if k == 0 {
				noise = 8 * rng.Normal()
			}
			return value(y, x, k) + noise
		}
	}
	out := make([]uint8, len(pic))
	for y := range size {
		for x := range size {
			for k := range 3 {
				out[(y*size+x)*3+k] = uint8(min(max(math.Round(f(y, x, k)), 0), 255))
			}
		}
	}
	return out
}
