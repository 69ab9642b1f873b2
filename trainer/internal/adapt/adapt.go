// Package adapt fine-tunes a network on the good parts of one product: whole pictures as the device sees them,
// defects of package synth drawn on them, L_indirect, and a term that keeps the features of good parts where
// the parent had them. What comes out is given to nobody unless it tells defects on held-out parts apart
// better than the parent does.
package adapt

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"cull/infer"
	"cull/synth"
	"cull/trainer/internal/grad"
	"cull/trainer/internal/loss"
	"cull/trainer/internal/quantise"
	"cull/trainer/internal/trunk"
)

// MinParts is the smallest number of good parts: with fewer the held-out ones prove nothing.
const MinParts = 20

// Errors of Run.
var (
	ErrTooFew   = errors.New("adapt: too few good parts")
	ErrNoGain   = errors.New("adapt: no gain on held-out good parts")
	ErrDiverged = errors.New("adapt: the loss is not a number: lower the learning rate")
)

// Options are the choices of Run.
type Options struct {
	Size    int     // side of the pictures, pixels
	Steps   int     // of Batch samples
	Batch   int     // each a twin and an image with a defect
	Rate    float64 // highest learning rate of AdamW; half a cosine down to 0
	Keep    float64 // weight of the distance from the parent's features on good parts
	Held    float64 // share of the parts that is never trained on
	Seed    uint64
	Threads int

	SpoolDir string // of temporary files
	// Progress, where not nil, is called after every step with the two losses.
	Progress func(step int, indirect, keep float64)
}

// Defaults are the options that `cull-trainer adapt` begins with.
func Defaults() Options {
	return Options{Size: 256, Steps: 200, Batch: 4, Rate: 3e-4, Keep: 1, Held: 0.3, Seed: 1, Threads: 1}
}

// A Result is what Run made, kept or not.
type Result struct {
	Model         *infer.Model
	Trained, Held int // good parts
	Gain          Gain
}

// Run fine-tunes parent on pictures of good parts, RGB, [Size][Size][3] each. With ErrNoGain the Result is there
// all the same: its Gain says what was measured. The same arguments give the same bits.
func Run(ctx context.Context, parent *infer.Model, pictures [][]uint8, o Options) (*Result, error) {
	if len(pictures) < MinParts {
		return nil, fmt.Errorf("%w: %d, want at least %d", ErrTooFew, len(pictures), MinParts)
	}
	train, held := divide(pictures, o)
	s, err := newSession(parent, train, o)
	if err != nil {
		return nil, err
	}
	for step := range o.Steps {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := s.step(step); err != nil {
			return nil, fmt.Errorf("adapt: step %d: %w", step, err)
		}
	}
	r := &Result{Trained: len(train), Held: len(held)}
	if r.Model, err = s.model(parent); err != nil {
		return nil, fmt.Errorf("adapt: %w", err)
	}
	if r.Gain, err = measureGain(ctx, parent, r.Model, train, held, o); err != nil {
		return nil, fmt.Errorf("adapt: %w", err)
	}
	if r.Gain.Low <= 0 {
		return r, ErrNoGain
	}
	return r, nil
}

// divide draws the parts that are held out.
func divide(pictures [][]uint8, o Options) (train, held [][]uint8) {
	n := int(math.Round(o.Held * float64(len(pictures))))
	for i, k := range rand.New(rand.NewPCG(o.Seed, 0x686f6c64)).Perm(len(pictures)) { // "hold"
		if i < n {
			held = append(held, pictures[k])
		} else {
			train = append(train, pictures[k])
		}
	}
	return train, held
}

// A session is a fine-tuning and its state.
type session struct {
	o        Options
	be       grad.Backend
	pictures [][]uint8
	gens     []*synth.Generator
	samples  []synth.Sample
	rng      *rand.Rand

	parent, child *trunk.Trunk
	indirect      loss.Indirect
	inverse       [trunk.Stages][]float32 // of the deviations of the parent's channels
	params        []grad.Param
	opt           *grad.AdamW

	x     *grad.Tensor
	gtaps []*grad.Tensor
}

func newSession(parent *infer.Model, pictures [][]uint8, o Options) (*session, error) {
	s := &session{
		o: o, be: grad.NewCPU(o.Threads), pictures: pictures, samples: make([]synth.Sample, o.Batch),
		rng: rand.New(rand.NewPCG(o.Seed, 0x61646170)), // "adap"
		// No decorrelation: one product's channels are correlated, and keep holds them.
		indirect: loss.Indirect{Tau: 1},
		x:        grad.NewTensor(2*o.Batch, o.Size, o.Size, 3),
	}
	opts, err := options(o.Size, nuisance...)
	if err != nil {
		return nil, err
	}
	for range max(1, min(o.Threads, o.Batch)) {
		g, err := synth.New(opts, nil)
		if err != nil {
			return nil, fmt.Errorf("adapt: %w", err)
		}
		s.gens = append(s.gens, g)
	}
	if s.parent, _, err = quantise.Trunk(parent); err != nil {
		return nil, fmt.Errorf("adapt: %w", err)
	}
	if s.child, _, err = quantise.Trunk(parent); err != nil {
		return nil, fmt.Errorf("adapt: %w", err)
	}
	for _, l := range s.child.Layers() {
		l.Frozen = true
	}
	s.params = s.child.Params()
	s.opt = grad.NewAdamW(s.params, 0)
	return s, nil
}

