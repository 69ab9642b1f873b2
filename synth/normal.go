package synth

import (
	"cull/internal/exact"
)

// drawNormal draws the picture without defect into g.scene.
func (g *Generator) drawNormal(d draws, p *Normal) error {
	r := d.rand(sGround)
	if err := g.surface(&g.scene, &r, &p.Ground); err != nil {
		return err
	}
	if !isPart(p.Ground) && d.hit(sObject, g.o.Scene) {
		r = d.rand(sObject)
		r.Uint64()
		p.Object = new(Surface)
		if err := g.surface(&g.second, &r, p.Object); err != nil {
			return err
		}
		g.place(&r)
	}
	p.Grey = d.hit(sGreyPicture, g.o.GreyPicture)
	p.Gamma = d.logIn(sGamma, g.o.Gamma)
	p.Blur = d.in(sBlur, g.o.Blur)
	bal := d.rand(sBalance)
	for c := range p.Balance {
		p.Balance[c] = bal.Range(g.o.Balance.Min, g.o.Balance.Max)
	}
	g.develop(p)
	return nil
}

func isPart(s Surface) bool { return !s.Real && Family(s.Index) >= Washer }

// surface draws one texture, its contrast and level.
func (g *Generator) surface(dst *planes, r *exact.Rand, s *Surface) error {
	if g.src != nil && r.Float64() < g.o.SourceShare {
		i := r.IntN(g.src.Len())
		t, err := g.src.Texture(i)
		if err != nil {
			return err
		}
		s.Name, s.Real, s.Index = t.Class, true, i
		g.crop(dst, t, r, s)
	} else {
		f := Family(pick(r, g.o.Normal[:]))
		s.Name, s.Index = f.String(), int(f)
		g.family(dst, r, f)
	}
	s.Contrast = r.LogRange(g.o.Contrast.Min, g.o.Contrast.Max)
	s.Level = r.Range(g.o.Level.Min, g.o.Level.Max)
	relevel(dst, float32(s.Contrast), float32(s.Level))
	return nil
}

// relevel sets p = (p - mean) gain + level, the mean over all pixels and colours.
func relevel(p *planes, gain, level float32) {
	var sum float64
	for c := range p {
		var s float32
		for i, v := range p[c] {
			s += v
			if i&1023 == 1023 {
				sum += float64(s)
				s = 0
			}
		}
		sum += float64(s)
	}
	mean := float32(sum / float64(3*len(p[0])))
	for c := range p {
		for i, v := range p[c] {
			p[c][i] = clamp(float32(gain*(v-mean))+level, 0, 1)
		}
	}
}

// place lays an object with the surface of g.second on the scene: an ellipse or a rectangle
// with soft or sharp outline, full or, three times in ten, a frame of it.
func (g *Generator) place(r *exact.Rand) {
	w, h := float64(g.w), float64(g.h)
	x, y := float64(r.Range(0.23, 0.77)*w), float64(r.Range(0.23, 0.77)*h)
	rx, ry := float32(r.Range(0.12, 0.47)*w), float32(r.Range(0.12, 0.47)*h)
	c64, s64 := turn(r.Range(0, 180))
	c, s := float32(c64), float32(s64)
	ellipse, frame := r.Float64() < 0.5, r.Float64() < 0.3
	edge := float32(r.LogRange(0.6, 4)) // half the width of the outline, pixels
	small := min(rx, ry)
	for py := range g.h {
		dy := float32(float64(py) - y)
		for px := range g.w {
			dx := float32(float64(px) - x)
			u := abs32(float32(c*dx)+float32(s*dy)) / rx
			v := abs32(float32(c*dy)-float32(s*dx)) / ry
			dist := max(u, v)
			if ellipse {
				dist = hypot32(u, v)
			}
			if frame {
				dist = abs32(dist-0.8) * 4
			}
			m := smooth(0.5 + (1-dist)*small/(2*edge))
			if m == 0 {
				continue
			}
			i := py*g.w + px
			for ch := range 3 {
				g.scene[ch][i] = lerp(g.scene[ch][i], g.second[ch][i], m)
			}
		}
	}
}

// develop applies what the camera does to a scene: colour balance, gamma, grey, blur.
func (g *Generator) develop(p *Normal) {
	table := powTable(p.Gamma)
	for c := range 3 {
		k := float32(p.Balance[c])
		p := g.scene[c]
		for i, v := range p {
			p[i] = table.at(float32(v * k))
		}
	}
	if p.Grey {
		a, b, c := g.scene[0], g.scene[1], g.scene[2]
		for i := range a {
			v := float32(0.299*a[i]) + float32(0.587*b[i]) + float32(0.114*c[i])
			a[i], b[i], c[i] = v, v, v
		}
	}
	if p.Blur > 0.05 {
		for c := range 3 {
			if c > 0 && p.Grey {
				copy(g.scene[c], g.scene[0])
				continue
			}
			g.gaussian(g.scene[c], p.Blur)
		}
	}
}

// gaussian blurs a plane in place, taps up to 3 sigma, mirrored at the border.
func (g *Generator) gaussian(p []float32, sigma float64) {
	n := min(int(3*sigma)+1, 24)
	var taps [25]float32
	sum := 0.0
	for i := range n + 1 {
		v := exact.Exp(-0.5 * float64(float64(i*i)/float64(sigma*sigma)))
		sum += v
		if i > 0 {
			sum += v
		}
		taps[i] = float32(v)
	}
	scale(taps[:n+1], float32(1/sum))
	tmp := g.spare[0]
	for y := range g.h {
		convolve(tmp[y*g.w:(y+1)*g.w], p[y*g.w:(y+1)*g.w], taps[:n+1])
	}
	for y := range g.h {
		row := p[y*g.w : (y+1)*g.w]
		line := tmp[y*g.w : (y+1)*g.w]
		for x := range row {
			row[x] = taps[0] * line[x]
		}
		for k := 1; k <= n; k++ {
			up, down := tmp[mirror(y-k, g.h)*g.w:], tmp[mirror(y+k, g.h)*g.w:]
			up, down = up[:len(row)], down[:len(row)]
			t := taps[k]
			for x := range row {
				row[x] += float32(t * (up[x] + down[x]))
			}
		}
	}
}

// convolve is a symmetric filter along a line, mirrored at its ends.
func convolve(dst, src []float32, taps []float32) {
	n := len(taps) - 1
	for x := range dst {
		s := taps[0] * src[x]
		if x >= n && x < len(src)-n {
			for k := 1; k <= n; k++ {
				s += float32(taps[k] * (src[x-k] + src[x+k]))
			}
		} else {
			for k := 1; k <= n; k++ {
				s += float32(taps[k] * (src[mirror(x-k, len(src))] + src[mirror(x+k, len(src))]))
			}
		}
		dst[x] = s
	}
}
