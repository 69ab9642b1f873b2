package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"cull/infer"
	"cull/internal/container"
	"cull/padim"
	"cull/trainer/internal/pretrain"
	"cull/trainer/internal/rounding"
)

const quantizeUsage = `usage: cull-trainer quantize CKPT [flags] -o F.net

Makes the int8 file of a checkpoint as pretrain does at its end. With --against it then measures on
data sets in MVTec AD or BTAD layout what int8 costs: the same test pictures through the
int8 network and its parent in float, taught on the same good pictures.

`

// A quantizeJob is a command line of quantize.
type quantizeJob struct {
	out, folder, teacher, parent string
	sets                         []string
	o                            rounding.Options
}

// runQuantize makes the .net file of a checkpoint.
func runQuantize(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f := flag.NewFlagSet("quantize", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Usage = func() {
		fmt.Fprint(stderr, quantizeUsage)
		f.PrintDefaults()
	}
	var j quantizeJob
	f.StringVar(&j.out, "o", "", "the `.net` file to write")
	f.StringVar(&j.folder, "folder", "", "`folder` of pictures, for a recipe that has data.folder")
	f.StringVar(&j.teacher, "teacher", "", "the ONNX `file` of a recipe that has a teacher")
	f.Func("against", "data set `folder` to measure int8 against float on; may be repeated", func(s string) error {
		j.sets = append(j.sets, s)
		return nil
	})
	f.StringVar(&j.parent, "parent", "", "another `checkpoint` whose float network is the parent (default: CKPT's own)")
	f.IntVar(&j.o.Seeds, "seeds", 3, "seeds of draw and projection that --against takes the mean over")
	f.IntVar(&j.o.Train, "train", 0, "teach on at most `N` pictures, drawn at random (0: all)")
	f.IntVar(&j.o.Size, "size", 256, "side of the input picture of --against, `pixels`")
	f.IntVar(&j.o.Threads, "threads", runtime.NumCPU(), "threads; the result does not depend on it")
	path, err := parse(f, args)
	if err == nil {
		err = j.check(path)
	}
	if err != nil {
		return misuse(f, err)
	}
	limit(j.o.Threads)
	run, err := j.open(path)
	var misfit misfitError
	switch {
	case errors.As(err, &misfit):
		return misuse(f, err)
	case errors.Is(err, container.ErrKind) || errors.Is(err, container.ErrForeign):
		return fail(stderr, err, "quantize reads a .ckpt file that pretrain left")
	case err != nil:
		return fail(stderr, err, "")
	}
	m, err := run.Finish(stderr)
	if err != nil {
		return fail(stderr, err, "")
	}
	if code := deliver(m, j.out, stderr); code != exitOK || len(j.sets) == 0 {
		return code
	}
	if err := j.compare(ctx, run, m, stdout, stderr); err != nil {
		return fail(stderr, err, "--against takes folders with train/good and test/good, test/<defect>")
	}
	return exitOK
}

func (j *quantizeJob) check(path string) error {
	switch {
	case path == "":
		return errors.New("quantize needs a checkpoint")
	case !strings.HasSuffix(j.out, ".net"):
		return errors.New("quantize needs -o with a .net file")
	case j.o.Threads < 1 || j.o.Threads > 1024:
		return fmt.Errorf("--threads %d: want 1 to 1024", j.o.Threads)
	case j.o.Seeds < 1 || j.o.Seeds > 1000:
		return fmt.Errorf("--seeds %d: want 1 to 1000", j.o.Seeds)
	case j.o.Train < 0:
		return fmt.Errorf("--train %d: want 0 or more", j.o.Train)
	case j.o.Size < 64 || j.o.Size > 1024 || j.o.Size%16 != 0:
		return fmt.Errorf("--size %d: want a multiple of 16 from 64 to 1024", j.o.Size)
	case j.parent != "" && len(j.sets) == 0:
		return errors.New("--parent is for --against")
	}
	return nil
}

// A misfitError is a command line that does not fit the checkpoint.
type misfitError struct{ text string }

func (e misfitError) Error() string { return e.text }

// open restores the run of a checkpoint.
func (j *quantizeJob) open(path string) (*pretrain.Run, error) {
	return openRun(path, j.folder, j.teacher, j.o.Threads)
}

// openRun restores the run of a checkpoint with the folder and the teacher that its recipe asks for.
func openRun(path, folder, teacher string, threads int) (*pretrain.Run, error) {
	c, err := pretrain.OpenCheckpoint(path)
	if err != nil {
		return nil, err
	}
	if (c.Recipe.Data.Folder != "") != (folder != "") {
		return nil, misfitError{fmt.Sprintf("the recipe's data.folder is %q: give --folder for it, and only then",
			c.Recipe.Data.Folder)}
	}
	if (c.Recipe.Teacher.Model != "") != (teacher != "") {
		return nil, misfitError{fmt.Sprintf("the recipe's teacher.model is %q: give --teacher for it, and only then",
			c.Recipe.Teacher.Model)}
	}
	c.Recipe.Teacher.Model = teacher
	run, err := pretrain.New(c.Recipe, c.Text, folder, threads)
	if err != nil {
		return nil, err
	}
	return run, run.Restore(c)
}

// compare measures what int8 costs.
func (j *quantizeJob) compare(ctx context.Context, run *pretrain.Run, m *infer.Model, stdout, stderr io.Writer) error {
	sets, err := categories(j.sets)
	if err != nil {
		return err
	}
	parent := rounding.Parent{Net: run.Float(), Model: m}
	if j.parent != "" {
		other, err := j.open(j.parent)
		if err != nil {
			return err
		}
		if parent.Model, err = other.Finish(io.Discard); err != nil {
			return err
		}
		parent.Net = other.Float()
	}
	j.o.Fit, j.o.SpoolDir = padim.Options{TargetFRR: 0.01}, os.TempDir()
	last := ""
	j.o.Progress = func(category, stage string, _, _ int) {
		if now := category + ", " + stage; now != last {
			last = now
			fmt.Fprintln(stderr, now)
		}
	}
	costs, err := rounding.Compare(ctx, sets, m, parent, j.o)
	if err != nil {
		return err
	}
	return rounding.Print(stdout, costs)
}
