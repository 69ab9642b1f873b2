// Package pretrain is a pre-training: it draws samples, moves the weights, keeps
// checkpoints and makes the int8 network at the end. The same recipe gives the same
// bytes whatever the number of threads and however often it was interrupted.
package pretrain

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"cull/synth"
	"cull/trainer/internal/grad"
	"cull/trainer/internal/loss"
	"cull/trainer/internal/pictures"
	"cull/trainer/internal/quantise"
	"cull/trainer/internal/recipe"
	"cull/trainer/internal/trunk"
)

// ErrDiverged reports a loss that is not a number.
var ErrDiverged = errors.New("the loss is not a number: lower optimiser.rate")

type weighted struct {
	loss.Term
	weight float64
}

// A Run is a pre-training and its state.
type Run struct {
	Recipe *recipe.Recipe
	Text   string // of the recipe file

	threads  int
	be       grad.Backend
	train    origin // of what is trained on
	folder   string
	pictures []byte // their identity; nil where they are of no folder
	targets  []loss.Target
	trunk    *trunk.Trunk
	terms    []weighted
	pairs    bool
	params   []grad.Param
	opt      grad.Optimiser
	average  *grad.Average // nil: none
	ranges   quantise.Ranges
	aware    *quantise.Aware   // nil: not begun
	float    *quantise.Network // of the last Finish
	step     int

	validation origin // of what is never trained on
	held       []item // drawn from it when training begins
	record     recorder

	x     *grad.Tensor
	gtaps []*grad.Tensor
}

// New prepares a run from its start. folder is where data.folder is, empty for
// procedural surfaces only.
func New(r *recipe.Recipe, text, folder string, threads int) (*Run, error) {
	source, paths, err := open(r, folder)
	if err != nil {
		return nil, fmt.Errorf("pretrain: data.folder: %w", err)
	}
	id, err := identity(folder, paths)
	if err != nil {
		return nil, fmt.Errorf("pretrain: data.folder: %w", err)
	}
	run, err := NewFrom(r, text, source, threads)
	if err != nil {
		return nil, err
	}
	run.folder, run.pictures = folder, id
	return run, nil
}

// open opens data.folder and lists its files; classes need to know the folder of each picture.
func open(r *recipe.Recipe, folder string) (s synth.Source, paths []string, err error) {
	switch {
	case folder == "":
		return nil, nil, nil
	case r.Loss.Class > 0:
		set, err := pictures.Open(folder)
		if err != nil {
			return nil, nil, err
		}
		root, err := filepath.EvalSymlinks(folder) // which the set's paths begin with
		if err != nil {
			return nil, nil, err
		}
		for i := range set.Len() {
			name, err := filepath.Rel(root, set.Name(i))
			if err != nil {
				return nil, nil, err
			}
			paths = append(paths, filepath.Join(folder, name))
		}
		return set, paths, nil
	}
	f, err := synth.Open(folder)
	if err != nil {
		return nil, nil, err
	}
	for i := range f.Len() {
		paths = append(paths, filepath.Join(folder, filepath.FromSlash(f.Name(i))))
	}
	return f, paths, nil
}

// identity is a digest of pictures in their order, by their names below the folder and their sizes; nil of none.
func identity(folder string, paths []string) ([]byte, error) {
	if len(paths) == 0 {
		return nil, nil
	}
	h := sha256.New()
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		name, err := filepath.Rel(folder, path)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(h, "%q %d\n", filepath.ToSlash(name), info.Size())
	}
	return h.Sum(nil), nil
}

