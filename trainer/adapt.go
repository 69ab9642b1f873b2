package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"cull/capture/replay"
	"cull/infer"
	"cull/trainer/internal/adapt"
	"cull/weights"
)

const adaptUsage = `usage: cull-trainer adapt GOOD_FOLDER [flags] -o F.net

Fine-tunes a network on one product's good parts with synthetic defects drawn on them, and measures parent and
result on parts that were held out. Writes the file only where the result tells held-out good parts
from the same parts with a synthetic defect better than its parent: the gain's 95 % interval lies above 0.

`

// An adaptJob is a command line of adapt.
type adaptJob struct {
	net, out string
	o        adapt.Options
}

// runAdapt fine-tunes a network on a product.
func runAdapt(ctx context.Context, args []string, stderr io.Writer) int {
	f := flag.NewFlagSet("adapt", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Usage = func() {
		fmt.Fprint(stderr, adaptUsage)
		f.PrintDefaults()
	}
	j := adaptJob{o: adapt.Defaults()}
	f.StringVar(&j.net, "net", "", "the `.net` file to begin with, of pretrain or adapt (default: the built-in network)")
	f.StringVar(&j.out, "o", "", "the `.net` file to write")
	f.IntVar(&j.o.Size, "size", j.o.Size, "side of the pictures, `pixels`, as the product will be taught")
	f.IntVar(&j.o.Steps, "steps", j.o.Steps, "steps of 4 parts")
	f.Float64Var(&j.o.Rate, "rate", j.o.Rate, "highest learning rate")
	f.Float64Var(&j.o.Keep, "keep", j.o.Keep, "weight of the distance from the parent's features on good parts")
	f.Uint64Var(&j.o.Seed, "seed", j.o.Seed, "of the division of the parts and of the defects")
	f.IntVar(&j.o.Threads, "threads", runtime.NumCPU(), "threads; the result does not depend on it")
	dir, err := parse(f, args)
	if err == nil {
		err = j.check(dir)
	}
	if err != nil {
		return misuse(f, err)
	}
	limit(j.o.Threads)
	m, err := j.run(ctx, dir, stderr)
	switch {
	case errors.Is(err, adapt.ErrNoGain):
		return fail(stderr, err, "go on with the parent; the file was not written")
	case errors.Is(err, adapt.ErrTooFew):
		return fail(stderr, err, "add pictures of good parts to "+dir)
	case errors.Is(err, context.Canceled):
		return fail(stderr, errors.New("interrupted: nothing was written"), "")
	case err != nil:
		return fail(stderr, err, "")
	}
	return deliver(m, j.out, stderr)
}

func (j *adaptJob) check(dir string) error {
	switch {
	case dir == "":
		return errors.New("adapt needs a folder of good parts")
	case !strings.HasSuffix(j.out, ".net"):
		return errors.New("adapt needs -o with a .net file")
	case j.o.Size < 64 || j.o.Size > 1024 || j.o.Size%16 != 0:
		return fmt.Errorf("--size %d: want a multiple of 16 from 64 to 1024", j.o.Size)
	case j.o.Steps < 1 || j.o.Steps > 100000:
		return fmt.Errorf("--steps %d: want 1 to 100000", j.o.Steps)
	case !(j.o.Rate > 0 && j.o.Rate <= 1):
		return fmt.Errorf("--rate %g: want more than 0, at most 1", j.o.Rate)
	case !(j.o.Keep >= 0 && j.o.Keep <= 1000):
		return fmt.Errorf("--keep %g: want 0 to 1000", j.o.Keep)
	case j.o.Threads < 1 || j.o.Threads > 1024:
		return fmt.Errorf("--threads %d: want 1 to 1024", j.o.Threads)
	}
	return nil
}

func (j *adaptJob) run(ctx context.Context, dir string, stderr io.Writer) (*infer.Model, error) {
	parent, err := j.parent()
	if err != nil {
		return nil, err
	}
	src, err := replay.Open(dir)
	if err != nil {
		return nil, err
	}
	pictures, err := adapt.Pictures(ctx, src, j.o.Size)
	if err != nil {
		return nil, err
	}
	j.o.SpoolDir = os.TempDir()
	start, next := time.Now(), showEvery
	j.o.Progress = func(step int, indirect, keep float64) {
		took := time.Since(start)
		if took < next && step < j.o.Steps {
			return
		}
		next = took + showEvery
		left := time.Duration(float64(took) / float64(step) * float64(j.o.Steps-step))
		fmt.Fprintf(stderr, "%d/%d steps, indirect %.4f, keep %.4f, %v left\n", step, j.o.Steps, indirect, keep,
			left.Round(time.Second))
	}
	r, err := adapt.Run(ctx, parent, pictures, j.o)
	if r != nil {
		fmt.Fprintf(stderr, "%d parts trained on, %d held out: %v\n", r.Trained, r.Held, r.Gain)
	}
	if err != nil {
		return nil, err
	}
	j.describe(r, parent, dir)
	return r.Model, nil
}

func (j *adaptJob) parent() (*infer.Model, error) {
	if j.net == "" {
		return infer.Parse(weights.Cull())
	}
	return infer.Open(j.net)
}

// describe records where the weights came from, the parent's own record besides.
func (j *adaptJob) describe(r *adapt.Result, parent *infer.Model, dir string) {
	m := &r.Model.Meta
	m.Name += ", adapted"
	notes := map[string]string{}
	for k, v := range m.Notes {
		notes[k] = v
	}
	m.Notes = notes
	m.Notes["adapted from"] = fmt.Sprintf("sha256 %x", parent.Digest())
	m.Notes["adapted on"] = fmt.Sprintf("%d good parts of %s, %d more held out, %d steps of %d, rate %g, keep %g, seed %d",
		r.Trained, filepath.Base(dir), r.Held, j.o.Steps, j.o.Batch, j.o.Rate, j.o.Keep, j.o.Seed)
	m.Notes["adapted gain"] = r.Gain.String()
}
