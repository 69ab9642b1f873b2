package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"cull/infer"
	"cull/trainer/internal/discriminant"
	"cull/trainer/internal/pretrain"
	"cull/trainer/internal/recipe"
)

// runPretrain trains from a recipe and writes the .net file.
func runPretrain(ctx context.Context, args []string, stderr io.Writer) int {
	f := flag.NewFlagSet("pretrain", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Usage = func() {
		fmt.Fprint(stderr, "usage: cull-trainer pretrain RECIPE.toml [flags] -o F.net\n\n"+
			"Trains a network and writes its int8 file. A checkpoint is kept beside it as F.ckpt;\n"+
			"Ctrl-C saves one too, and --resume F.ckpt goes on to the same bytes.\n\n")
		f.PrintDefaults()
	}
	out := f.String("o", "", "the `.net` file to write")
	images := f.Int64("images", -1, "samples to show, instead of the recipe's training.images")
	resume := f.String("resume", "", "`checkpoint` to go on from")
	threads := f.Int("threads", runtime.NumCPU(), "threads; the result does not depend on it")
	path, err := parse(f, args)
	switch {
	case err != nil:
		return misuse(f, err)
	case path == "":
		return misuse(f, errors.New("pretrain needs a recipe"))
	case !strings.HasSuffix(*out, ".net"):
		return misuse(f, errors.New("pretrain needs -o with a .net file"))
	case *threads < 1 || *threads > 1024:
		return misuse(f, fmt.Errorf("--threads %d: want 1 to 1024", *threads))
	}
	if !writable(*out, stderr) {
		return exitError
	}
	limit(*threads)
	r, text, err := readRecipe(path, *resume == "")
	if err != nil {
		return fail(stderr, err, "recipes/example.toml lists every key with its bounds")
	}
	if *images < -1 || *images > 1e12 {
		return misuse(f, fmt.Errorf("-images %d: want 0 to 10^12", *images))
	}
	if *images >= 0 {
		r.Training.Images = *images
	}
	r.Teacher.Model = folder(path, r.Teacher.Model)
	run, err := pretrain.New(r, text, folder(path, r.Data.Folder), *threads)
	if err != nil {
		return fail(stderr, err, "data.folder is relative to the recipe file; leave it out for procedural surfaces")
	}
	release, err := pretrain.Lock(checkpointOf(*out))
	if errors.Is(err, pretrain.ErrLocked) {
		return fail(stderr, err, "wait for it, or give another -o")
	} else if err != nil {
		return fail(stderr, err, "the folder of -o must be writable")
	}
	defer release()
	if *resume != "" {
		if err := restore(run, *resume); err != nil {
			return fail(stderr, err, restoreHint(err))
		}
	}
	if sameFile(*resume, checkpointOf(*out)) { // goes on in place
		return train(ctx, run, *out, stderr)
	}
	if err := unfinished(*out); err != nil {
		return fail(stderr, err, "go on with --resume, or remove it to start anew")
	}
	return train(ctx, run, *out, stderr)
}

// readRecipe reads a recipe file; that of a new run has to make sense too.
func readRecipe(path string, anew bool) (*recipe.Recipe, string, error) {
	r, text, err := recipe.Read(path)
	if err != nil || !anew {
		return r, text, err
	}
	if err := r.Sense(text); err != nil {
		return nil, "", fmt.Errorf("recipe: %s: %w", path, err)
	}
	return r, text, nil
}

// limit keeps the process to some threads, the collector included. Nearly all memory
// lives as long as the run, so a small margin for garbage is enough.
func limit(threads int) {
	runtime.GOMAXPROCS(threads)
	debug.SetGCPercent(30)
}

// folder resolves a recipe's folder relative to the recipe file.
func folder(recipe, dir string) string {
	if dir == "" || filepath.IsAbs(dir) {
		return dir
	}
	return filepath.Join(filepath.Dir(recipe), dir)
}

func restore(run *pretrain.Run, path string) error {
	c, err := pretrain.OpenCheckpoint(path)
	if err != nil {
		return err
	}
	return run.Restore(c)
}

func restoreHint(err error) string {
	switch {
	case errors.Is(err, pretrain.ErrRecipe):
		return "a checkpoint goes on only with the recipe and --images it was made with"
	case errors.Is(err, pretrain.ErrPictures):
		return "a checkpoint goes on only with the pictures it was made with: bring them back, or start anew without --resume"
	case errors.Is(err, fs.ErrNotExist):
		return "without --resume the run starts anew"
	}
	return "--resume takes an intact .ckpt file that pretrain left"
}

// unfinished reports a checkpoint whose work a new run to out would overwrite: it is not trained to its end, or its
// network is not written.
func unfinished(out string) error {
	path := checkpointOf(out)
	c, err := pretrain.OpenCheckpoint(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err // who knows whose work
	}
	n, of := c.Images()
	switch {
	case n == 0:
		return nil
	case n < of:
		return fmt.Errorf("%s holds an unfinished run, %d of %d samples", path, n, of)
	}
	if m, err := infer.Open(out); err != nil || m.Meta.Recipe != c.Text || m.Meta.Seed != uint64(c.Recipe.Seed) || m.Meta.Images != n {
		return fmt.Errorf("%s holds a run of %d samples whose network %s is not written", path, n, out)
	}
	return nil
}

func checkpointOf(out string) string { return strings.TrimSuffix(out, ".net") + ".ckpt" }

func sameFile(a, b string) bool {
	one, err := os.Stat(a)
	if err != nil {
		return false
	}
	other, err := os.Stat(b)
	return err == nil && os.SameFile(one, other)
}

// save writes the checkpoint, then the curve beside it.
func save(run *pretrain.Run, checkpoint string) error {
	if err := run.Save(checkpoint); err != nil {
		return err
	}
	return run.SaveCurve(strings.TrimSuffix(checkpoint, ".ckpt") + ".curves.json")
}

// train runs to the end or the first signal, keeping checkpoints, and exports.
func train(ctx context.Context, run *pretrain.Run, out string, stderr io.Writer) int {
	checkpoint := checkpointOf(out)
	if err := save(run, checkpoint); err != nil { // now rather than after an hour
		return fail(stderr, err, cmp.Or(remedy(err), "the folder of -o must be writable"))
	}
	every := time.Duration(run.Recipe.Training.Checkpoint * float64(time.Minute))
	saved := time.Now()
	show := newShow(stderr)
	var saving error
	err := run.Train(ctx, func(p pretrain.Progress) error {
		show.step(p)
		if time.Since(saved) < every {
			return nil
		}
		saved = time.Now()
		saving = save(run, checkpoint)
		return saving
	})
	switch {
	case errors.Is(err, context.Canceled):
		if err := save(run, checkpoint); err != nil {
			return fail(stderr, err, saveHint(err))
		}
		fmt.Fprintf(stderr, "stopped after %d samples; go on with --resume %s\n", run.Images(), checkpoint)
		return exitError
	case err != nil && saving == nil && !errors.Is(err, pretrain.ErrDiverged): // a picture, most likely
		if saving = save(run, checkpoint); saving == nil {
			return fail(stderr, err, "mend that, then go on with --resume "+checkpoint)
		}
		return fail(stderr, errors.Join(err, saving), saveHint(saving))
	case err != nil:
		return fail(stderr, err, saveHint(err))
	}
	if err := save(run, checkpoint); err != nil {
		return fail(stderr, err, saveHint(err))
	}
	m, err := finish(ctx, run, stderr)
	switch {
	case errors.Is(err, context.Canceled):
		return fail(stderr, errors.New("stopped before the network was written"), "the training is in "+checkpoint+": go on with --resume")
	case err != nil:
		return fail(stderr, err, "")
	}
	return deliver(m, out, stderr)
}

func saveHint(err error) string {
	if isDiskFull(err) {
		return "the disk is full; the last good checkpoint is intact: make room and --resume it"
	}
	return ""
}

// finish is run.Finish, a minute or more, or the error of ctx. After that the program has to end: Finish goes on, and
// nothing of it is kept.
func finish(ctx context.Context, run *pretrain.Run, report io.Writer) (*infer.Model, error) {
	var m *infer.Model
	var said bytes.Buffer
	done := make(chan error, 1)
	go func() {
		var err error
		m, err = run.Finish(&said)
		done <- err
	}()
	select {
	case err := <-done:
		if errors.Is(err, discriminant.ErrNoDefect) {
			return nil, hinted{err, "the checkpoint has the training: pretrain --resume ends it with more discriminant.samples in the recipe, or without discriminant.channels"}
		}
		if err == nil {
			_, err = said.WriteTo(report)
		}
		return m, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// deliver writes the .net file, reads it back and replays its known answers.
func deliver(m *infer.Model, out string, stderr io.Writer) int {
	if err := m.WriteFile(out); err != nil {
		return fail(stderr, err, saveHint(err))
	}
	back, err := infer.Open(out)
	if err == nil {
		err = back.SelfTest(1)
	}
	if err != nil {
		return fail(stderr, fmt.Errorf("%s: written, but %w", out, err), "the disk or this CPU is faulty")
	}
	fmt.Fprintf(stderr, "%s: %d samples, digest %x\n", out, m.Meta.Images, back.Digest())
	return exitOK
}

// show prints a line of progress now and then.
type show struct {
	w    io.Writer
	next time.Duration
	mean []float64 // of the losses since the last line
	n    int

	aware bool // the line that says so is written
}

const showEvery = 10 * time.Second

// validation prints a line of what was measured on samples that are not trained on.
func (s *show) validation(v *pretrain.Point) {
	fmt.Fprintf(s.w, "validation after %d samples:", v.Images)
	for _, name := range v.Names() {
		fmt.Fprintf(s.w, " %s %.4f", name, v.Losses[name])
	}
	if v.CellAUROC != nil {
		fmt.Fprintf(s.w, ", cell AUROC %.3f", *v.CellAUROC)
	}
	fmt.Fprintln(s.w)
}

func newShow(w io.Writer) *show { return &show{w: w} }

func (s *show) step(p pretrain.Progress) {
	if s.mean == nil {
		s.mean = make([]float64, len(p.Losses))
	}
	for i, l := range p.Losses {
		s.mean[i] += l.Value
	}
	s.n++
	if p.Aware && !s.aware {
		s.aware = true
		fmt.Fprintln(s.w, "from here on in the device's arithmetic (quantise.aware)")
	}
	if v := p.Validation; v != nil {
		s.validation(v)
	}
	if p.Time < s.next && p.Images < p.Of {
		return
	}
	s.next = p.Time + showEvery
	speed := float64(p.Done) / p.Time.Seconds()
	left := time.Duration(float64(p.Of-p.Images) / speed * float64(time.Second))
	fmt.Fprintf(s.w, "%d/%d samples, %.0f samples/s (%.0f images/s)",
		p.Images, p.Of, speed, speed*float64(p.Pictures))
	for i, l := range p.Losses {
		fmt.Fprintf(s.w, ", %s %.4f", l.Name, s.mean[i]/float64(s.n))
		s.mean[i] = 0
	}
	s.n = 0
	fmt.Fprintf(s.w, ", rate %.2g, %v left\n", p.Rate, left.Round(time.Second))
}