// NewFrom is New with a source of pictures, nil for none, instead of a folder.
func NewFrom(r *recipe.Recipe, text string, source synth.Source, threads int) (*Run, error) {
	run := &Run{Recipe: r, Text: text, threads: max(1, threads), be: grad.NewCPU(threads)}
	run.record.Curve = Curve{Name: r.Name, Of: int64(run.steps()) * int64(r.Training.Batch)}
	if err := run.openData(source); err != nil {
		return nil, err
	}
	rng := rand.New(rand.NewPCG(uint64(r.Seed), 1))
	shape := r.Shape()
	run.trunk = trunk.New(shape, rng)
	run.trunk.Winograd(r.Training.Winograd)
	run.regress(form, r.Loss.Form, shape, rng)
	run.regress(fine, r.Loss.Fine, shape, rng)
	run.regress(line{}, r.Loss.Line, shape, rng)
	if r.Loss.Teacher > 0 {
		if err := run.teach(rng); err != nil {
			return nil, err
		}
	}
	if r.Loss.Direct > 0 {
		run.addTerm(loss.NewDirect(r.Loss.D.Image, shape, rng), r.Loss.Direct)
	}
	if i := r.Loss.I; r.Loss.Indirect > 0 {
		run.addTerm(&loss.Indirect{
			Tau: i.Tau, Rank: i.Rank, Hinge: i.Hinge, Decorrelate: i.Decorrelate,
		}, r.Loss.Indirect)
	}
	if r.Loss.Class > 0 {
		run.addTerm(loss.NewClass(run.train.classes.count(), shape, rng), r.Loss.Class)
	}
	run.openAware()
	run.params = run.trunk.Params()
	for _, t := range run.terms {
		run.params = append(run.params, t.Params()...)
	}
	o := r.Optimiser
	if o.Kind == "sgd" {
		run.opt = grad.NewSGD(run.params, o.Momentum, o.Decay)
	} else {
		run.opt = grad.NewAdamW(run.params, o.Decay)
	}
	if o.Average > 0 {
		run.average = grad.NewAverage(run.trunk.Params(), o.Average)
	}
	return run, nil
}

func (r *Run) addTerm(t loss.Term, weight float64) {
	r.terms = append(r.terms, weighted{t, weight})
	r.pairs = r.pairs || t.Pairs()
}

// Progress is what a run says of itself after a step.
type Progress struct {
	Images, Of int64
	Losses     []Value // unweighted
	Validation *Point  // nil: none after this step
	Aware      bool    // the step was quantisation-aware
	Pictures   int     // shown to the network for each sample: 2 with twins
	Norm       float64 // of the gradient, before clipping
	Rate       float64
	Time       time.Duration // since Train was called
	Done       int64         // samples since then
}

// A Value is one loss.
type Value struct {
	Name  string
	Value float64
}

func (r *Run) steps() int {
	b := int64(r.Recipe.Training.Batch)
	return int((r.Recipe.Training.Images + b - 1) / b)
}

// Images is the number of samples shown so far.
func (r *Run) Images() int64 { return int64(r.step) * int64(r.Recipe.Training.Batch) }

// Train goes on to the end of the recipe or until ctx ends, whose error it then
// returns. after is called after each step; its error ends the run.
func (r *Run) Train(ctx context.Context, after func(Progress) error) error {
	if r.step >= r.steps() {
		return nil
	}
	if err := r.hold(); err != nil {
		return err
	}
	if r.step == 0 {
		if err := r.fitTargets(); err != nil {
			return err
		}
	}
	makers, err := r.makers(r.train, r.Recipe.Data.Size, true)
	if err != nil {
		return err
	}
	n := r.Recipe.Training.Batch
	p, err := newPool(makers, uint64(r.Recipe.Data.First), uint64(r.Recipe.Seed), r.Recipe.Data.Reuse, n, r.step)
	if err != nil {
		return fmt.Errorf("pretrain: %w", err)
	}
	defer p.f.close()
	start, first := time.Now(), r.Images()
	for r.step < r.steps() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if r.aware == nil && r.step == r.awareFrom() {
			if err := r.beginAware(); err != nil {
				return err
			}
		}
		items, err := p.batch(n, r.step)
		if err != nil {
			return fmt.Errorf("pretrain: %w", err)
		}
		g, err := r.learn(items)
		if err != nil {
			return fmt.Errorf("pretrain: step %d: %w", r.step, err)
		}
		g.Images, g.Of = r.Images(), int64(r.steps())*int64(n)
		r.note(&g)
		g.Time, g.Done = time.Since(start), r.Images()-first
		if err := after(g); err != nil {
			return err
		}
	}
	return nil
}

// note records a step on the curve, with a validation where one is due.
func (r *Run) note(g *Progress) {
	g.Pictures = 1
	if r.pairs {
		g.Pictures = 2
	}
	r.record.add(g, r.step, r.steps())
	if !r.due() {
		return
	}
	g.Validation = r.validate()
	r.record.Curve.Validation = append(r.record.Curve.Validation, *g.Validation)
}

