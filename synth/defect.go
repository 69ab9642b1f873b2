package synth

import (
	"math"

	"cull/internal/exact"
)

// drawDefect draws mask and appearance: g.defect differs from g.scene inside the box only,
// and there only where g.mask > 0.
func (g *Generator) drawDefect(d draws, p *Defect) (box, error) {
	if !d.hit(sPresent, g.o.DefectShare) {
		return box{}, nil
	}
	b := g.drawMask(d, p)
	if b.empty() { // drawn beside the picture: no defect, and nothing to say of one
		*p = Defect{Components: p.Components[:0], Shape: p.Shape[:0]}
		return box{}, nil
	}
	p.Present = true
	mode := Mode(d.pick(sMode, g.o.Mode[:]))
	p.Mode = mode.String()
	if mode == ModeAdditive {
		p.Amplitude = d.logIn(sAmplitude, g.o.Amplitude)
	} else {
		p.Amplitude = d.in(sOpacity, g.o.Opacity)
	}
	switch mode {
	case ModeAdditive:
		g.additive(d, p, b)
	case ModeAlpha:
		p.Colour = g.colour(d)
		for c := range 3 {
			v := float32(p.Colour[c])
			g.blend(c, b, p.Amplitude, func(int, int) float32 { return v })
		}
	case ModeTexture:
		if err := g.texture(d, p, b); err != nil {
			return box{}, err
		}
	case ModeBlur:
		g.blur(d, p, b)
	case ModeContrast:
		g.contrast(d, p, b)
	case ModeWarp:
		g.warp(d, p, b)
	}
	return b, nil
}

// fade takes the colour from a defect: a grey camera sees it grey too.
func (g *Generator) fade(b box) {
	p := &g.defect
	for y := b.y0; y < b.y1; y++ {
		for i := y*g.w + b.x0; i < y*g.w+b.x1; i++ {
			if g.mask[i] > 0 {
				v := luma(p[0][i], p[1][i], p[2][i])
				p[0][i], p[1][i], p[2][i] = v, v, v
			}
		}
	}
}

// luma is the brightness of BT.601.
func luma(r, g, b float32) float32 {
	return float32(0.299*r) + float32(0.587*g) + float32(0.114*b)
}

// colour draws U(0, 1)^3, or one grey.
func (g *Generator) colour(d draws) (c [3]float64) {
	r := d.rand(sColour)
	for i := range c {
		c[i] = r.Float64()
	}
	if d.hit(sGrey, g.o.Grey) {
		return [3]float64{c[0], c[0], c[0]}
	}
	return c
}

// blend sets y = x + a m (t(x, y) - x) in one channel.
func (g *Generator) blend(c int, b box, a float64, t func(x, y int) float32) {
	av := float32(a)
	for y := b.y0; y < b.y1; y++ {
		for x := b.x0; x < b.x1; x++ {
			i := y*g.w + x
			v := g.scene[c][i]
			if m := g.mask[i]; m > 0 {
				g.defect[c][i] = v + float32(float32(av*m)*(t(x, y)-v))
			} else {
				g.defect[c][i] = v
			}
		}
	}
}

// additive adds a m c, c of unit length times sqrt(3): grey is (1, 1, 1).
func (g *Generator) additive(d draws, p *Defect, b box) {
	p.Colour = [3]float64{1, 1, 1}
	if !d.hit(sGrey, g.o.Grey) {
		r := d.rand(sColour)
		norm := 0.0
		for c := range p.Colour {
			p.Colour[c] = r.Normal()
			norm += float64(p.Colour[c] * p.Colour[c])
		}
		for c := range p.Colour {
			p.Colour[c] *= math.Sqrt(3 / norm)
		}
	}
	sign := 1.0
	if d.hit(sDark, g.o.Dark) {
		sign = -1
	}
	for c := range 3 {
		p.Colour[c] *= sign
		k := float32(p.Amplitude * p.Colour[c])
		for y := b.y0; y < b.y1; y++ {
			for i := y*g.w + b.x0; i < y*g.w+b.x1; i++ {
				g.defect[c][i] = g.scene[c][i] + float32(k*g.mask[i])
			}
		}
	}
}

// Sources of ModeTexture.
var textureNames = []string{"shift", "turn", "tiles", "other", "rough"}

// texture blends in a patch of somewhere else.
func (g *Generator) texture(d draws, p *Defect, b box) error {
	r := d.rand(sTexture)
	kind := r.IntN(len(textureNames))
	p.Texture = textureNames[kind]
	var from func(c, x, y int) float32
	switch p.Texture {
	case "shift":
		angle, far := r.Range(0, 360), d.in(sTextureShift, g.o.TextureShift)
		cs, sn := turn(angle)
		p.DX, p.DY = math.Round(far*cs), math.Round(far*sn)
		dx, dy := int(p.DX), int(p.DY)
		from = func(c, x, y int) float32 {
			return g.scene[c][mirror(y+dy, g.h)*g.w+mirror(x+dx, g.w)]
		}
	case "turn":
		from = func(c, x, y int) float32 {
			return g.scene[c][(g.h-1-y)*g.w+g.w-1-x]
		}
	case "tiles":
		const side = 8
		salt := uint32(r.Uint64())
		nx, ny := g.w/side, g.h/side
		from = func(c, x, y int) float32 {
			h := hash2(int32(x/side), int32(y/side), salt)
			tx, ty := int(h&0xffff)%nx, int(h>>16)%ny
			return g.scene[c][(ty*side+y%side)*g.w+tx*side+x%side]
		}
	case "other":
		var s Surface
		other := d.rand(sOther)
		if err := g.surface(&g.second, &other, &s); err != nil {
			return err
		}
		from = func(c, x, y int) float32 { return g.second[c][y*g.w+x] }
	case "rough":
		f := g.spare[0]
		g.fractal(f, &r, r.Range(0, 1.5), 0)
		from = func(c, x, y int) float32 {
			i := y*g.w + x
			return g.scene[c][i] + float32(0.25*f[i])
		}
	}
	for c := range 3 {
		g.blend(c, b, p.Amplitude, func(x, y int) float32 { return from(c, x, y) })
	}
	return nil
}

