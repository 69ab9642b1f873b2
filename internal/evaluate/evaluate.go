// Package evaluate measures detectors on data sets: teach on the good training
// pictures, choose the threshold from them alone, score the test pictures.
//
// The whole picture is resized to the network's input, nothing is cropped. Pixel
// figures compare at the resolution of the mask (good pictures: of the
// picture), to which the score map is interpolated, and count every pixel of
// every test picture, good ones included (doc/results.md gives the protocol).
package evaluate

import (
	"context"
	"encoding/hex"
	"fmt"
	"image"
	"math"
	"slices"
	"time"

	"cull/capture"
	"cull/capture/replay"
	"cull/infer"
	"cull/infer/prep"
	"cull/internal/control"
	"cull/internal/dataset"
	"cull/internal/imagefile"
	"cull/internal/inspect"
	"cull/internal/light"
	"cull/internal/measure"
	"cull/padim"
)

// Features says where feature maps come from.
type Features string

// The features. All but Net and Taps are controls: what training must beat.
const (
	Net      Features = "net"
	Taps     Features = "taps"     // the network's own maps, without the fixed ones beside them
	Random   Features = "random"   // the same network, weights drawn at random
	Handmade Features = "handmade" // 22 textbook filters
	Bank     Features = "bank"     // 116 filters defined by formulas
	Lines    Features = "lines"    // the bank, and 96 more of lines whatever their contrast
	Grey     Features = "grey"     // four single numbers of the picture, no PaDiM
	Given    Features = "given"    // Options.Extractor's; no control, not in All
)

// All lists the features, Net first.
var All = []Features{Net, Taps, Random, Handmade, Bank, Lines, Grey}

// Options are the choices of an evaluation.
type Options struct {
	Features  Features
	Model     *infer.Model // for Net and Taps, and for Random its topology
	Size      int          // of the input picture, pixels a side
	Train     int          // at most so many training pictures, drawn at random; 0: all
	Seed      uint64       // of the draw, the projection and random weights
	Fit       padim.Options
	Light     float64 // change of light that is taught, stops; as inspect.Options.Light
	NoMirrors bool    // as inspect.Options.NoMirrors
	Relit     float64 // test pictures are seen in light changed by up to so much, stops
	Threads   int

	// Extractor makes the features Given, for pictures of Size. What it made is closed after each category, if it has a
	// method Close.
	Extractor func(size int) (inspect.Extractor, error)

	SpoolDir string // of temporary files

	// Overlay, where not nil, is called with every test picture's result. The
	// frame and the map are on loan.
	Overlay func(category string, it dataset.Item, f *capture.Frame, r inspect.Result) error

	// Scored, where not nil, is called with every test picture's score.
	Scored func(category string, it dataset.Item, score float64)

	// Progress, where not nil, is called after every picture.
	Progress func(category, stage string, done, of int)
}

// Run evaluates every category.
func Run(ctx context.Context, categories []dataset.Category, o Options) (*Report, error) {
	report := &Report{Protocol: protocol(o)}
	for i := range categories {
		r := run{Options: o, set: &categories[i]}
		c, err := r.category(ctx)
		if err != nil {
			return nil, fmt.Errorf("evaluate: %s: %w", categories[i].Name, err)
		}
		report.Categories = append(report.Categories, *c)
	}
	report.Mean = MeanOf(report.Categories)
	return report, nil
}

func protocol(o Options) Protocol {
	p := Protocol{
		Size: o.Size, Mode: o.Fit.Mode.String(), Seed: o.Seed,
		Arithmetic: "float32", Kernel: "generic", Features: string(o.Features), Train: o.Train,
		Light: Figure(o.Light), Relit: Figure(o.Relit), NoMirrors: o.NoMirrors,
	}
	switch o.Features {
	case Net, Taps:
		d := o.Model.Digest()
		p.NetSHA256 = hex.EncodeToString(d[:])
		p.Arithmetic, p.Kernel = "int8", infer.Kernel()
	case Random:
		p.Arithmetic, p.Kernel = "int8", infer.Kernel()
	case Grey:
		p.Mode = "grey"
	}
	if o.Features == Grey || o.Fit.Mode == padim.Stock { // which are taught no light
		p.Light = 0
	}
	return p
}

