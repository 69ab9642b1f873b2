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
	rise := float32(small / (2 * edge))
	ix, iy := 1/rx, 1/ry
	far := float64(float32(1.1*hypot32(rx, ry)) * (1 + edge/small)) // a frame ends at 1.05
	b := around(x, y, far, far, g.w, g.h)
	for py := b.y0; py < b.y1; py++ {
		dy := float32(float64(py) - y)
		for px := b.x0; px < b.x1; px++ {
			dx := float32(float64(px) - x)
			u := abs32(float32(float32(float32(c*dx)+float32(s*dy)) * ix))
			v := abs32(float32(float32(float32(c*dy)-float32(s*dx)) * iy))
			dist := max(u, v)
			if ellipse {
				dist = hypot32(u, v)
			}
			if frame {
				dist = abs32(dist-0.8) * 4
			}
			m := smooth(0.5 + float32((1-dist)*rise))
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
			v := luma(a[i], b[i], c[i])
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

// gaussian blurs a plane in place, taps up to 2.6 sigma, mirrored at the border.
func (g *Generator) gaussian(p []float32, sigma float64) {
	n := min(int(2.6*sigma)+1, 24)
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
	g.line = grow(g.line, g.w+48)
	line := g.line[:g.w+2*n]
	for y := range g.h {
		row := p[y*g.w : (y+1)*g.w]
		copy(line[n:], row)
		for k := range n {
			line[k] = row[mirror(k-n, g.w)]
			line[n+g.w+k] = row[mirror(g.w+k, g.w)]
		}
		out := tmp[y*g.w : (y+1)*g.w]
		weighed(out, line[n:], taps[0])
		for k := 1; k <= n; k++ {
			addPair(out, line[n-k:], line[n+k:], taps[k])
		}
	}
	for y := range g.h {
		row := p[y*g.w : (y+1)*g.w]
		weighed(row, tmp[y*g.w:], taps[0])
		for k := 1; k <= n; k++ {
			addPair(row, tmp[mirror(y-k, g.h)*g.w:], tmp[mirror(y+k, g.h)*g.w:], taps[k])
		}
	}
}

// weighed sets dst = t src.
func weighed(dst, src []float32, t float32) {
	src = src[:len(dst)]
	for i, v := range src {
		dst[i] = t * v
	}
}

// addPair adds t (a + b) to dst.
func addPair(dst, a, b []float32, t float32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for i := range dst {
		dst[i] += float32(t * (a[i] + b[i]))
	}
}
