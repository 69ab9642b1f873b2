// Package adapt fits a network to the good parts of one product. Defects of package synth are drawn on whole
// pictures of them; behind each tap comes a linear map onto the directions in which those defects
// stand out from how good parts vary. What comes out is given to nobody unless it tells defects on held-out
// parts apart better than the parent does.
package adapt

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"cull/infer"
	"cull/internal/inspect"
	"cull/synth"
	"cull/trainer/internal/discriminant"
	"cull/trainer/internal/loss"
	"cull/trainer/internal/quantise"
)

// Limits of the number of good parts: fewer prove nothing; of more, so many are drawn, for their features are kept
// in memory, 2 MB each at 256 pixels.
const (
	MinParts = 20
	MaxParts = 200
)

// Errors of Run.
var (
	ErrTooFew = errors.New("adapt: too few good parts")
	ErrNoGain = errors.New("adapt: no gain on held-out good parts")
)

// Options are the choices of Run.
type Options struct {
	Size    int     // side of the pictures, pixels
	Defects int     // samples with a synthetic defect
	Share   float64 // of each tap's channels that is kept
	Seed    uint64
	Threads int

	SpoolDir string // of temporary files
	// Progress, where not nil, is called after every defect, of Fits * Defects.
	Progress func()
}

// Defaults are the options that `cull-trainer adapt` begins with.
func Defaults() Options {
	return Options{Size: 256, Defects: 400, Share: 0.25, Seed: 1, Threads: 1}
}

// A Result is what Run made, kept or not.
type Result struct {
	Model  *infer.Model // fitted to all parts
	Parts  int
	Copies int  // pictures that are the same as others and were left out
	Gain   Gain // of networks fitted to three quarters of them, on the fourth
}

// Draw returns the files of good parts that a network is fitted to, MaxParts of them at most, in an order drawn by the seed.
func Draw(files []string, seed uint64) []string {
	order := rand.New(rand.NewPCG(seed, 0x70617274)).Perm(len(files)) // "part"
	drawn := make([]string, min(len(files), MaxParts))
	for i := range drawn {
		drawn[i] = files[order[i]]
	}
	return drawn
}

// Run fits parent to pictures of good parts, RGB, [Size][Size][3] each, in the order of Draw: they are divided as they
// come. With ErrNoGain the Result is there all the same: its Gain says what was measured. The same arguments give the
// same bits.
func Run(ctx context.Context, parent *infer.Model, parts [][]uint8, o Options) (*Result, error) {
	all := len(parts)
	parts = distinct(parts)
	copies := all - len(parts)
	switch {
	case len(parts) < MinParts && copies > 0:
		return nil, fmt.Errorf("%w: %d, want at least %d: %d of %d pictures are copies", ErrTooFew, len(parts), MinParts, copies, all)
	case len(parts) < MinParts:
		return nil, fmt.Errorf("%w: %d, want at least %d", ErrTooFew, len(parts), MinParts)
	}
	r := &Result{Parts: len(parts), Copies: copies}
	var err error
	if r.Gain, err = crossValidate(ctx, parent, parts, o); err != nil {
		return nil, fmt.Errorf("adapt: %w", err)
	}
	if r.Model, err = fit(ctx, parent, parts, o); err != nil {
		return nil, fmt.Errorf("adapt: %w", err)
	}
	if r.Gain.Low <= 0 {
		return r, ErrNoGain
	}
	return r, nil
}

// distinct returns the pictures without those that are there before: a part held out whose twin was fitted to proves nothing.
func distinct(parts [][]uint8) (all [][]uint8) {
	seen := map[[sha256.Size]byte]bool{}
	for _, p := range parts {
		digest := sha256.Sum256(p)
		if !seen[digest] {
			seen[digest] = true
			all = append(all, p)
		}
	}
	return all
}

// fit makes the network of some parts.
func fit(ctx context.Context, parent *infer.Model, parts [][]uint8, o Options) (*infer.Model, error) {
	t, ranges, err := quantise.Trunk(parent)
	if err != nil {
		return nil, err
	}
	n := quantise.FromTrunk(t)
	bare, err := quantise.Model(n, ranges) // the parent without a map of its own behind the taps
	if err != nil {
		return nil, err
	}
	taps, err := statistics(ctx, bare, parts, o)
	if err != nil {
		return nil, err
	}
	for i, t := range taps {
		k := max(8, int(math.Round(o.Share*float64(t.channels)/8))*8)
		w, clips, err := t.Directions(k)
		if err != nil {
			return nil, fmt.Errorf("%w among %d samples", err, o.Defects)
		}
		n.Project(i, w, discriminant.Bias(w, t.average()))
		for c := range clips {
			clips[c] *= deviations
		}
		ranges = append(ranges, clips)
	}
	m, err := quantise.Model(n, ranges)
	if err != nil {
		return nil, err
	}
	m.Meta = parent.Meta
	return m, m.AddAnswers(64, 96, 1, 2)
}

