// Package fixed computes the feature maps that no network need learn: the colour of
// the picture, small round spots, and lines. A network taught on surfaces sees a stain of
// another colour, a pit of a few pixels, or a faint scratch worse than these twelve numbers a cell do
// (doc/experiments.md, 16 to 20).
package fixed

import (
	"fmt"

	"cull/internal/fixed/internal/kernel"
	"cull/padim"
)

// Side is the side of a map's cell, in pixels: as many as a uint64 holds bytes.
const Side = 8

// reach is how many cells away what is seen is still a cell's: each number is the largest of so many, which hardly
// varies on good parts and moves little with them, so that what they do not have stands out more than by its own cell's.
const reach = 1

// Kernel returns the name of the implementation in use.
func Kernel() string { return kernel.Name() }

// Maps computes the maps of pictures of one size. Not safe for concurrent use.
type Maps struct {
	grey   []uint8 // mean of the channels, 0 to 254; a word before and a word behind the picture
	colour colour
	spots  spots
	lines  lines
}

// New returns the maps of pictures of height x width, multiples of Side.
func New(height, width int) (*Maps, error) {
	if height <= 0 || width <= 0 || height%Side != 0 || width%Side != 0 {
		return nil, fmt.Errorf("fixed: pictures of %d x %d: want multiples of %d", height, width, Side)
	}
	grey := make([]uint8, Side+height*width+Side)
	return &Maps{grey, newColour(height, width), newSpots(height, width), newLines(height, width)}, nil
}

// Append appends the maps of pic, [height][width][3], to list: colour, spots, lines. They belong to m
// until its next Append.
func (m *Maps) Append(list []padim.Map, pic []int8) []padim.Map {
	grey := m.grey[Side : len(m.grey)-Side]
	kernel.Grey(grey, pic)
	return append(list, m.colour.of(pic), m.spots.of(m.grey), m.lines.of(grey))
}

// newMap returns the map of pictures of that size, four channels a cell in units of step.
func newMap(height, width int, step float32) padim.Map {
	h, w := height/Side, width/Side
	return padim.Map{
		H: h, W: w, C: 4, Stride: Side, Data: make([]int8, h*w*4), Step: []float32{step, step, step, step},
	}
}

// A dilation finds the largest of a cell and the cells up to reach away.
type dilation struct {
	row  int    // numbers of a row of cells
	rows []int8 // scratch: the largest of a row's neighbours
}

func newDilation(m padim.Map) dilation { return dilation{m.W * m.C, make([]int8, len(m.Data))} }

// largest writes that of every channel of own to dst.
func (n *dilation) largest(dst, own []int8) {
	alongLine(n.rows, own, n.row, 4)
	alongLine(dst, n.rows, len(own), n.row)
}

// alongLine sets every number to the largest of those up to reach steps away in the same line.
func alongLine(dst, src []int8, line, step int) {
	copy(dst, src)
	for start := 0; start < len(src); start += line {
		to, from := dst[start:][:line], src[start:][:line]
		for far := step; far <= min(reach*step, line-step); far += step {
			raise(to[far:], from)
			raise(to, from[far:])
		}
	}
}

// raise sets every number of dst to src's, where that is larger, as far as both go.
func raise(dst, src []int8) {
	n := min(len(dst), len(src))
	dst, src = dst[:n], src[:n]
	for i, v := range src {
		dst[i] = max(dst[i], v)
	}
}
