package padim

import (
	"math"
	"slices"

	"cull/internal/exact"
)

// How much of the data the choice of mode looks at: bounds its time, not its
// memory.
const (
	chooseParts = 32
	chooseCells = 32
)

// blends are weights of the shared covariance under which Part is set against
// Texture; at most kernel.Cells. The model itself has Shrinkage and Region.
var blends = []float64{0.1, 0.25, 0.5, 0.75, 0.9, 1}

// choose settles Mode by the log-likelihood of left-out good parts: pass 3,
// left out where it is given.
//
// A part i is left out of every estimate (mean, own and shared covariance,
// ridge); then, at a fixed set of cells, the density of its features is taken
// under Texture and, for each blend, under Part,
//
//	log N(x; mean, Sigma) = -(|L^-1 (x-mean)|^2 + log det Sigma + d log 2 pi)/2
//
// and the mode with the highest sum wins. Both see the same features, so their
// likelihoods compare.
//
// Means of n-1 parts alone cost Part d/(2(n-1)) nats: their error, of
// covariance Sigma/(n-1), raises the expected |L^-1 (x-mean)|^2 by d/(n-1).
// Against Texture it is given three quarters of that back. It wins where the
// true means of the cells differ by more than half the standard error of the
// estimated ones; with nothing back they would have to differ by all of it,
// and ten parts that lie still would look like a web.
//
// The weight itself is not chosen so: cells where nothing ever happens have the
// largest say in the likelihood, and the little weight that they ask for makes a
// part that lies a little otherwise look bad (doc/experiments.md, 15).
func (f *fitter) choose(part, texture *moments) error {
	f.partLogLik, f.textureLogLik = math.NaN(), math.NaN()
	f.m, f.mode, f.shrink = part, f.Mode, max(f.Shrinkage, 0)
	if f.Mode == Auto {
		f.mode = Part // of the estimates that are compared
		if err := f.compare(texture); err != nil {
			return err
		}
		if f.textureLogLik > f.partLogLik {
			f.mode = Texture
		}
	}
	if f.mode == Texture {
		f.m, f.shrink = texture, 0
	}
	return nil
}

// compare sets the log-likelihoods of both modes.
func (f *fitter) compare(texture *moments) error {
	parts := spread(f.parts(), chooseParts)
	var cells []int
	for _, k := range scattered(len(f.cells), chooseCells) {
		cells = append(cells, f.cells[k])
	}
	sums := make([]float64, len(blends)+1) // the last: texture
	var out [][]float32                    // a part and its copies, what is taught of them
	err := f.features(func(i int, x []float32) error {
		if !slices.Contains(parts, i/f.each()) {
			return nil
		}
		if f.taught(i) {
			out = append(out, slices.Clone(x))
		}
		if (i+1)%f.each() == 0 {
			f.leftOut(sums, out, cells, texture)
			out = out[:0]
		}
		return nil
	})
	if err != nil {
		return err
	}
	n := float64(len(parts) * len(cells))
	back := float64(3*f.proj.d) / float64(8*(f.parts()-1)) // three quarters of d/(2(n-1))
	f.partLogLik = slices.Max(sums[:len(blends)])/n + back
	f.textureLogLik = sums[len(blends)] / n
	return nil
}

// leftOut adds the log-likelihoods of a part's features out[0], left out of the
// moments with its copies, the rest of out, under every blend and under texture.
func (f *fitter) leftOut(sums []float64, out [][]float32, cells []int, texture *moments) {
	d, x := f.proj.d, out[0]
	common, ridge := f.common(out)
	tex, texBlock := f.newWork(0), newBlock(d)
	f.texture(tex, texture, out)
	texBlock.set(0, tex.cov)
	texBlock.decompose()
	each := make([][]float64, len(cells)) // so that the order of sums is fixed
	parallel(f.Threads, len(cells), func(lo, hi int) {
		w, own, y := f.newWork(len(out)), make([]float64, tri(d)), make([]float64, d)
		b := newBlock(d) // a lane a blend
		for k := lo; k < hi; k++ {
			p := cells[k]
			f.cell(w, p, out)
			copy(own, w.cov)
			for c, s := range blends {
				copy(w.cov, own)
				w.shrink(s, common, ridge)
				b.set(c, w.cov)
			}
			b.decompose()
			for c := range blends {
				each[k] = append(each[k], b.logDensity(c, y, x[p*f.pad():], w.mean))
			}
			each[k] = append(each[k], texBlock.logDensity(0, y, x[p*f.pad():], tex.mean))
		}
	})
	for _, e := range each {
		for k, v := range e {
			sums[k] += v
		}
	}
}

// logDensity returns log N(x; mean, L L^T), L in lane c; y is scratch.
func (b *block) logDensity(c int, y []float64, x []float32, mean []float64) float64 {
	if !b.definite(c) {
		return math.Inf(-1)
	}
	logDet := 0.0
	for j, m := range mean {
		y[j] = float64(x[j]) - m
		logDet += exact.Log(b.diagonal(c, j))
	}
	b.solve(c, y)
	const log2Pi = 1.8378770664093453
	constant := float64(float64(len(mean)) * log2Pi)
	return -0.5 * (dot(y, y) + 2*logDet + constant)
}

// spread returns at most k of 0..n-1, evenly spaced.
func spread(n, k int) []int {
	k = min(n, k)
	s := make([]int, k)
	for i := range s {
		s[i] = (2*i + 1) * n / (2 * k)
	}
	return s
}

// scattered returns at most k of 0..n-1, one in each k-th of them, at places in
// it that go round by the golden ratio: evenly spaced cells would all lie in
// one column of the grid.
func scattered(n, k int) []int {
	const one, golden = 1 << 16, 40503 // golden/one = (sqrt(5)-1)/2
	k = min(n, k)
	s := make([]int, k)
	for i := range s {
		s[i] = int(int64(i*one+i*golden%one) * int64(n) / int64(k*one))
	}
	return s
}
