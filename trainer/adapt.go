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
	"cull/internal/imagefile"
	"cull/trainer/internal/adapt"
	"cull/trainer/internal/discriminant"
	inputs "cull/trainer/internal/pictures"
	"cull/weights"
)

const adaptUsage = `usage: cull-trainer adapt GOOD_FOLDER [flags] -o F.net

Fits a network to one product: draws synthetic defects on its good parts and puts behind each tap a linear map
onto the directions in which they stand out. Writes the file only where that helps: parts are held out in turn, and
image AUROC of held-out good parts against the same parts with a synthetic defect must rise, its 95 % interval above 0.

`

// An adaptJob is a command line of adapt.
type adaptJob struct {
	net, out string
	o        adapt.Options
}

// runAdapt fits a network to a product.
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
	f.IntVar(&j.o.Defects, "defects", j.o.Defects, "samples with a synthetic defect")
	f.Float64Var(&j.o.Share, "share", j.o.Share, "share of each tap's channels that is kept")
	f.Uint64Var(&j.o.Seed, "seed", j.o.Seed, "of the division of the parts and of the defects, 0 to 65535")
	f.IntVar(&j.o.Threads, "threads", runtime.NumCPU(), "threads; the result does not depend on it")
	dir, err := parse(f, args)
	if err == nil {
		err = j.check(dir)
	}
	if err != nil {
		return misuse(f, err)
	}
	if !writable(j.out, stderr) {
		return exitError
	}
	limit(j.o.Threads)
	m, err := j.run(ctx, dir, stderr)
	switch {
	case errors.Is(err, adapt.ErrNoGain):
		return fail(stderr, err, "go on with the parent; the file was not written")
	case errors.Is(err, adapt.ErrTooFew):
		return fail(stderr, err, "add pictures of good parts to "+dir)
	case errors.Is(err, discriminant.ErrConstant):
		return fail(stderr, err, "the pictures are all alike: take some of different good parts")
	case errors.Is(err, discriminant.ErrNoDefect):
		return fail(stderr, err, "draw more: --defects")
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
	case j.o.Seed > 65535:
		return fmt.Errorf("--seed %d: want 0 to 65535: beyond, the defects of a smaller one would be drawn again", j.o.Seed)
	case j.o.Size < 64 || j.o.Size > 1024 || j.o.Size%16 != 0:
		return fmt.Errorf("--size %d: want a multiple of 16 from 64 to 1024", j.o.Size)
	case j.o.Defects < 1 || j.o.Defects > 1000000:
		return fmt.Errorf("--defects %d: want 1 to 1000000", j.o.Defects)
	case !(j.o.Share > 0 && j.o.Share <= 1):
		return fmt.Errorf("--share %g: want more than 0, at most 1", j.o.Share)
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
	parts, err := j.parts(ctx, dir)
	if err != nil {
		return nil, err
	}
	j.o.SpoolDir = os.TempDir()
	start, next := time.Now(), showEvery
	done, of := 0, adapt.Fits*j.o.Defects
	j.o.Progress = func() {
		done++
		took := time.Since(start)
		if took < next && done < of {
			return
		}
		next = took + showEvery
		left := time.Duration(float64(took) / float64(done) * float64(of-done))
		fmt.Fprintf(stderr, "%d/%d defects, %v left\n", done, of, left.Round(time.Second))
	}
	r, err := adapt.Run(ctx, parent, parts, j.o)
	if r != nil {
		if r.Copies > 0 {
			fmt.Fprintf(stderr, "%d pictures are copies of others and are left out\n", r.Copies)
		}
		fmt.Fprintf(stderr, "%d good parts; %v\n", r.Parts, r.Gain)
	}
	if err != nil {
		return nil, err
	}
	j.describe(r, parent, dir)
	return r.Model, nil
}

// parts reads those good parts of dir that are drawn.
func (j *adaptJob) parts(ctx context.Context, dir string) ([][]uint8, error) {
	files, err := imagefile.List(dir)
	if err != nil {
		return nil, err
	}
	return inputs.Prepare(ctx, replay.New(adapt.Draw(files, j.o.Seed)), j.o.Size)
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
	m.Notes["adapted on"] = fmt.Sprintf("%d good parts of %s, %d defects, share %g, seed %d",
		r.Parts, filepath.Base(dir), j.o.Defects, j.o.Share, j.o.Seed)
	m.Notes["adapted gain"] = r.Gain.String()
}
