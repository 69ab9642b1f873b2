package synth

import (
	"math"

	"cull/internal/exact"
)

// family draws a procedural surface.
func (g *Generator) family(dst *planes, r *exact.Rand, f Family) {
	switch f {
	case Cloud:
		g.cloud(dst, r)
	case Wood:
		g.wood(dst, r)
	case Terrazzo:
		g.terrazzo(dst, r)
	case Brushed:
		g.brushed(dst, r)
	case Leaves:
		g.leaves(dst, r)
	case Weave:
		g.weave(dst, r)
	case Concrete:
		g.concrete(dst, r)
	case Leather:
		g.leather(dst, r)
	case Halftone:
		g.halftone(dst, r)
	case Grid:
		g.grid(dst, r)
	default:
		g.part(dst, r, f)
	}
}

// cloud is 1/f^a noise through a palette, half of the time lit as a relief: plaster, cast
// skin, rust, stone.
func (g *Generator) cloud(dst *planes, r *exact.Rand) {
	f := g.spare[1]
	g.fractal(f, r, r.Range(0.5, 1.9), 0)
	base := earthy(r)
	other := mixRGB(base.times(float32(r.Range(0.3, 0.8))), earthy(r), float32(r.Range(0, 0.5)))
	gradient(&g.palette, other, mixRGB(other, base, 0.6), base)
	k := float32(r.Range(0.12, 0.3))
	for i, v := range f {
		dst.put(i, g.palette.at(0.5+float32(k*v)), 1)
	}
	if r.Float64() < 0.5 {
		gloss := max(0, r.Range(-0.15, 0.2))
		g.relief(dst, f, nil, lightFrom(r.Range(0, 360), r.Range(30, 65), r.Range(0.3, 1.5), gloss, 4))
	}
}

// wood is a board cut from a tree: rings about a pith in or beside the picture, wandering
// with the grain, fibres and pores along it.
func (g *Generator) wood(dst *planes, r *exact.Rand) {
	wander, fibre := g.square(0), g.square(1)
	g.noiseField(wander, r, 1.7, 2)
	g.noiseField(fibre, r, 0.5, 5)
	fr := g.frame(r.Range(0, 180))
	side := float32(wander.w)
	pith := float32(float32(r.Range(-1.2, 1.2)) * side)
	depth := float32(float32(r.Range(0.05, 0.9)) * side)
	slope := float32(r.Range(-0.25, 0.25))
	ring := 1 / float32(r.LogRange(5, 24))
	warp := float32(r.Range(1.5, 6))
	late := float32(r.Range(0.3, 1)) // contrast of the late wood
	hue, sat, val := r.Range(0.055, 0.095), r.Range(0.25, 0.65), r.Range(0.5, 0.95)
	gradient(&g.palette, hsv(hue-0.02, min(1, sat*1.3), val*0.35), hsv(hue-0.01, sat*1.1, val*0.7),
		hsv(hue, sat, val), hsv(hue+0.01, sat*0.8, min(1, val*1.1)))
	grain, pores := float32(r.Range(0.03, 0.1)), float32(r.Range(1.6, 3.5))
	for y := range g.h {
		for x := range g.w {
			u, v := fr.at(x, y)
			fx, fy := u+float32(side/2), v+float32(side/2)
			a := v - pith + float32(warp*wander.at(fx, fy))
			b := depth + float32(slope*u)
			t := float32(hypot32(a, b) * ring)
			t -= float32(int(t))
			// Early wood darkens slowly, late wood ends at once.
			dark := float32(float32(float32(t*t)*t) * (1 - smooth((t-0.88)*8)))
			n := fibre.at(fx, fy)
			tone := 0.72 - float32(float32(late*0.6)*dark) + float32(grain*n)
			if n > pores {
				tone -= 0.25
			}
			dst.put(y*g.w+x, g.palette.at(tone), 1)
		}
	}
}

