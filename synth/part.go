package synth

import "cull/internal/exact"

// part draws one part of the demonstration line. The design of a kind never changes; r moves
// and turns the part by up to PartShift and PartTurn, varies the light and renews the texture.
func (g *Generator) part(dst *planes, r *exact.Rand, f Family) {
	switch f {
	case Washer:
		g.washer(dst, r)
	case Blister:
		g.blister(dst, r)
	case Board:
		g.board(dst, r)
	default:
		g.cap(dst, r)
	}
}

// lamp is the light over the line, from the top left, a few degrees about.
func lamp(r *exact.Rand, gloss float64, shine int) light {
	return lightFrom(225+float64(r.Normal()*3), 52+float64(r.Normal()*1.5), 1, gloss, shine)
}

// washer is a turned flange with a bore, six bolt holes and an engraved number.
func (g *Generator) washer(dst *planes, r *exact.Rand) {
	belt := rgb{0.16, 0.165, 0.17}
	c := g.canvas(dst, r, belt, 0.09)
	steel := rgb{0.62, 0.635, 0.65}
	body := finish{colour: steel, grain: 0.012, rise: 7, bevel: 6, gloss: 0.5}
	c.disc(0, 0, 0.86, body)
	c.turned(0.2, 0.84, r)
	groove := finish{colour: steel.times(0.93), grain: 0.012, rise: -2, bevel: 2, gloss: 0.4, cover: 0.25}
	c.fill(0, 0, 0.6, 0.6, groove,
		func(x, y float32) float32 { return abs32(hypot32(x, y)-0.42) - 0.025 })
	hole := finish{colour: rgb{0.07, 0.072, 0.075}, rise: -7, bevel: 2.5, gloss: 0.02}
	rim := finish{colour: steel.times(1.1), rise: -1.5, bevel: 2.5, gloss: 0.8}
	for i := range 6 {
		cs, sn := turn(float64(float64(i) * 60))
		x, y := float32(0.63*cs), float32(0.63*sn)
		c.disc(x, y, 0.115, rim)
		c.disc(x, y, 0.088, hole)
	}
	c.disc(0, 0, 0.265, rim)
	c.disc(0, 0, 0.235, hole)
	c.text(-0.22, 0.62, 0.0105, "CULL-25",
		finish{colour: steel.times(0.42), rise: -1, bevel: 1, cover: 0.8})
	l := lamp(r, 1, 4)
	c.shadow(l, 10, 0.6)
	c.light(l)
}

// turned adds the marks of a lathe between two radii: grooves, and the two-lobed glint of
// tangents across the light.
func (c *canvas) turned(inner, outer float32, r *exact.Rand) {
	salt := uint32(r.Uint64())
	inv := 1 / c.k
	for py := range c.g.h {
		for px := range c.g.w {
			dx, dy := float32((float32(px)-c.x)*inv), float32((float32(py)-c.y)*inv)
			rad := hypot32(dx, dy)
			if rad < inner || rad > outer {
				continue
			}
			i := py*c.g.w + px
			t := (float32(dx*0.707) + float32(dy*0.707)) / rad // cosine to the light
			lobe := float32(t * t)
			lobe = float32(lobe * lobe)
			groove := unit(hash2(int32(float32(rad*c.k*1.3)), 0, salt)) - 0.5
			tone := 0.86 + float32(0.3*lobe) + float32(groove*(0.05+float32(0.12*lobe)))
			c.dst.put(i, rgb{c.dst[0][i], c.dst[1][i], c.dst[2][i]}, tone)
		}
	}
}

// blister is ten tablets under domes on printed foil.
func (g *Generator) blister(dst *planes, r *exact.Rand) {
	c := g.canvas(dst, r, rgb{0.27, 0.28, 0.3}, 0.05)
	foil := rgb{0.72, 0.73, 0.74}
	c.box(0, 0, 0.93, 0.9, 0.1, finish{colour: foil, grain: 0.03, rise: 3, bevel: 3, gloss: 0.3})
	// Knurls of the sealing.
	knurl := finish{colour: foil.times(0.86), grain: 0.03, gloss: 0.3, cover: 0.4}
	c.fill(0, 0, 0.95, 0.95, knurl, func(x, y float32) float32 {
		if abs32(x) > 0.9 || abs32(y) > 0.87 {
			return 1
		}
		k := float32(16)
		return 0.02 - float32(0.05*float32(wave(float32(x*k))*wave(float32(y*k))))
	})
	label := finish{colour: rgb{0.95, 0.955, 0.94}, grain: 0.012, gloss: 0.05}
	c.box(0, -0.7, 0.86, 0.155, 0.02, label)
	c.box(-0.72, -0.7, 0.1, 0.11, 0.01, finish{colour: rgb{0.1, 0.35, 0.62}, grain: 0.02, gloss: 0.05})
	ink := finish{colour: rgb{0.12, 0.12, 0.16}, grain: 0.05, gloss: 0.05}
	c.text(-0.56, -0.8, 0.0125, "LOT 4711-A", ink)
	c.text(-0.56, -0.69, 0.0125, "EXP 2027/10", ink)
	bars := exact.NewRand(4711, 0)
	for x := float32(0.4); x < 0.8; {
		w := float32(0.008 + float64(float64(bars.IntN(3))*0.007))
		c.box(x, -0.7, float32(w*0.5), 0.11, 0, ink)
		x += w + 0.012 + float32(float32(bars.IntN(2))*0.01)
	}
	for i := range 10 {
		x, y := float32(float32(i%5)*0.345)-0.69, float32(float32(i/5)*0.62)-0.17
		c.tablet(x, y, r)
	}
	l := lamp(r, 1, 5)
	c.shadow(l, 8, 0.35)
	c.light(l)
}

