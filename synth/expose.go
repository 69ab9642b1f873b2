package synth

import (
	"math"

	"cull/internal/exact"
)

// expose makes bytes of the scene and its defect: x (1 + light) gain + noise. Outside the
// box Image is a copy of Clean.
func (g *Generator) expose(d draws, s *Sample, b box) {
	p := &s.Params.Camera
	r := d.rand(sNoise)
	e := exposure{gain: d.in(sGain, g.o.Gain), noise: r.Range(g.o.Noise.Min, g.o.Noise.Max)}
	light := d.rand(sLight)
	e.light, p.Light = drawLight(&light, g.o.Light)
	p.Gain, p.Noise = e.gain, e.noise
	g.fillNoise(&r)
	all := box{0, 0, g.w, g.h}
	g.expose1(&s.Clean, &g.scene, all, &e)
	copy(s.Image.Pix, s.Clean.Pix)
	g.expose1(&s.Image, &g.defect, b, &e)

	r = d.rand(sTwinNoise)
	e = exposure{gain: d.in(sTwinGain, g.o.Gain), noise: r.Range(g.o.Noise.Min, g.o.Noise.Max)}
	light = d.rand(sTwinLight)
	e.light, p.TwinLight = drawLight(&light, g.o.Light)
	p.TwinGain, p.TwinNoise = e.gain, e.noise
	g.fillNoise(&r)
	shift := d.rand(sShift)
	p.ShiftX = shift.Range(g.o.Shift.Min, g.o.Shift.Max)
	p.ShiftY = shift.Range(g.o.Shift.Min, g.o.Shift.Max)
	g.displace(float32(p.ShiftX), float32(p.ShiftY))
	g.expose1(&s.Twin, &g.second, all, &e)
}

// An exposure is one nuisance draw.
type exposure struct {
	gain, noise float64
	light       [5]float32 // of x, y, x^2, xy, y^2 on [-1, 1]^2
}

// drawLight draws a quadratic surface whose absolute value nowhere exceeds the amplitude.
func drawLight(r *exact.Rand, in Range) (c [5]float32, amplitude float64) {
	amplitude = r.Range(in.Min, in.Max)
	sum := 1e-9
	var v [5]float64
	for i := range v {
		v[i] = r.Normal()
		sum += max(v[i], -v[i])
	}
	for i := range v {
		c[i] = float32(v[i] * amplitude / sum)
	}
	return c, amplitude
}

// channels is how many planes of the sample differ.
func (g *Generator) channels() int {
	if g.grey {
		return 1
	}
	return 3
}

// fillNoise fills g.noise; a grey camera has one noise.
func (g *Generator) fillNoise(r *exact.Rand) {
	for c := range g.channels() {
		fillNormal(g.noise[c], r)
	}
}

func (g *Generator) expose1(dst *Picture, src *planes, b box, e *exposure) {
	sigma, gain := float32(e.noise), float32(e.gain)
	stepX, stepY := 2/float32(g.w), 2/float32(g.h)
	l := &e.light
	for y := b.y0; y < b.y1; y++ {
		v := float32(float32(y)*stepY) - 1
		l0 := 1 + float32(v*(l[1]+float32(l[4]*v)))
		l1 := l[0] + float32(l[3]*v)
		from, to := y*g.w+b.x0, y*g.w+b.x1
		k := g.spare[0][:to-from]
		for x := range k {
			u := float32(float32(x+b.x0)*stepX) - 1
			k[x] = float32(gain * (l0 + float32(u*(l1+float32(l[2]*u)))))
		}
		for c := range g.channels() {
			in, noise := src[c][from:to], g.noise[c][from:to]
			in, noise = in[:len(k)], noise[:len(k)]
			out := dst.Pix[3*from+c:]
			for x, v := range k {
				out[3*x] = byteOf(float32(v*in[x]) + float32(sigma*noise[x]))
			}
		}
		if g.grey {
			for out := dst.Pix[3*from : 3*to]; len(out) > 0; out = out[3:] {
				out[1], out[2] = out[0], out[0]
			}
		}
	}
}

// displace writes the scene moved by (dx, dy) pixels, |dx|, |dy| <= 8, into g.second; the
// border repeats.
func (g *Generator) displace(dx, dy float32) {
	const margin = 9
	ix, iy := floor(-dx), floor(-dy)
	fx, fy := -dx-float32(ix), -dy-float32(iy)
	g.line = grow(g.line, g.w+2*margin)
	inner := g.line[margin : margin+g.w]
	p := g.line[margin+ix:][:g.w]
	q := g.line[margin+ix+1:][:g.w]
	for c := range g.channels() {
		for y := range g.h {
			a := g.scene[c][min(max(y+iy, 0), g.h-1)*g.w:][:g.w]
			b := g.scene[c][min(max(y+iy+1, 0), g.h-1)*g.w:][:g.w]
			for x := range inner {
				inner[x] = a[x] + float32(fy*(b[x]-a[x]))
			}
			for k := range margin {
				g.line[k] = inner[0]
				g.line[margin+g.w+k] = inner[g.w-1]
			}
			out := g.second[c][y*g.w : (y+1)*g.w]
			for x := range out {
				out[x] = p[x] + float32(fx*(q[x]-p[x]))
			}
		}
	}
}

func floor(x float32) int { return int(math.Floor(float64(x))) }