// A run is the evaluation of one category.
type run struct {
	Options
	set   *dataset.Category
	train []string
}

// A score is one test picture's.
type score struct {
	item  dataset.Item
	value float64
}

func (r *run) scored(it dataset.Item, value float64) score {
	if r.Scored != nil {
		r.Scored(r.set.Name, it, value)
	}
	return score{it, value}
}

func (r *run) category(ctx context.Context) (*Category, error) {
	r.train = dataset.Subset(r.set.Train, r.Train, r.Seed)
	c := &Category{
		Name: r.set.Name, TrainAvailable: len(r.set.Train),
		TargetFRR: r.Fit.TargetFRR, Unmasked: r.set.Unmasked(),
		PixelAUROC: Figure(math.NaN()), AUPRO30: Figure(math.NaN()), AUPRO05: Figure(math.NaN()),
	}
	if r.Features == Grey {
		return c, r.grey(ctx, c)
	}
	start := time.Now()
	e, err := r.extractor(ctx)
	if err != nil {
		return nil, err
	}
	if e, ok := e.(interface{ Close() }); ok { // it may have threads
		defer e.Close()
	}
	in, taught, err := r.teach(ctx, e)
	if err != nil {
		return nil, err
	}
	c.SecondsTeach = time.Since(start).Seconds()
	r.count(c, taught.Report.Parts)
	c.Mode, c.Mirrors = taught.Report.Mode.String(), taught.Mirrors
	c.promise(taught.Report.Threshold)
	return c, r.test(ctx, c, in, taught.Report.Scores)
}

func (c *Category) promise(t padim.Threshold) {
	rate, low, high := t.Expect()
	c.ThresholdMethod = t.Method.String()
	c.PromisedFRR, c.PromisedFRRLow, c.PromisedFRRHigh = Figure(rate), Figure(low), Figure(high)
}

// count says how many of the training pictures were taught.
func (r *run) count(c *Category, parts int) {
	c.TrainGood, c.Copies = parts, len(r.train)-parts
}

func (r *run) plan() prep.Plan { return prep.Plan{Width: r.Size, Height: r.Size} }

func (r *run) teach(ctx context.Context, e inspect.Extractor) (*inspect.Inspector, *inspect.Taught, error) {
	parts := 0
	o := inspect.Options{
		Plan: r.plan(), Fit: r.Fit, Light: r.Light, NoMirrors: r.NoMirrors, SpoolDir: r.SpoolDir,
		Taken: func(_, twin string) {
			if twin == "" {
				parts++
			}
		},
		Progress: func(stage string, done int) {
			of := parts
			if stage == inspect.StagePictures {
				of = len(r.train)
			}
			r.progress("teach, "+stage, done, of)
		},
	}
	o.Fit.Seed, o.Fit.Threads = r.Seed, r.Threads
	t, err := inspect.Learn(ctx, replay.New(r.train), e, o)
	if err != nil {
		return nil, nil, err
	}
	in, err := inspect.New(r.plan(), e, t, r.Threads)
	return in, t, err
}

func (r *run) progress(stage string, done, of int) {
	if r.Progress != nil {
		r.Progress(r.set.Name, stage, done, of)
	}
}

// extractor makes the features; controls are calibrated on the training pictures.
func (r *run) extractor(ctx context.Context) (inspect.Extractor, error) {
	switch r.Features {
	case Net:
		return inspect.NewNetwork(r.Model, r.Size, r.Size, r.Threads)
	case Taps:
		return inspect.NewTaps(r.Model, r.Size, r.Size, r.Threads)
	case Random:
		var pics [][]int8
		err := r.pictures(ctx, r.train[:min(len(r.train), 8)], "calibrate", func(pic []int8) {
			pics = append(pics, slices.Clone(pic))
		})
		if err != nil {
			return nil, err
		}
		m, err := control.RandomWeights(r.Model.Graph, r.Seed, pics, r.Size, r.Size)
		if err != nil {
			return nil, err
		}
		return inspect.NewNetwork(m, r.Size, r.Size, r.Threads)
	case Handmade, Bank, Lines:
		make := map[Features]func(h, w int) (*control.Extractor, error){
			Handmade: control.NewHandmade, Bank: control.NewFormula, Lines: control.NewLines,
		}[r.Features]
		e, err := make(r.Size, r.Size)
		if err != nil {
			return nil, err
		}
		if err := r.pictures(ctx, r.train, "calibrate", e.Observe); err != nil {
			return nil, err
		}
		return e, e.Calibrate()
	case Given:
		return r.Extractor(r.Size)
	}
	return nil, fmt.Errorf("features %q are not known", r.Features)
}

