package padim

import (
	"fmt"
	"math"

	"cull/padim/internal/kernel"
)

// Bounds of the left-out scores.
const (
	refitParts = 12 // up to so many parts the whole fit is repeated for each
	foldCount  = 40 // beyond, about so many refits of the Gaussians
	foldParts  = 16 // parts of a fold at most: they are held in memory, with their copies
)

func (f *fitter) pad() int { return kernel.Padded(f.proj.d) }

// leftOutScores scores every part, and its copies that are only tried, by a model
// taught without it, on the path that judges: pass 4.
//
// Few parts: the whole fit is repeated without each one, from the channel
// variances on. More: the moments of a fold, 1 to 16 consecutive parts, are
// taken out and mean, covariances and ridge estimated again; projection and mode
// stay. (Neighbouring parts are often alike, so a fold of
// consecutive parts is the honest one.) Stock mode shares nothing between
// cells and has a closed form.
//
// m is the finished model. Folds borrow its memory and estimate it again at the
// end.
func (f *fitter) leftOutScores(r *Report, m *Model) (Method, error) {
	n := f.parts()
	switch {
	case f.mode == Stock:
		return LeaveOneOut, f.closedFormScores(r)
	case n <= refitParts:
		return LeaveOneOut, f.refitScores(r)
	}
	size := min((n+foldCount-1)/foldCount, foldParts)
	if size == 1 {
		return LeaveOneOut, f.foldScores(r, m, size)
	}
	return Folds, f.foldScores(r, m, size)
}

// scored notes the score of a part, of its samples first to first+each()-1.
func (f *fitter) scored(r *Report, first int, score func(sample int) float32) {
	r.Scores = append(r.Scores, score(first))
	var tried []float32
	for i := first + 1; i < first+f.each(); i++ {
		if !f.taught(i) {
			tried = append(tried, score(i))
		}
	}
	if tried != nil {
		r.Tried = append(r.Tried, tried)
	}
}

func (f *fitter) refitScores(r *Report) error {
	parts, err := keep(f.samples)
	if err != nil {
		return err
	}
	for i := range f.parts() {
		first := i * f.each()
		g := &fitter{Options: f.Options, samples: parts.but(first, first+f.each())}
		g.Mode = f.mode
		m, err := g.model()
		if err != nil {
			return fmt.Errorf("without good part %d: %w", i, err)
		}
		s, err := m.NewScorer(ScorerOptions{Threads: f.Threads})
		if err != nil {
			return err
		}
		f.scored(r, first, func(sample int) float32 { return s.Score(parts[sample]).Score })
	}
	return nil
}

// kept are samples held in memory.
type kept [][]Map

func keep(s Samples) (kept, error) {
	var k kept
	err := s.Each(func(_ int, maps []Map) error {
		own := make([]Map, len(maps))
		for i, m := range maps {
			own[i] = m
			own[i].Data = append([]int8(nil), m.Data...)
		}
		k = append(k, own)
		return nil
	})
	return k, err
}

// but returns all samples but lo..hi-1.
func (k kept) but(lo, hi int) kept {
	return append(append(kept(nil), k[:lo]...), k[hi:]...)
}

func (k kept) Len() int { return len(k) }

func (k kept) Each(f func(int, []Map) error) error {
	for i, m := range k {
		if err := f(i, m); err != nil {
			return err
		}
	}
	return nil
}

func (f *fitter) foldScores(r *Report, m *Model, size int) error {
	scorer := newScorer(m, f.Threads)
	size *= f.each()
	held := make([][]float32, 0, size)
	var taught [][]float32 // of them
	last := f.samples.Len() - 1
	err := f.features(func(i int, x []float32) error {
		held = held[:len(held)+1]
		fold := &held[len(held)-1]
		*fold = append((*fold)[:0], x...)
		if f.taught(i) {
			taught = append(taught, *fold)
		}
		if len(held) < size && i < last {
			return nil
		}
		if err := f.estimate(m, taught); err != nil {
			return fmt.Errorf("without good part %d: %w", i/f.each(), err)
		}
		for k := 0; k < len(held); k += f.each() {
			f.scored(r, k, func(sample int) float32 { return scorer.scoreFeatures(held[sample]).Score })
		}
		held, taught = held[:0], taught[:0]
		return nil
	})
	if err != nil {
		return err
	}
	return f.estimate(m, nil)
}

// closedFormScores leaves each part out of Sigma = A/(n-1) + T, T fixed, by a
// change of rank one. With x its features, m and A of all n parts, d = x - m,
//
//	A' = A - n/(n-1) d d^T,   x - m' = n/(n-1) d
//	B = A/(n-2) + T,  b = n/((n-1)(n-2)),  q = d^T B^-1 d
//	M'^2 = (n/(n-1))^2 q/(1 - b q)          (Sherman and Morrison, 1950)
//
// b q < 1 as long as T is positive definite.
func (f *fitter) closedFormScores(r *Report) error {
	m, n := f.empty(), float64(f.m.rows)
	_, ridge := f.common(nil)
	err := f.estimateCells(m, func(w *work, p int) {
		f.cell(w, p, nil)
		for k := range w.cov {
			w.cov[k] *= (n - 1) / (n - 2)
		}
		w.shrink(0, nil, ridge)
	}, 0)
	if err != nil {
		return err
	}
	scorer := newScorer(m, f.Threads)
	return f.features(func(_ int, x []float32) error {
		pad := f.pad()
		parallel(f.Threads, len(f.cells), func(lo, hi int) {
			y := make([]float32, pad)
			for _, p := range f.cells[lo:hi] {
				q := float64(m.norm2(p, x[p*pad:][:pad], y))
				scorer.dist.Data[p] = float32(math.Sqrt(leftOutNorm2(q, n)))
			}
		})
		r.Scores = append(r.Scores, scorer.finish().Score)
		return nil
	})
}

// leftOutNorm2 returns M'^2 from q. Rounding must not take b q past 1.
func leftOutNorm2(q, n float64) float64 {
	c := n / (n - 1)
	rest := max(1-float64(c/(n-2)*q), 1e-6)
	return float64(c*c) * q / rest
}
