package synth

import "cull/internal/exact"

// A canvas draws a part: colours and a height field, lit when everything is on it.
// Part coordinates: the origin is the part's centre, 1 half the shorter side of the picture.
type canvas struct {
	g      *Generator
	dst    *planes
	height []float32 // pixels
	gloss  []float32
	fine   []float32 // texture, standard deviation 1
	c, s   float32   // rotation
	x, y   float32   // where the origin is, pixels
	k      float32   // pixels per unit
}

// A shape is the distance to an outline in part units, negative inside.
type shape func(x, y float32) float32

// A finish is how a shape looks.
type finish struct {
	colour rgb
	grain  float32 // of the texture
	rise   float32 // height added inside, pixels
	level  float32 // if not 0: the height to come to instead
	bevel  float32 // width of its slope, pixels
	gloss  float32
	cover  float32 // opacity; 0 means 1, negative leaves the colour alone
}

// canvas starts a part; jitter turns and moves it a little.
func (g *Generator) canvas(dst *planes, jitter *exact.Rand, ground rgb, grain float32) canvas {
	c := canvas{g: g, dst: dst, height: g.spare[1], gloss: g.spare[2], fine: g.spare[3]}
	turned := g.o.PartTurn
	deg := max(-turned, min(turned, float64(jitter.Normal()*turned)*0.4))
	cs, sn := turn(deg)
	c.c, c.s = float32(cs), float32(sn)
	far := g.o.PartShift
	c.x = float32(float32(g.w-1)*0.5) + float32(jitter.Range(-far, far))
	c.y = float32(float32(g.h-1)*0.5) + float32(jitter.Range(-far, far))
	c.k = float32(float64(min(g.w, g.h)) / 2 * jitter.Range(0.994, 1.006))
	g.fractal(c.fine, jitter, 0.7, 0)
	clear(c.height)
	clear(c.gloss)
	for i, v := range c.fine {
		dst.put(i, ground, 1+float32(grain*v))
	}
	return c
}

// fill draws a shape that lies within rx, ry (part units) of (x, y).
func (c *canvas) fill(x, y, rx, ry float32, f finish, sdf shape) {
	g := c.g
	px := c.x + float32(c.k*(float32(c.c*x)-float32(c.s*y)))
	py := c.y + float32(c.k*(float32(c.s*x)+float32(c.c*y)))
	hx := float64(float32(c.k*(float32(abs32(c.c)*rx)+float32(abs32(c.s)*ry)))) + 2
	hy := float64(float32(c.k*(float32(abs32(c.s)*rx)+float32(abs32(c.c)*ry)))) + 2
	b := around(float64(px), float64(py), hx, hy, g.w, g.h)
	inv := 1 / c.k
	cover := f.cover
	if cover == 0 {
		cover = 1
	}
	slope := 1 / max(f.bevel, 0.5)
	for y := b.y0; y < b.y1; y++ {
		dy := float32((float32(y) - c.y) * inv)
		for x := b.x0; x < b.x1; x++ {
			dx := float32((float32(x) - c.x) * inv)
			d := float32(sdf(float32(c.c*dx)+float32(c.s*dy), float32(c.c*dy)-float32(c.s*dx)) * c.k)
			in := clamp(0.5-d, 0, 1)
			if in == 0 {
				continue
			}
			i := y*g.w + x
			switch up := smooth(float32((0.5 - d) * slope)); {
			case f.level != 0:
				c.height[i] = lerp(c.height[i], f.level, up)
			case f.rise != 0:
				c.height[i] += float32(f.rise * up)
			}
			if cover > 0 {
				c.gloss[i] = lerp(c.gloss[i], f.gloss, float32(in*cover))
				c.dst.mixIn(i, f.colour.times(1+float32(f.grain*c.fine[i])), float32(in*cover))
			}
		}
	}
}

// disc, box and stroke draw the plain shapes.
func (c *canvas) disc(x, y, rad float32, f finish) {
	c.fill(x, y, rad, rad, f, func(u, v float32) float32 { return hypot32(u-x, v-y) - rad })
}

func (c *canvas) box(x, y, rx, ry, corner float32, f finish) {
	c.fill(x, y, rx, ry, f, func(u, v float32) float32 {
		a, b := abs32(u-x)-rx+corner, abs32(v-y)-ry+corner
		return hypot32(max(a, 0), max(b, 0)) + min(max(a, b), 0) - corner
	})
}

