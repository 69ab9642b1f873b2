package padim

import (
	"encoding/binary"
	"fmt"
	"math"

	"cull/padim/internal/kernel"
)

// A Model is what was learnt from good parts. It is immutable and may be used
// by several scorers at a time.
type Model struct {
	mode    Mode
	proj    *projector
	ignore  []bool // [cells]; nil: none
	cells   []int  // the others, ascending
	shared  bool   // one whitening factor for all cells
	nearest bool   // the smallest of the distances to the Gaussians of 3x3 cells
	single  bool   // factors are binary32, not binary16

	mean   []float32 // [cells or, Texture, 1][Padded(d)]
	factor []byte    // [cells or, shared, 1][size], little-endian
	size   int       // bytes of one factor

	product *kernel.Shared // Texture: factor and mean, for many cells at once

	taps []float32 // Gaussian filter of the score map, centre first; 1 tap: none
	top  int       // how many of the highest values make the score
	zoom int       // score map pixels along a cell's side: 1, in Stock mode cell
}

// Mode returns Part, Texture or Stock.
func (m *Model) Mode() Mode { return m.mode }

// Dim returns the number of dimensions of a cell's features.
func (m *Model) Dim() int { return m.proj.d }

// Ignored returns which cells of the grid neither teach nor score, nil for none. It belongs to m.
func (m *Model) Ignored() []bool { return m.ignore }

// Grid returns the number of cells, and a cell's side in input pixels.
func (m *Model) Grid() (h, w, cell int) { return m.proj.h, m.proj.w, m.proj.cell }

// Input returns the size in pixels of the input picture it was taught on.
func (m *Model) Input() (h, w int) {
	return m.proj.h * m.proj.cell, m.proj.w * m.proj.cell
}

// Precision returns that of the whitening factors.
func (m *Model) Precision() Precision {
	if m.single {
		return Single
	}
	return Half
}

// Check returns an error unless maps have the stages, shapes and steps the
// model was taught with.
func (m *Model) Check(maps []Map) error {
	if err := m.proj.match(maps); err != nil {
		return fmt.Errorf("padim: %w", err)
	}
	return nil
}

// means and factors return how many there are.
func (m *Model) means() int {
	if m.mode == Texture {
		return 1
	}
	return m.proj.cells()
}

func (m *Model) factors() int {
	if m.shared {
		return 1
	}
	return m.proj.cells()
}

// allocate makes room for the means and factors.
func (m *Model) allocate() {
	m.mean = make([]float32, m.means()*kernel.Padded(m.proj.d))
	m.size = m.factorSize()
	m.factor = make([]byte, m.factors()*m.size)
}

// factorSize returns the bytes of one factor.
func (m *Model) factorSize() int {
	if m.single {
		return 4 * kernel.Size(m.proj.d)
	}
	return 2 * kernel.Size(m.proj.d)
}

// setMean writes mean i.
func (m *Model) setMean(i int, mean []float64) {
	for j, v := range mean {
		m.mean[i*kernel.Padded(m.proj.d)+j] = float32(v)
	}
}

// setFactor packs the inverse triangle in lane c of b as factor i.
func (m *Model) setFactor(i int, b *block, c int, row, column []int32) {
	d := int32(m.proj.d)
	dst := m.factor[i*m.size:][:m.size]
	for k, r := range row {
		var v float32
		if j := column[k]; r < d && j <= r {
			v = float32(b.inverse[(tri(int(r))+int(j))*kernel.Cells+c])
		}
		if m.single {
			binary.LittleEndian.PutUint32(dst[4*k:], math.Float32bits(v))
		} else {
			binary.LittleEndian.PutUint16(dst[2*k:], kernel.ToHalf(v))
		}
	}
}

// finish derives what is not stored.
func (m *Model) finish() {
	if m.mode == Texture {
		m.product = kernel.NewShared(m.factor, m.mean, m.proj.d, !m.single)
	}
}

// norm2 returns the squared Mahalanobis distance of x from cell p's mean.
func (m *Model) norm2(p int, x, y []float32) float32 {
	pad := kernel.Padded(m.proj.d)
	mean, factor := m.mean, m.factor
	if m.mode != Texture {
		mean = mean[p*pad:]
	}
	if !m.shared {
		factor = factor[p*m.size:]
	}
	factor = factor[:m.size]
	if m.single {
		return kernel.Norm2Single(factor, mean[:pad], x, y, m.proj.d)
	}
	return kernel.Norm2Half(factor, mean[:pad], x, y, m.proj.d)
}

// A cell searches its neighbourhood where its squared distance is more than nearby times the
// dimensions, the mean of samples of its own Gaussian being the dimensions themselves. Nearer
// cells are good whatever their neighbours are, so most cells of a good part search nothing.
const nearby = 1.69

// search returns the smallest squared distance of x, the features of cell p whose own
// Gaussian is at d2, from the Gaussians of the cells around it; but at least as far as what
// is nearby, so that the distance has no step there.
func (m *Model) search(p int, d2 float32, x, y []float32) float32 {
	limit := float32(nearby * float32(m.proj.d))
	if d2 <= limit {
		return d2
	}
	h, w := m.proj.h, m.proj.w
	for r := max(p/w-1, 0); r <= min(p/w+1, h-1); r++ {
		for c := max(p%w-1, 0); c <= min(p%w+1, w-1); c++ {
			if q := r*w + c; q != p && (m.ignore == nil || !m.ignore[q]) {
				d2 = min(d2, m.norm2(q, x, y))
			}
		}
	}
	return max(d2, limit)
}
