package padim

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync/atomic"

	"cull/padim/internal/kernel"
)

// Covariance of cell p from n samples of k parts, A_p the scatter about the cell's mean:
//
//	Sigma_p = (1-s) ((1-t) A_p/(n-1) + t R_p) + s C + diag(ridge)
//	R_p     = mean of A_q/(n-1) over the 5x5 cells q around p
//	C       = sum over cells of A_p / ((n-1) cells)
//	t       = Region / (Region + k-1)
//	ridge_j = max(Ridge * mean diagonal of C, noise_j)
//
// s is the shrinkage. In Texture mode there is one A, of all rows of all
// samples, divided by rows-1, and s = t = 0. In Stock mode C = 0, t = 0 and
// ridge = 0.01.

// estimate fills m with the Gaussians of all samples but those in out
// (features). It is how the model itself is made, with none left out.
func (f *fitter) estimate(m *Model, out [][]float32) error {
	if f.mode == Texture {
		w := f.newWork(0)
		f.texture(w, f.m, out)
		m.setMean(0, w.mean)
		return f.estimateOne(m, w.cov)
	}
	common, ridge := f.common(out)
	if m.shared {
		parallel(f.Threads, len(f.cells), func(lo, hi int) {
			w := f.newWork(len(out))
			for _, p := range f.cells[lo:hi] {
				f.cellMean(w, p, out)
				m.setMean(p, w.mean)
			}
		})
		w := f.newWork(0)
		w.shrink(1, common, ridge)
		return f.estimateOne(m, w.cov)
	}
	regions := f.regions(out)
	return f.estimateCells(m, func(w *work, p int) {
		f.cell(w, p, out)
		regions.blend(w, p)
		w.shrink(f.shrink, common, ridge)
	}, len(out))
}

// estimateOne makes the shared factor from cov.
func (f *fitter) estimateOne(m *Model, cov []float64) error {
	b := newBlock(f.proj.d)
	b.set(0, cov)
	b.decompose()
	if !b.definite(0) {
		return errors.New("covariance is not positive definite")
	}
	b.invert()
	m.setFactor(0, b, 0, f.row, f.column)
	m.finish()
	return nil
}

// estimateCells makes every cell's mean and factor from what gaussian sets in
// a work with room for so many left-out samples.
func (f *fitter) estimateCells(m *Model, gaussian func(w *work, p int), out int) error {
	const k = kernel.Cells
	var bad atomic.Int64
	parallel(f.Threads, (len(f.cells)+k-1)/k, func(lo, hi int) {
		w, b := f.newWork(out), newBlock(f.proj.d)
		for g := lo; g < hi; g++ {
			cells := f.cells[g*k : min(g*k+k, len(f.cells))]
			for c, p := range cells {
				gaussian(w, p)
				m.setMean(p, w.mean)
				b.set(c, w.cov)
			}
			b.decompose()
			b.invert()
			for c, p := range cells {
				if !b.definite(c) {
					bad.Store(int64(p) + 1)
					return
				}
				m.setFactor(p, b, c, f.row, f.column)
			}
		}
	})
	if p := bad.Load(); p != 0 {
		return fmt.Errorf("cell %d: covariance is not positive definite", p-1)
	}
	m.finish()
	return nil
}

// A work is the scratch of one goroutine that estimates Gaussians.
type work struct {
	d           int
	mean        []float64
	cov         []float64 // packed
	sum, square []float64
	rows        []float64
}

func (f *fitter) newWork(out int) *work {
	d := f.proj.d
	w := &work{d: d, mean: make([]float64, d), sum: make([]float64, d), rows: make([]float64, out*d)}
	w.cov, w.square = make([]float64, tri(d)), make([]float64, tri(d))
	return w
}

// cell sets the mean and the covariance A/(n-1) of cell p.
func (f *fitter) cell(w *work, p int, out [][]float32) {
	n := float64(f.m.rows - len(out))
	f.m.without(w.sum, w.square, p, out, w.rows)
	w.gaussian(f.m.shift, w.sum, w.square, n, n-1)
}

// cellMean sets the mean alone.
func (f *fitter) cellMean(w *work, p int, out [][]float32) {
	copy(w.sum, f.m.sum[p])
	for _, x := range out {
		f.m.row(w.rows[:w.d], x[p*f.pad():])
		axpy(w.sum, -1, w.rows[:w.d])
	}
	n := float64(f.m.rows - len(out))
	for j, s := range w.sum {
		w.mean[j] = f.m.shift[j] + s/n
	}
}

// gaussian sets mean = shift + sum/n and cov = (square - sum sum^T/n)/dof.
func (w *work) gaussian(shift, sum, square []float64, n, dof float64) {
	for j, s := range sum {
		w.mean[j] = shift[j] + s/n
	}
	scatter(w.cov, sum, square, n, dof)
}

