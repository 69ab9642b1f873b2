package synth

import "cull/internal/exact"

// expose makes bytes of the scene and its defect: x (1 + light) gain + noise. Outside the
// box Image is a copy of Clean.
func (g *Generator) expose(d draws, s *Sample, b box) {
	p := &s.Params.Camera
	r := d.rand(sNoise)
	e := exposure{gain: d.in(sGain, g.o.Gain), noise: r.Range(g.o.Noise.Min, g.o.Noise.Max)}
	light := d.rand(sLight)
	e.light, p.Light = drawLight(&light, g.o.Light)
	p.Gain, p.Noise = e.gain, e.noise
	g.fillNoise(&r, s.Params.Normal.Grey)
	all := box{0, 0, g.w, g.h}
	g.expose1(&s.Clean, &g.scene, all, &e)
	copy(s.Image.Pix, s.Clean.Pix)
	g.expose1(&s.Image, &g.defect, b, &e)

	r = d.rand(sTwinNoise)
	e = exposure{gain: d.in(sTwinGain, g.o.Gain), noise: r.Range(g.o.Noise.Min, g.o.Noise.Max)}
	light = d.rand(sTwinLight)
	e.light, p.TwinLight = drawLight(&light, g.o.Light)
	p.TwinGain, p.TwinNoise = e.gain, e.noise
	g.fillNoise(&r, s.Params.Normal.Grey)
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

// fillNoise fills g.noise; a grey camera has one noise for all channels.
func (g *Generator) fillNoise(r *exact.Rand, grey bool) {
	fillNormal(g.noise[0], r)
	for c := 1; c < 3; c++ {
		if grey {
			copy(g.noise[c], g.noise[0])
		} else {
			fillNormal(g.noise[c], r)
		}
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
		for x := b.x0; x < b.x1; x++ {
			u := float32(float32(x)*stepX) - 1
			k := gain * (l0 + float32(u*(l1+float32(l[2]*u))))
			i := y*g.w + x
			out := dst.Pix[3*i : 3*i+3 : 3*i+3]
			out[0] = byteOf(float32(k*src[0][i]) + float32(sigma*g.noise[0][i]))
			out[1] = byteOf(float32(k*src[1][i]) + float32(sigma*g.noise[1][i]))
			out[2] = byteOf(float32(k*src[2][i]) + float32(sigma*g.noise[2][i]))
		}
	}
}

// displace writes the scene moved by (dx, dy) pixels into g.second.
func (g *Generator) displace(dx, dy float32) {
	for y := range g.h {
		for x := range g.w {
			k := g.between(float32(x)-dx, float32(y)-dy)
			i := y*g.w + x
			for c := range 3 {
				g.second[c][i] = k.of(g.scene[c])
			}
		}
	}
}
