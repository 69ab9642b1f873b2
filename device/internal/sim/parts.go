package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"

	"cull/capture"
	"cull/synth"
)

// A Product is what the simulated line makes: parts of one procedural family, as a fixed
// camera under a slightly restless lamp sees them.
type Product struct {
	Family synth.Family
	Size   int     // of the picture, pixels a side
	Seed   uint64  // of all parts
	Bad    float64 // share of bad parts
}

// A Renderer draws the parts of a product. Part n looks the same whoever draws it and
// when. It holds scratch memory: one per goroutine.
type Renderer struct {
	p      Product
	gen    *synth.Generator
	sample synth.Sample
}

// NewRenderer returns a renderer of p.
func NewRenderer(p Product) (*Renderer, error) {
	if !(p.Bad >= 0 && p.Bad <= 1) {
		return nil, fmt.Errorf("sim: share of bad parts %v: not within 0..1", p.Bad)
	}
	o := synth.Line(p.Family, p.Size, p.Size, 1) // good parts are its clean pictures
	gen, err := synth.New(o, nil)
	if err != nil {
		return nil, fmt.Errorf("sim: %w", err)
	}
	return &Renderer{p: p, gen: gen}, nil
}

// Good draws a good part that is not on the line: to teach from. pix is reused if it is
// large enough.
func (r *Renderer) Good(n uint64, pix []byte) (*capture.Frame, error) {
	return r.render(2*n+1, false, pix)
}

// Part draws part n of the line, n from 1.
func (r *Renderer) Part(n uint64, pix []byte) (*capture.Frame, error) {
	return r.render(2*n, r.p.IsBad(n), pix)
}

// IsBad reports whether part n of the line has a defect.
func (p Product) IsBad(n uint64) bool {
	return rand.New(rand.NewPCG(p.Seed, n)).Float64() < p.Bad
}

// visiblePixels is how many pixels of a defect must have a visible score above 0.5: less is
// a defect in the formula only, and the part would be called bad although nobody can see why.
const visiblePixels = 16

func (r *Renderer) render(k uint64, bad bool, pix []byte) (*capture.Frame, error) {
	seeds := rand.New(rand.NewPCG(r.p.Seed, 1<<63|k))
	for {
		if err := r.gen.Render(&r.sample, seeds.Uint64()); err != nil {
			return nil, fmt.Errorf("sim: part: %w", err)
		}
		if !bad || r.visible() >= visiblePixels {
			break
		}
	}
	picture := r.sample.Clean
	if bad {
		picture = r.sample.Image
	}
	return capture.NewFrame(capture.Frame{
		Pix: append(pix[:0], picture.Pix...), Format: capture.RGB24,
		Width: picture.W, Height: picture.H, Stride: 3 * picture.W,
	}, nil), nil
}

func (r *Renderer) visible() (n int) {
	for _, v := range r.sample.Visible {
		if v > 0.5 {
			n++
		}
	}
	return n
}

// Feed draws parts 1, 2, ... a few ahead of the belt, until ctx ends or n are drawn (0: no
// end), and closes the channel. So many pictures are in use at a time as there are buffers:
// the drawn ones, those on their way to the camera and those that the line inspects.
func (r *Renderer) Feed(ctx context.Context, n, buffers int) <-chan Part {
	out := make(chan Part, 2)
	free := make(chan []byte, buffers)
	for range buffers {
		free <- nil
	}
	go func() {
		defer close(out)
		for i := uint64(1); n == 0 || i <= uint64(n); i++ {
			var pix []byte
			select {
			case pix = <-free:
			case <-ctx.Done():
				return
			}
			f, err := r.Part(i, pix)
			if err != nil {
				panic(err) // procedural parts read nothing that could fail
			}
			part := Part{capture.NewFrame(*f, func() { free <- f.Pix }), r.p.IsBad(i)}
			select {
			case out <- part:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

// Goods returns a source of n good parts that are not on the line.
func (r *Renderer) Goods(n int) capture.Source { return &goods{r: r, left: n} }

type goods struct {
	r    *Renderer
	left int
	next uint64
	pix  []byte
}

// Next implements capture.Source. The frame is valid until the next call.
func (g *goods) Next(ctx context.Context) (*capture.Frame, error) {
	if g.left == 0 {
		return nil, io.EOF
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	g.left--
	g.next++
	f, err := g.r.Good(g.next, g.pix)
	if err == nil {
		g.pix = f.Pix
	}
	return f, err
}

func (g *goods) Close() error { return nil }

// Pictures brings the frames of a source to the belt, each as a part that counts as good,
// until ctx or the source ends or n are fed (0: no end). failed is told, before the channel closes, why a source that has
// not ended gives no more.
func Pictures(ctx context.Context, src capture.Source, n int, failed func(error)) <-chan Part {
	out := make(chan Part)
	go func() {
		defer close(out)
		defer src.Close() //nolint:errcheck // it has been read
		for i := 0; n == 0 || i < n; i++ {
			f, err := src.Next(ctx)
			if err != nil {
				if !errors.Is(err, io.EOF) && ctx.Err() == nil {
					failed(err)
				}
				return
			}
			select {
			case out <- Part{Frame: f}:
			case <-ctx.Done():
				f.Release()
				return
			}
		}
	}()
	return out
}