// scatter writes (square - sum sum^T/n)/dof.
func scatter(dst, sum, square []float64, n, dof float64) {
	for i, s := range sum {
		c, q := dst[tri(i):][:i+1], square[tri(i):][:i+1]
		m := s / n
		for j := range c {
			c[j] = (q[j] - float64(m*sum[j])) / dof
		}
	}
}

// shrink makes cov the regularised covariance.
func (w *work) shrink(s float64, common, ridge []float64) {
	if s > 0 {
		for k, c := range common {
			w.cov[k] = float64((1-s)*w.cov[k]) + float64(s*c)
		}
	}
	for j, r := range ridge {
		w.cov[tri(j)+j] += r
	}
}

// common returns C and the ridge without the samples in out.
func (f *fitter) common(out [][]float32) (c, ridge []float64) {
	d := f.proj.d
	if f.mode == Stock {
		ridge = make([]float64, d)
		for j := range ridge {
			ridge[j] = f.Ridge
		}
		return nil, ridge
	}
	if f.total == nil {
		f.total = make([]float64, tri(d))
		f.triangle(func(lo, hi int) { f.totalScatter(lo, hi) })
	}
	c = slices.Clone(f.total)
	f.remove(c, out)
	n := f.m.rows - len(out)
	scale := 1 / (float64(n-1) * float64(len(f.cells)))
	for k := range c {
		c[k] *= scale
	}
	return c, f.ridgeOf(c)
}

// triangle calls do on shares of the rows of a packed triangle, of about equal
// area.
func (f *fitter) triangle(do func(lo, hi int)) {
	d := float64(f.proj.d)
	parallel(f.Threads, f.proj.d, func(lo, hi int) {
		do(int(math.Sqrt(float64(lo)*d)), int(math.Sqrt(float64(hi)*d)))
	})
}

// totalScatter sets rows lo..hi-1 of total, the sum over cells of A_p.
func (f *fitter) totalScatter(lo, hi int) {
	n := float64(f.m.rows)
	for _, p := range f.cells {
		sum, square := f.m.sum[p], f.m.square[p]
		for i := lo; i < hi; i++ {
			out, q := f.total[tri(i):][:i+1], square[tri(i):][:i+1]
			m := sum[i] / n
			for j := range out {
				out[j] += q[j] - float64(m*sum[j])
			}
		}
	}
}

// removeRows is how many rows remove holds at once. It does not change the
// result: every element is summed over the rows in order, one by one.
const removeRows = 512

// remove takes from the total scatter c what it loses when the samples in out
// leave. Of k rows d about a cell's mean of n:
//
//	A - A' = sum of d d^T + (sum of d)(sum of d)^T/(n-k)
func (f *fitter) remove(c []float64, out [][]float32) {
	if len(out) == 0 {
		return
	}
	d, n := f.proj.d, (len(out)+1)*f.proj.d // numbers a cell
	f.gone = slices.Grow(f.gone[:0], removeRows*d)
	for cells := range slices.Chunk(f.cells, removeRows/(len(out)+1)) {
		rows := f.gone[:len(cells)*n]
		parallel(f.Threads, len(cells), func(lo, hi int) {
			for i := lo; i < hi; i++ {
				f.leave(rows[i*n:][:n], cells[i], out)
			}
		})
		f.triangle(func(lo, hi int) { addMoments(make([]float64, d), c, rows, d, lo, hi, -1) })
	}
}

// leave writes the rows of cell p for remove, [len(out)+1][d].
func (f *fitter) leave(rows []float64, p int, out [][]float32) {
	d, k := f.proj.d, len(out)
	n := float64(f.m.rows)
	scale := 1 / math.Sqrt(n-float64(k))
	last := rows[k*d:]
	clear(last)
	for s, x := range out {
		y := rows[s*d:][:d]
		f.m.row(y, x[p*f.pad():])
		axpy(y, -1/n, f.m.sum[p])
		axpy(last, scale, y)
	}
}

// ridgeOf returns what is added to the diagonal.
func (f *fitter) ridgeOf(c []float64) []float64 {
	d := f.proj.d
	mean := 0.0
	for j := range d {
		mean += c[tri(j)+j]
	}
	mean /= float64(d)
	ridge := make([]float64, d)
	for j := range ridge {
		ridge[j] = max(float64(f.Ridge*mean), f.noise[j], 1e-8)
	}
	return ridge
}

// texture sets w to the one Gaussian of all cells, out left out.
func (f *fitter) texture(w *work, m *moments, out [][]float32) {
	copy(w.sum, m.sum[0])
	copy(w.square, m.square[0])
	for _, x := range out {
		m.addTexture(w.sum, w.square, x, f.cells, -1, f.Threads)
	}
	n := float64(m.rows - len(out)*len(f.cells))
	w.gaussian(m.shift, w.sum, w.square, n, n-1)
	w.shrink(0, nil, f.ridgeOf(w.cov))
}
