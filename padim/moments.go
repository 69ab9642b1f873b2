package padim

import (
	"slices"

	"cull/padim/internal/kernel"
)

// moments are the sums a Gaussian is estimated from, for one or more groups:
// in Part mode a group is a cell and gets a row from each sample, in Texture
// mode the only group gets a row from every cell of a sample.
//
//	sum[g] = sum over rows of y          y = x - shift
//	square[g] = sum over rows of y y^T   packed lower triangle
//
// Every element is summed over the rows in order, one by one, so the result
// depends neither on threads nor on how rows are batched.
type moments struct {
	d, groups int
	rows      int // of each group
	shift     []float64
	sum       [][]float64
	square    [][]float64
	scratch   []float64 // of addTexture
}

func newMoments(d, groups int) *moments {
	m := &moments{d: d, groups: groups}
	m.sum, m.square = make([][]float64, groups), make([][]float64, groups)
	for g := range groups {
		m.sum[g], m.square[g] = make([]float64, d), make([]float64, tri(d))
	}
	return m
}

// centre sets the shift: the mean row of x, so that squares lose no digits.
func (m *moments) centre(x []float32, cells []int) {
	m.shift = make([]float64, m.d)
	pad := kernel.Padded(m.d)
	for _, p := range cells {
		for j, v := range x[p*pad:][:m.d] {
			m.shift[j] += float64(v)
		}
	}
	for j := range m.shift {
		m.shift[j] /= float64(len(cells))
	}
}

// row writes x - shift.
func (m *moments) row(y []float64, x []float32) {
	for j, s := range m.shift {
		y[j] = float64(x[j]) - s
	}
}

// addMoments adds sign (1 or -1) times the moments of rows, k of d numbers each,
// to sum and to rows lo..hi-1 of square.
func addMoments(sum, square, rows []float64, d, lo, hi int, sign float64) {
	for i := lo; i < hi; i++ {
		out := square[tri(i):][:i+1]
		at := 0
		for ; at+4*d <= len(rows); at += 4 * d {
			addRank4(out, rows[at:], d, i, sign)
		}
		for ; at < len(rows); at += d {
			axpy(out, sign*rows[at+i], rows[at:][:i+1])
		}
		for at := i; at < len(rows); at += d {
			sum[i] += float64(sign * rows[at])
		}
	}
}

// addRank4 is four axpys, one after the other in every element.
func addRank4(out, rows []float64, d, i int, sign float64) {
	n := len(out)
	r0, r1, r2, r3 := rows[:n], rows[d:][:n], rows[2*d:][:n], rows[3*d:][:n]
	a0, a1, a2, a3 := sign*r0[i], sign*r1[i], sign*r2[i], sign*r3[i]
	for j := range out {
		v := out[j] + float64(a0*r0[j])
		v += float64(a1 * r1[j])
		v += float64(a2 * r2[j])
		out[j] = v + float64(a3*r3[j])
	}
}

// batch is how many samples wait before their moments are added.
const batch = 8

// A collector adds samples to moments, a batch at a time.
type collector struct {
	m       *moments
	cells   []int // to use, ascending
	threads int
	held    [][]float32 // features of waiting samples
	n       int
}

// add takes the features x of one sample, [cells][Padded(d)].
func (c *collector) add(x []float32) {
	if c.m.shift == nil {
		c.m.centre(x, c.cells)
	}
	if len(c.held) == c.n {
		c.held = append(c.held, make([]float32, len(x)))
	}
	copy(c.held[c.n], x)
	if c.n++; c.n == batch {
		c.flush()
	}
}

func (c *collector) flush() {
	m, held := c.m, c.held[:c.n]
	c.n = 0
	if m.groups == 1 {
		m.rows += len(held) * len(c.cells)
		for _, x := range held {
			m.addTexture(m.sum[0], m.square[0], x, c.cells, 1, c.threads)
		}
		return
	}
	m.rows += len(held)
	pad := kernel.Padded(m.d)
	parallel(c.threads, len(c.cells), func(lo, hi int) {
		rows := make([]float64, len(held)*m.d)
		for _, p := range c.cells[lo:hi] {
			for k, x := range held {
				m.row(rows[k*m.d:][:m.d], x[p*pad:])
			}
			addMoments(m.sum[p], m.square[p], rows, m.d, 0, m.d, 1)
		}
	})
}

// addTexture adds sign times the moments of all cells of one sample.
func (m *moments) addTexture(sum, square []float64, x []float32, cells []int, sign float64, threads int) {
	d, pad := m.d, kernel.Padded(m.d)
	m.scratch = slices.Grow(m.scratch[:0], len(cells)*d)
	rows := m.scratch[:len(cells)*d]
	for k, p := range cells {
		m.row(rows[k*d:][:d], x[p*pad:])
	}
	// Rows of the triangle in pairs i, d-1-i: equal work.
	half := (d + 1) / 2
	parallel(threads, half, func(lo, hi int) {
		addMoments(sum, square, rows, d, lo, hi, sign)
		addMoments(sum, square, rows, d, max(d-hi, half), d-lo, sign)
	})
}

// without writes the moments of group p less those of the samples in out,
// in Part mode.
func (m *moments) without(sum, square []float64, p int, out [][]float32, rows []float64) {
	copy(sum, m.sum[p])
	copy(square, m.square[p])
	pad := kernel.Padded(m.d)
	rows = rows[:len(out)*m.d]
	for k, x := range out {
		m.row(rows[k*m.d:][:m.d], x[p*pad:])
	}
	addMoments(sum, square, rows, m.d, 0, m.d, -1)
}