// deviations is the range of a projected value in int8, in deviations of good parts: beyond it a
// defect is as bad as can be.
const deviations = 12

// A tap has the statistics of good parts behind one tap of the network, and of defects on them.
type tap struct {
	*discriminant.Discriminant
	channels int
	mean     []float64 // [cells][channels] of good parts
}

// average is the mean over cells.
func (t *tap) average() []float64 {
	m := make([]float64, t.channels)
	for i, v := range t.mean {
		m[i%t.channels] += v / float64(len(t.mean)/t.channels)
	}
	return m
}

// statistics takes them: good parts vary about their mean in each cell.
func statistics(ctx context.Context, m *infer.Model, parts [][]uint8, o Options) ([]*tap, error) {
	e, err := inspect.NewTaps(m, o.Size, o.Size, o.Threads)
	if err != nil {
		return nil, err
	}
	defer e.Close()
	pic := make([]int8, 3*o.Size*o.Size)
	var taps []*tap
	good := make([][][]float64, len(parts)) // [part][tap]
	for i, p := range parts {
		good[i] = features(e, p, pic)
		if i == 0 {
			for _, m := range e.Maps(pic) {
				taps = append(taps, &tap{discriminant.New(m.C), m.C, make([]float64, m.H*m.W*m.C)})
			}
		}
		for k, v := range good[i] {
			for j, x := range v {
				taps[k].mean[j] += x / float64(len(parts))
			}
		}
	}
	for k, t := range taps {
		dev := make([]float64, len(t.mean))
		for i := range good {
			for j, v := range good[i][k] {
				dev[j] = v - t.mean[j]
			}
			t.Normal(dev, 1)
		}
		var square float64
		for _, v := range t.mean {
			square += v * v / float64(len(t.mean))
		}
		if err := t.Factor(float64(max(1, len(parts)-1)*len(t.mean)/t.channels), square); err != nil {
			return nil, err
		}
	}
	return taps, o.damage(ctx, e, parts, good, taps)
}

// damage draws defects on parts at random and adds what they change.
func (o *Options) damage(
	ctx context.Context, e *inspect.Taps, parts [][]uint8, good [][][]float64, taps []*tap,
) error {
	g, err := o.generator()
	if err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(o.Seed, 0x61646170)) // "adap"
	pic := make([]int8, 3*o.Size*o.Size)
	var s synth.Sample
	for n := range o.Defects {
		if err := ctx.Err(); err != nil {
			return err
		}
		i := rng.IntN(len(parts))
		picture := synth.Picture{W: o.Size, H: o.Size, Pix: parts[i]}
		if err := g.RenderOn(&s, o.Seed<<48+uint64(n), picture); err != nil {
			return err
		}
		labels := loss.Labels(s.Visible, o.Size, o.Size)
		for k, v := range features(e, s.Image.Pix, pic) {
			for j := range v {
				v[j] -= good[i][k][j]
			}
			taps[k].Change(v, labels[k])
		}
		if o.Progress != nil {
			o.Progress()
		}
	}
	return nil
}

// features runs a network and smooths the real values of its taps.
func features(e *inspect.Taps, rgb []uint8, pic []int8) (all [][]float64) {
	quantise.Int8(pic, rgb)
	for _, m := range e.Maps(pic) {
		v, out := make([]float64, m.H*m.W*m.C), make([]float64, m.H*m.W*m.C)
		for i := range v {
			v[i] = float64(m.Data[i]) * float64(m.Step[i%m.C])
		}
		discriminant.Smooth(out, v, m.H, m.W, m.C)
		all = append(all, out)
	}
	return all
}

// generator draws defects and leaves light and sensor as they are in the picture.
func (o *Options) generator() (*synth.Generator, error) {
	opts := synth.Defaults(o.Size, o.Size)
	for _, s := range [][2]string{{"gain", "1"}, {"light", "0"}, {"noise", "0"}} {
		if err := opts.Set(s[0], s[1]); err != nil {
			return nil, err
		}
	}
	return synth.New(opts, nil)
}
