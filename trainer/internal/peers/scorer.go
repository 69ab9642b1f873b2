package main

import (
	"fmt"
	"io"
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"

	"cull/infer"
	"cull/padim"
	"cull/trainer/internal/peers/turns"
)

// pictures are the samples that the scorer's model is fitted to: the time does not
// depend on what they show.
type pictures struct {
	arena *arena
	n     int
}

func (p pictures) Len() int { return p.n }

func (p pictures) Each(f func(int, []padim.Map) error) error {
	r, err := p.arena.model.NewRunner(p.arena.h, p.arena.w, infer.Options{})
	if err != nil {
		return err
	}
	defer r.Close()
	for i := range p.n {
		if err := f(i, features(r, p.arena, uint64(i))); err != nil {
			return err
		}
	}
	return nil
}

func features(r *infer.Runner, a *arena, seed uint64) (maps []padim.Map) {
	pic := make([]int8, a.h*a.w*3)
	infer.TestPicture(pic, seed)
	for _, m := range r.Run(pic) {
		maps = append(maps, padim.Map(m))
	}
	return maps
}

// scorer adds our distances and gonum's, both on the factors of one model.
func (a *arena) scorer(w io.Writer) error {
	const parts = 12
	m, _, err := padim.Fit(pictures{a, parts}, padim.Options{Mode: padim.Part})
	if err != nil {
		return err
	}
	s, err := m.NewScorer(padim.ScorerOptions{})
	if err != nil {
		return err
	}
	r, err := a.model.NewRunner(a.h, a.w, infer.Options{})
	if err != nil {
		return err
	}
	a.closers = append(a.closers, r.Close)
	maps := features(r, a, parts)
	s.Score(maps)
	g := newGonum(m, s)
	worst := 0.0
	for _, f := range []func(){g.distances, g.solve} {
		f()
		for p, d := range s.Distances().Data {
			worst = max(worst, math.Abs(float64(d)/g.dist[p]-1))
		}
	}
	h, width, _ := m.Grid()
	fmt.Fprintf(w, "scorer: %d cells of %d dimensions, kernel %s; distances within %.1e of gonum's\n",
		h*width, m.Dim(), padim.Kernel(), worst)
	a.add(contestant{name: "cull distances", run: turns.Ours(func() { s.Distances() })})
	a.add(contestant{
		name: "gonum stat.Mahalanobis", against: "cull distances", result: "gonum_scorer", cpu: true,
		run: turns.Ours(g.distances),
	})
	a.add(contestant{name: "gonum blas64.Trsv", against: "cull distances", run: turns.Ours(g.solve)})
	a.add(contestant{name: "cull whole scorer", run: turns.Ours(func() { s.Score(maps) })})
	return nil
}

// A gonum scores the features of a picture in float64: distances with
// stat.Mahalanobis, solve with one triangular solution a cell, the least that gonum offers.
type gonum struct {
	x, mean []*mat.VecDense
	factor  []mat.Cholesky // of the covariance, from the model's own factor of its inverse
	lower   []blas64.Triangular
	scratch *mat.VecDense
	dist    []float64
}

func newGonum(m *padim.Model, s *padim.Scorer) *gonum {
	x, stride := s.Features()
	d := m.Dim()
	n := len(x) / stride
	g := &gonum{dist: make([]float64, n), factor: make([]mat.Cholesky, n), scratch: mat.NewVecDense(d, nil)}
	for p := range g.dist {
		mean, packed := m.Gaussian(p)
		at := mat.NewVecDense(d, nil)
		for j := range d {
			at.SetVec(j, float64(x[p*stride+j]))
		}
		g.x, g.mean = append(g.x, at), append(g.mean, mat.NewVecDense(d, mean))
		// Covariance = L L^T with L = W^-1: gonum's U is L^T.
		w := mat.NewTriDense(d, mat.Lower, nil)
		for i := range d {
			for j := range i + 1 {
				w.SetTri(i, j, packed[i*(i+1)/2+j])
			}
		}
		var l mat.TriDense
		if err := l.InverseTri(w); err != nil {
			panic(err) // a factor with a zero on its diagonal: no model has one
		}
		g.factor[p].SetFromU(l.TTri())
		g.lower = append(g.lower, l.RawTriangular())
	}
	return g
}

func (g *gonum) distances() {
	for p := range g.dist {
		g.dist[p] = stat.Mahalanobis(g.x[p], g.mean[p], &g.factor[p])
	}
}

func (g *gonum) solve() {
	for p := range g.dist {
		g.scratch.SubVec(g.x[p], g.mean[p])
		blas64.Trsv(blas.NoTrans, g.lower[p], g.scratch.RawVector())
		g.dist[p] = blas64.Nrm2(g.scratch.RawVector())
	}
}