// terrazzo is stone chips in cement: the cells of a Voronoi diagram, some left out, their
// outlines roughened.
func (g *Generator) terrazzo(dst *planes, r *exact.Rand) {
	rough, fine := g.square(0), g.spare[1]
	g.noiseField(rough, r, 1.3, 0)
	g.fractal(fine, r, 0.4, 0)
	size := float32(r.LogRange(7, 26))
	dx, dy := rough.w-g.w, rough.h-g.h // the second warp is read from the far corner
	vor := g.voronoi(r, size, 1)
	cement := earthy(r)
	var stones [6]rgb
	tint := earthy(r)
	for i := range stones {
		stones[i] = mixRGB(earthy(r), tint, 0.4)
	}
	share, gap := float32(r.Range(0.5, 1)), float32(float32(r.Range(0.03, 0.2))*size)
	grit, warp := float32(r.Range(0.02, 0.09)), float32(size*float32(r.Range(0.05, 0.18)))
	for y := range g.h {
		warpX, warpY := rough.row(0, y), rough.row(dx, y+dy)
		for x := range g.w {
			i := y*g.w + x
			wx := float32(warp * clamp(warpX[x], -3, 3))
			wy := float32(warp * clamp(warpY[x], -3, 3))
			f1, f2, h := vor.nearest(float32(x)+wx, float32(y)+wy)
			c := cement
			grain := float32(grit * fine[i])
			if unit(h) < share {
				reach := float32(size * (0.25 + float32(0.6*unit(exactHash(h)))))
				cover := float32(clamp(f2-f1-gap, 0, 1) * clamp(reach-f1, 0, 1))
				stone := stones[h>>8%uint32(len(stones))]
				stone = stone.times(0.85 + float32(0.3*unit(exactHash(h+1))))
				c = mixRGB(cement, stone, cover)
				grain *= 1 - float32(0.6*cover)
			}
			dst.put(i, c, 1+grain)
		}
	}
}

// exactHash mixes a hash again.
func exactHash(h uint32) uint32 { return hash2(int32(h), 0x5bd1, 0x1b56c4e9) }

// brushed is ground metal: streaks along one direction, and a band of light across it.
func (g *Generator) brushed(dst *planes, r *exact.Rand) {
	streak, broad := g.square(0), g.square(1)
	g.noiseField(streak, r, r.Range(0.1, 0.6), 4+r.IntN(3))
	g.noiseField(broad, r, 1.6, 3)
	fr := g.frame(r.Range(0, 180))
	side := float32(streak.w)
	metal := hsv(r.Range(0, 1), r.Range(0, 0.12), r.Range(0.4, 0.75))
	if r.Float64() < 0.25 {
		metal = hsv(r.Range(0.06, 0.14), r.Range(0.3, 0.6), r.Range(0.5, 0.8)) // brass, copper
	}
	k := float32(r.Range(0.04, 0.2))
	band, at := float32(r.Range(0.05, 0.5)), float32(r.Range(-0.5, 0.5))
	width := 1 / float32(side*float32(r.Range(0.15, 0.6)))
	for y := range g.h {
		for x := range g.w {
			u, v := fr.at(x, y)
			fx, fy := u+float32(side/2), v+float32(side/2)
			t := float32((v - float32(at*side)) * width)
			shine := band / (1 + float32(t*t))
			tone := 1 + shine + float32(float32(k*streak.at(fx, fy))*(1+shine)) + float32(0.05*broad.at(fx, fy))
			dst.put(y*g.w+x, metal, tone)
		}
	}
}

// leaves is the dead leaves model (Matheron; Lee, Mumford and Huang, IJCV 2001): shapes that
// hide each other, their radii by a power law, each with a shade of its own.
func (g *Generator) leaves(dst *planes, r *exact.Rand) {
	fine := g.spare[1]
	g.fractal(fine, r, r.Range(0.4, 1.4), 0)
	side := float64(min(g.w, g.h))
	low, high := r.LogRange(2.5, 7), float64(r.Range(0.12, 0.35)*side)
	kind := r.IntN(3) // discs, boxes, both
	tint, spread := earthy(r), float32(r.Range(0.2, 0.9))
	grit := float32(r.Range(0, 0.12))
	for i := range dst[0] {
		dst.put(i, tint, 0.5)
	}
	// Density r^-3 between low and high: enough leaves to cover most of the ground.
	area := 2 * low * low * exact.Log(high/low)
	n := min(int(1.1*float64(g.w*g.h)/area), 1500)
	inv := float64(low*low) / float64(high*high)
	for range n {
		u := r.Float64()
		rad := low / math.Sqrt(1-float64(u*(1-inv)))
		g.leaf(dst, fine, r, rad, kind, mixRGB(tint, earthy(r), spread), grit)
	}
}