// tablet is a scored tablet in its dome.
func (c *canvas) tablet(x, y float32, r *exact.Rand) {
	dome := finish{colour: rgb{0.66, 0.67, 0.69}, rise: 5, bevel: 4, gloss: 0.45, cover: 0.7}
	c.box(x, y, 0.155, 0.25, 0.15, dome)
	x += float32(r.Normal() * 0.006)
	y += float32(r.Normal() * 0.008)
	tone := float32(1 + float64(r.Normal()*0.01))
	body := finish{colour: rgb{0.93, 0.9, 0.84}.times(tone), grain: 0.018, rise: 5, bevel: 7, gloss: 0.12}
	c.box(x, y, 0.115, 0.2, 0.11, body)
	c.stroke(x-0.1, y, x+0.1, y, 0.02, finish{colour: body.colour.times(0.82), rise: -2, bevel: 2, cover: 0.6})
	// The reflection of the lamp on the foil dome.
	c.stroke(x-0.09, y-0.15, x-0.03, y-0.185, 0.02, finish{colour: rgb{1, 1, 1}, gloss: 0.3, cover: 0.45})
}

// board is a small circuit: mask, traces, pads, chips, resistors, a connector, print.
func (g *Generator) board(dst *planes, r *exact.Rand) {
	c := g.canvas(dst, r, rgb{0.13, 0.13, 0.14}, 0.06)
	mask := rgb{0.06, 0.31, 0.17}
	c.box(0, 0, 0.93, 0.93, 0.05, finish{colour: mask, grain: 0.025, rise: 3, bevel: 2, gloss: 0.14})
	d := exact.NewRand(0xb0a2d, 1) // the design: the same board always
	trace := finish{colour: mask.times(1.55), grain: 0.02, rise: 0.7, bevel: 1.2, gloss: 0.2}
	for range 26 {
		c.trace(&d, trace)
	}
	gold := finish{colour: rgb{0.83, 0.66, 0.3}, grain: 0.02, rise: 0.8, bevel: 1, gloss: 0.6}
	drill := finish{colour: rgb{0.05, 0.05, 0.05}, rise: -2, bevel: 1}
	for n := 0; n < 20; {
		x, y := float32(d.Range(-0.85, 0.85)), float32(d.Range(-0.85, 0.85))
		if occupied(x, y) {
			continue
		}
		n++
		c.disc(x, y, 0.032, gold)
		c.disc(x, y, 0.014, drill)
	}
	for i := range 4 {
		x, y := float32(float32(i&1)*1.64)-0.82, float32(float32(i>>1)*1.64)-0.82
		c.disc(x, y, 0.075, gold)
		c.disc(x, y, 0.05, drill)
	}
	silk := finish{colour: rgb{0.88, 0.9, 0.86}, grain: 0.03, rise: 0.3, bevel: 1, gloss: 0.05}
	c.chip(-0.3, -0.28, 0.3, 0.22, 7, "RP-4", r)
	c.chip(0.42, 0.3, 0.2, 0.26, 6, "X25", r)
	for i := range 5 {
		c.resistor(float32(float32(i)*0.17)-0.66, 0.33, i%3 == 1, r)
	}
	for i := range 3 {
		c.resistor(0.22+float32(float32(i)*0.2), -0.62, i == 1, r)
	}
	for i := range 8 {
		x := float32(float32(i)*0.13) - 0.6
		c.box(x, 0.78, 0.045, 0.075, 0.01, gold)
	}
	c.text(-0.72, 0.5, 0.0125, "CULL 25-11", silk)
	c.text(0.3, -0.4, 0.0125, "C14", silk)
	c.stroke(0.2, -0.5, 0.72, -0.5, 0.01, silk)
	c.disc(-0.65, -0.56, 0.016, silk)
	l := lamp(r, 1, 5)
	c.shadow(l, 7, 0.5)
	c.light(l)
}

// occupied says where the board has parts and print.
func occupied(x, y float32) bool {
	for _, b := range [...][4]float32{
		{-0.68, -0.62, 0.08, 0.06},
		{0.16, -0.06, 0.7, 0.68},
		{-0.8, 0.18, 0.16, 0.66},
		{0.1, -0.8, 0.8, -0.2},
		{-0.75, 0.65, 0.5, 0.9},
	} {
		if x > b[0] && y > b[1] && x < b[2] && y < b[3] {
			return true
		}
	}
	return false
}

