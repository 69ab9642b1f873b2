package synth

import (
	"math"

	"cull/internal/exact"
)

// scores fills the maps of s from g.mask and the bytes of Clean and Image.
func (g *Generator) scores(s *Sample, b box) {
	for _, m := range [][]float32{s.Mask, s.Score, s.Visible, s.Relative} {
		clear(m)
	}
	if b.empty() {
		return
	}
	a := float32(s.Params.Defect.Amplitude)
	for y := b.y0; y < b.y1; y++ {
		for i := y*g.w + b.x0; i < y*g.w+b.x1; i++ {
			m := g.mask[i]
			s.Mask[i] = m
			s.Score[i] = a * m
		}
	}
	g.change(s, b)
	g.visible(s, b)
	g.relative(s, b)
}

// change writes the sum over colours of |Image - Clean| into g.spare[0] (0..765).
func (g *Generator) change(s *Sample, b box) {
	clear(g.spare[0])
	for y := b.y0; y < b.y1; y++ {
		for i := y*g.w + b.x0; i < y*g.w+b.x1; i++ {
			sum := 0
			for c := 3 * i; c < 3*i+3; c++ {
				d := int(s.Image.Pix[c]) - int(s.Clean.Pix[c])
				sum += max(d, -d)
			}
			g.spare[0][i] = float32(sum)
		}
	}
}

func (g *Generator) visible(s *Sample, b box) {
	o := &g.o
	zero := logistic(o.VisibleSlope, -o.VisibleCentre)
	floor := float32(o.MaskFloor)
	mean := g.spare[1]
	if o.VisibleMedian {
		g.medians(mean, g.spare[0], b, o.VisibleRadius)
	} else {
		g.windows(mean, g.spare[0], b, o.VisibleRadius)
	}
	for y := b.y0; y < b.y1; y++ {
		for i := y*g.w + b.x0; i < y*g.w+b.x1; i++ {
			if g.mask[i] <= floor {
				continue
			}
			l := logistic(o.VisibleSlope, float64(mean[i])/3-o.VisibleCentre)
			s.Visible[i] = float32(max(0, (l-zero)/(1-zero)))
		}
	}
}

// logistic is 1/(1 + exp(-k x)).
func logistic(k, x float64) float64 { return 1 / (1 + exact.Exp(-k*x)) }

func (g *Generator) relative(s *Sample, b box) {
	change, grey, square := g.spare[1], g.spare[2], g.spare[3]
	g.windows(change, g.spare[0], b, 1)
	wide := box{max(b.x0-7, 0), max(b.y0-7, 0), min(b.x1+7, g.w), min(b.y1+7, g.h)}
	// Brightness 0..255 in thirds: integers, so the window sums below are exact in float32
	// up to 2^24: 225 * 765^2 is above, hence thirds are brought to whole levels first.
	level := g.spare[0]
	for y := wide.y0; y < wide.y1; y++ {
		for i := y*g.w + wide.x0; i < y*g.w+wide.x1; i++ {
			p := s.Clean.Pix[3*i : 3*i+3]
			level[i] = float32((int(p[0]) + int(p[1]) + int(p[2]) + 1) / 3)
		}
	}
	g.windows(grey, level, b, 7)
	for y := wide.y0; y < wide.y1; y++ {
		for i := y*g.w + wide.x0; i < y*g.w+wide.x1; i++ {
			level[i] *= level[i]
		}
	}
	g.windows(square, level, b, 7)
	for y := b.y0; y < b.y1; y++ {
		for i := y*g.w + b.x0; i < y*g.w+b.x1; i++ {
			if g.mask[i] == 0 {
				continue
			}
			sd := math.Sqrt(max(0, float64(square[i])-float64(float64(grey[i])*float64(grey[i]))))
			if r := float64(change[i]) / 3 / (6 + sd); r > 0.3 {
				s.Relative[i] = float32(logistic(5, r-1))
			}
		}
	}
}

// windows writes the mean of src over the (2r+1)^2 window, cut at the border, inside b.
// src holds whole numbers, so running sums are exact.
func (g *Generator) windows(dst, src []float32, b box, r int) {
	y0, y1 := max(b.y0-r, 0), min(b.y1+r, g.h)
	wide := b.x1 - b.x0
	g.sums = grow(g.sums, (y1-y0)*wide)
	for y := y0; y < y1; y++ {
		line := src[y*g.w : (y+1)*g.w]
		out := g.sums[(y-y0)*wide : (y-y0+1)*wide]
		var sum int64
		for x := max(b.x0-r, 0); x < min(b.x0+r, g.w); x++ {
			sum += int64(line[x])
		}
		for x := range out {
			if in := b.x0 + x + r; in < g.w {
				sum += int64(line[in])
			}
			out[x] = sum
			if gone := b.x0 + x - r; gone >= 0 {
				sum -= int64(line[gone])
			}
		}
	}
	for x := range wide {
		nx := min(b.x0+x+r, g.w-1) - max(b.x0+x-r, 0) + 1
		var sum int64
		for y := y0; y < min(b.y0+r, g.h); y++ {
			sum += g.sums[(y-y0)*wide+x]
		}
		for y := b.y0; y < b.y1; y++ {
			if y+r < g.h {
				sum += g.sums[(y+r-y0)*wide+x]
			}
			ny := min(y+r, g.h-1) - max(y-r, 0) + 1
			dst[y*g.w+b.x0+x] = float32(float64(sum) / float64(nx*ny))
			if y-r >= 0 {
				sum -= g.sums[(y-r-y0)*wide+x]
			}
		}
	}
}

// medians writes the median of src over the disc of radius r, cut at the border, inside b.
// src holds whole numbers 0..765.
func (g *Generator) medians(dst, src []float32, b box, r int) {
	var list [225]int16
	for y := b.y0; y < b.y1; y++ {
		for x := b.x0; x < b.x1; x++ {
			n := 0
			for v := max(y-r, 0); v <= min(y+r, g.h-1); v++ {
				for u := max(x-r, 0); u <= min(x+r, g.w-1); u++ {
					if (u-x)*(u-x)+(v-y)*(v-y) > r*r {
						continue
					}
					k := n
					t := int16(src[v*g.w+u])
					for ; k > 0 && list[k-1] > t; k-- {
						list[k] = list[k-1]
					}
					list[k] = t
					n++
				}
			}
			dst[y*g.w+x] = float32(list[n/2])
		}
	}
}
