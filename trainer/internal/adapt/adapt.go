// Package adapt fits a network to the good parts of one product. Defects of package synth are drawn on whole
// pictures of them; behind each tap comes a linear map onto the directions in which those defects
// stand out from how good parts vary. What comes out is given to nobody unless it tells defects on held-out
// parts apart better than the parent does.
package adapt

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"cull/infer"
	"cull/internal/inspect"
	"cull/synth"
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
	Model *infer.Model // fitted to all parts
	Parts int
	Gain  Gain // of networks fitted to three quarters of them, on the fourth
}

// Run fits parent to pictures of good parts, RGB, [Size][Size][3] each. With ErrNoGain the Result is there
// all the same: its Gain says what was measured. The same arguments give the same bits.
func Run(ctx context.Context, parent *infer.Model, pictures [][]uint8, o Options) (*Result, error) {
	if len(pictures) < MinParts {
		return nil, fmt.Errorf("%w: %d, want at least %d", ErrTooFew, len(pictures), MinParts)
	}
	order := rand.New(rand.NewPCG(o.Seed, 0x70617274)).Perm(len(pictures)) // "part"
	parts := make([][]uint8, min(len(pictures), MaxParts))
	for i := range parts {
		parts[i] = pictures[order[i]]
	}
	r := &Result{Parts: len(parts)}
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

// fit makes the network of some parts.
func fit(ctx context.Context, parent *infer.Model, parts [][]uint8, o Options) (*infer.Model, error) {
	all, err := discriminants(ctx, parent, parts, o)
	if err != nil {
		return nil, err
	}
	return project(parent, all, o)
}

// discriminants takes the statistics of good parts and of defects on them, one per tap.
func discriminants(ctx context.Context, m *infer.Model, parts [][]uint8, o Options) ([]*discriminant, error) {
	e, err := inspect.NewNetwork(m, o.Size, o.Size, o.Threads)
	if err != nil {
		return nil, err
	}
	defer e.Close()
	pic := make([]int8, 3*o.Size*o.Size)
	var all []*discriminant
	good := make([][][]float64, len(parts)) // [part][tap]
	for i, p := range parts {
		good[i] = features(e, p, pic)
		if i == 0 {
			for _, m := range e.Maps(pic) {
				all = append(all, newDiscriminant(m))
			}
		}
		for k, v := range good[i] {
			all[k].center(v, len(parts))
		}
	}
	for k, d := range all {
		for i := range good {
			d.spread(good[i][k])
		}
		if err := d.factor(); err != nil {
			return nil, err
		}
	}
	return all, o.damage(ctx, e, parts, good, all)
}

// damage draws defects on parts at random and adds what they change.
func (o *Options) damage(
	ctx context.Context, e inspect.Extractor, parts [][]uint8, good [][][]float64, all []*discriminant,
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
			all[k].damage(good[i][k], v, labels[k])
		}
		if o.Progress != nil {
			o.Progress()
		}
	}
	return nil
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

// deviations is the range of a projected value in int8, in deviations of good parts: beyond it a
// defect is as bad as can be.
const deviations = 12

// project puts the directions behind the parent's taps; the parent's own numbers stay as they are.
func project(parent *infer.Model, all []*discriminant, o Options) (*infer.Model, error) {
	t, ranges, err := quantise.Trunk(parent)
	if err != nil {
		return nil, err
	}
	n := quantise.FromTrunk(t)
	for i, d := range all {
		k := max(8, int(math.Round(o.Share*float64(d.channels)/8))*8)
		w, bias, clips, err := d.directions(k)
		if err != nil {
			return nil, err
		}
		n.Project(i, w, bias)
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
