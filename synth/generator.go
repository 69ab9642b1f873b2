package synth

import (
	"fmt"
	"sync"
)

// maxComponents bounds the Gaussians of a mixture.
const maxComponents = 32

// planes are three colour planes [H][W] in [0, 1].
type planes [3][]float32

// A Generator renders samples. It holds scratch memory, so use one per goroutine.
type Generator struct {
	o    Options
	grey bool // the sample has one colour plane, three times
	src  Source
	w, h int

	scene   planes // the normal picture
	second  planes // object of a scene, texture of a defect
	defect  planes // the scene with its defect
	noise   planes
	mask    []float32
	spare   [4][]float32 // one plane each, free between the steps of a sample
	fields  [3]field
	pyramid [2][]float32
	line    []float32
	cells   []cell
	walk    []vertex
	palette palette
	sums    []int64
}

// New returns a generator. src may be nil: then every normal is procedural.
func New(o Options, src Source) (*Generator, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	g := &Generator{o: o, src: src, w: o.Width, h: o.Height}
	n := g.w * g.h
	for _, p := range []*planes{&g.scene, &g.second, &g.defect, &g.noise} {
		for c := range p {
			p[c] = make([]float32, n)
		}
	}
	g.mask = make([]float32, n)
	for i := range g.spare {
		g.spare[i] = make([]float32, n)
	}
	return g, nil
}

// Options returns the generator's parameters.
func (g *Generator) Options() Options { return g.o }

// Render draws the sample of a seed into s. It fails only when a picture of the Source
// cannot be read.
func (g *Generator) Render(s *Sample, seed uint64) error {
	d := draws{seed}
	s.Seed = seed
	s.resize(g.w, g.h)
	s.Params.reset()
	if err := g.drawNormal(d, &s.Params.Normal); err != nil {
		return fmt.Errorf("synth: seed %d: %w", seed, err)
	}
	b, err := g.drawDefect(d, &s.Params.Defect)
	if err != nil {
		return fmt.Errorf("synth: seed %d: %w", seed, err)
	}
	g.finish(d, s, b)
	return nil
}

// RenderOn draws the defect and the nuisance of a seed on a given picture, of the Options' size, in place of a
// normal of the Generator's own: a whole part where it lies, as it is. Params.Normal is empty but
// for Grey, which says that the picture has one colour plane.
func (g *Generator) RenderOn(s *Sample, seed uint64, p Picture) error {
	if p.W != g.w || p.H != g.h || len(p.Pix) != 3*g.w*g.h {
		return fmt.Errorf("synth: picture of %d x %d pixels, want %d x %d", p.W, p.H, g.w, g.h)
	}
	d := draws{seed}
	s.Seed = seed
	s.resize(g.w, g.h)
	s.Params.reset()
	grey := true
	for i := range g.w * g.h {
		rgb := p.Pix[3*i:][:3]
		for c, v := range rgb {
			g.scene[c][i] = float32(v) / 255
		}
		grey = grey && rgb[0] == rgb[1] && rgb[1] == rgb[2]
	}
	s.Params.Normal.Grey = grey
	b, err := g.drawDefect(d, &s.Params.Defect)
	if err != nil {
		return fmt.Errorf("synth: seed %d: %w", seed, err)
	}
	g.finish(d, s, b)
	return nil
}

// finish makes the sample of scene and defect.
func (g *Generator) finish(d draws, s *Sample, b box) {
	g.grey = s.Params.Normal.Grey
	if g.grey {
		g.fade(b)
	}
	g.expose(d, s, b)
	g.scores(s, b)
}

// reset clears p, keeping the memory of its lists.
func (p *Params) reset() {
	d := &p.Defect
	*p = Params{Defect: Defect{Components: d.Components[:0], Shape: d.Shape[:0]}}
}

// RenderRange renders seeds base, base+1, ... into dst, one goroutine per generator, of
// which there is at least one. They must have the same options; the result does not depend on
// their number.
func RenderRange(gens []*Generator, dst []*Sample, base uint64) error {
	if len(gens) == 0 {
		panic("synth: no generator")
	}
	errs := make([]error, len(gens))
	var wg sync.WaitGroup
	for k, g := range gens {
		wg.Go(func() {
			for i := k; i < len(dst) && errs[k] == nil; i += len(gens) {
				errs[k] = g.Render(dst[i], base+uint64(i))
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
