// Package mirror turns input pictures over. Where a kind of part looks the same mirrored, mirrored good parts
// are good parts that nobody had to photograph.
package mirror

import (
	"fmt"
	"slices"
)

// A Mirror is a way to turn a picture over.
type Mirror uint8

// Mirrors.
const (
	LeftRight Mirror = iota
	UpDown
	HalfTurn // both: rotated by 180 degrees
)

// All are all of them.
var All = [...]Mirror{LeftRight, UpDown, HalfTurn}

var names = [...]string{"left-right", "up-down", "half-turn"}

// String returns the mirror's name as in files.
func (m Mirror) String() string {
	if int(m) < len(names) {
		return names[m]
	}
	return fmt.Sprintf("Mirror(%d)", uint8(m))
}

// MarshalText returns the mirror's name.
func (m Mirror) MarshalText() ([]byte, error) {
	if int(m) >= len(names) {
		return nil, fmt.Errorf("mirror %d: unknown", uint8(m))
	}
	return []byte(names[m]), nil
}

// UnmarshalText reads a mirror's name.
func (m *Mirror) UnmarshalText(text []byte) error {
	i := slices.Index(names[:], string(text))
	if i < 0 {
		return fmt.Errorf("mirror %q: not left-right, up-down or half-turn", text)
	}
	*m = Mirror(i)
	return nil
}

// Picture writes src, [len/(3 width)][width][3], turned over to dst, which is as large.
func (m Mirror) Picture(dst, src []int8, width int) {
	rows := len(src) / (3 * width)
	for y := range rows {
		from := y
		if m != LeftRight {
			from = rows - 1 - y
		}
		to, row := dst[3*width*y:][:3*width], src[3*width*from:][:3*width]
		copy(to, row)
		if m != UpDown {
			slices.Reverse(to)
			for p := to; len(p) > 0; p = p[3:] { // channels in their order again
				p[0], p[2] = p[2], p[0]
			}
		}
	}
}

// Keeps reports whether a mask of so many cells a row, true where a cell is ignored, is the same turned
// over; one that ignores nothing (nil) is.
func (m Mirror) Keeps(mask []bool, across int) bool {
	for i, ignored := range mask {
		y, x := i/across, i%across
		if m != LeftRight {
			y = len(mask)/across - 1 - y
		}
		if m != UpDown {
			x = across - 1 - x
		}
		if mask[y*across+x] != ignored {
			return false
		}
	}
	return true
}