func (g *Generator) leaf(dst *planes, fine []float32, r *exact.Rand, rad float64, kind int,
	c rgb, grit float32,
) {
	x, y := float64(r.Range(-0.05, 1.05)*float64(g.w)), float64(r.Range(-0.05, 1.05)*float64(g.h))
	cs64, sn64 := turn(r.Range(0, 180))
	aspect := float32(r.Range(0.5, 1))
	boxy := kind == 1 || kind == 2 && r.Float64() < 0.5
	tilt := float32(r.Range(-0.25, 0.25) / rad)
	cs, sn, size := float32(cs64), float32(sn64), float32(rad)
	far := rad + 1
	if boxy {
		far = float64(rad*1.42) + 1
	}
	b := around(x, y, far, far, g.w, g.h)
	core := max(0, float32((size-0.5)*(size-0.5)))
	for py := b.y0; py < b.y1; py++ {
		dy := float32(float64(py) - y)
		for px := b.x0; px < b.x1; px++ {
			dx := float32(float64(px) - x)
			u := float32(cs*dx) + float32(sn*dy)
			v := (float32(cs*dy) - float32(sn*dx)) / aspect
			var cover float32
			if boxy {
				cover = clamp(size-max(abs32(u), abs32(v))+0.5, 0, 1)
			} else if d := float32(u*u) + float32(v*v); d < core {
				cover = 1
			} else if d < core+float32(4*size) {
				cover = clamp(size-float32(math.Sqrt(float64(d)))+0.5, 0, 1)
			}
			if cover > 0 {
				i := py*g.w + px
				tone := 1 + float32(tilt*u) + float32(grit*fine[i])
				dst.mixIn(i, c.times(tone), cover)
			}
		}
	}
}

// weave is cloth: plain, twill or satin, yarns with a twist.
func (g *Generator) weave(dst *planes, r *exact.Rand) {
	wander, fine := g.square(0), g.spare[1]
	g.noiseField(wander, r, 1.8, 0)
	g.fractal(fine, r, 0.3, 0)
	fr := g.frame(r.Range(0, 180))
	period := float32(r.LogRange(4, 15))
	repeat := [][2]int32{{2, 1}, {4, 1}, {4, 1}, {5, 2}}[r.IntN(4)] // threads, shift per row
	under := [...]int32{2: 1, 4: 2, 5: 4}[repeat[0]]
	warp, weft := earthy(r), earthy(r)
	if r.Float64() < 0.5 {
		weft = warp.times(float32(r.Range(0.75, 1.1)))
	}
	twist, bend := float32(r.Range(0, 0.12)), float32(float32(r.Range(0.05, 0.25))*period)
	height, inv := g.spare[2], 1/period
	for y := range g.h {
		bendX, bendY := wander.row(0, y), wander.row(wander.w-g.w, y+wander.h-g.h)
		for x := range g.w {
			i := y*g.w + x
			u, v := fr.at(x, y)
			u = float32((u+float32(bend*bendX[x]))*inv) + 1024
			v = float32((v+float32(bend*bendY[x]))*inv) + 1024
			iu, iv := int32(u), int32(v)
			a, b := u-float32(iu)-0.5, v-float32(iv)-0.5
			c, across, along, thread := warp, a, b, iu
			if (iu+iv*repeat[1])%repeat[0] < under {
				c, across, along, thread = weft, b, a, iv+7919
			}
			round := 1 - float32(float32(4*across)*across)
			h := float32(round * (1 - float32(float32(1.6*along)*along)))
			height[i] = h
			yarn := 1 + float32(float32(0.12)*(unit(hash2(thread, 0, 77))-0.5)) +
				float32(twist*wave(float32(2*along)+float32(1.5*across))) + float32(0.04*fine[i])
			dst.put(i, c, float32(yarn*(0.45+float32(0.55*smooth(float32(1.8*round))))))
		}
	}
	g.relief(dst, height, nil, lightFrom(r.Range(0, 360), r.Range(45, 70), float64(period)*0.25,
		r.Range(0, 0.15), 4))
}