// pictures calls f with the input picture of every path.
func (r *run) pictures(ctx context.Context, paths []string, stage string, f func(pic []int8)) error {
	p, err := prep.New(r.plan())
	if err != nil {
		return err
	}
	pic := make([]int8, r.Size*r.Size*3)
	for i, path := range paths {
		if err := ctx.Err(); err != nil {
			return err
		}
		frame, err := imagefile.Read(path)
		if err != nil {
			return err
		}
		if err := p.Apply(pic, frame); err != nil {
			return err
		}
		f(pic)
		r.progress(stage, i+1, len(paths))
	}
	return nil
}

// test scores the test pictures. A picture's time runs from the frame in memory,
// JPEG still compressed, to the verdict.
func (r *run) test(ctx context.Context, c *Category, in *inspect.Inspector, leftOut []float32) error {
	var scores []score
	var times []float64
	var threshold float64
	px := pixels{on: r.set.HasMasks()}
	relight := r.relighter()
	for i, it := range r.set.Test {
		if err := ctx.Err(); err != nil {
			return err
		}
		f, err := imagefile.Read(it.Path)
		if err != nil {
			return err
		}
		start := time.Now()
		if err := in.Prepare(f); err != nil {
			return err
		}
		relight(in.Picture(), i)
		res := in.Judge()
		times = append(times, time.Since(start).Seconds()*1e3)
		threshold = float64(res.Threshold)
		scores = append(scores, r.scored(it, float64(res.Score)))
		if err := px.add(f, it, res.Map); err != nil {
			return err
		}
		if r.Overlay != nil {
			if err := r.Overlay(c.Name, it, f, res); err != nil {
				return err
			}
		}
		r.progress("test", i+1, len(r.set.Test))
	}
	c.judge(scores, leftOut, threshold)
	c.latency(times)
	if px.on {
		c.PixelAUROC = Figure(px.AUROC())
		c.AUPRO30, c.AUPRO05 = Figure(px.AUPRO(0.3)), Figure(px.AUPRO(0.05))
	}
	return nil
}

// relighter returns what changes the light of test picture number i, by up to Relit.
func (r *run) relighter() func(pic []int8, i int) {
	if r.Relit == 0 {
		return func([]int8, int) {}
	}
	relit := light.NewRelighter(r.Size, r.Size, r.Relit, ^r.Seed) // no light that was taught
	return func(pic []int8, i int) { copy(pic, relit.Copy(pic, i)) }
}

func (c *Category) latency(ms []float64) {
	slices.Sort(ms)
	at := func(q float64) Figure { return Figure(ms[int(math.Ceil(q*float64(len(ms))))-1]) }
	c.MSPerImageP50, c.MSPerImageP99 = at(0.5), at(0.99)
}

// pixels collects the pixel figures, if there are masks.
type pixels struct {
	measure.Pixels
	on  bool
	buf []float32
}

func (p *pixels) add(f *capture.Frame, it dataset.Item, m padim.ScoreMap) error {
	if !p.on {
		return nil
	}
	w, h := f.Width, f.Height
	var mask []bool
	if it.Mask != "" {
		truth, err := imagefile.ReadMask(it.Mask)
		if err != nil {
			return err
		}
		w, h, mask = truth.Width, truth.Height, truth.Pix
		if !inspect.SameShape(image.Pt(w, h), image.Pt(f.Width, f.Height)) {
			return fmt.Errorf("mask %s is %dx%d, its picture %dx%d: want the same shape", it.Mask, w, h, f.Width, f.Height)
		}
	}
	p.buf = slices.Grow(p.buf[:0], w*h)[:w*h]
	m.Resize(p.buf, h, w)
	return p.Add(p.buf, mask, w, h)
}
