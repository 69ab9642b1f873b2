package inspect

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"cull/capture"
	"cull/infer"
	"cull/infer/prep"
	"cull/internal/product"
)

// goldens is how many of the good parts a product keeps to test itself on.
const goldens = 4

// Teach makes a product of the frames of src, all of them good parts, on the
// features of network m, in frames of one format. The parts it keeps as goldens are drawn at random under
// Fit.Seed. created is the time to record.
func Teach(
	ctx context.Context, src capture.Source, m *infer.Model, o Options, created time.Time,
) (*product.Product, error) {
	e, err := NewNetwork(m, o.Plan.Height, o.Plan.Width, max(o.Fit.Threads, 1))
	if err != nil {
		return nil, err
	}
	defer e.Close()
	keep := &keeper{rng: rand.New(rand.NewPCG(o.Fit.Seed, 0x676f6c64656e))} // "golden"
	o.keep = keep.see
	frames := &alike{Source: src, plan: o.Plan}
	t, err := Learn(ctx, frames, e, o)
	if err != nil {
		return nil, err
	}
	p := &product.Product{
		Net: m.Digest(), Frame: frames.frame, Plan: o.Plan, Model: t.Model, Report: *t.Report, Light: t.Light, Mirrors: t.Mirrors,
		Created: created.UTC().Truncate(time.Second),
	}
	in, err := New(o.Plan, e, t, 1)
	if err != nil {
		return nil, err
	}
	for _, k := range keep.kept {
		copy(in.Picture(), k.pic)
		r := in.Judge()
		p.Goldens = append(p.Goldens, product.Golden{
			Name: fmt.Sprintf("good part %d", k.part), Picture: k.pic, Score: r.Score, Verdict: r.Verdict,
		})
	}
	return p, nil
}

// A keeper keeps a random few of the pictures it sees (Vitter's algorithm R), in
// their order.
type keeper struct {
	rng  *rand.Rand
	seen int
	kept []keptPart
}

type keptPart struct {
	part int // its number, from 1
	pic  []int8
}

// see may keep a copy of pic.
func (k *keeper) see(pic []int8) {
	k.seen++
	switch at := k.rng.IntN(k.seen); {
	case len(k.kept) < goldens:
		k.kept = append(k.kept, keptPart{k.seen, slices.Clone(pic)})
	case at < goldens:
		k.kept = append(slices.Delete(k.kept, at, at+1), keptPart{k.seen, slices.Clone(pic)})
	}
}

// Open returns the inspector of product p on network m, after checking that p
// was taught on m and that its goldens give their scores to the bit. It takes frames of the good parts' format alone.
func Open(p *product.Product, m *infer.Model, threads int) (*Inspector, error) {
	if err := p.CheckNet(m.Digest()); err != nil {
		return nil, err
	}
	e, err := NewNetwork(m, p.Plan.Height, p.Plan.Width, threads)
	if err != nil {
		return nil, err
	}
	in, err := open(p, e, threads)
	if err != nil {
		e.Close()
		return nil, err
	}
	in.close = e.Close
	return in, nil
}

func open(p *product.Product, e Extractor, threads int) (*Inspector, error) {
	in, err := New(p.Plan, e, taught(p), threads)
	if err != nil {
		return nil, err
	}
	in.frame = p.Frame
	for i, g := range p.Goldens {
		copy(in.Picture(), g.Picture)
		if r := in.Judge(); r.Score != g.Score || r.Verdict != g.Verdict {
			return nil, fmt.Errorf("inspect: golden %d (%s): %v with score %v, want %v with %v: %w",
				i, g.Name, r.Verdict, r.Score, g.Verdict, g.Score, ErrGolden)
		}
	}
	return in, nil
}

func taught(p *product.Product) *Taught { return &Taught{p.Model, &p.Report, p.Light, p.Mirrors} }

// Geometry returns the plan of pictures of size x size for m: all of the frame or
// the region, both sides scaled on their own.
func Geometry(m *infer.Model, size int) prep.Plan {
	if size == 0 {
		size = m.Meta.Input.Size
	}
	if size == 0 {
		size = 256
	}
	return prep.Plan{Width: size, Height: size}
}