func (c *canvas) stroke(x0, y0, x1, y1, width float32, f finish) {
	ex, ey := x1-x0, y1-y0
	length := float32(ex*ex) + float32(ey*ey)
	rx, ry := float32(0.5*abs32(ex))+width, float32(0.5*abs32(ey))+width
	c.fill(float32((x0+x1)*0.5), float32((y0+y1)*0.5), rx, ry, f, func(u, v float32) float32 {
		du, dv := u-x0, v-y0
		t := clamp((float32(du*ex)+float32(dv*ey))/length, 0, 1)
		return hypot32(du-float32(t*ex), dv-float32(t*ey)) - float32(width*0.5)
	})
}

// shadow darkens what the relief hides from the light, up to reach <= 16 steps of
// about a pixel away.
func (c *canvas) shadow(l light, reach int, depth float32) {
	g := c.g
	var step [16][2]int
	for t := range step {
		step[t] = [2]int{int(float32(t+1) * l.x * 1.4), int(float32(t+1) * l.y * 1.4)}
	}
	for y := range g.h {
		for x := range g.w {
			i := y*g.w + x
			var hidden float32
			for t, s := range step[:reach] {
				px, py := x+s[0], y+s[1]
				if uint(px) >= uint(g.w) || uint(py) >= uint(g.h) {
					break
				}
				d := c.height[py*g.w+px] - c.height[i] - float32(float32(t+1)*0.5)
				if d > hidden {
					hidden = d
				}
			}
			if hidden > 0 {
				k := 1 - float32(depth*smooth(float32(hidden*0.5)))
				c.dst[0][i] *= k
				c.dst[1][i] *= k
				c.dst[2][i] *= k
			}
		}
	}
}

// light shades the part; each pixel's gloss scales the highlight.
func (c *canvas) light(l light) { c.g.relief(c.dst, c.height, c.gloss, l) }

// glyphs are 5 x 7 dots, rows from the top, the most significant of five bits left.
var glyphs = map[rune][7]uint8{
	'0': {14, 17, 19, 21, 25, 17, 14}, '1': {4, 12, 4, 4, 4, 4, 14}, '2': {14, 17, 1, 6, 8, 16, 31},
	'3': {31, 2, 4, 2, 1, 17, 14}, '4': {2, 6, 10, 18, 31, 2, 2}, '5': {31, 16, 30, 1, 1, 17, 14},
	'6': {6, 8, 16, 30, 17, 17, 14}, '7': {31, 1, 2, 4, 8, 8, 8}, '8': {14, 17, 17, 14, 17, 17, 14},
	'9': {14, 17, 17, 15, 1, 2, 12}, 'L': {16, 16, 16, 16, 16, 16, 31}, 'O': {14, 17, 17, 17, 17, 17, 14},
	'T': {31, 4, 4, 4, 4, 4, 4}, 'E': {31, 16, 16, 30, 16, 16, 31}, 'X': {17, 17, 10, 4, 10, 17, 17},
	'P': {30, 17, 17, 30, 16, 16, 16}, 'C': {14, 17, 16, 16, 16, 17, 14}, 'U': {17, 17, 17, 17, 17, 17, 14},
	'A': {14, 17, 17, 31, 17, 17, 17}, 'R': {30, 17, 17, 30, 20, 18, 17}, 'N': {17, 25, 21, 19, 17, 17, 17},
	'/': {1, 1, 2, 4, 8, 16, 16}, '-': {0, 0, 0, 31, 0, 0, 0}, '.': {0, 0, 0, 0, 0, 12, 12},
}

// text prints dots of side size (part units) from (x, y), its top-left corner.
func (c *canvas) text(x, y, size float32, s string, f finish) {
	width := float32(float32(6*len(s)) * size)
	runes := []rune(s)
	rx, ry := float32(width*0.5), float32(4*size)
	c.fill(x+rx, y+float32(3.5*size), rx, ry, f, func(u, v float32) float32 {
		a, b := (u-x)/size, (v-y)/size
		if a < 0 || b < 0 || b >= 7 || int(a) >= 6*len(runes) {
			return 1
		}
		// Distance to the nearest dot of the cell and its neighbours, a rounded pen.
		best := float32(9)
		col, row := int(a), int(b)
		for j := row - 1; j <= row+1; j++ {
			for i := col - 1; i <= col+1; i++ {
				if i < 0 || j < 0 || j > 6 || i >= 6*len(runes) || i%6 == 5 {
					continue
				}
				if glyphs[runes[i/6]][j]>>(4-i%6)&1 == 1 {
					best = min(best, max(abs32(a-float32(i)-0.5), abs32(b-float32(j)-0.5)))
				}
			}
		}
		return float32((best - 0.55) * size)
	})
}