// trace runs along eighth turns.
func (c *canvas) trace(d *exact.Rand, f finish) {
	x, y := float32(d.Range(-0.8, 0.8)), float32(d.Range(-0.8, 0.8))
	dir := d.IntN(8)
	for range 2 + d.IntN(3) {
		cs, sn := turn(float64(float64(dir) * 45))
		far := d.Range(0.08, 0.45)
		nx := clamp(x+float32(far*cs), -0.86, 0.86)
		ny := clamp(y+float32(far*sn), -0.86, 0.86)
		if nx != x || ny != y {
			c.stroke(x, y, nx, ny, 0.02, f)
		}
		x, y = nx, ny
		dir += 1 - 2*d.IntN(2)
	}
}

// chip is a package with pins on two sides.
func (c *canvas) chip(x, y, rx, ry float32, pins int, name string, r *exact.Rand) {
	x += float32(r.Normal() * 0.003)
	y += float32(r.Normal() * 0.003)
	pin := finish{colour: rgb{0.74, 0.75, 0.76}, grain: 0.03, rise: 1.5, bevel: 1.2, gloss: 0.7}
	step := float32(2*rx) / float32(pins)
	for i := range pins {
		px := x - rx + float32((float32(i)+0.5)*step)
		c.box(px, y, float32(step*0.22), ry+0.07, 0.004, pin)
	}
	body := finish{colour: rgb{0.09, 0.09, 0.095}, grain: 0.07, level: 7, bevel: 2.5, gloss: 0.12}
	c.box(x, y, rx, ry, 0.015, body)
	c.disc(x-rx+0.06, y+ry-0.06, 0.025,
		finish{colour: body.colour.times(0.7), rise: -0.7, bevel: 1, gloss: 0.2})
	size := float32(0.016)
	c.text(x-float32(float32(3*len(name))*size), y-0.055, size, name,
		finish{colour: rgb{0.6, 0.6, 0.58}, grain: 0.08, gloss: 0.05, cover: 0.85})
}

// resistor is a two-ended part upright on its pads, brown where it is a capacitor.
func (c *canvas) resistor(x, y float32, brown bool, r *exact.Rand) {
	x += float32(r.Normal() * 0.003)
	y += float32(r.Normal() * 0.003)
	solder := finish{colour: rgb{0.7, 0.71, 0.72}, grain: 0.03, level: 4.5, bevel: 2, gloss: 0.8}
	c.box(x, y-0.075, 0.048, 0.035, 0.012, solder)
	c.box(x, y+0.075, 0.048, 0.035, 0.012, solder)
	body := finish{colour: rgb{0.1, 0.1, 0.11}, grain: 0.05, level: 6, bevel: 1.5, gloss: 0.15}
	if brown {
		body.colour = rgb{0.52, 0.38, 0.26}
	}
	c.box(x, y, 0.04, 0.06, 0.006, body)
}

// cap is a moulded screw cap seen from above: ribs, a raised ring, an arrow and a gate mark.
func (g *Generator) cap(dst *planes, r *exact.Rand) {
	c := g.canvas(dst, r, rgb{0.23, 0.225, 0.215}, 0.07)
	plastic := rgb{0.78, 0.2, 0.13}.times(float32(1 + float64(r.Normal()*0.008)))
	side := finish{colour: plastic, grain: 0.012, rise: 4, bevel: 4, gloss: 0.35}
	c.fill(0, 0, 0.9, 0.9, side, func(x, y float32) float32 {
		a := float32(exact.Atan2(float64(y), float64(x)) * (1 / (2 * 3.14159265358979)))
		return hypot32(x, y) - 0.84 - float32(0.025*wave(float32(a*48)))
	})
	top := finish{colour: plastic, grain: 0.01, rise: 5, bevel: 9, gloss: 0.35}
	c.disc(0, 0, 0.75, top)
	c.disc(0, 0, 0.62, finish{colour: plastic.times(0.97), grain: 0.014, rise: -2.5, bevel: 3, gloss: 0.25})
	c.fill(0, 0, 0.5, 0.5, finish{colour: plastic, grain: 0.012, rise: 2, bevel: 2.5, gloss: 0.35},
		func(x, y float32) float32 { return abs32(hypot32(x, y)-0.46) - 0.03 })
	raised := finish{colour: plastic.times(1.04), grain: 0.012, rise: 2, bevel: 2, gloss: 0.4}
	c.stroke(-0.22, 0.12, 0, -0.14, 0.085, raised)
	c.stroke(0, -0.14, 0.22, 0.12, 0.085, raised)
	c.text(-0.19, 0.2, 0.0135, "PET 1", raised)
	c.disc(0, -0.28, 0.035, finish{colour: plastic.times(0.9), rise: -1.5, bevel: 1.5, gloss: 0.2})
	l := lamp(r, 1, 5)
	c.shadow(l, 9, 0.45)
	c.light(l)
}
