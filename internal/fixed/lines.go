package fixed

import (
	"math"
	"slices"

	"cull/internal/exact"
	"cull/internal/fixed/internal/kernel"
	"cull/padim"
)

// lines says how much of a line runs through a cell and those around it, whatever its contrast, as of a scratch or a crack fainter than
// the specks beside it. With L_k the second derivative of brightness across orientation k of eight,
//
//	z_k = L_k / sqrt(mean over a window and over all directions of L^2 + floor^2), clipped to 0..4
//	s_k = mean of z_k over sixteen places, two pixels apart, along the orientation
//
// and the answer is the largest s_k less the mean of all eight: what is long stands out from grain, which keeps no
// direction. The division makes a faint scratch on a smooth surface count as much as a strong one (divisive normalisation,
// Heeger 1992). It is control.Bank.Lines in integers (doc/method.md says how they differ).
//
// Channels: dark, bright, of the picture; dark, bright, of the picture at half its size; each the largest of the pixels of a cell and of
// the cells up to reach away, in units of 4/127 of relative contrast. Nearer than edge to a picture's border nothing is a line.
type lines struct {
	m      padim.Map
	sizes  [2]*ridges
	half   []uint8 // the picture at half its size
	own    []int8  // each cell's largest
	dilate dilation
}

func newLines(height, width int) lines {
	m := newMap(height, width, 1)
	return lines{
		m: m, sizes: [2]*ridges{newRidges(height, width, Side), newRidges(height/2, width/2, Side/2)},
		half: make([]uint8, height/2*(width/2)), own: make([]int8, len(m.Data)), dilate: newDilation(m),
	}
}

// of returns the map of grey, [height][width].
func (l *lines) of(grey []uint8) padim.Map {
	full, half := l.sizes[0], l.sizes[1]
	for y := range half.h {
		kernel.Halve(l.half[y*half.w:][:half.w], grey[2*y*full.w:], grey[(2*y+1)*full.w:])
	}
	full.cells(l.own, grey)
	half.cells(l.own[2:], l.half)
	l.dilate.largest(l.m.Data, l.own)
	return l.m
}

const (
	edge   = 4  // pixels: two that a smoothed pixel needs on either side and two that its derivatives do
	block  = 8  // side of the squares, in pixels, that contrast is told for: the window is a square and those around it
	faint  = 64 // floor of contrast, in units of Curvature: a quarter of a grey level a pixel squared
	most   = 4  // relative contrast beyond which a line is not stronger
	beyond = 12 // pixels outside the picture up to which near is needed: as far as the second mean looks
	apron  = 16 // pixels around a plane: beyond, and the three that near spreads from the row before or behind
)

// ridges finds the lines of pictures of one size.
type ridges struct {
	h, w, cell   int
	down, across int // blocks

	column, smooth []uint16 // [h][w]
	second         kernel.Curvature
	pairs          []uint32   // scratch: energies of a row of blocks
	energy, count  []uint64   // [blocks down][blocks across]: of pixels, how many
	gain           [2][]int16 // of dark and of bright lines, [blocks down][w]

	// Planes are of one orientation each, a number a pixel; stride is that of their rows. Outside the picture they are 0; the apron columns
	// behind a row are those before the next one too.
	stride   int
	strength []uint8                       // z, [Orientations][apron + h + apron][stride]
	near     []uint8                       // scratch: z's mean over four places, [apron + h + apron][stride]
	along    [kernel.Orientations][]uint8  // s, [h][stride]
	places   [kernel.Orientations]twoMeans // of near and along
	highest  []uint8                       // scratch, of a row of pixels: the largest of the rows of a cell
}

// twoMeans are the places of two means of four each, as distances in a plane: together sixteen places along an orientation.
type twoMeans [2][4]int

func newRidges(height, width, cell int) *ridges {
	n := height * width
	row := (width + kernel.Lane - 1) / kernel.Lane * kernel.Lane
	down, across := (height+block-1)/block, (width+block-1)/block
	r := &ridges{
		h: height, w: width, cell: cell, down: down, across: across,
		column: make([]uint16, n), smooth: make([]uint16, n),
		second: kernel.Curvature{Sum: make([]int16, n), Difference: make([]int16, n), Mixed: make([]int16, n)},
		pairs:  make([]uint32, width/2), energy: make([]uint64, down*across), count: make([]uint64, down*across),
		stride: row + apron, highest: make([]uint8, row),
	}
	for sign := range r.gain {
		r.gain[sign] = make([]int16, down*width)
	}
	plane := (height + 2*apron) * r.stride
	r.strength, r.near = make([]uint8, kernel.Orientations*plane), make([]uint8, plane)
	for k := range r.along {
		r.along[k] = make([]uint8, height*r.stride)
		r.places[k] = twoMeans{r.around(k, 1, 2), r.around(k, 4, 8)}
	}
	return r
}