// concrete is sand, pores with a shadow, and stains.
func (g *Generator) concrete(dst *planes, r *exact.Rand) {
	stain, sand, height := g.spare[1], g.spare[2], g.spare[3]
	g.fractal(stain, r, 1.6, 0)
	g.fractal(sand, r, r.Range(-0.1, 0.5), 0)
	for i, v := range sand {
		height[i] = float32(0.5 * v)
	}
	base := hsv(r.Range(0.05, 0.17), r.Range(0, 0.25), r.Range(0.4, 0.85))
	deep := r.Range(0.5, 3)
	density := r.Range(0.0005, 0.006)
	for range int(density * float64(g.w*g.h)) {
		g.dent(height, float64(r.Float64()*float64(g.w)), float64(r.Float64()*float64(g.h)),
			r.LogRange(0.7, 5), -float32(deep))
	}
	k, s := float32(r.Range(0.03, 0.12)), float32(r.Range(0.02, 0.1))
	speck := float32(r.Range(2.2, 4)) // grains brighter than this glint
	for i := range stain {
		tone := 1 + float32(k*stain[i]) + float32(s*sand[i])
		if sand[i] > speck {
			tone += 0.25
		}
		dst.put(i, base, tone+float32(0.08*min(0, height[i]+1)))
	}
	g.relief(dst, height, nil, lightFrom(r.Range(0, 360), r.Range(35, 70), r.Range(0.2, 0.7), 0, 0))
}

// dent adds a round dome (or, with k < 0, a pore) of radius rad.
func (g *Generator) dent(height []float32, x, y, rad float64, k float32) {
	b := around(x, y, rad+1, rad+1, g.w, g.h)
	inv := float32(1 / rad)
	for py := b.y0; py < b.y1; py++ {
		dy := float32(float64(py) - y)
		for px := b.x0; px < b.x1; px++ {
			d := float32(hypot32(float32(float64(px)-x), dy) * inv)
			height[py*g.w+px] += float32(k * smooth(float32(1.5*(1-d))))
		}
	}
}

// leather is cells with valleys between them, or, with large round cells, hammered paint.
func (g *Generator) leather(dst *planes, r *exact.Rand) {
	rough, fine, height := g.square(0), g.spare[1], g.spare[2]
	g.noiseField(rough, r, 1.5, 0)
	g.fractal(fine, r, 0.6, 0)
	size := float32(r.LogRange(5, 16))
	dx, dy := rough.w-g.w, rough.h-g.h // the second warp is read from the far corner
	vor := g.voronoi(r, size, float32(r.Range(0.6, 1)))
	warp, valley := float32(size*float32(r.Range(0.02, 0.15))), float32(r.Range(0.25, 0.7))
	hammered := r.Float64() < 0.3
	base := hsv(r.Range(0, 1), r.Range(0, 0.7), r.Range(0.12, 0.7))
	if r.Float64() < 0.6 {
		base = hsv(r.Range(0.02, 0.1), r.Range(0.3, 0.75), r.Range(0.15, 0.65))
	}
	inv := 1 / float32(valley*size)
	for y := range g.h {
		warpX, warpY := rough.row(0, y), rough.row(dx, y+dy)
		for x := range g.w {
			i := y*g.w + x
			w, w2 := clamp(warpX[x], -3, 3), clamp(warpY[x], -3, 3)
			f1, f2, h := vor.nearest(float32(x)+float32(warp*w), float32(y)+float32(warp*w2))
			var top float32
			if hammered {
				top = 1 - float32(float32(f1*f1)/float32(size*size))
			} else {
				top = smooth((f2 - f1) * inv)
			}
			height[i] = top + float32(0.06*fine[i]) + float32(0.25*w)
			tone := 0.72 + float32(0.28*top) + float32(0.12*(unit(h)-0.5)) + float32(0.03*fine[i])
			dst.put(i, base, tone)
		}
	}
	g.relief(dst, height, nil, lightFrom(r.Range(0, 360), r.Range(35, 60), r.Range(0.8, 2.2),
		r.Range(0.05, 0.45), 3+r.IntN(3)))
}

