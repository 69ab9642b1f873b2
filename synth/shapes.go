package synth

import "cull/internal/exact"

// drawMask draws the mask of the drawn family into g.mask and returns where it is not zero.
func (g *Generator) drawMask(d draws, p *Defect) box {
	clear(g.mask)
	kind := MaskKind(d.pick(sMask, g.o.Mask[:]))
	p.Mask = kind.String()
	var b box
	switch kind {
	case MaskPerlin:
		b = g.drawPerlin(d, p)
	case MaskPatch:
		b = g.drawPatches(d, p)
	case MaskScratch:
		b = g.drawScratch(d, p)
	default:
		return g.shrink(g.drawMixture(d, p))
	}
	g.peak(b)
	return g.shrink(b)
}

// shrink drops the empty rows and columns of a box.
func (g *Generator) shrink(b box) box {
	var s box
	for y := b.y0; y < b.y1; y++ {
		row := g.mask[y*g.w : (y+1)*g.w]
		lo, hi := b.x0, b.x1
		for lo < hi && row[lo] == 0 {
			lo++
		}
		for hi > lo && row[hi-1] == 0 {
			hi--
		}
		s = s.union(box{lo, y, hi, y + 1})
	}
	return s
}

// drawPerlin cuts gradient noise at a threshold; Shape is period, threshold, angle.
// The mask rises from 0 to 1 over 0.1 of the noise's range above the threshold.
func (g *Generator) drawPerlin(d draws, p *Defect) box {
	r := d.rand(sPerlin)
	period := r.LogRange(g.o.PerlinPeriod.Min, g.o.PerlinPeriod.Max)
	level := r.Range(g.o.PerlinThreshold.Min, g.o.PerlinThreshold.Max)
	angle := r.Range(0, 180)
	p.Shape = append(p.Shape, period, level, angle)
	c, s := turn(angle)
	salt := uint32(r.Uint64())
	x0, y0 := r.Range(0, 1000), r.Range(0, 1000)
	best := float32(-1)
	ux, uy := float32(c/period), float32(s/period)
	for y := range g.h {
		row := g.mask[y*g.w : (y+1)*g.w]
		fx := float32(x0) - float32(float32(y)*uy)
		fy := float32(y0) + float32(float32(y)*ux)
		for x := range row {
			v := perlin(fx+float32(float32(x)*ux), fy+float32(float32(x)*uy), salt)
			best = max(best, v)
			row[x] = v
		}
	}
	cutAt := min(float32(level), best-0.02) // some mask always
	for i, v := range g.mask {
		g.mask[i] = clamp((v-cutAt)*10, 0, 1)
	}
	return box{0, 0, g.w, g.h}
}

// drawPatches draws rectangles and ellipses; Shape has x, y, half sides, angle, edge of each.
func (g *Generator) drawPatches(d draws, p *Defect) box {
	r := d.rand(sPatch)
	o := &g.o
	var all box
	for range wholeIn(&r, o.PatchCount) {
		x := float64(r.Range(o.MeanX.Min, o.MeanX.Max)*float64(g.w)) - 0.5
		y := float64(r.Range(o.MeanY.Min, o.MeanY.Max)*float64(g.h)) - 0.5
		a := r.LogRange(o.PatchSize.Min, o.PatchSize.Max)
		b := max(0.7, a*r.Range(o.PatchAspect.Min, o.PatchAspect.Max))
		angle := r.Range(0, 180)
		edge := r.Range(o.PatchEdge.Min, o.PatchEdge.Max)
		p.Shape = append(p.Shape, x, y, a, b, angle, edge)
		all = all.union(g.addPatch(x, y, a, b, angle, edge, r.Float64() < 0.5))
	}
	return all
}

