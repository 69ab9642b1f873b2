package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"cull/internal/control"
	"cull/synth"
	"cull/trainer/internal/grad"
	"cull/trainer/internal/peers/turns"
	"cull/trainer/internal/pretrain"
)

// peakTurns of the peak loop take about 10 ms.
const peakTurns = 3_000_000

// convolutions measures the network's convolutions on one thread, all three passes in turn with the peak. The
// operations counted are the direct method's, so by Winograd they may exceed the peak.
func (b *bench) convolutions(size int, winograd bool) {
	be := grad.NewCPU(1)
	rng := rand.New(rand.NewPCG(2, 1))
	var peaks []float64
	var flops, ms [3]float64 // of all layers: forward, input gradient, weight gradient
	l := b.newLearner(size, 1, winograd)
	l.gradient()
	for i, layer := range l.trunk.Layers() {
		f, y := &layer.Filter, layer.Y
		x := normal(rng, y.N, y.H*f.Stride, f.In)
		dx, dw := grad.Like(nil, x), make([]float32, len(f.W))
		passes := []func(){
			func() { be.Conv(y, x, f) },
			func() { be.ConvInput(dx, y, f) },
			func() { be.ConvWeight(dw, x, y, f) },
		}
		n := 2 * float64(y.N*y.H*y.W) * float64(len(f.W))
		var times [3][]float64
		for range b.rounds {
			start := turns.CPU()
			if work := be.Peak(peakTurns); work > 0 {
				peaks = append(peaks, work/turns.Milliseconds(turns.CPU()-start)/1e6)
			}
			for k, pass := range passes {
				start := turns.CPU()
				pass()
				times[k] = append(times[k], turns.Milliseconds(turns.CPU()-start))
			}
		}
		fmt.Printf("%-20s %3d to %3d, %dx%d, stride %d, %3d px: GFLOP/s", layer.Name, f.In, f.Out, f.Kernel, f.Kernel, f.Stride, y.H)
		for k := range passes {
			if k == 1 && i == 0 {
				fmt.Printf("     -") // nobody needs the pictures' gradient
				continue
			}
			t := turns.Median(times[k])
			flops[k], ms[k] = flops[k]+n, ms[k]+t
			fmt.Printf(" %5.0f", n/t/1e6)
		}
		fmt.Println()
	}
	if len(peaks) == 0 {
		fmt.Println("no vector kernels here: no peak to compare with")
		return
	}
	peak := turns.Median(peaks)
	fmt.Printf("peak %.0f GFLOP/s; forward %.2f, input gradient %.2f, weight gradient %.2f of it\n", peak,
		flops[0]/ms[0]/1e6/peak, flops[1]/ms[1]/1e6/peak, flops[2]/ms[2]/1e6/peak)
	fmt.Printf("RESULT train_conv_peak%s%s %.2f\n", method(winograd), suffix(size),
		(flops[0]+flops[1]+flops[2])/(ms[0]+ms[1]+ms[2])/1e6/peak)
}

// samplesTimed is how many samples the generator's figures are of.
const samplesTimed = 200

// samples measures the making of samples alone and the whole training, per second of CPU time.
func (b *bench) samples(size int) error {
	o, err := b.recipe.Options(size)
	if err != nil {
		return err
	}
	var source synth.Source
	if b.folder != "" {
		if source, err = synth.Open(b.folder); err != nil {
			return err
		}
	}
	g, err := synth.New(o, source)
	if err != nil {
		return err
	}
	bank := control.NewBank()
	var s synth.Sample
	var render, maps time.Duration
	for i := range samplesTimed {
		start := turns.CPU()
		if err := g.Render(&s, uint64(b.recipe.Data.First)+uint64(i)); err != nil {
			return err
		}
		drawn := turns.CPU()
		bank.MapsAt(s.Image.Pix, size, size, control.Offset, 0.0005)
		render, maps = render+drawn-start, maps+turns.CPU()-drawn
	}
	fmt.Printf("RESULT generate_1t%s %.0f images/s\n", suffix(size), samplesTimed/render.Seconds())
	fmt.Printf("RESULT generate_bank_1t%s %.0f images/s\n", suffix(size), samplesTimed/(render+maps).Seconds())
	for _, winograd := range []bool{false, true} {
		if err := b.pipeline(size, winograd); err != nil {
			return err
		}
	}
	return nil
}

// pipelineSteps is how many steps of the recipe are timed.
const pipelineSteps = 40

var errEnough = errors.New("enough")

// pipeline measures training as the recipe has it, samples made and losses taken included, at one size.
func (b *bench) pipeline(size int, winograd bool) error {
	r := *b.recipe
	r.Data.Size, r.Training.Images, r.Training.Winograd = size, 1<<40, winograd
	run, err := pretrain.New(&r, b.text, b.folder, 1)
	if err != nil {
		return err
	}
	var start time.Duration
	var first, done int64
	err = run.Train(context.Background(), func(p pretrain.Progress) error {
		if start == 0 {
			start, first = turns.CPU(), p.Images
		}
		done = p.Images - first
		if done == int64(pipelineSteps*r.Training.Batch) {
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		return err
	}
	rate := float64(done) / (turns.CPU() - start).Seconds()
	fmt.Printf("RESULT pipeline_1t%s%s %.1f samples per CPU second; a million: %.2f CPU hours\n",
		method(winograd), suffix(size), rate, 1e6/rate/3600)
	return nil
}
