package synth

import (
	"math"

	"cull/internal/exact"
)

// An rgb is a colour in [0, 1]^3.
type rgb [3]float32

// hsv converts hue in turns, saturation and value.
func hsv(h, s, v float64) rgb {
	h = float64((h - math.Floor(h)) * 6)
	var c rgb
	for i, off := range [3]float64{0, 4, 2} {
		t := h + off
		if t >= 6 {
			t -= 6
		}
		k := max(0, min(1, max(t-3, 3-t)-1)) // distance from the channel's own hue
		c[i] = float32(v * (1 - float64(s*(1-k))))
	}
	return c
}

// mixRGB is lerp by channel.
func mixRGB(a, b rgb, t float32) rgb {
	return rgb{lerp(a[0], b[0], t), lerp(a[1], b[1], t), lerp(a[2], b[2], t)}
}

// times scales a colour.
func (c rgb) times(k float32) rgb {
	return rgb{float32(c[0] * k), float32(c[1] * k), float32(c[2] * k)}
}

// A palette maps [0, 1] to colours.
type palette [1025]rgb

// gradient puts colours at equal distances.
func gradient(p *palette, stops ...rgb) {
	n := float32(len(stops) - 1)
	for i := range p {
		t := float32(float32(i) / 1024 * n)
		k := min(int(t), len(stops)-2)
		p[i] = mixRGB(stops[k], stops[k+1], t-float32(k))
	}
}

func (p *palette) at(v float32) rgb { return p[int(float32(clamp(v, 0, 1)*1024))] }

// cosine is one period by 1024 steps.
var cosine = cosineTable()

func cosineTable() (t [1024]float32) {
	for i := range t {
		t[i] = float32(exact.Cos(float64(float64(i) * (2 * math.Pi / 1024))))
	}
	return t
}

// wave is cos(2 pi t), |t| < 2^20.
func wave(t float32) float32 { return cosine[int32(float32(t*1024))&1023] }

// A frame turns pixels into coordinates about the centre of the picture.
type frame struct{ c, s, x0, y0 float32 }

// frame draws a direction: u is along it, v across; both may leave +-half the diagonal by
// less than a pixel.
func (g *Generator) frame(deg float64) frame {
	c, s := turn(deg)
	return frame{float32(c), float32(s), float32(g.w-1) / 2, float32(g.h-1) / 2}
}

func (f *frame) at(x, y int) (u, v float32) {
	dx, dy := float32(x)-f.x0, float32(y)-f.y0
	return float32(f.c*dx) + float32(f.s*dy), float32(f.c*dy) - float32(f.s*dx)
}

// A light is a direction and how the surface answers.
type light struct {
	x, y, z float32 // toward the light, of unit length
	depth   float32 // height of the relief, pixels
	gloss   float32 // strength of the highlight
	shine   int     // its exponent is 2^shine
}

// lightFrom is a light at an azimuth and elevation in degrees.
func lightFrom(azimuth, elevation, depth, gloss float64, shine int) light {
	c, s := turn(azimuth)
	ce, se := turn(elevation)
	return light{float32(c * ce), float32(s * ce), float32(se), float32(depth), float32(gloss), shine}
}

// relief shades colours by the slope of a height field: Lambert, and Blinn's highlight with
// the viewer straight above. gloss, if not nil, scales the highlight of each pixel.
func (g *Generator) relief(dst *planes, height, gloss []float32, l light) {
	hx, hy, hz := l.x, l.y, l.z+1
	norm := float32(math.Sqrt(float64(float32(hx*hx) + float32(hy*hy) + float32(hz*hz))))
	hx, hy, hz = hx/norm, hy/norm, hz/norm
	flat := 1 / l.z
	k := float32(l.depth / 2)
	for y := range g.h {
		up, down := max(y-1, 0)*g.w, min(y+1, g.h-1)*g.w
		for x := range g.w {
			i := y*g.w + x
			nx := float32(k * (height[y*g.w+max(x-1, 0)] - height[y*g.w+min(x+1, g.w-1)]))
			ny := float32(k * (height[up+x] - height[down+x]))
			inv := 1 / float32(math.Sqrt(float64(1+float32(nx*nx)+float32(ny*ny))))
			lit := float32(max(0, float32(nx*l.x)+float32(ny*l.y)+l.z) * float32(inv*flat))
			var spot float32
			if l.gloss > 0 {
				spot = float32(max(0, float32(nx*hx)+float32(ny*hy)+hz) * inv)
				for range l.shine {
					spot = float32(spot * spot)
				}
				spot = float32(spot * l.gloss)
				if gloss != nil {
					spot = float32(spot * gloss[i])
				}
			}
			dst[0][i] = float32(dst[0][i]*lit) + spot
			dst[1][i] = float32(dst[1][i]*lit) + spot
			dst[2][i] = float32(dst[2][i]*lit) + spot
		}
	}
}

// put writes a colour times a tone.
func (p *planes) put(i int, c rgb, tone float32) {
	p[0][i] = float32(c[0] * tone)
	p[1][i] = float32(c[1] * tone)
	p[2][i] = float32(c[2] * tone)
}

// mixIn blends a colour over pixel i.
func (p *planes) mixIn(i int, c rgb, cover float32) {
	p[0][i] = lerp(p[0][i], c[0], cover)
	p[1][i] = lerp(p[1][i], c[1], cover)
	p[2][i] = lerp(p[2][i], c[2], cover)
}

// earthy draws a colour as surfaces have them: mostly unsaturated.
func earthy(r *exact.Rand) rgb {
	s, v := r.Float64(), r.Range(0.25, 0.95)
	sat := float64(float64(s*s) * 0.7)
	switch r.IntN(6) {
	case 0:
		return hsv(r.Float64(), sat, v)
	case 1, 2:
		return hsv(r.Range(0.5, 0.68), float64(sat*0.5), v)
	}
	return hsv(r.Range(0, 0.16), sat, v)
}

// over is ink on paper: the product by channel.
func (c rgb) over(ink rgb) rgb {
	return rgb{float32(c[0] * ink[0]), float32(c[1] * ink[1]), float32(c[2] * ink[2])}
}
