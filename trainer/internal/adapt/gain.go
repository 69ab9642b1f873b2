package adapt

import (
	"context"
	"fmt"
	"io"

	"cull/capture"
	"cull/infer"
	"cull/infer/prep"
	"cull/internal/inspect"
	"cull/internal/measure"
	"cull/padim"
	"cull/synth"
)

// kinds of synthetic defects that are asked about; options of synth that differ from its defaults.
var kinds = []struct {
	name string
	set  [][2]string
}{
	{"visible", [][2]string{{"amplitude", "0.2:0.4"}, {"opacity", "0.3:0.8"}}},
	{"faint", [][2]string{{"amplitude", "0.04:0.1"}, {"opacity", "0.08:0.25"}}},
}

// projections are the seeds of the detector's projection that the figures are means over.
const projections = 2

// A Gain is what the child is better by: image AUROC of held-out good parts against the same parts with a
// synthetic defect, detectors taught on the parts that were trained on.
type Gain struct {
	Kinds        []Kind
	D, Low, High float64 // mean over kinds of child - parent, and its 95 % interval over parts (DeLong, paired)
}

// A Kind is one kind of defect.
type Kind struct {
	Name          string
	Parent, Child float64 // image AUROC
}

func measureGain(ctx context.Context, parent, child *infer.Model, train, held [][]uint8, o Options) (g Gain, err error) {
	bad := make([][][]uint8, len(kinds))
	for k := range kinds {
		if bad[k], err = damaged(held, k, o); err != nil {
			return g, err
		}
		g.Kinds = append(g.Kinds, Kind{Name: kinds[k].name})
	}
	var runs [2][]measure.Scores
	for seed := range uint64(projections) {
		for side, m := range []*infer.Model{parent, child} {
			scores, err := judge(ctx, m, train, held, bad, o.Seed+seed, o)
			if err != nil {
				return g, err
			}
			runs[side] = append(runs[side], scores...)
			for k, s := range scores {
				to := []*float64{&g.Kinds[k].Parent, &g.Kinds[k].Child}[side]
				*to += measure.AUROC(s.Good, s.Bad) / projections
			}
		}
	}
	g.D, g.Low, g.High = measure.AUROCDifference(runs[0], runs[1])
	return g, nil
}

// damaged draws a defect of a kind on each part; light and sensor stay as they are.
func damaged(parts [][]uint8, kind int, o Options) (all [][]uint8, err error) {
	opts, err := options(o.Size, append([][2]string{{"gain", "1"}, {"light", "0"}, {"noise", "0"}}, kinds[kind].set...)...)
	if err != nil {
		return nil, err
	}
	g, err := synth.New(opts, nil)
	if err != nil {
		return nil, err
	}
	var s synth.Sample
	for i, p := range parts {
		seed := o.Seed<<32 + 1<<31 + uint64(kind)<<24 + uint64(i) // none that was trained with
		if err := g.RenderOn(&s, seed, synth.Picture{W: o.Size, H: o.Size, Pix: p}); err != nil {
			return nil, err
		}
		all = append(all, append([]uint8(nil), s.Image.Pix...))
	}
	return all, nil
}

// judge teaches a detector on good parts and scores others, for each kind the same good ones.
func judge(
	ctx context.Context, m *infer.Model, train, good [][]uint8, bad [][][]uint8, seed uint64, o Options,
) ([]measure.Scores, error) {
	e, err := inspect.NewNetwork(m, o.Size, o.Size, o.Threads)
	if err != nil {
		return nil, err
	}
	defer e.Close()
	plan := prep.Plan{Width: o.Size, Height: o.Size}
	fit := padim.Options{Seed: seed, Threads: o.Threads}
	model, report, err := inspect.Learn(ctx, &frames{pictures: train, size: o.Size}, e,
		inspect.Options{Plan: plan, Fit: fit, SpoolDir: o.SpoolDir})
	if err != nil {
		return nil, err
	}
	in, err := inspect.New(plan, e, model, report.Threshold.Value, o.Threads)
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
	text := ""
	for _, k := range g.Kinds {
		text += fmt.Sprintf("%s defects %.3f -> %.3f, ", k.Name, k.Parent, k.Child)
	}
	return text + fmt.Sprintf("gain %+.3f (95 %%: %+.3f to %+.3f)", g.D, g.Low, g.High)
}