// halftone is a print: two screens of ink dots whose size follows a smooth picture.
func (g *Generator) halftone(dst *planes, r *exact.Rand) {
	tone, paper := g.square(0), g.spare[1]
	g.noiseField(tone, r, 2.2, 0)
	g.fractal(paper, r, 0.9, 0)
	sheet := hsv(r.Range(0.08, 0.17), r.Range(0, 0.12), r.Range(0.85, 1))
	angle, period := r.Range(0, 90), r.LogRange(3.5, 9)
	screens := 1 + r.IntN(2)
	var ink [2]rgb
	var fr [2]frame
	for k := range ink {
		ink[k] = hsv(r.Float64(), r.Range(0.5, 1), r.Range(0.05, 0.6))
		fr[k] = g.frame(angle + float64(float64(k)*30))
	}
	inv, sharp := float32(1/period), float32(period)*0.6
	level, swing := float32(r.Range(0.25, 0.7)), float32(r.Range(0.05, 0.25))
	hard := r.Float64() < 0.4 // a line of type or a logo: the tone jumps
	for y := range g.h {
		tones := [2][]float32{tone.row(0, y), tone.row(tone.w-g.w, y+tone.h-g.h)}
		for x := range g.w {
			i := y*g.w + x
			c := sheet.times(1 + float32(0.012*paper[i]))
			for k := range screens {
				t := tones[k][x]
				if hard {
					t = clamp(float32(12*t), -1.5, 1.5)
				}
				u, v := fr[k].at(x, y)
				dot := 0.5 + float32(0.25*(wave(float32(u*inv))+wave(float32(v*inv))))
				cover := smooth(0.5 + float32((level+float32(swing*t)-(1-dot))*sharp))
				c = mixRGB(c, c.over(ink[k]), cover)
			}
			dst.put(i, c, 1)
		}
	}
}

// grid is tiles, bricks or plates with joints between.
func (g *Generator) grid(dst *planes, r *exact.Rand) {
	stain, fine, height := g.spare[1], g.spare[2], g.spare[3]
	g.fractal(stain, r, r.Range(0.8, 1.7), 0)
	g.fractal(fine, r, 0.3, 0)
	fr := g.frame(float64(float64(r.IntN(2))*90) + float64(r.Normal()*4))
	pw, ph := float32(r.LogRange(18, 64)), float32(r.LogRange(12, 48))
	shift := float32(r.IntN(3)) * 0.25 // of every second row
	joint, bevel := float32(r.Range(0.6, 2.2)), 1/float32(r.Range(0.8, 3.5))
	tile, mortar := earthy(r), earthy(r)
	tint, vary := earthy(r), float32(r.Range(0, 0.35))
	k, s := float32(r.Range(0.02, 0.12)), float32(r.Range(0.01, 0.05))
	salt := uint32(r.Uint64())
	ox, oy := float32(r.Range(1000, 1001)), float32(r.Range(1000, 1001))
	for y := range g.h {
		for x := range g.w {
			i := y*g.w + x
			u, v := fr.at(x, y)
			b := v/ph + oy
			ib := int32(b)
			a := u/pw + ox + float32(shift*float32(ib&1))
			ia := int32(a)
			// Distance to the joint in pixels.
			da := float32((0.5 - abs32(a-float32(ia)-0.5)) * pw)
			db := float32((0.5 - abs32(b-float32(ib)-0.5)) * ph)
			d := min(da, db) - joint
			in := smooth(d + 0.5)
			h := hash2(ia, ib, salt)
			c := mixRGB(tile, tint, float32(vary*unit(h)))
			rise := smooth(float32(d * bevel))
			height[i] = rise + float32(float32(0.15*s)*fine[i])
			tone := 1 + float32(k*stain[i]) + float32(s*fine[i]) + float32(0.1*(unit(exactHash(h))-0.5))
			dst.put(i, mixRGB(mortar.times(0.7+float32(0.06*fine[i])), c.times(tone), in), 1)
		}
	}
	g.relief(dst, height, nil, lightFrom(r.Range(0, 360), r.Range(35, 65), r.Range(0.6, 2),
		max(0, r.Range(-0.1, 0.2)), 4))
}
