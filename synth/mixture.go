package synth

import "cull/internal/exact"

// reach is the radius of a Gaussian in standard deviations.
const reach = 4

// gauss[i] is e(i/128), e(q) = (exp(-q/2) - exp(-8)) / (1 - exp(-8)), 0 <= q <= 16.
var gauss = gaussTable()

func gaussTable() (t [reach*reach*128 + 2]float32) {
	rest := exact.Exp(-reach * reach / 2)
	for i := range t {
		t[i] = float32(max(0, (exact.Exp(float64(i)/-256)-rest)/(1-rest)))
	}
	return t
}

// drawMixture draws a Gaussian mixture into g.mask, which is zero, and returns where it is not.
func (g *Generator) drawMixture(d draws, p *Defect) box {
	g.mixture(d, p)
	var all box
	for i := range p.Components {
		all = all.union(g.addGaussian(&p.Components[i]))
	}
	g.peak(all)
	e := Edge(d.pick(sEdge, g.o.Edge[:]))
	p.Edge = e.String()
	switch e {
	case EdgePlateau:
		p.EdgeValue = d.in(sEdgeValue, g.o.Plateau)
		g.plateau(all, p.EdgeValue)
	case EdgeStep:
		p.EdgeValue = d.in(sEdgeValue, g.o.StepLevel)
		r := d.rand(sEdgeValue)
		r.Uint64()
		g.step(all, float32(p.EdgeValue), float32(r.Range(g.o.StepRamp.Min, g.o.StepRamp.Max)))
		g.peak(all)
	}
	return all
}

// mixture draws the parameters.
func (g *Generator) mixture(d draws, p *Defect) {
	o := &g.o
	n := d.wholeIn(sComponents, o.Components)
	mean, off := d.rand(sMean), d.rand(sOffsets)
	x := float64(mean.Range(o.MeanX.Min, o.MeanX.Max)*float64(g.w)) - 0.5
	y := float64(mean.Range(o.MeanY.Min, o.MeanY.Max)*float64(g.h)) - 0.5
	spread := d.logIn(sSpread, o.Spread)
	ry, rx := d.rand(sSigmaY), d.rand(sSigmaX)
	sx, sy := o.SigmaX, o.SigmaY
	if d.hit(sElongated, o.Elongated) {
		rx, ry = d.rand(sLongX), d.rand(sThinY)
		sx, sy = o.LongX, o.ThinY
	}
	theta, jitter := d.in(sRotation, o.Rotation), d.in(sRotationJitter, o.RotationJitter)
	rot := d.rand(sRotationOffsets)
	for k := range n {
		c := Component{X: x, Y: y, Theta: theta}
		if k > 0 {
			c.X += float64(off.Normal() * spread)
			c.Y += float64(off.Normal() * spread)
			c.Theta += float64(rot.Normal() * jitter)
		}
		c.SigmaX = rx.LogRange(sx.Min, sx.Max)
		c.SigmaY = ry.LogRange(sy.Min, sy.Max)
		p.Components = append(p.Components, c)
	}
	rule := WeightRule(d.pick(sWeights, o.Weights[:]))
	w, sum := d.rand(sWeightDraws), 0.0
	for k := range p.Components {
		c := &p.Components[k]
		switch rule {
		case WeightDirichlet: // normalised exponential deviates
			c.Weight = -exact.Log(1 - w.Float64())
		case WeightUniform:
			c.Weight = w.Range(0.3, 1)
		default:
			c.Weight = 1
		}
		sum += c.Weight
	}
	for k := range p.Components {
		p.Components[k].Weight /= sum
	}
}

// addGaussian adds one Gaussian to g.mask.
func (g *Generator) addGaussian(c *Component) box {
	cs, sn := turn(c.Theta)
	ix, iy := 1/(c.SigmaX*c.SigmaX), 1/(c.SigmaY*c.SigmaY)
	// q = a dx^2 + 2b dx dy + e dy^2
	a := float64(float64(cs*cs)*ix) + float64(float64(sn*sn)*iy)
	e := float64(float64(sn*sn)*ix) + float64(float64(cs*cs)*iy)
	b := float64(cs*sn) * (ix - iy)
	hx := float64(reach * hypot(float64(c.SigmaX*cs), float64(c.SigmaY*sn)))
	hy := float64(reach * hypot(float64(c.SigmaX*sn), float64(c.SigmaY*cs)))
	where := around(c.X, c.Y, hx, hy, g.w, g.h)
	w := float32(c.Weight)
	for y := where.y0; y < where.y1; y++ {
		dy := float64(y) - c.Y
		q0, q1 := float32(128*float64(float64(e*dy)*dy)), float32(256*float64(b*dy))
		q2 := float32(128 * a)
		row := g.mask[y*g.w : (y+1)*g.w]
		dx := float32(float64(where.x0) - c.X)
		for x := where.x0; x < where.x1; x++ {
			if q := q0 + float32(dx*(q1+float32(q2*dx))); q < reach*reach*128 {
				q = max(q, 0)
				i := int(q)
				v := gauss[i] + float32((q-float32(i))*(gauss[i+1]-gauss[i]))
				row[x] += float32(w * v)
			}
			dx++
		}
	}
	return where
}

// peak divides the mask by its maximum.
func (g *Generator) peak(b box) {
	var top float32
	for y := b.y0; y < b.y1; y++ {
		for _, v := range g.mask[y*g.w+b.x0 : y*g.w+b.x1] {
			top = max(top, v)
		}
	}
	if top == 0 || top == 1 {
		return
	}
	for y := b.y0; y < b.y1; y++ {
		row := g.mask[y*g.w+b.x0 : y*g.w+b.x1]
		for x := range row {
			row[x] /= top
		}
	}
}

// plateau raises the mask to a power by a table of 1/1024.
func (g *Generator) plateau(b box, p float64) {
	var t [1026]float32
	for i := range t {
		t[i] = float32(min(1, exact.Pow(float64(i)/1024, p)))
	}
	for y := b.y0; y < b.y1; y++ {
		row := g.mask[y*g.w+b.x0 : y*g.w+b.x1]
		for x, v := range row {
			v = float32(v * 1024)
			i := int(v)
			row[x] = lerp(t[i], t[i+1], v-float32(i))
		}
	}
}

// step replaces the mask m by 1/2 + (m - level)/(ramp |grad m|) clamped to [0, 1]: to first
// order the distance from the contour, ramp pixels wide.
func (g *Generator) step(b box, level, ramp float32) {
	old := g.spare[0]
	copy(old, g.mask)
	at := func(x, y int) float32 {
		return old[min(max(y, 0), g.h-1)*g.w+min(max(x, 0), g.w-1)]
	}
	for y := b.y0; y < b.y1; y++ {
		row := g.mask[y*g.w : (y+1)*g.w]
		for x := b.x0; x < b.x1; x++ {
			m := row[x]
			dx, dy := (at(x+1, y)-at(x-1, y))/2, (at(x, y+1)-at(x, y-1))/2
			slope := ramp * hypot32(dx, dy)
			d := m - level
			switch {
			case 2*d >= slope && d > 0:
				row[x] = 1
			case 2*d <= -slope:
				row[x] = 0
			default:
				row[x] = 0.5 + d/slope
			}
		}
	}
}
