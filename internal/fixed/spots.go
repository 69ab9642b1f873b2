package fixed

import "cull/padim"

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
	grey []uint8 // a word before and a word behind the picture, which only what spread clears depends on
	// sobel is how much the picture rises in the eight directions, eight pixels a word.
	sobel [8][]uint64
	// rise is how much the picture rises in the eight directions, in half grey levels a pixel, 0 to 127: the
	// largest of 3 x 3 pixels, 0 within margin pixels of the border. Rows follow one another without a gap: what reads
	// beyond a row's end meets the next row's margin.
	rise   [8][]uint8
	wide   []uint64 // scratch: the largest of 3 x 1 pixels
	most   []uint64 // scratch: a word a cell of a row
	own    []int8   // each cell's largest
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
		m: m, h: height, w: width, grey: make([]uint8, Side+n+Side),
		wide: make([]uint64, n/Side), most: make([]uint64, m.W), own: make([]int8, len(m.Data)), dilate: newDilation(m),
	}
	for k := range s.rise {
		s.sobel[k], s.rise[k] = make([]uint64, n/Side), make([]uint8, n)
	}
	return s
}

// of returns the map of pic.
func (s *spots) of(pic []int8) padim.Map {
	s.toGrey(pic)
	s.gradients()
	for k, r := range s.rise {
		s.spread(r, s.sobel[k])
	}
	for cy := range s.m.H {
		out := s.own[cy*s.m.W*4:][:s.m.W*4]
		for c := range 4 {
			s.cells(cy*Side, &rings[c%2], c/2*4)
			for cx, v := range s.most {
				out[4*cx+c] = int8(largest(v))
			}
		}
	}
	s.dilate.largest(s.m.Data, s.own)
	return s.m
}

// toGrey takes the mean of the channels.
func (s *spots) toGrey(pic []int8) {
	for i := range s.grey[Side:][:s.h*s.w] {
		p := pic[3*i:][:3]
		s.grey[Side+i] = uint8((int(p[0]) + int(p[1]) + int(p[2]) + 3*127) / 3)
	}
}

// gradients applies Sobel's operator, eight pixels at a time. What rows that follow one another without a gap
// make of the border's pixels, spread clears.
func (s *spots) gradients() {
	for i := s.w; i < s.w*(s.h-1); i += Side {
		first := Side + i - 1
		up, mid, down := s.grey[first-s.w:], s.grey[first:], s.grey[first+s.w:]
		nw, n, ne := load(up), load(up[1:]), load(up[2:])
		w, e := load(mid), load(mid[2:])
		sw, so, se := load(down), load(down[1:]), load(down[2:])
		even := sobelOf(nw&bytes, n&bytes, ne&bytes, w&bytes, e&bytes, sw&bytes, so&bytes, se&bytes)
		odd := sobelOf(nw>>8&bytes, n>>8&bytes, ne>>8&bytes, w>>8&bytes, e>>8&bytes, sw>>8&bytes, so>>8&bytes, se>>8&bytes)
		for k := range s.sobel {
			s.sobel[k][i/Side] = even[k] | odd[k]<<8
		}
	}
}

// sobelOf returns the rises in the eight directions from the eight neighbours, of four pixels.
func sobelOf(nw, n, ne, w, e, sw, s, se uint64) (r [8]uint64) {
	west, east := nw+2*w+sw, ne+2*e+se
	north, south := nw+2*n+ne, sw+2*s+se
	r[0], r[4] = along(east, west)
	r[1], r[5] = across(east+south, west+north)
	r[2], r[6] = along(south, north)
	r[3], r[7] = across(south+west, north+east)
	return r
}

// spread fills out with the largest of 3 x 3 pixels of in, and clears the margin.
func (s *spots) spread(out []uint8, in []uint64) {
	n := s.m.W // words of a row
	for y := 1; y < s.h-1; y++ {
		row, wide := in[y*n:][:n], s.wide[y*n:][:n]
		before, v := uint64(0), row[0]
		for i := range wide {
			after := uint64(0)
			if i+1 < len(row) {
				after = row[i+1]
			}
			wide[i] = larger(v, larger(v<<8|before>>56, v>>8|after<<56))
			before, v = v, after
		}
	}
	clear(out[:margin*s.w])
	for y := margin; y < s.h-margin; y++ {
		up, mid, down := s.wide[(y-1)*n:][:n], s.wide[y*n:][:n], s.wide[(y+1)*n:][:n]
		row := out[y*s.w:][:s.w]
		for i, v := range mid {
			store(row[i*Side:], larger(v, larger(up[i], down[i])))
		}
		clear(row[:margin])
		clear(row[len(row)-margin:])
	}
	clear(out[(s.h-margin)*s.w:])
}

// cells fills most for a row of cells from pixel row y on: the largest, over rows, of the least of a ring whose first
// place wants a rise in direction first.
func (s *spots) cells(y int, ring *[8][2]int, first int) {
	clear(s.most)
	for y, end := max(y, margin), min(y+Side, s.h-margin); y < end; y++ {
		at := func(k int) []uint8 { return s.rise[(first+k)%8][(y+ring[k][0])*s.w+ring[k][1]:][:s.w] }
		p0, p1, p2, p3, p4, p5, p6, p7 := at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7)
		for i, m := range s.most {
			x := i * Side
			a := smaller(smaller(load(p0[x:]), load(p1[x:])), smaller(load(p2[x:]), load(p3[x:])))
			b := smaller(smaller(load(p4[x:]), load(p5[x:])), smaller(load(p6[x:]), load(p7[x:])))
			s.most[i] = larger(m, smaller(a, b))
		}
	}
}
