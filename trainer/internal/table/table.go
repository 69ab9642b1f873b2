package table

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math"

	"cull/capture"
	"cull/infer"
	"cull/internal/dataset"
	"cull/internal/evaluate"
	"cull/internal/inspect"
	"cull/padim"
	"cull/trainer/internal/pretrain"
)

// Options are the choices of a table.
type Options struct {
	Dir      string            // of trained networks
	Data     map[string]string // folders by what rows need: btad, dagm, textures
	Shipped  *infer.Model      // the built-in network
	ImageNet *infer.Model      // nil: not given
	Seeds    int               // 1, 2, ...: of draw, projection and, where there is one, training
	Images   int64             // samples of a training; 0: the recipe's
	Size     int               // of the input picture, pixels a side
	Train    int               // at most so many training pictures of a category; 0: all
	Fit      padim.Options
	Threads  int
	SpoolDir string

	curves string // file of the network trained last

	// Overlay, where not nil, is called with every test picture of the first seed. The
	// frame and the map are on loan.
	Overlay func(row, category string, it dataset.Item, f *capture.Frame, r inspect.Result) error

	// Progress, where not nil, is called after every picture or step.
	Progress func(row, stage string, done, of int)
}

func (o *Options) progress(row, stage string, done, of int) {
	if o.Progress != nil {
		o.Progress(row, stage, done, of)
	}
}

// A Table is the answer. Its JSON is a stable format.
type Table struct {
	Size  int      `json:"size"`
	Mode  string   `json:"mode"`
	Train int      `json:"train"` // at most so many training pictures; 0: all
	Seeds int      `json:"seeds"`
	Rows  []Result `json:"rows"`
}

// A Result is a measured row, or the reason why it is not.
type Result struct {
	Name     string   `json:"name"`
	Title    string   `json:"title"`
	Note     string   `json:"note"`
	Missing  string   `json:"not_measured,omitempty"`
	Networks []string `json:"networks,omitempty"` // SHA-256 of the .net, one per seed or one for all
	Images   int64    `json:"images,omitempty"`   // samples of the pre-training
	Cells    []Cell   `json:"cells,omitempty"`
	Mean     Cell     `json:"mean"` // over categories, then over seeds

	Curves []*pretrain.Curve `json:"curves,omitempty"` // of the trainings, one per seed
}

// A Cell is one row's figures on one category.
type Cell struct {
	Category   string              `json:"category"`
	ImageAUROC Spread              `json:"image_auroc"`
	PixelAUROC Spread              `json:"pixel_auroc"`
	AUPRO      Spread              `json:"aupro30"`
	Seeds      []evaluate.Category `json:"seeds,omitempty"`
	Scores     []Score             `json:"scores,omitempty"` // of the first seed
}

// A Score is one test picture's.
type Score struct {
	Kind  string  `json:"kind"`
	Good  bool    `json:"good"`
	Value float64 `json:"value"`
}

// A Spread is a figure over seeds: mean, standard deviation (n - 1), number.
type Spread struct {
	Mean evaluate.Figure `json:"mean"`
	SD   evaluate.Figure `json:"sd"`
	N    int             `json:"n"`
}

// NewSpread leaves out figures that do not exist.
func NewSpread(values []evaluate.Figure) Spread {
	var s Spread
	var mean, m2 float64
	for _, f := range values {
		v := float64(f)
		if math.IsNaN(v) {
			continue
		}
		s.N++
		d := v - mean
		mean += d / float64(s.N)
		m2 += d * (v - mean)
	}
	s.Mean, s.SD = evaluate.Figure(math.NaN()), evaluate.Figure(math.NaN())
	if s.N > 0 {
		s.Mean = evaluate.Figure(mean)
	}
	if s.N > 1 {
		s.SD = evaluate.Figure(math.Sqrt(m2 / float64(s.N-1)))
	}
	return s
}

// Run measures every row on every category. done is called after each row. A row that fails
// says so in the table, and the others go on; the error then comes with the table.
func Run(
	ctx context.Context, rows []Row, sets []dataset.Category, o Options, done func(*Table) error,
) (*Table, error) {
	t := &Table{Size: o.Size, Mode: o.Fit.Mode.String(), Train: o.Train, Seeds: o.Seeds}
	var failed []error
	for i := range rows {
		r := &rows[i]
		res, err := o.row(ctx, r, sets)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("table: %s: %w", r.Name, ctx.Err())
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("table: %s: %w", r.Name, err))
			res = &Result{Name: r.Name, Title: r.Title, Note: r.Note, Missing: err.Error()}
		}
		t.Rows = append(t.Rows, *res)
		if err := done(t); err != nil {
			return nil, err
		}
	}
	return t, errors.Join(failed...)
}

