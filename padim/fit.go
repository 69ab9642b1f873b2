package padim

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"

	"cull/padim/internal/kernel"
)

// MinParts is the least number of good parts a model can be taught from: each
// is left out in turn, and the rest must still have a variance.
const MinParts = 4

// ErrTooFew reports fewer than MinParts samples.
var ErrTooFew = errors.New("too few good parts")

// ErrAllIgnored reports a mask that leaves nothing to look at.
var ErrAllIgnored = errors.New("the mask ignores every cell")

// A Report says what a fit found.
type Report struct {
	Mode  Mode // as chosen
	Parts int  // without copies

	// Log-likelihood of left-out good parts under either model, nats a cell;
	// Part's with most of what means of few parts cost given back (choose). NaN
	// where there was nothing to choose.
	PartLogLik, TextureLogLik float64

	Shrinkage float64   // weight of the shared covariance
	Scores    []float32 // of every good part, by a model taught without it
	Threshold Threshold

	// Tried has for every good part the scores of its copies that are only tried, by the
	// same models as Scores. A product's file does not keep them.
	Tried [][]float32
}

// Suspects returns the parts, ascending, whose left-out score is far outside
// the others': above the third quartile by more than three interquartile
// ranges (Tukey). Such a part may not be good, and with few parts its score is
// the threshold.
func (r *Report) Suspects() []int {
	s := slices.Clone(r.Scores)
	slices.Sort(s)
	if len(s) < MinParts {
		return nil
	}
	q1, q3 := s[len(s)/4], s[len(s)-1-len(s)/4]
	limit := q3 + float32(3*(q3-q1))
	var far []int
	for i, v := range r.Scores {
		if v > limit {
			far = append(far, i)
		}
	}
	return far
}

// Fit teaches a model from good parts alone. It walks over the samples up to four times:
// channel variances, moments, choice of mode, left-out scores.
func Fit(samples Samples, o Options) (*Model, *Report, error) {
	m, r, err := fit(samples, o)
	if err != nil {
		return nil, nil, fmt.Errorf("padim: fit: %w", err)
	}
	return m, r, nil
}

func fit(samples Samples, o Options) (*Model, *Report, error) {
	o, err := o.resolve()
	if err != nil {
		return nil, nil, err
	}
	f := &fitter{Options: o, samples: samples}
	n := f.parts()
	if n*f.each() != samples.Len() {
		return nil, nil, fmt.Errorf("%d samples are no whole number of parts with %d copies each", samples.Len(), len(o.Copies))
	}
	if n < MinParts {
		return nil, nil, fmt.Errorf("%d good parts, at least %d needed: %w", n, MinParts, ErrTooFew)
	}
	m, err := f.model()
	if err != nil {
		return nil, nil, err
	}
	r := &Report{
		Mode: f.mode, Parts: n, Shrinkage: f.shrink,
		PartLogLik: f.partLogLik, TextureLogLik: f.textureLogLik,
	}
	method, err := f.leftOutScores(r, m)
	if err != nil {
		return nil, nil, err
	}
	r.Threshold, err = NewThreshold(r.Scores, o.TargetFRR, method)
	return m, r, err
}

// resolve checks o and fills in what depends on nothing but o.
func (o Options) resolve() (Options, error) {
	if o.Mode == Stock {
		o = Options{
			Mode: Stock, Dim: o.Dim, Channels: o.Channels, Seed: o.Seed,
			TargetFRR: o.TargetFRR, Threads: o.Threads, Copies: o.Copies,
			Projection: RandomChannels, NoPool: true, NoSearch: true, Shrinkage: -1, Region: -1, Ridge: 0.01,
			Smooth: 4, Top: math.SmallestNonzeroFloat64, Precision: Single,
		}
		if o.Dim == 0 {
			o.Dim = 100
		}
	}
	if o.Projection == DefaultProjection {
		o.Projection = SemiOrthogonal
		if o.Channels != nil {
			o.Projection = RandomChannels
		}
	}
	if o.Precision == DefaultPrecision {
		o.Precision = Half
	}
	defaults := []struct {
		v        *float64
		fallback float64
	}{{&o.Shrinkage, 0.3}, {&o.Region, 5}, {&o.Ridge, 0.01}, {&o.Smooth, 0.5}, {&o.Top, 0.005}, {&o.TargetFRR, 0.01}}
	for _, d := range defaults {
		if *d.v == 0 {
			*d.v = d.fallback
		}
	}
	if o.Dim == 0 {
		o.Dim = 96
	}
	if o.Cell == 0 && o.Mode != Stock {
		o.Cell = 8
	}
	if o.Threads == 0 {
		o.Threads = runtime.GOMAXPROCS(0)
	}
	return o, o.check()
}

