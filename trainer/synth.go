package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"cull/internal/container"
	"cull/synth"
)

const synthUsage = `usage: cull-trainer synth [options] -o DIR
       cull-trainer synth [options] --sheet PNG
       cull-trainer synth [options] --sweep PARAMETER -o DIR

Writes the samples of a range of seeds: DIR/image, DIR/clean, DIR/twin (RGB), DIR/mask (8 bits),
DIR/score, DIR/visible, DIR/relative (16 bits, 65535 is a score of 1), DIR/samples.jsonl (one line
of drawn values a sample) and DIR/dataset.json (the parameters).

  -o DIR             output; must not exist, or be empty
  --seed N           first seed (1)
  --count N          number of samples (18)
  --size N           side of a picture in pixels, 16 to 2048 (128)
  --normals WHERE    a folder of PNG and JPEG pictures of normal surfaces, or "procedural" (procedural)
  --sheet PNG        a contact sheet: every image above its score map
  --sweep PARAMETER  a sheet with one row for each value of a parameter, or "all" of them,
                     to DIR/sweep-PARAMETER.png

Parameters take one value or a range LOW:HIGH to draw from; choices one name, or a mix a:0.7,b:0.3.

`

// A synthJob is a parsed command line.
type synthJob struct {
	out, normals, sheet, sweep string
	seed                       uint64
	count, size                int
	opts                       synth.Options
	given                      map[string]bool // parameters on the command line
	source                     synth.Source
	stderr                     io.Writer
}

// runSynth is the synth command.
func runSynth(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	j := &synthJob{stderr: stderr}
	switch err := j.parse(args); {
	case errors.Is(err, flag.ErrHelp):
		printSynthUsage(stdout)
		return exitOK
	case err != nil:
		fail(stderr, err, "cull-trainer synth -h")
		return exitUsage
	}
	said, err := j.run(ctx)
	if err != nil {
		return fail(stderr, err, "")
	}
	fmt.Fprintln(stdout, said)
	return exitOK
}

