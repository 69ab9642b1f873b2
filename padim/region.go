package padim

// reach is how many cells a region goes beyond its cell, on each side.
const reach = 2

// regions give each cell a share in the mean covariance of its region, the cells
// within reach that are not ignored. A region is summed in two steps: along
// holds, for every cell, the sum of A_q/(n-1) over the cells within reach in its
// row; blend adds up the rows.
type regions struct {
	h, w   int
	mask   []bool
	along  [][]float64
	weight float64 // t
}

// regions sums along the rows without the samples in out. The result borrows
// memory of f until the next call.
func (f *fitter) regions(out [][]float32) *regions {
	left := float64((f.m.rows-len(out))/f.rows() - 1)
	region := max(f.Region, 0)
	r := &regions{h: f.proj.h, w: f.proj.w, mask: f.Mask, weight: region / (region + left)}
	if r.weight == 0 {
		return r
	}
	n := tri(f.proj.d)
	if f.along == nil {
		f.along = make([][]float64, f.proj.cells())
		for p := range f.along {
			f.along[p] = make([]float64, n)
		}
	}
	r.along = f.along
	parallel(f.Threads, r.h, func(lo, hi int) {
		w, row := f.newWork(len(out)), make([][]float64, r.w) // of covariances
		for c := range row {
			row[c] = make([]float64, n)
		}
		for y := lo; y < hi; y++ {
			for x := range r.w {
				if r.taught(y*r.w + x) {
					f.cell(w, y*r.w+x, out)
					copy(row[x], w.cov)
				}
			}
			for x := range r.w {
				sum := r.along[y*r.w+x]
				clear(sum)
				for q := max(x-reach, 0); q <= min(x+reach, r.w-1); q++ {
					if r.taught(y*r.w + q) {
						axpy(sum, 1, row[q])
					}
				}
			}
		}
	})
	return r
}

func (r *regions) taught(p int) bool { return r.mask == nil || !r.mask[p] }

// blend gives the covariance of p's region its share in cov, p's own.
func (r *regions) blend(w *work, p int) {
	if r.weight == 0 {
		return
	}
	clear(w.square)
	cells := 0
	y, x := p/r.w, p%r.w
	for v := max(y-reach, 0); v <= min(y+reach, r.h-1); v++ {
		axpy(w.square, 1, r.along[v*r.w+x])
		for q := max(x-reach, 0); q <= min(x+reach, r.w-1); q++ {
			if r.taught(v*r.w + q) {
				cells++
			}
		}
	}
	share := r.weight / float64(cells)
	for k, s := range w.square {
		w.cov[k] = float64((1-r.weight)*w.cov[k]) + float64(share*s)
	}
}
