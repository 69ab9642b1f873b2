package fixed

import "cull/padim"

// A colour says how far red and blue are from the other channels, on the mean of
// 4 x 4 pixels:
//
//	(2R - G - B)/4, (2B - R - G)/4
//
// in grey levels, rounded and clamped to int8.
type colour struct {
	m    padim.Map
	sums []int // of a row of blocks: R, G, B
}

// block is the side of what is averaged.
const block = 4

func newColour(height, width int) colour {
	h, w := height/block, width/block
	return colour{
		padim.Map{H: h, W: w, C: 2, Stride: block, Data: make([]int8, h*w*2), Step: []float32{4, 4}},
		make([]int, 3*w),
	}
}

// of returns the map of pic.
func (c *colour) of(pic []int8) padim.Map {
	row := 3 * block * c.m.W
	for y := range c.m.H {
		clear(c.sums)
		for range block {
			addBlocks(c.sums, pic[:row])
			pic = pic[row:]
		}
		out := c.m.Data[2*y*c.m.W:][:2*c.m.W]
		for s := c.sums; len(out) >= 2 && len(s) >= 3; out, s = out[2:], s[3:] {
			r, g, b := s[0], s[1], s[2]
			out[0], out[1] = toLevel(2*r-g-b), toLevel(2*b-r-g)
		}
	}
	return c.m
}

// addBlocks adds a row of pixels to the sums of its blocks.
func addBlocks(sums []int, row []int8) {
	for ; len(sums) >= 3 && len(row) >= 3*block; sums, row = sums[3:], row[3*block:] {
		p := row[:3*block]
		sums[0] += int(p[0]) + int(p[3]) + int(p[6]) + int(p[9])
		sums[1] += int(p[1]) + int(p[4]) + int(p[7]) + int(p[10])
		sums[2] += int(p[2]) + int(p[5]) + int(p[8]) + int(p[11])
	}
}

// toLevel divides a sum over a block by 4 block², rounds half up and clamps.
func toLevel(sum int) int8 {
	const n = 4 * block * block
	return int8(min(max((sum+n/2)>>6, -127), 127))
}