// parse reads the command line into j.
func (j *synthJob) parse(args []string) error {
	fs := flag.NewFlagSet("synth", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	fs.StringVar(&j.out, "o", "", "")
	fs.Uint64Var(&j.seed, "seed", 1, "")
	fs.IntVar(&j.count, "count", 18, "")
	fs.IntVar(&j.size, "size", 128, "")
	fs.StringVar(&j.normals, "normals", "procedural", "")
	fs.StringVar(&j.sheet, "sheet", "", "")
	fs.StringVar(&j.sweep, "sweep", "", "")
	type setting struct{ name, value string }
	var settings []setting
	for _, p := range synth.Parameters() {
		fs.Func(p.Name, "", func(v string) error {
			settings = append(settings, setting{p.Name, v})
			return nil
		})
	}
	if err := fs.Parse(args); err != nil {
		if name, ok := strings.CutPrefix(err.Error(), "flag provided but not defined: -"); ok {
			return fmt.Errorf("no option --%s", name)
		}
		return err
	}
	j.opts = synth.Defaults(j.size, j.size)
	j.given = map[string]bool{}
	for _, s := range settings {
		j.given[s.name] = true
		if err := j.opts.Set(s.name, s.value); err != nil {
			return err
		}
	}
	return j.check(fs)
}

func (j *synthJob) check(fs *flag.FlagSet) error {
	counted := false
	fs.Visit(func(f *flag.Flag) { counted = counted || f.Name == "count" })
	switch {
	case fs.NArg() > 0:
		return fmt.Errorf("unexpected argument %q", fs.Arg(0))
	case j.out == "" && j.sheet == "":
		return errors.New("no output: -o DIR or --sheet PNG is missing")
	case j.out == "" && j.sweep != "":
		return errors.New("--sweep writes to a directory: -o DIR is missing")
	case counted && j.sweep != "" && j.sheet == "":
		return errors.New("--count is of samples: --sweep has as many as it needs")
	case j.count < 1 || int64(j.count) > 1<<40:
		return fmt.Errorf("--count %d is not in 1..2^40", j.count)
	case j.seed+uint64(j.count-1) < j.seed:
		return fmt.Errorf("--seed %d and --count %d: the range passes 2^64", j.seed, j.count)
	case j.sheet != "" && j.count > 1024:
		return fmt.Errorf("--count %d: a sheet holds at most 1024 samples", j.count)
	case j.sheet != "" && j.count*j.size*j.size > sheetPixels:
		return fmt.Errorf("--count %d: a sheet holds at most %d samples of %d px", j.count, sheetPixels/(j.size*j.size), j.size)
	}
	if j.sweep != "" && j.sweep != "all" {
		if _, ok := findParameter(j.sweep); !ok {
			return hinted{
				fmt.Errorf("--sweep %s: no such parameter", j.sweep),
				"parameters are " + strings.Join(parameterNames(), ", "),
			}
		}
	}
	return j.opts.Validate()
}

func findParameter(name string) (synth.Parameter, bool) {
	for _, p := range synth.Parameters() {
		if p.Name == name {
			return p, true
		}
	}
	return synth.Parameter{}, false
}

func parameterNames() (names []string) {
	for _, p := range synth.Parameters() {
		names = append(names, p.Name)
	}
	return names
}

func printSynthUsage(w io.Writer) {
	fmt.Fprint(w, synthUsage)
	d := synth.Defaults(128, 128)
	for _, p := range synth.Parameters() {
		doc := p.Doc
		if p.Unit != "" {
			doc += ", " + p.Unit
		}
		if p.Values != nil {
			doc += ": " + strings.Join(p.Values, ", ")
		}
		value := p.Value(&d)
		if p.Values != nil {
			value = "" // its values are in the text
		}
		fmt.Fprintf(w, "  --%-17s %-12s %s\n", p.Name, value, doc)
	}
}

// run does the work; what it says goes to standard output.
func (j *synthJob) run(ctx context.Context) (string, error) {
	if j.normals != "procedural" {
		f, err := synth.Open(j.normals)
		if err != nil {
			return "", hinted{err, "--normals takes a folder of PNG or JPEG pictures, or procedural"}
		}
		j.source = f
	}
	var said []string
	work := func(dir string) error {
		if j.sheet != "" {
			path := j.sheet
			if dir != "" && filepath.Dir(path) == filepath.Clean(j.out) {
				path = filepath.Join(dir, filepath.Base(path)) // into the folder that is being made
			}
			if err := container.CanWrite(path); err != nil {
				return hinted{fmt.Errorf("sheet: %w", err), "name a file in a folder that exists and may be written to"}
			}
			if err := container.Write(path, func(w io.Writer) error { return j.drawSheet(ctx, w) }); err != nil {
				return fmt.Errorf("sheet: %w", err)
			}
			said = append(said, fmt.Sprintf("sheet of %d samples: %s", j.count, j.sheet))
		}
		switch {
		case dir == "":
			return nil
		case j.sweep != "":
			said = append(said, "sweep of "+j.sweep+": "+j.out)
			return j.sweeps(ctx, dir)
		}
		said = append(said, fmt.Sprintf("%d samples, seeds %d to %d: %s",
			j.count, j.seed, j.seed+uint64(j.count)-1, j.out))
		return j.samples(ctx, dir)
	}
	var err error
	if j.out == "" {
		err = work("")
	} else {
		err = writeDir(j.out, work)
	}
	return strings.Join(said, "\n"), err
}

// writeDir fills a directory by way of a temporary one beside it. dir must not exist or be empty, or be a link to an empty one.
func writeDir(dir string, write func(dir string) error) (err error) {
	if _, err := os.Lstat(dir); err == nil {
		if dir, err = filepath.EvalSymlinks(dir); err != nil {
			return err
		}
	}
	switch filepath.Base(filepath.Clean(dir)) {
	case ".", "..", "/": // a folder that cannot be put in place of itself
		return hinted{fmt.Errorf("-o %s: names no new folder", dir), "name one, such as out/set"}
	}
	switch entries, err := os.ReadDir(dir); {
	case err == nil && len(entries) > 0:
		return hinted{fmt.Errorf("%s is not empty", dir), "choose a new folder, or empty this one"}
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return err
	}
	parent := filepath.Dir(filepath.Clean(dir))
	tmp, err := os.MkdirTemp(parent, "."+filepath.Base(dir)+".*")
	if err != nil {
		return hinted{err, "the parent of the output folder must exist and be writable"}
	}
	defer func() {
		if err != nil {
			os.RemoveAll(tmp)
		}
	}()
	// An empty folder gives way at the end. One that cannot, as where a disk is mounted, is told before the work.
	if err = os.Remove(dir); err == nil {
		err = os.Mkdir(dir, 0o755)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return hinted{err, "where a disk is mounted, name a new folder on it, such as " + filepath.Join(dir, "set")}
	}
	if err = write(tmp); err != nil {
		return err
	}
	if err = os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	if err = os.Remove(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.Rename(tmp, dir)
}

// generators makes one generator for each core.
func (j *synthJob) generators(n int) ([]*synth.Generator, error) {
	gens := make([]*synth.Generator, n)
	for i := range gens {
		var err error
		if gens[i], err = synth.New(j.opts, j.source); err != nil {
			return nil, err
		}
	}
	return gens, nil
}

// Folders of the pictures of a sample.
var sampleFolders = []string{"image", "clean", "twin", "mask", "score", "visible", "relative"}

// A sampleLine is one line of samples.jsonl.
type sampleLine struct {
	Seed   uint64        `json:"seed"`
	Name   string        `json:"name"`
	Params *synth.Params `json:"params"`
}

// samples writes the range, a batch at a time so that the lines keep the order of the seeds.
func (j *synthJob) samples(ctx context.Context, dir string) error {
	for _, f := range sampleFolders {
		if err := os.Mkdir(filepath.Join(dir, f), 0o755); err != nil {
			return err
		}
	}
	if err := j.writeDataset(filepath.Join(dir, "dataset.json")); err != nil {
		return err
	}
	gens, err := j.generators(runtime.GOMAXPROCS(0))
	if err != nil {
		return err
	}
	batch := make([]*synth.Sample, min(j.count, max(len(gens), min(16*len(gens), batchPixels/(j.size*j.size)))))
	for i := range batch {
		batch[i] = new(synth.Sample)
	}
	meter := newMeter(j.stderr, j.count)
	return container.Write(filepath.Join(dir, "samples.jsonl"), func(w io.Writer) error {
		lines := json.NewEncoder(w)
		for done := 0; done < j.count; {
			if ctx.Err() != nil {
				return fmt.Errorf("interrupted after %d of %d samples; nothing is kept", done, j.count)
			}
			part := batch[:min(len(batch), j.count-done)]
			if err := synth.RenderRange(gens, part, j.seed+uint64(done)); err != nil {
				return err
			}
			if err := writeBatch(dir, part, len(gens)); err != nil {
				return err
			}
			for _, s := range part {
				if err := lines.Encode(sampleLine{s.Seed, sampleName(s.Seed), &s.Params}); err != nil {
					return err
				}
			}
			done += len(part)
			meter.at(done)
		}
		return nil
	})
}

// batchPixels bounds the samples that are held at once, 25 bytes a pixel each; each core has at least one.
const batchPixels = 1 << 24

func sampleName(seed uint64) string { return fmt.Sprintf("%08d", seed) }

// writeDataset records what the range is made of.
func (j *synthJob) writeDataset(path string) error {
	params := map[string]string{}
	for _, p := range synth.Parameters() {
		params[p.Name] = p.Value(&j.opts)
	}
	d := struct {
		Seed       uint64            `json:"seed"`
		Count      int               `json:"count"`
		Size       int               `json:"size"`
		Normals    string            `json:"normals"`
		Pictures   int               `json:"normal_pictures"`
		Parameters map[string]string `json:"parameters"`
	}{j.seed, j.count, j.size, j.normals, 0, params}
	if j.source != nil {
		d.Pictures = j.source.Len()
	}
	b, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}

// writeBatch encodes the pictures of some samples in parallel.
func writeBatch(dir string, batch []*synth.Sample, workers int) error {
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for k := range workers {
		wg.Go(func() {
			for i := k; i < len(batch) && errs[k] == nil; i += workers {
				errs[k] = writeSample(dir, batch[i])
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func writeSample(dir string, s *synth.Sample) error {
	w, h := s.Image.W, s.Image.H
	enc := png.Encoder{CompressionLevel: png.BestSpeed}
	for i, img := range []image.Image{
		rgbaOf(s.Image), rgbaOf(s.Clean), rgbaOf(s.Twin), grey8(s.Mask, w, h),
		grey16(s.Score, w, h), grey16(s.Visible, w, h), grey16(s.Relative, w, h),
	} {
		path := filepath.Join(dir, sampleFolders[i], sampleName(s.Seed)+".png")
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		if err := errors.Join(enc.Encode(f, img), f.Close()); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

func rgbaOf(p synth.Picture) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, p.W, p.H))
	for i := range p.W * p.H {
		copy(img.Pix[4*i:4*i+3], p.Pix[3*i:3*i+3])
		img.Pix[4*i+3] = 255
	}
	return img
}

func grey8(m []float32, w, h int) *image.Gray {
	img := image.NewGray(image.Rect(0, 0, w, h))
	for i, v := range m {
		img.Pix[i] = uint8(float32(v*255) + 0.5)
	}
	return img
}

func grey16(m []float32, w, h int) *image.Gray16 {
	img := image.NewGray16(image.Rect(0, 0, w, h))
	for i, v := range m {
		u := uint16(float32(v*65535) + 0.5)
		img.Pix[2*i], img.Pix[2*i+1] = uint8(u>>8), uint8(u)
	}
	return img
}

// A meter prints progress at most every two seconds.
type meter struct {
	w           io.Writer
	total       int
	start, last time.Time
}

func newMeter(w io.Writer, total int) *meter {
	now := time.Now()
	return &meter{w, total, now, now}
}

func (m *meter) at(done int) {
	now := time.Now()
	if now.Sub(m.last) < 2*time.Second {
		return
	}
	m.last = now
	rate := float64(done) / now.Sub(m.start).Seconds()
	left := time.Duration(float64(m.total-done) / rate * float64(time.Second)).Round(time.Second)
	fmt.Fprintf(m.w, "%d of %d samples, %.0f/s, %v left\n", done, m.total, rate, left)
}
