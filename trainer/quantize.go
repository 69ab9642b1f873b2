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
	"cull/internal/dataset"
	"cull/padim"
	"cull/trainer/internal/pretrain"
	"cull/trainer/internal/rounding"
)

const quantizeUsage = `usage: cull-trainer quantize CKPT [flags] -o F.net

Makes the int8 file of a checkpoint as pretrain does at its end. With --against it then measures on
data sets in MVTec AD (2) or BTAD layout what int8 costs: the same test pictures through the
int8 network and its parent in float, taught on the same good pictures.

`

// A quantizeJob is a command line of quantize.
type quantizeJob struct {
	out, folder, teacher, parent string
	against                      []string
	o                            rounding.Options

	sets       []dataset.Category
	run, other *pretrain.Run // of the checkpoint and of --parent, the same where none is given
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
		j.against = append(j.against, s)
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
	if !writable(j.out, stderr) {
		return exitError
	}
	limit(j.o.Threads)
	if err := j.openAll(path); err != nil {
		return j.report(f, err)
	}
	m, err := finish(ctx, j.run, stderr)
	switch {
	case errors.Is(err, context.Canceled):
		return fail(stderr, errors.New("stopped; nothing was written"), "")
	case err != nil:
		return fail(stderr, err, "")
	}
	if code := deliver(m, j.out, stderr); code != exitOK || len(j.sets) == 0 {
		return code
	}
	if err := j.compare(ctx, m, stdout, stderr); err != nil {
		return j.report(f, err)
	}
	return exitOK
}

// openAll opens everything that the command line names, before the work begins.
func (j *quantizeJob) openAll(path string) (err error) {
	if j.sets, err = categories(j.against); err != nil {
		return againstError{err}
	}
	if j.run, err = j.open(path); err != nil {
		return err
	}
	if j.other = j.run; j.parent != "" {
		if j.other, err = j.open(j.parent); err != nil {
			return fmt.Errorf("--parent: %w", err)
		}
	}
	return nil
}

// An againstError is of the folders to measure on.
type againstError struct{ error }

func (e againstError) Unwrap() error { return e.error }

// report writes an error of run and what to do about it.
func (j *quantizeJob) report(f *flag.FlagSet, err error) int {
	var misfit misfitError
	var against againstError
	switch {
	case errors.As(err, &misfit):
		return misuse(f, err)
	case errors.Is(err, context.Canceled):
		fmt.Fprintf(f.Output(), "stopped while measuring; %s is written\n", j.out)
		return exitError
	case errors.As(err, &against):
		return fail(f.Output(), err, "--against takes folders with train/good and test/good, test/<defect>")
	case errors.Is(err, container.ErrKind) || errors.Is(err, container.ErrForeign):
		return fail(f.Output(), err, "quantize reads a .ckpt file that pretrain left")
	}
	return fail(f.Output(), err, saveHint(err))
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
	case j.parent != "" && len(j.against) == 0:
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
	err = run.Restore(c)
	if errors.Is(err, pretrain.ErrPictures) {
		err = hinted{err, "--folder takes the pictures that the checkpoint was trained on"}
	}
	return run, err
}

// compare measures what int8 costs the network m against its parent.
func (j *quantizeJob) compare(ctx context.Context, m *infer.Model, stdout, stderr io.Writer) error {
	parent := rounding.Parent{Net: j.run.Float(), Model: m}
	if j.other != j.run {
		var err error
		if parent.Model, err = finish(ctx, j.other, io.Discard); err != nil {
			return err
		}
		parent.Net = j.other.Float()
	}
	j.o.Fit, j.o.SpoolDir = padim.Options{TargetFRR: 0.01}, os.TempDir()
	last := ""
	j.o.Progress = func(category, network, stage string, _, _ int) {
		if now := category + ", " + network + ": " + stage; now != last {
			last = now
			fmt.Fprintln(stderr, now)
		}
	}
	costs, err := rounding.Compare(ctx, j.sets, m, parent, j.o)
	if err != nil {
		return againstError{err}
	}
	return rounding.Print(stdout, costs)
}