func (g *Generator) addPatch(x, y, a, b, angle, edge float64, ellipse bool) box {
	c, s := turn(angle)
	where := around(x, y, hypot(a, b)+edge, hypot(a, b)+edge, g.w, g.h)
	for py := where.y0; py < where.y1; py++ {
		row := g.mask[py*g.w : (py+1)*g.w]
		for px := where.x0; px < where.x1; px++ {
			dx, dy := float64(px)-x, float64(py)-y
			u := abs32(float32(float64(c*dx) + float64(s*dy)))
			v := abs32(float32(float64(c*dy) - float64(s*dx)))
			var dist float32 // outside positive, to first order
			if ellipse {
				dist = (hypot32(u/float32(a), v/float32(b)) - 1) * float32(b)
			} else {
				dist = max(u-float32(a), v-float32(b))
			}
			row[px] = max(row[px], smooth(0.5-dist/float32(edge)))
		}
	}
	return where
}

func abs32(x float32) float32 {
	if x < 0 {
		return -x
	}
	return x
}

// A vertex of a polyline, its direction in degrees.
type vertex struct{ x, y, dir float64 }

// drawScratch draws a random walk of 2-px steps and its branches; Shape is x, y, length,
// width, turn, branches. The line thins toward its ends.
func (g *Generator) drawScratch(d draws, p *Defect) box {
	r := d.rand(sScratch)
	o := &g.o
	v := vertex{
		float64(r.Range(o.MeanX.Min, o.MeanX.Max)*float64(g.w)) - 0.5,
		float64(r.Range(o.MeanY.Min, o.MeanY.Max)*float64(g.h)) - 0.5, r.Range(0, 360),
	}
	length := r.LogRange(o.ScratchLength.Min, o.ScratchLength.Max)
	width := r.LogRange(o.ScratchWidth.Min, o.ScratchWidth.Max)
	bend := r.Range(o.ScratchTurn.Min, o.ScratchTurn.Max)
	branches := wholeIn(&r, o.ScratchBranches)
	p.Shape = append(p.Shape, v.x, v.y, length, width, bend, float64(branches))
	g.walk = g.walk[:0]
	all := g.addLine(&r, v, length, width, bend)
	trunk := len(g.walk)
	for range branches {
		from := g.walk[r.IntN(trunk)]
		from.dir += float64(r.Range(25, 70) * float64(2*r.IntN(2)-1))
		all = all.union(g.addLine(&r, from, float64(length*r.Range(0.2, 0.6)), float64(width*0.7), bend))
	}
	return all
}

func (g *Generator) addLine(r *exact.Rand, v vertex, length, width, bend float64) (all box) {
	const stride = 2.
	n := int(length/stride) + 1
	for i := range n {
		g.walk = append(g.walk, v)
		t := float64(i) / float64(n) // 0 to 1 along the line
		t = float64(2*t) - 1
		wide := float64(width * (1 - float64(float64(t*t)*0.5)))
		c, s := turn(v.dir)
		next := vertex{v.x + float64(stride*c), v.y + float64(stride*s), v.dir}
		next.dir += float64(float64(r.Normal()*bend) * 0.447) // 2 of 10 px: sqrt(1/5)
		all = all.union(g.addSegment(v, next, wide))
		v = next
	}
	return all
}

// addSegment draws the points within width/2 of a segment, one pixel of ramp.
func (g *Generator) addSegment(a, b vertex, width float64) box {
	half := float32(width / 2)
	ex, ey := float32(b.x-a.x), float32(b.y-a.y)
	rr := float64(half) + 1.5
	where := around(float64((a.x+b.x)/2), float64((a.y+b.y)/2), rr+1, rr+1, g.w, g.h)
	for y := where.y0; y < where.y1; y++ {
		row := g.mask[y*g.w : (y+1)*g.w]
		for x := where.x0; x < where.x1; x++ {
			dx, dy := float32(float64(x)-a.x), float32(float64(y)-a.y)
			t := clamp((float32(dx*ex)+float32(dy*ey))/4, 0, 1) // |e|^2 = 4
			dist := hypot32(dx-float32(t*ex), dy-float32(t*ey))
			cover := clamp(half+0.5-dist, 0, 1) * min(1, 2*half) // a hair covers part of a pixel
			row[x] = max(row[x], cover)
		}
	}
	return where
}