// nuisance is what varies from part to part under one lamp.
var nuisance = [][2]string{{"gain", "0.97:1.03"}, {"light", "0:0.06"}, {"noise", "0:0.01"}}

// options are those of synth with some set.
func options(size int, set ...[2]string) (synth.Options, error) {
	opts := synth.Defaults(size, size)
	for _, s := range set {
		if err := opts.Set(s[0], s[1]); err != nil {
			return opts, fmt.Errorf("adapt: %w", err)
		}
	}
	return opts, nil
}

// draw renders the samples of a step: parts at random, a defect of its own on each.
func (s *session) draw(step int) error {
	chosen := make([][]uint8, s.o.Batch)
	for i := range chosen {
		chosen[i] = s.pictures[s.rng.IntN(len(s.pictures))]
	}
	errs := make([]error, len(s.gens))
	s.be.Each(len(s.gens), func(k int) {
		for i := k; i < len(chosen) && errs[k] == nil; i += len(s.gens) {
			seed := s.o.Seed<<32 + uint64(step*s.o.Batch+i)
			errs[k] = s.gens[k].RenderOn(&s.samples[i], seed, synth.Picture{W: s.o.Size, H: s.o.Size, Pix: chosen[i]})
		}
	})
	return errors.Join(errs...)
}

// step is one step of the optimiser.
func (s *session) step(step int) error {
	if err := s.draw(step); err != nil {
		return err
	}
	b := &loss.Batch{N: s.o.Batch, Pairs: true}
	for i := range s.samples {
		quantise.Load(s.x, i, s.samples[i].Twin.Pix)
		quantise.Load(s.x, b.N+i, s.samples[i].Image.Pix)
		for k, l := range loss.Labels(s.samples[i].Visible, s.o.Size, s.o.Size) {
			b.Label[k] = append(b.Label[k], l...)
		}
	}
	taps := s.child.Forward(s.be, s.x, true)
	if s.gtaps == nil {
		s.gtaps = make([]*grad.Tensor, len(taps))
	}
	for i, t := range taps {
		s.gtaps[i] = grad.Like(s.gtaps[i], t)
		s.gtaps[i].Clear()
	}
	indirect := s.indirect.Apply(s.be, b, taps, s.gtaps, 1)
	keep := s.keep(taps, b.N)
	if v := indirect + keep; math.IsNaN(v) || math.IsInf(v, 0) {
		return ErrDiverged
	}
	s.child.Backward(s.be, s.gtaps)
	if n := grad.Clip(s.params, 5); math.IsNaN(n) || math.IsInf(n, 0) {
		return ErrDiverged
	}
	s.opt.Step(s.params, s.o.Rate*0.5*(1+math.Cos(math.Pi*float64(step)/float64(s.o.Steps))))
	if s.o.Progress != nil {
		s.o.Progress(step+1, indirect, keep)
	}
	return nil
}

// keep adds the gradient of Keep times the mean square distance of the first n pictures' features from the
// parent's, in the parent's deviations, and returns the distance.
func (s *session) keep(taps []*grad.Tensor, n int) (total float64) {
	for k, want := range s.parent.Forward(s.be, s.x.Images(0, n), false) {
		if s.inverse[k] == nil {
			s.inverse[k] = inverseDeviations(s.be, want)
		}
		inverse, got, g := s.inverse[k], taps[k], s.gtaps[k]
		count := float64(n * want.H * want.W * want.C)
		scale := float32(2 * s.o.Keep / count)
		sums := make([]float64, n)
		s.be.Each(n, func(i int) {
			for y := range want.H {
				v, w, d := got.Row(i, y), want.Row(i, y), g.Row(i, y)
				for j := range v {
					e := (v[j] - w[j]) * inverse[j%want.C]
					sums[i] += float64(e * e)
					d[j] += scale * e * inverse[j%want.C]
				}
			}
		})
		for _, v := range sums {
			total += v / count
		}
	}
	return total
}

// inverseDeviations are of the channels of a tensor.
func inverseDeviations(be grad.Backend, t *grad.Tensor) []float32 {
	sum, square := make([]float64, t.C), make([]float64, t.C)
	be.Moments(sum, square, t)
	inverse, n := make([]float32, t.C), float64(t.N*t.H*t.W)
	for c := range inverse {
		m := sum[c] / n
		inverse[c] = float32(1 / (math.Sqrt(max(0, square[c]/n-m*m)) + 1e-4))
	}
	return inverse
}

// calibrated is how many pictures give the ranges of int8, as many with a defect.
const calibrated = 32

// model makes the child int8.
func (s *session) model(parent *infer.Model) (*infer.Model, error) {
	n := quantise.FromTrunk(s.child)
	ranges, err := quantise.Calibrate(s.be, n, quantise.Rule{Percentile: 99.9}, func(f func(*grad.Tensor)) error {
		for i := 0; i < calibrated; i += s.o.Batch {
			if err := s.draw(s.o.Steps + i); err != nil {
				return err
			}
			for k := range s.samples {
				quantise.Load(s.x, k, s.samples[k].Clean.Pix)
				quantise.Load(s.x, s.o.Batch+k, s.samples[k].Image.Pix)
			}
			f(s.x)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	m, err := quantise.Model(n, ranges)
	if err != nil {
		return nil, err
	}
	m.Meta = parent.Meta
	if err := m.AddAnswers(64, 96, 1, 2); err != nil {
		return nil, err
	}
	return m, nil
}
