package adapt

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"

	"cull/capture"
	"cull/infer"
	"cull/infer/prep"
	"cull/internal/inspect"
	"cull/internal/measure"
	"cull/padim"
	"cull/synth"
)

// visible is the least visible score that a defect reaches somewhere, for it to count.
const visible = 0.5

// draws is how many defects each held-out part gets, one at a time.
const draws = 4

// folds is how many times the parts are divided: each is held out once.
const folds = 4

// Fits is how many networks Run makes: one per fold and that of all parts.
const Fits = folds + 1

// projections are the seeds of the detector's projection that the figures are means over.
const projections = 2

// A Gain is what fitted networks are better by: image AUROC of held-out good parts against the same parts with a
// visible synthetic defect, detectors taught on the parts that the network was fitted to. Means over folds.
type Gain struct {
	Parent, Child float64 // image AUROC
	D, Low, High  float64 // child - parent, and its 95 % interval over parts (DeLong, paired)
}

// crossValidate measures the gain on every part while it is held out; parts are in random order.
func crossValidate(ctx context.Context, parent *infer.Model, parts [][]uint8, o Options) (g Gain, err error) {
	var variance float64
	for f := range folds {
		var used, held [][]uint8
		for i, p := range parts {
			if i%folds == f {
				held = append(held, p)
			} else {
				used = append(used, p)
			}
		}
		child, err := fit(ctx, parent, used, o)
		if err != nil {
			return g, err
		}
		one, err := measureGain(ctx, parent, child, used, held, o)
		if err != nil {
			return g, err
		}
		g.Parent += one.Parent / folds
		g.Child += one.Child / folds
		g.D += one.D / folds
		half := (one.High - one.Low) / 2
		variance += half * half / (folds * folds)
	}
	g.Low, g.High = g.D-math.Sqrt(variance), g.D+math.Sqrt(variance)
	return g, nil
}

// measureGain compares two networks on held-out parts.
func measureGain(ctx context.Context, parent, child *infer.Model, used, held [][]uint8, o Options) (g Gain, err error) {
	bad := make([][][]uint8, draws)
	for i := range bad {
		if bad[i], err = damaged(held, uint64(i), o); err != nil {
			return g, err
		}
	}
	var runs [2][]measure.Scores
	for seed := range uint64(projections) {
		for side, m := range []*infer.Model{parent, child} {
			scores, err := judge(ctx, m, used, held, bad, o.Seed+seed, o)
			if err != nil {
				return g, err
			}
			runs[side] = append(runs[side], scores...)
			to := []*float64{&g.Parent, &g.Child}[side]
			for _, s := range scores {
				*to += measure.AUROC(s.Good, s.Bad) / (projections * draws)
			}
		}
	}
	g.D, g.Low, g.High = measure.AUROCDifference(runs[0], runs[1])
	return g, nil
}

// attempts bounds how many defects are drawn for a visible one: a change of texture is none on a plain surface.
const attempts = 64

// damaged draws a visible defect on each part; light and sensor stay as they are. Where no attempt
// is visible the last one stands.
func damaged(parts [][]uint8, draw uint64, o Options) (all [][]uint8, err error) {
	g, err := o.generator()
	if err != nil {
		return nil, err
	}
	var s synth.Sample
	for i, p := range parts {
		for try := range uint64(attempts) {
			seed := o.Seed<<48 + 1<<47 + draw<<32 + uint64(i)<<8 + try // none that the fit saw
			if err := g.RenderOn(&s, seed, synth.Picture{W: o.Size, H: o.Size, Pix: p}); err != nil {
				return nil, err
			}
			if slices.Max(s.Visible) >= visible {
				break
			}
		}
		all = append(all, append([]uint8(nil), s.Image.Pix...))
	}
	return all, nil
}

// judge teaches a detector on good parts and scores others, beside each list of bad ones the same good ones.
func judge(
	ctx context.Context, m *infer.Model, used, good [][]uint8, bad [][][]uint8, seed uint64, o Options,
) ([]measure.Scores, error) {
	e, err := inspect.NewNetwork(m, o.Size, o.Size, o.Threads)
	if err != nil {
		return nil, err
	}
	defer e.Close()
	plan := prep.Plan{Width: o.Size, Height: o.Size}
	fit := padim.Options{Seed: seed, Threads: o.Threads}
	t, err := inspect.Learn(ctx, &frames{pictures: used, size: o.Size}, e,
		inspect.Options{Plan: plan, Fit: fit, NoMirrors: true, SpoolDir: o.SpoolDir})
	if err != nil {
		return nil, err
	}
	in, err := inspect.New(plan, e, t, o.Threads)
	if err != nil {
		return nil, err
	}
	score := func(pictures [][]uint8) (all []float64, err error) {
		for _, p := range pictures {
			r, err := in.Inspect(frame(p, o.Size))
			if err != nil {
				return nil, err
			}
			all = append(all, float64(r.Score))
		}
		return all, ctx.Err()
	}
	ofGood, err := score(good)
	if err != nil {
		return nil, err
	}
	scores := make([]measure.Scores, len(bad))
	for k := range bad {
		scores[k].Good = ofGood
		if scores[k].Bad, err = score(bad[k]); err != nil {
			return nil, err
		}
	}
	return scores, nil
}

// frames is a Source of pictures in memory.
type frames struct {
	pictures [][]uint8
	size, at int
}

// Next implements capture.Source.
func (f *frames) Next(ctx context.Context) (*capture.Frame, error) {
	if f.at == len(f.pictures) {
		return nil, io.EOF
	}
	f.at++
	return frame(f.pictures[f.at-1], f.size), ctx.Err()
}

// Close implements capture.Source.
func (f *frames) Close() error { return nil }

func frame(pix []uint8, size int) *capture.Frame {
	return capture.NewFrame(capture.Frame{
		Pix: pix, Format: capture.RGB24, Width: size, Height: size, Stride: 3 * size,
	}, nil)
}

// String is one line for a person.
func (g Gain) String() string {
	return fmt.Sprintf("synthetic defects on held-out parts: image AUROC %.3f -> %.3f, gain %+.3f (95 %%: %+.3f to %+.3f)",
		g.Parent, g.Child, g.D, g.Low, g.High)
}
