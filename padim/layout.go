package padim

import (
	"fmt"
	"math"
)

// Limits of what a model can be taught on. They bound every product of sizes
// well below 2^31.
const (
	maxStages   = 16
	maxSide     = 4096 // cells or positions along one side
	maxChannels = 1 << 13
	maxDim      = 1 << 12
	maxCells    = 1 << 20
	maxDown     = 16 // positions a cell averages along one side: 16*16*127 fits int16
)

// A stage is the shape of one feature map and its place on the grid: a cell
// averages down x down positions or up x up cells repeat a position.
type stage struct {
	h, w, c  int
	stride   int // input pixels
	down, up int // one of them is 1
	step     []float32
}

// A layout is the geometry of all stages over one grid of cells.
type layout struct {
	h, w   int // cells
	cell   int // input pixels along a cell's side
	stages []stage
}

func (l *layout) cells() int { return l.h * l.w }

// channels returns the number of channels of all stages.
func (l *layout) channels() int {
	n := 0
	for _, s := range l.stages {
		n += s.c
	}
	return n
}

// newLayout places maps on a grid of cells of that many input pixels.
// cell 0 stands for the smallest stride.
func newLayout(maps []Map, cell int) (layout, error) {
	if len(maps) == 0 || len(maps) > maxStages {
		return layout{}, fmt.Errorf("%d feature maps: want 1 to %d", len(maps), maxStages)
	}
	if cell == 0 {
		cell = maps[0].Stride
		for _, m := range maps {
			cell = min(cell, m.Stride)
		}
	}
	l := layout{cell: cell}
	for i, m := range maps {
		s := stage{h: m.H, w: m.W, c: m.C, stride: m.Stride, step: append([]float32(nil), m.Step...)}
		if err := l.place(&s); err != nil {
			return layout{}, fmt.Errorf("stage %d: %w", i, err)
		}
		if len(m.Data) != m.H*m.W*m.C {
			return layout{}, fmt.Errorf("stage %d: %d values for %dx%dx%d", i, len(m.Data), m.H, m.W, m.C)
		}
		l.stages = append(l.stages, s)
	}
	return l, nil
}

// place checks s and fits it to the grid, which the first stage defines.
func (l *layout) place(s *stage) error {
	if s.h < 1 || s.w < 1 || s.h > maxSide || s.w > maxSide || s.c < 1 || s.c > maxChannels {
		return fmt.Errorf("shape %dx%dx%d is outside 1..%d, 1..%d channels",
			s.h, s.w, s.c, maxSide, maxChannels)
	}
	if len(s.step) != s.c {
		return fmt.Errorf("%d steps for %d channels", len(s.step), s.c)
	}
	for c, v := range s.step {
		if !(v >= 0x1p-100 && v <= 0x1p100) {
			return fmt.Errorf("channel %d: step %g is not a positive number", c, v)
		}
	}
	if s.stride < 1 || s.stride > maxSide || l.cell < 1 || l.cell > maxSide {
		return fmt.Errorf("stride %d, cell %d: want 1 to %d", s.stride, l.cell, maxSide)
	}
	s.down, s.up = 1, 1
	switch {
	case l.cell%s.stride == 0:
		s.down = l.cell / s.stride
	case s.stride%l.cell == 0:
		s.up = s.stride / l.cell
	default:
		return fmt.Errorf("stride %d is neither a multiple nor a divisor of the cell, %d pixels",
			s.stride, l.cell)
	}
	if s.down > maxDown {
		return fmt.Errorf("a cell of %d pixels averages %d positions a side: at most %d",
			l.cell, s.down, maxDown)
	}
	if s.h%s.down != 0 || s.w%s.down != 0 {
		return fmt.Errorf("%dx%d positions of stride %d do not fill whole cells of %d pixels",
			s.h, s.w, s.stride, l.cell)
	}
	h, w := s.h/s.down*s.up, s.w/s.down*s.up
	if len(l.stages) == 0 {
		l.h, l.w = h, w
	}
	if h != l.h || w != l.w {
		return fmt.Errorf("covers %dx%d cells, stage 0 covers %dx%d", h, w, l.h, l.w)
	}
	if l.h > maxSide || l.w > maxSide || l.cells() > maxCells {
		return fmt.Errorf("%dx%d cells: at most %d a side, %d in all", l.h, l.w, maxSide, maxCells)
	}
	return nil
}

// match reports how maps differ from the maps that l was made from.
func (l *layout) match(maps []Map) error {
	if len(maps) != len(l.stages) {
		return fmt.Errorf("%d feature maps, taught with %d", len(maps), len(l.stages))
	}
	for i := range maps {
		m, s := &maps[i], &l.stages[i]
		if m.H != s.h || m.W != s.w || m.C != s.c || m.Stride != s.stride || len(m.Data) != m.H*m.W*m.C {
			return fmt.Errorf("stage %d: %dx%dx%d of stride %d, %d values; taught with %dx%dx%d of stride %d",
				i, m.H, m.W, m.C, m.Stride, len(m.Data), s.h, s.w, s.c, s.stride)
		}
		if len(m.Step) != len(s.step) {
			return fmt.Errorf("stage %d: %d steps for %d channels", i, len(m.Step), s.c)
		}
		for c, v := range m.Step {
			if math.Float32bits(v) != math.Float32bits(s.step[c]) {
				return fmt.Errorf("stage %d, channel %d: step %g, taught with %g", i, c, v, s.step[c])
			}
		}
	}
	return nil
}
