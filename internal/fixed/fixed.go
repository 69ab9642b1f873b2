// Package fixed computes the feature maps that no network need learn: the colour of
// the picture, and small round spots. A network taught on surfaces sees a stain of
// another colour, or a pit of a few pixels, worse than these six numbers a cell do
// (doc/experiments.md, 16 and 17).
package fixed

import (
	"fmt"

	"cull/padim"
)

// Maps computes the maps of pictures of one size. Not safe for concurrent use.
type Maps struct {
	colour colour
	spots  spots
}

// New returns the maps of pictures of height x width, multiples of Side.
func New(height, width int) (*Maps, error) {
	if height <= 0 || width <= 0 || height%Side != 0 || width%Side != 0 {
		return nil, fmt.Errorf("fixed: pictures of %d x %d: want multiples of %d", height, width, Side)
	}
	return &Maps{newColour(height, width), newSpots(height, width)}, nil
}

// Append appends the maps of pic, [height][width][3], to list: colour, then spots. They belong to m
// until its next Append.
func (m *Maps) Append(list []padim.Map, pic []int8) []padim.Map {
	return append(list, m.colour.of(pic), m.spots.of(pic))
}