// around returns the four places a and b pixels to either side along orientation k, in steps of a whole pixel.
func (r *ridges) around(k, a, b int) [4]int {
	at := func(far int) int {
		angle := float64(k) * math.Pi / kernel.Orientations
		dx, dy := math.Round(float64(far)*exact.Cos(angle)), math.Round(float64(far)*exact.Sin(angle))
		return int(dy)*r.stride + int(dx)
	}
	return [4]int{-at(a) - at(b), at(a) - at(b), -at(a) + at(b), at(a) + at(b)}
}

// cells writes the largest of each cell of a picture of grey, dark and bright, to the first two of every four of out.
func (r *ridges) cells(out []int8, grey []uint8) {
	if min(r.h, r.w) <= 2*edge {
		return
	}
	r.derive(grey)
	r.gains()
	for sign, gain := range r.gain {
		r.strengths(gain)
		r.smear()
		for y := range r.h / r.cell {
			clear(r.highest)
			for j := range r.cell {
				var from [kernel.Orientations][]uint8
				for k, s := range r.along {
					from[k] = s[(y*r.cell+j)*r.stride:]
				}
				kernel.RaiseToExcess(r.highest, &from)
			}
			wide := r.w / r.cell
			for x := range wide {
				out[4*(y*wide+x)+sign] = int8(slices.Max(r.highest[x*r.cell:][:r.cell]))
			}
		}
	}
}

// derive fills second, energy and count. What rows that follow one another without a gap make of the border's pixels counts nowhere.
func (r *ridges) derive(grey []uint8) {
	w := r.w
	var rows [kernel.Near][]uint8
	for k := range rows {
		rows[k] = grey[k*w:]
	}
	kernel.Column(r.column[2*w:(r.h-2)*w], &rows)
	kernel.Row(r.smooth[2*w+2:(r.h-2)*w-2], r.column[2*w:])
	for b := range r.down {
		clear(r.pairs)
		first, end := max(b*block, edge), min((b+1)*block, r.h-edge)
		for y := first; y < end; y++ {
			var around [kernel.Near][]uint16
			for k := range around {
				around[k] = r.smooth[(y-2+k)*w-2:]
			}
			kernel.Curve(r.row(y), r.pairs, &around)
		}
		for x := range r.across {
			from, to := max(x*block, edge)/2, min((x+1)*block, w-edge)/2
			var sum uint64
			for i := from; i < to; i++ {
				sum += uint64(r.pairs[i])
			}
			r.energy[b*r.across+x] = sum
			r.count[b*r.across+x] = uint64(2 * max(to-from, 0) * max(end-first, 0))
		}
	}
}

// row is the curvature of row y.
func (r *ridges) row(y int) kernel.Curvature {
	of := func(v []int16) []int16 { return v[y*r.w:][:r.w] }
	return kernel.Curvature{Sum: of(r.second.Sum), Difference: of(r.second.Difference), Mixed: of(r.second.Mixed)}
}

// gains fills gain: what brings a derivative of most times the contrast to 255, and 0 at the edge.
func (r *ridges) gains() {
	for b := range r.down {
		dark, bright := r.gain[0][b*r.w:][:r.w], r.gain[1][b*r.w:][:r.w]
		for x := range r.across {
			var energy, count uint64
			for j := max(b-1, 0); j <= min(b+1, r.down-1); j++ {
				for i := max(x-1, 0); i <= min(x+1, r.across-1); i++ {
					energy += r.energy[j*r.across+i]
					count += r.count[j*r.across+i]
				}
			}
			if count == 0 {
				continue
			}
			contrast := math.Sqrt(8*float64(energy)/float64(count) + faint*faint)
			v := int16(255. / most * (1 << 15) / contrast)
			for i := max(x*block, edge); i < min((x+1)*block, r.w-edge); i++ {
				dark[i], bright[i] = v, -v
			}
		}
	}
}

// strengths fills the planes of strength.
func (r *ridges) strengths(gain []int16) {
	for y := edge; y < r.h-edge; y++ {
		kernel.Strengths(r.strength[(apron+y)*r.stride:], len(r.near), r.row(y), gain[y/block*r.w:][:r.w])
	}
}

// smear fills along from strength.
func (r *ridges) smear() {
	mean := func(dst, src []uint8, at int, places [4]int) {
		from := func(i int) []uint8 { return src[at+places[i]:] }
		kernel.Mean(dst, from(0), from(1), from(2), from(3))
	}
	plane := len(r.near)
	top, end := (apron-beyond)*r.stride, (apron+r.h+beyond)*r.stride
	for k, s := range r.along {
		mean(r.near[top:end], r.strength[k*plane:], top, r.places[k][0])
		mean(s, r.near, apron*r.stride, r.places[k][1])
	}
}