// missing says what a row lacks.
func (o *Options) missing(r *Row) string {
	switch {
	case r.needs == "imagenet" && o.ImageNet == nil:
		return "needs --imagenet F.net"
	case r.needs != "" && r.needs != "imagenet" && o.Data[r.needs] == "":
		return "needs --" + r.needs + " DIR"
	case r.recipe == Teacher && o.Data[Teacher] == "":
		return "needs --imagenet F.onnx"
	}
	return ""
}

// model returns the network of a row and seed, nil where there is none.
func (o *Options) model(ctx context.Context, r *Row, seed uint64) (*infer.Model, error) {
	switch {
	case r.model != nil:
		return r.model, nil
	case r.needs == "imagenet":
		return o.ImageNet, nil
	case r.fixed:
		return o.Shipped, nil
	case r.recipe != "":
		return o.train(ctx, r, seed)
	}
	return nil, nil
}

func (o *Options) row(ctx context.Context, r *Row, sets []dataset.Category) (*Result, error) {
	res := &Result{Name: r.Name, Title: r.Title, Note: r.Note, Missing: o.missing(r)}
	if res.Missing != "" {
		return res, nil
	}
	res.Cells = make([]Cell, len(sets))
	var means []evaluate.Mean
	for seed := uint64(1); seed <= uint64(o.Seeds); seed++ {
		report, err := o.measure(ctx, r, res, sets, seed)
		if err != nil {
			return nil, err
		}
		means = append(means, report.Mean)
		for i, c := range report.Categories {
			res.Cells[i].Category = c.Name
			res.Cells[i].Seeds = append(res.Cells[i].Seeds, c)
		}
		if r.recipe == "" {
			continue
		}
		c, err := o.curve()
		if err != nil {
			return nil, err
		}
		if c != nil {
			res.Curves = append(res.Curves, c)
		}
	}
	for i := range res.Cells {
		res.Cells[i].summarise()
	}
	res.Mean = meanCell(means)
	return res, nil
}

// measure evaluates a row with one seed, and notes its networks.
func (o *Options) measure(
	ctx context.Context, r *Row, res *Result, sets []dataset.Category, seed uint64,
) (*evaluate.Report, error) {
	if r.adapts {
		return o.measureAdapted(ctx, r, res, sets, seed)
	}
	m, err := o.model(ctx, r, seed)
	if err != nil {
		return nil, err
	}
	if m != nil && r.features == evaluate.Net {
		res.note(m)
	}
	return evaluate.Run(ctx, sets, o.evaluation(r, res, m, seed))
}

// note records a network once.
func (r *Result) note(m *infer.Model) {
	d := m.Digest()
	text := hex.EncodeToString(d[:])
	if len(r.Networks) == 0 || r.Networks[len(r.Networks)-1] != text {
		r.Networks = append(r.Networks, text)
	}
	r.Images = m.Meta.Images
}

// evaluation returns the options of one seed; the first one's scores are kept.
func (o *Options) evaluation(r *Row, res *Result, m *infer.Model, seed uint64) evaluate.Options {
	e := evaluate.Options{
		Features: r.features, Model: m, Size: o.Size, Train: o.Train, Seed: seed,
		Fit: o.Fit, Light: inspect.Light, Threads: o.Threads, SpoolDir: o.SpoolDir,
		Progress: func(category, stage string, done, of int) {
			o.progress(fmt.Sprintf("%s, seed %d, %s", r.Name, seed, category), stage, done, of)
		},
	}
	if seed != 1 {
		return e
	}
	index, last := -1, ""
	e.Scored = func(category string, it dataset.Item, score float64) {
		if index < 0 || category != last {
			index, last = index+1, category
		}
		c := &res.Cells[index]
		c.Scores = append(c.Scores, Score{it.Kind, it.Good, score})
	}
	if o.Overlay != nil {
		e.Overlay = func(category string, it dataset.Item, f *capture.Frame, r2 inspect.Result) error {
			return o.Overlay(r.Name, category, it, f, r2)
		}
	}
	return e
}

func (c *Cell) summarise() {
	over := func(of func(*evaluate.Category) evaluate.Figure) Spread {
		var v []evaluate.Figure
		for i := range c.Seeds {
			v = append(v, of(&c.Seeds[i]))
		}
		return NewSpread(v)
	}
	c.ImageAUROC = over(func(c *evaluate.Category) evaluate.Figure { return c.ImageAUROC })
	c.PixelAUROC = over(func(c *evaluate.Category) evaluate.Figure { return c.PixelAUROC })
	c.AUPRO = over(func(c *evaluate.Category) evaluate.Figure { return c.AUPRO30 })
}

func meanCell(means []evaluate.Mean) Cell {
	var image, pixel, pro []evaluate.Figure
	for _, m := range means {
		image, pixel, pro = append(image, m.ImageAUROC), append(pixel, m.PixelAUROC), append(pro, m.AUPRO30)
	}
	return Cell{
		Category: "mean", ImageAUROC: NewSpread(image), PixelAUROC: NewSpread(pixel), AUPRO: NewSpread(pro),
	}
}
