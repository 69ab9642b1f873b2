package fixed

import (
	"cull/internal/fixed/internal/kernel"
	"cull/padim"
)

// spots finds small round dark and bright spots, as a pit, a pore or a crumb is. At a ring
// of eight places about a pixel it asks how much the picture rises outwards; the least of the
// eight answers is the pixel's. So the spot must have an edge on every side: a line, an edge, a corner
// or grain, however strong, has none on some side. That is the fast radial symmetry of Loy and Zelinsky (IEEE
// PAMI 25, 2003) with AND in place of a sum of votes, as COSFIRE filters have it (Azzopardi and Petkov, IEEE PAMI 35, 2013).
//
// Channels: dark of radius 2, dark of radius 3, bright of radius 2, bright of radius 3; each the
// largest of the pixels of a cell and of the cells up to reach away, in half grey levels a pixel, at most 127. The largest of
// so many hardly varies on good parts and moves little with them, so a spot stands out more than by its own cell's. Nearer than the
// ring and its gradients to the picture's border there are no spots.
type spots struct {
	m    padim.Map
	h, w int
	// sobel is how much the picture rises in the eight directions, in half grey levels a pixel, 0 to 127; not of the first and
	// the last row.
	sobel [kernel.Directions][]uint8
	// rise is the largest of 3 x 3 pixels of sobel, 0 within margin pixels of the border. Rows follow one another
	// without a gap: what reads beyond a row's end meets the next row's margin.
	rise   [kernel.Directions][]uint8
	wide   []uint8 // scratch: the largest of 3 x 1 pixels
	most   []uint8 // scratch, of a row of pixels: the largest of the rows of a cell
	own    []int8  // each cell's largest
	dilate dilation
}

// margin is the ring's largest radius.
const margin = 3

// rings are the places of the two rings, in the directions of rise.
var rings = [2][8][2]int{ // dy, dx
	{{0, 2}, {1, 1}, {2, 0}, {1, -1}, {0, -2}, {-1, -1}, {-2, 0}, {-1, 1}},
	{{0, 3}, {2, 2}, {3, 0}, {2, -2}, {0, -3}, {-2, -2}, {-3, 0}, {-2, 2}},
}

func newSpots(height, width int) spots {
	m, n := newMap(height, width, 1), height*width
	s := spots{
		m: m, h: height, w: width,
		wide: make([]uint8, n), most: make([]uint8, width), own: make([]int8, len(m.Data)), dilate: newDilation(m),
	}
	for k := range s.rise {
		s.sobel[k], s.rise[k] = make([]uint8, n), make([]uint8, n)
	}
	return s
}

// of returns the map of grey, which has a word before the picture and one behind.
func (s *spots) of(grey []uint8) padim.Map {
	s.gradients(grey)
	for k, r := range s.rise {
		s.spread(r, s.sobel[k])
	}
	for cy := range s.m.H {
		out := s.own[cy*s.m.W*4:][:s.m.W*4]
		for c := range 4 {
			s.cells(cy*Side, &rings[c%2], c/2*4)
			for cx := range s.m.W {
				out[4*cx+c] = int8(kernel.LargestOf(s.most[cx*Side:]))
			}
		}
	}
	s.dilate.largest(s.m.Data, s.own)
	return s.m
}

// gradients applies Sobel's operator to all rows but the first and the last. What rows that follow one another without
// a gap make of the border's pixels, and of the words before and behind the picture, spread clears.
func (s *spots) gradients(grey []uint8) {
	at := func(y int) []uint8 { return grey[Side+y*s.w-1:] }
	var to [kernel.Directions][]uint8
	for k, v := range s.sobel {
		to[k] = v[s.w : s.w*(s.h-1)]
	}
	kernel.Sobel(&to, at(0), at(1), at(2))
}

// spread fills out with the largest of 3 x 3 pixels of in, and clears the margin.
func (s *spots) spread(out, in []uint8) {
	inner := s.w * (s.h - 2)
	kernel.Largest(s.wide[s.w:][:inner], in[s.w-1:], in[s.w:], in[s.w+1:])
	rows := out[margin*s.w : (s.h-margin)*s.w]
	kernel.Largest(rows, s.wide[(margin-1)*s.w:], s.wide[margin*s.w:], s.wide[(margin+1)*s.w:])
	for len(rows) > 0 {
		row := rows[:s.w]
		clear(row[:margin])
		clear(row[len(row)-margin:])
		rows = rows[s.w:]
	}
}

// cells fills most for a row of cells from pixel row y on: the largest, over rows, of the least of a ring whose first
// place wants a rise in direction first.
func (s *spots) cells(y int, ring *[8][2]int, first int) {
	clear(s.most)
	for y, end := max(y, margin), min(y+Side, s.h-margin); y < end; y++ {
		var from [kernel.Directions][]uint8
		for k, place := range ring {
			from[k] = s.rise[(first+k)%8][(y+place[0])*s.w+place[1]:]
		}
		kernel.RaiseToLeast(s.most, &from)
	}
}