// Grid returns the cells of the grid that Fit would lay over maps like these.
func (o Options) Grid(maps []Map) (h, w int, err error) {
	if o, err = o.resolve(); err != nil {
		return 0, 0, fmt.Errorf("padim: %w", err)
	}
	l, err := newLayout(maps, o.Cell)
	if err != nil {
		return 0, 0, fmt.Errorf("padim: %w", err)
	}
	return l.h, l.w, nil
}

func (o *Options) check() error {
	in := func(v, lo, hi float64) bool { return v >= lo && v <= hi }
	switch {
	case o.Mode > Stock:
		return fmt.Errorf("mode %d: unknown", o.Mode)
	case o.Projection > Identity:
		return fmt.Errorf("projection %d: unknown", o.Projection)
	case o.Precision > Single:
		return fmt.Errorf("precision %d: unknown", o.Precision)
	case o.Dim < 1 || o.Dim > maxDim:
		return fmt.Errorf("dimensions %d: want 1 to %d", o.Dim, maxDim)
	case o.Channels != nil && o.Projection != RandomChannels:
		return errors.New("a list of channels needs the projection RandomChannels")
	case !(o.Shrinkage <= 1):
		return fmt.Errorf("shrinkage %g: want at most 1", o.Shrinkage)
	case !in(o.Region, -math.MaxFloat64, 1e6):
		return fmt.Errorf("region %g: want at most 1e6 parts", o.Region)
	case !in(o.Ridge, -math.MaxFloat64, 100):
		return fmt.Errorf("ridge %g: want at most 100", o.Ridge)
	case !in(o.Smooth, -math.MaxFloat64, 100):
		return fmt.Errorf("smoothing %g: want at most 100 cells", o.Smooth)
	case !in(o.Top, 0, 1):
		return fmt.Errorf("top share %g: want 0 to 1", o.Top)
	case !in(o.TargetFRR, 1e-6, 0.5):
		return fmt.Errorf("target false-reject rate %g: want 1e-6 to 0.5", o.TargetFRR)
	case len(o.Copies) > 0 && o.Mode == Stock:
		return fmt.Errorf("%d copies of each part: want none in stock mode", len(o.Copies))
	case o.Threads < 0:
		return fmt.Errorf("threads %d", o.Threads)
	}
	return nil
}

// A fitter is the state of one fit.
type fitter struct {
	Options
	samples Samples
	proj    *projector
	cells   []int // not ignored
	noise   []float64
	row     []int32 // order of a packed factor
	column  []int32

	mode                      Mode // Auto until chosen
	shrink                    float64
	partLogLik, textureLogLik float64
	m                         *moments    // of the mode
	total                     []float64   // scatter of all cells: see common
	gone                      []float64   // scratch of remove
	along                     [][]float64 // scratch of regions
}

// each is how many samples a part has: itself and its copies.
func (f *fitter) each() int { return 1 + len(f.Copies) }

// taught reports whether sample i is taught, not only tried.
func (f *fitter) taught(i int) bool {
	k := i % f.each()
	return k == 0 || f.Copies[k-1]
}

// rows is how many samples of a part are taught.
func (f *fitter) rows() int {
	n := 1
	for _, taught := range f.Copies {
		if taught {
			n++
		}
	}
	return n
}

// parts returns the number of good parts, copies not counted.
func (f *fitter) parts() int { return f.samples.Len() / f.each() }

// model runs the passes up to a finished model.
func (f *fitter) model() (*Model, error) {
	if err := f.project(); err != nil {
		return nil, err
	}
	return f.projected()
}

// projected is model from pass 2 on.
func (f *fitter) projected() (*Model, error) {
	part, texture, err := f.collect()
	if err != nil {
		return nil, err
	}
	if err := f.choose(part, texture); err != nil {
		return nil, err
	}
	m := f.empty()
	if err := f.estimate(m, nil); err != nil {
		return nil, err
	}
	return m, m.validate()
}

// project makes the projector: pass 1.
func (f *fitter) project() error {
	var stats *channelStats
	err := f.samples.Each(func(i int, maps []Map) error {
		if stats == nil {
			l, err := newLayout(maps, f.Cell)
			if err != nil {
				return err
			}
			if f.cells, err = unmasked(l, f.Mask); err != nil {
				return err
			}
			stats = newChannelStats(l, f.Mask)
			if f.Mode == Stock { // nothing to measure
				return errStop
			}
		}
		if err := stats.layout.match(maps); err != nil {
			return fmt.Errorf("good part %d: %w", i, err)
		}
		if f.taught(i) {
			stats.add(maps)
		}
		return nil
	})
	if err != nil && !errors.Is(err, errStop) {
		return err
	}
	if f.proj, err = f.projector(stats); err != nil {
		return err
	}
	f.noise = f.proj.noise()
	f.row, f.column = kernel.Order(f.proj.d)
	return f.proj.complete()
}

