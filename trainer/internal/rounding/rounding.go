// Package rounding measures on data sets what int8 costs: the network of the device beside its
// parent in float, on the same pictures.
package rounding

import (
	"context"
	"fmt"
	"io"
	"math"

	"cull/infer"
	"cull/internal/dataset"
	"cull/internal/evaluate"
	"cull/internal/inspect"
	"cull/internal/measure"
	"cull/padim"
	"cull/trainer/internal/grad"
	"cull/trainer/internal/quantise"
)

// Options are the choices of a comparison.
type Options struct {
	Size     int // of the input picture, pixels a side
	Train    int // at most so many training pictures of a category; 0: all
	Seeds    int // 1, 2, ...: of the draw and the projection
	Fit      padim.Options
	Threads  int
	SpoolDir string

	// Progress, where not nil, is called after every picture; network is float or int8.
	Progress func(category, network, stage string, done, of int)
}

// A Parent is a float network. Its taps are rounded, for the detector takes maps of int8:
// to the steps of Model.
type Parent struct {
	Net   *quantise.Network
	Model *infer.Model
}

// A Cost is what int8 does to one category: figures of both, means over seeds, each seed's
// detectors taught on their own features.
type Cost struct {
	Category    string
	Good, Bad   int // test pictures
	Float, Int8 evaluate.Mean
	Low, High   float64 // 95 % interval of the image AUROC's difference, int8 - float, over test pictures
}

// Compare measures the cost on every category.
func Compare(
	ctx context.Context, sets []dataset.Category, m *infer.Model, p Parent, o Options,
) ([]Cost, error) {
	costs := make([]Cost, len(sets))
	scores := make([][2][]measure.Scores, len(sets)) // of float and int8, one per seed
	for seed := 1; seed <= o.Seeds; seed++ {
		for side, e := range []evaluate.Options{
			{Features: evaluate.Given, Extractor: p.extractor(o.Threads)},
			{Features: evaluate.Net, Model: m},
		} {
			e.Size, e.Train, e.Seed, e.Fit, e.Light = o.Size, o.Train, uint64(seed), o.Fit, inspect.Light
			e.NoMirrors = true // which ones pass may differ, and the question is of the arithmetic
			e.Threads, e.SpoolDir = o.Threads, o.SpoolDir
			if o.Progress != nil {
				e.Progress = func(category, stage string, done, of int) {
					o.Progress(category, [...]string{"float", "int8"}[side], stage, done, of)
				}
			}
			for i := range sets {
				c, s, err := one(ctx, sets[i:i+1], e)
				if err != nil {
					return nil, fmt.Errorf("rounding: %w", err)
				}
				costs[i].add(side, c, o.Seeds)
				scores[i][side] = append(scores[i][side], s)
			}
		}
	}
	for i := range costs {
		_, costs[i].Low, costs[i].High = measure.AUROCDifference(scores[i][0], scores[i][1])
	}
	return costs, nil
}

func (p Parent) extractor(threads int) func(size int) (inspect.Extractor, error) {
	return func(size int) (inspect.Extractor, error) {
		return inspect.Extend(quantise.NewFloat(grad.NewCPU(threads), p.Net, p.Model, size), size, size)
	}
}

// one evaluates one category.
func one(
	ctx context.Context, set []dataset.Category, o evaluate.Options,
) (c evaluate.Category, s measure.Scores, err error) {
	o.Scored = func(_ string, it dataset.Item, score float64) {
		if it.Good {
			s.Good = append(s.Good, score)
		} else {
			s.Bad = append(s.Bad, score)
		}
	}
	r, err := evaluate.Run(ctx, set, o)
	if err != nil {
		return c, s, err
	}
	return r.Categories[0], s, nil
}

// add takes in one seed of float, side 0, or int8.
func (c *Cost) add(side int, e evaluate.Category, seeds int) {
	c.Category, c.Good, c.Bad = e.Name, e.TestGood, e.TestBad
	m := []*evaluate.Mean{&c.Float, &c.Int8}[side]
	n := evaluate.Figure(seeds)
	m.ImageAUROC += e.ImageAUROC / n
	m.PixelAUROC += e.PixelAUROC / n
	m.AUPRO30 += e.AUPRO30 / n
}

// Print writes the costs as a table: AUROC and AUPRO in points of a hundred, differences
// int8 - float.
func Print(w io.Writer, costs []Cost) error {
	const head, row = "%-18s %5s %5s %7s %7s %7s %16s %7s %7s\n", "%-18s %5d %5d %7.2f %7.2f %+7.2f %16s %7s %7s\n"
	if _, err := fmt.Fprintf(w, head, "category", "good", "bad", "float", "int8", "diff",
		"95 % interval", "pixel", "AUPRO"); err != nil {
		return err
	}
	for _, c := range costs {
		f, i := float64(c.Float.ImageAUROC), float64(c.Int8.ImageAUROC)
		if _, err := fmt.Fprintf(w, row, c.Category, c.Good, c.Bad, 100*f, 100*i, 100*(i-f),
			fmt.Sprintf("%+.2f..%+.2f", 100*c.Low, 100*c.High),
			points(c.Int8.PixelAUROC-c.Float.PixelAUROC), points(c.Int8.AUPRO30-c.Float.AUPRO30)); err != nil {
			return err
		}
	}
	return nil
}

func points(f evaluate.Figure) string {
	if math.IsNaN(float64(f)) {
		return "-"
	}
	return fmt.Sprintf("%+.2f", 100*float64(f))
}