// mirror reflects i into 0..n-1.
func mirror(i, n int) int {
	period := 2 * n
	i %= period
	if i < 0 {
		i += period
	}
	if i >= n {
		return period - 1 - i
	}
	return i
}

// blur blends in the box mean of the scene.
func (g *Generator) blur(d draws, p *Defect, b box) {
	radius := d.wholeIn(sBlurRadius, g.o.BlurRadius)
	p.Value = float64(radius)
	for c := range 3 {
		g.boxMean(g.spare[0], g.scene[c], b, radius)
		g.blend(c, b, p.Amplitude, func(x, y int) float32 { return g.spare[0][y*g.w+x] })
	}
}

// boxMean writes the mean over (2r+1)^2 pixels, mirrored at the border, inside b.
func (g *Generator) boxMean(dst, src []float32, b box, r int) {
	rows := g.spare[1]
	inv := 1 / float32(2*r+1)
	for y := b.y0 - r; y < b.y1+r; y++ {
		line := src[mirror(y, g.h)*g.w:][:g.w]
		if y < 0 || y >= g.h {
			continue
		}
		for x := b.x0; x < b.x1; x++ {
			var s float32
			for k := -r; k <= r; k++ {
				s += line[mirror(x+k, g.w)]
			}
			rows[y*g.w+x] = s * inv
		}
	}
	for y := b.y0; y < b.y1; y++ {
		for x := b.x0; x < b.x1; x++ {
			var s float32
			for k := -r; k <= r; k++ {
				s += rows[mirror(y+k, g.h)*g.w+x]
			}
			dst[y*g.w+x] = s * inv
		}
	}
}

// contrast blends in the scene with another contrast about the mean of the defect's box, and
// half of the time another gamma.
func (g *Generator) contrast(d draws, p *Defect, b box) {
	r := d.rand(sContrastGain)
	p.Value = r.LogRange(g.o.ContrastGain.Min, g.o.ContrastGain.Max)
	gain := float32(p.Value)
	gamma := r.Float64() < 0.5
	if gamma {
		p.Texture = "gamma"
	}
	table := powTable(p.Value)
	for c := range 3 {
		var sum float64
		for y := b.y0; y < b.y1; y++ {
			for _, v := range g.scene[c][y*g.w+b.x0 : y*g.w+b.x1] {
				sum += float64(v)
			}
		}
		mean := float32(sum / float64((b.x1-b.x0)*(b.y1-b.y0)))
		g.blend(c, b, p.Amplitude, func(x, y int) float32 {
			v := g.scene[c][y*g.w+x]
			if gamma {
				return table.at(v)
			}
			return mean + float32(gain*(v-mean))
		})
	}
}

// A curve is a function on [0, 1] by 256 linear pieces.
type curve [258]float32

func powTable(gamma float64) (t curve) {
	for i := range t {
		t[i] = float32(exact.Pow(min(1, float64(i)/256), gamma))
	}
	return t
}

func (t *curve) at(v float32) float32 {
	v = float32(clamp(v, 0, 1) * 256)
	i := int(v)
	return lerp(t[i], t[i+1], v-float32(i))
}

// warp moves pixels: y(u) = x(u + a m(u) v).
func (g *Generator) warp(d draws, p *Defect, b box) {
	r := d.rand(sWarp)
	far := r.Range(g.o.WarpLength.Min, g.o.WarpLength.Max)
	cs, sn := turn(r.Range(0, 360))
	p.DX, p.DY = far*cs, far*sn
	vx, vy := float32(p.Amplitude*p.DX), float32(p.Amplitude*p.DY)
	for y := b.y0; y < b.y1; y++ {
		for x := b.x0; x < b.x1; x++ {
			i := y*g.w + x
			m := g.mask[i]
			if m == 0 {
				for c := range 3 {
					g.defect[c][i] = g.scene[c][i]
				}
				continue
			}
			k := g.between(float32(x)+float32(m*vx), float32(y)+float32(m*vy))
			for c := range 3 {
				g.defect[c][i] = k.of(g.scene[c])
			}
		}
	}
}

// A bilinear reads a plane between pixels.
type bilinear struct {
	i, right, down int // index of the top-left pixel, steps to its neighbours
	fx, fy         float32
}

// between is the position (x, y), clamped to the picture.
func (g *Generator) between(x, y float32) bilinear {
	x, y = clamp(x, 0, float32(g.w-1)), clamp(y, 0, float32(g.h-1))
	ix, iy := int(x), int(y)
	k := bilinear{i: iy*g.w + ix, fx: x - float32(ix), fy: y - float32(iy)}
	if ix < g.w-1 {
		k.right = 1
	}
	if iy < g.h-1 {
		k.down = g.w
	}
	return k
}

func (k *bilinear) of(p []float32) float32 {
	top := lerp(p[k.i], p[k.i+k.right], k.fx)
	return lerp(top, lerp(p[k.i+k.down], p[k.i+k.down+k.right], k.fx), k.fy)
}
