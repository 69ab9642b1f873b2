package fixed

import "cull/padim"

// colour says how far a cell and those around it are from grey, in four directions. The cell's mean has
//
//	red (2R - G - B)/4, blue (2B - R - G)/4
//
// in grey levels, rounded and clamped to int8. Channels: the most red, the most blue, the least red and the least blue,
// these two with the sign turned, of a cell and the cells up to reach away. Where a part's edge lies now in one
// cell and now in the next, the mean of a cell changes, the two colours that meet there do not.
type colour struct {
	m      padim.Map
	sums   []int  // of a row of cells: R, G, B
	own    []int8 // each cell's
	dilate dilation
}

func newColour(height, width int) colour {
	m := newMap(height, width, 4)
	return colour{m, make([]int, 3*m.W), make([]int8, len(m.Data)), newDilation(m)}
}

// of returns the map of pic.
func (c *colour) of(pic []int8) padim.Map {
	row := 3 * Side * c.m.W
	for y := range c.m.H {
		clear(c.sums)
		for range Side {
			addCells(c.sums, pic[:row])
			pic = pic[row:]
		}
		out := c.own[4*y*c.m.W:][:4*c.m.W]
		for s := c.sums; len(out) >= 4 && len(s) >= 3; out, s = out[4:], s[3:] {
			r, g, b := s[0], s[1], s[2]
			red, blue := toLevel(2*r-g-b), toLevel(2*b-r-g)
			out[0], out[1], out[2], out[3] = red, blue, -red, -blue
		}
	}
	c.dilate.largest(c.m.Data, c.own)
	return c.m
}

// addCells adds a row of pixels to the sums of its cells.
func addCells(sums []int, row []int8) {
	for ; len(sums) >= 3 && len(row) >= 3*Side; sums, row = sums[3:], row[3*Side:] {
		p := row[:3*Side]
		sums[0] += int(p[0]) + int(p[3]) + int(p[6]) + int(p[9]) + int(p[12]) + int(p[15]) + int(p[18]) + int(p[21])
		sums[1] += int(p[1]) + int(p[4]) + int(p[7]) + int(p[10]) + int(p[13]) + int(p[16]) + int(p[19]) + int(p[22])
		sums[2] += int(p[2]) + int(p[5]) + int(p[8]) + int(p[11]) + int(p[14]) + int(p[17]) + int(p[20]) + int(p[23])
	}
}

// toLevel divides a sum over a cell by 4 Side², rounds half up and clamps.
func toLevel(sum int) int8 {
	const n = 4 * Side * Side
	return int8(min(max((sum+n/2)>>8, -127), 127))
}
