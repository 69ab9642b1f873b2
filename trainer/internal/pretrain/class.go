package pretrain

import (
	"fmt"
	"math/rand/v2"

	"cull/synth"
	"cull/trainer/internal/recipe"
)

// classes draw pictures that have a class. Safe for several makers at a time.
type classes interface {
	item(m *maker, seed uint64) (item, error)
	count() int
}

// classesOf returns what loss.class tells apart, nil where the recipe has no such loss.
func classesOf(r *recipe.Recipe, source synth.Source) (classes, error) {
	if r.Loss.Class == 0 {
		return nil, nil
	}
	if n := r.Data.Fractals; n > 0 {
		f := make(fractals, n)
		for i := range f {
			f[i] = synth.NewFractal(uint64(i))
		}
		return f, nil
	}
	s, ok := source.(labelled)
	if !ok || s.Classes() < 2 {
		return nil, fmt.Errorf("pretrain: loss.class: the pictures need two classes or more")
	}
	return crops{s}, nil
}

// fractals are FractalDB's classes: one iterated function system each.
type fractals []synth.Fractal

func (f fractals) count() int { return len(f) }

func (f fractals) item(m *maker, seed uint64) (item, error) {
	class := rand.New(rand.NewPCG(seed, 0x667261637461)).IntN(len(f)) // "fracta"
	p := synth.Picture{W: m.size, H: m.size, Pix: make([]uint8, 3*m.size*m.size)}
	f[class].Draw(&p, seed)
	return item{image: p.Pix, class: class}, nil
}

// labelled is a source whose pictures have classes 0..Classes()-1.
type labelled interface {
	synth.Source
	Classes() int
	Class(i int) int
}

// crops are surfaces cut from pictures that have a class.
type crops struct{ source labelled }

func (c crops) count() int { return c.source.Classes() }

func (c crops) item(m *maker, seed uint64) (item, error) {
	if err := m.gen.Render(&m.s, seed); err != nil {
		return item{}, err
	}
	g := m.s.Params.Normal.Ground
	if !g.Real || m.s.Params.Normal.Object != nil {
		return item{}, fmt.Errorf("loss.class: a surface without class: set source-share to 1 and scene to 0")
	}
	return item{image: append([]uint8(nil), m.s.Clean.Pix...), class: c.source.Class(g.Index)}, nil
}