var errStop = errors.New("stop")

// unmasked returns the cells to use.
func unmasked(l layout, mask []bool) ([]int, error) {
	if mask != nil && len(mask) != l.cells() {
		return nil, fmt.Errorf("mask has %d cells, the grid %dx%d", len(mask), l.h, l.w)
	}
	var cells []int
	for p := range l.cells() {
		if mask == nil || !mask[p] {
			cells = append(cells, p)
		}
	}
	if len(cells) == 0 {
		return nil, ErrAllIgnored
	}
	return cells, nil
}

// projector makes the projection the options ask for.
func (f *fitter) projector(stats *channelStats) (*projector, error) {
	l := stats.layout
	n := l.channels()
	unit := stats.units(f.Mode != Stock)
	pool := !f.NoPool
	choice := f.Projection
	if choice == SemiOrthogonal && f.Dim >= n {
		choice = Identity // square, it would only turn what is there
	}
	switch choice {
	case Identity:
		f.Channels = make([]int, min(n, maxDim))
		for c := range f.Channels {
			f.Channels[c] = c
		}
	case RandomChannels:
		if f.Channels == nil {
			f.Channels = choose(min(f.Dim, n), n, f.Seed)
		}
	default:
		return newDense(l, pool, semiOrthogonal(min(f.Dim, n), n, f.Seed), unit), nil
	}
	last := -1
	for i, c := range f.Channels {
		if c <= last || c >= n {
			return nil, fmt.Errorf("channel list, entry %d: %d: want 0 to %d, ascending", i, c, n-1)
		}
		last = c
	}
	if len(f.Channels) == 0 || len(f.Channels) > maxDim {
		return nil, fmt.Errorf("%d channels chosen: want 1 to %d", len(f.Channels), maxDim)
	}
	return newPicks(l, pool, f.Channels, unit), nil
}

// collect computes the moments each mode in question needs: pass 2.
func (f *fitter) collect() (part, texture *moments, err error) {
	var all []*collector
	begin := func(groups int) *moments {
		m := newMoments(f.proj.d, groups)
		all = append(all, &collector{m: m, cells: f.cells, threads: f.Threads})
		return m
	}
	if f.Mode != Texture { // Stock too
		part = begin(f.proj.cells())
	}
	if f.Mode == Texture || f.Mode == Auto {
		texture = begin(1)
	}
	err = f.features(func(i int, x []float32) error {
		if f.taught(i) {
			for _, c := range all {
				c.add(x)
			}
		}
		return nil
	})
	for _, c := range all {
		c.flush()
	}
	return part, texture, err
}

// features calls do with the features of each sample; they are on loan.
func (f *fitter) features(do func(i int, x []float32) error) error {
	b := newProjection(f.proj)
	n := 0
	err := f.samples.Each(func(i int, maps []Map) error {
		if err := f.proj.match(maps); err != nil {
			return fmt.Errorf("good part %d: %w", i, err)
		}
		n++
		b.maps = maps
		for k, s := range f.proj.stages {
			parallel(f.Threads, s.h/s.down, func(lo, hi int) {
				b.sum(k, lo, hi, f.proj.scratch())
			})
		}
		parallel(f.Threads, f.proj.h, func(lo, hi int) {
			b.gather(lo, hi, make([]int32, 3*f.pad()))
		})
		return do(i, b.x)
	})
	if err == nil && n != f.samples.Len() {
		err = fmt.Errorf("%d good parts announced, %d came", f.samples.Len(), n)
	}
	return err
}

// empty returns a model without its means and factors.
func (f *fitter) empty() *Model {
	m := &Model{
		mode:    f.mode,
		proj:    f.proj,
		ignore:  f.Mask,
		cells:   f.cells,
		nearest: !f.NoSearch && f.mode == Part,
		shared:  f.mode == Texture || f.mode == Part && f.shrink == 1,
		single:  f.Precision == Single,
		taps:    gaussian(f.Smooth),
		zoom:    1,
	}
	cells := len(f.cells)
	if f.mode == Stock {
		m.zoom = f.proj.cell
		cells *= m.zoom * m.zoom
	}
	m.top = max(1, int(math.Ceil(f.Top*float64(cells))))
	m.allocate()
	return m
}