// regress adds the regression onto a target, unless its weight is 0.
func (r *Run) regress(t loss.Target, weight float64, shape trunk.Shape, rng *rand.Rand) {
	if weight > 0 {
		r.addTerm(loss.NewRegress(t, len(r.targets), shape, rng), weight)
		r.targets = append(r.targets, t)
	}
}

// fitSamples is how many pictures give the statistics of regression targets.
const fitSamples = 256

func (r *Run) fitTargets() error {
	if len(r.targets) == 0 {
		return nil
	}
	items, err := r.take(r.Recipe.Data.Size, true, seedFit, fitSamples)
	if err != nil {
		return err
	}
	k := 0
	for _, t := range r.terms {
		regress, ok := t.Term.(*loss.Regress)
		if !ok {
			continue
		}
		maps := make([][trunk.Stages][]float32, len(items))
		for i, it := range items {
			maps[i] = it.maps[k]
		}
		regress.Fit(maps)
		k++
	}
	return nil
}

// take renders n items at an offset from the data set's first seed.
func (r *Run) take(size int, everything bool, offset uint64, n int) ([]item, error) {
	return r.takeFrom(r.train, size, everything, offset, n)
}

func (r *Run) takeFrom(o origin, size int, everything bool, offset uint64, n int) ([]item, error) {
	makers, err := r.makers(o, size, everything)
	if err != nil {
		return nil, err
	}
	f := newFeed(makers, uint64(r.Recipe.Data.First)+offset)
	defer f.close()
	items := make([]item, n)
	for i := range items {
		if items[i], err = f.next(); err != nil {
			return nil, fmt.Errorf("pretrain: %w", err)
		}
	}
	return items, nil
}

// load puts a batch's pictures into the input: with pairs the twins first.
func (r *Run) load(items []item, pairs bool) *grad.Tensor {
	n, size := len(items), r.Recipe.Data.Size
	total := n
	if pairs {
		total = 2 * n
	}
	if r.x == nil || r.x.N != total {
		r.x = grad.NewTensor(total, size, size, 3)
	}
	r.be.Each(n, func(i int) {
		if pairs {
			quantise.Load(r.x, i, items[i].twin)
		}
		quantise.Load(r.x, total-n+i, items[i].image)
	})
	return r.x
}

// learn is one step.
func (r *Run) learn(items []item) (Progress, error) {
	taps := r.forward(r.load(items, r.pairs), true)
	if r.gtaps == nil {
		r.gtaps = make([]*grad.Tensor, len(taps))
	}
	for i, t := range taps {
		r.gtaps[i] = grad.Like(r.gtaps[i], t)
		r.gtaps[i].Clear()
	}
	b := r.batch(items)
	p := Progress{Aware: r.aware != nil}
	for _, t := range r.terms {
		v := t.Apply(r.be, b, taps, r.gtaps, t.weight)
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return p, fmt.Errorf("%s: %w", t.Name(), ErrDiverged)
		}
		p.Losses = append(p.Losses, Value{t.Name(), v})
	}
	r.backward(r.gtaps)
	p.Norm = grad.Clip(r.params, r.Recipe.Optimiser.Clip)
	if math.IsNaN(p.Norm) || math.IsInf(p.Norm, 0) {
		return p, fmt.Errorf("gradient: %w", ErrDiverged)
	}
	p.Rate = rate(r.Recipe.Optimiser, r.step, r.steps())
	r.opt.Step(r.params, p.Rate)
	if r.average != nil {
		r.average.Update(r.trunk.Params())
	}
	r.step++
	return p, nil
}

// rate is the learning rate of a step: linear rise, then half a cosine.
func rate(o recipe.Optimiser, step, steps int) float64 {
	half := 0.5 * (1 + math.Cos(math.Pi*float64(step)/float64(steps)))
	k := o.Final + (o.Rate-o.Final)*half
	if step < o.Warmup {
		k *= float64(step+1) / float64(o.Warmup)
	}
	return k
}

func (r *Run) batch(items []item) *loss.Batch {
	b := &loss.Batch{N: len(items), Pairs: r.pairs, Maps: make([][][trunk.Stages][]float32, len(r.targets))}
	for _, it := range items {
		b.Class = append(b.Class, it.class)
		for s := range b.Label {
			b.Label[s] = append(b.Label[s], it.label[s]...)
		}
		for k := range b.Maps {
			b.Maps[k] = append(b.Maps[k], it.maps[k])
		}
	}
	return b
}
