package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"cull/infer"
	"cull/internal/container"
	"cull/internal/dataset"
	"cull/padim"
	"cull/trainer/internal/table"
	"cull/weights"
)

const tableUsage = `usage: cull-trainer table [flags] [DATASET]... -o DIR

Measures the detector with features from many sources (rows) on categories in MVTec AD,
MVTec AD 2 or BTAD layout (columns), and writes DIR/table.json and DIR/report.html. Rows that are
trained keep their networks in DIR/nets and go on there after Ctrl-C. A row whose data
are not given says so.

`

// A tableJob is a command line of table.
type tableJob struct {
	out, mvtec, btad, dagm, textures string
	imagenet, rows                   string
	nets                             []string
	o                                table.Options
	data                             []string
}

// runTable measures the table.
func runTable(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f := flag.NewFlagSet("table", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Usage = func() {
		fmt.Fprint(stderr, tableUsage)
		f.PrintDefaults()
	}
	var j tableJob
	j.register(f)
	if err := j.parse(f, args); err != nil {
		return misuse(f, err)
	}
	limit(j.o.Threads)
	rows, err := j.choose()
	if err != nil {
		return fail(stderr, err, "cull-trainer table -h lists the rows")
	}
	sets, err := categories(j.data)
	if err != nil {
		return fail(stderr, err, "a category has the folders train/good and test/good, test/<defect>")
	}
	switch err := j.run(ctx, rows, sets, stdout, stderr); {
	case errors.Is(err, context.Canceled):
		fmt.Fprintf(stderr, "stopped; the same command goes on with the networks in %s\n", j.out)
		return exitError
	case err != nil:
		return fail(stderr, err, saveHint(err))
	}
	return exitOK
}

func (j *tableJob) register(f *flag.FlagSet) {
	f.StringVar(&j.out, "o", "", "`folder` for table.json, report.html and networks")
	f.StringVar(&j.mvtec, "mvtec", "", "`folder` of MVTec AD or MVTec AD 2: its categories become columns")
	f.StringVar(&j.btad, "btad", "", "`folder` of BTAD, for the rows trained on it")
	f.StringVar(&j.dagm, "dagm", "", "`folder` of DAGM 2007 (Class1/Train …), for the row trained on it")
	f.StringVar(&j.textures, "textures", "", "`folder` of free textures, for the rows everything and teacher, and for imagenet from .onnx")
	f.StringVar(&j.imagenet, "imagenet", "", "network `file` for the row imagenet: .net of cull-trainer import, or .onnx with --textures, which is the row teacher's teacher too")
	var names []string
	for _, r := range table.Rows() {
		names = append(names, r.Name)
	}
	f.StringVar(&j.rows, "rows", "", "`rows` to measure, with commas (default: all): "+strings.Join(names, ", "))
	f.Func("net", "`NAME=F.net`, a further row; may be repeated", func(s string) error {
		j.nets = append(j.nets, s)
		return nil
	})
	f.IntVar(&j.o.Seeds, "seeds", 3, "seeds: of draw, projection, random weights and trainings")
	f.IntVar(&j.o.Train, "train", 0, "teach on at most `N` pictures, drawn at random (0: all)")
	f.Int64Var(&j.o.Images, "images", 0, "samples of each training, instead of the recipes', and defects of the row adapt")
	f.IntVar(&j.o.Size, "size", 256, "side of the input picture, `pixels`")
	f.IntVar(&j.o.Threads, "threads", runtime.NumCPU(), "threads; the result does not depend on it")
}

func (j *tableJob) parse(f *flag.FlagSet, args []string) error {
	for {
		if err := parseFlags(f, args); err != nil {
			return err
		}
		if f.NArg() == 0 {
			break
		}
		j.data, args = append(j.data, f.Arg(0)), f.Args()[1:]
	}
	if j.mvtec != "" {
		j.data = append(j.data, j.mvtec)
	}
	switch {
	case len(j.data) == 0:
		return errors.New("table needs a data set")
	case j.out == "":
		return errors.New("table needs -o with a folder")
	case j.o.Seeds < 1 || j.o.Seeds > 1000:
		return fmt.Errorf("--seeds %d: want 1 to 1000", j.o.Seeds)
	case j.o.Train < 0:
		return fmt.Errorf("--train %d: want 0 or more", j.o.Train)
	case j.o.Images < 0:
		return fmt.Errorf("--images %d: want 0 or more", j.o.Images)
	case j.o.Size < 64 || j.o.Size > 1024 || j.o.Size%16 != 0:
		return fmt.Errorf("--size %d: want a multiple of 16 from 64 to 1024", j.o.Size)
	case j.o.Threads < 1 || j.o.Threads > 1024:
		return fmt.Errorf("--threads %d: want 1 to 1024", j.o.Threads)
	}
	return nil
}

// choose returns the rows asked for, given networks last.
func (j *tableJob) choose() ([]table.Row, error) {
	rows := table.Rows()
	if j.rows != "" {
		var chosen []table.Row
		for name := range strings.SplitSeq(j.rows, ",") {
			i := slices.IndexFunc(rows, func(r table.Row) bool { return r.Name == name })
			if i < 0 {
				return nil, fmt.Errorf("--rows: no row %q", name)
			}
			if slices.ContainsFunc(chosen, func(r table.Row) bool { return r.Name == name }) {
				return nil, fmt.Errorf("--rows names %s twice", name)
			}
			chosen = append(chosen, rows[i])
		}
		rows = chosen
	}
	for _, s := range j.nets {
		name, path, ok := strings.Cut(s, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("--net %q: want NAME=F.net", s)
		}
		if slices.ContainsFunc(rows, func(r table.Row) bool { return r.Name == name }) {
			return nil, fmt.Errorf("--net %q: there is a row %q already", s, name)
		}
		m, err := infer.Open(path)
		if err != nil {
			return nil, err
		}
		rows = append(rows, table.Given(name, filepath.Base(path), m))
	}
	return rows, nil
}

// categories opens data sets.
func categories(paths []string) ([]dataset.Category, error) {
	var all []dataset.Category
	for _, path := range paths {
		sets, err := dataset.Open(path)
		if err != nil {
			return nil, err
		}
		all = append(all, sets...)
	}
	for i, c := range all {
		if slices.ContainsFunc(all[:i], func(b dataset.Category) bool { return b.Name == c.Name }) {
			return nil, fmt.Errorf("category %s is given twice", c.Name)
		}
	}
	return all, nil
}

func (j *tableJob) run(
	ctx context.Context, rows []table.Row, sets []dataset.Category, stdout, stderr io.Writer,
) error {
	var err error
	if j.o.Shipped, err = infer.Parse(weights.Cull()); err != nil {
		return err
	}
	if j.o.ImageNet, err = j.openImageNet(stderr); err != nil {
		return err
	}
	if err := os.MkdirAll(j.out, 0o755); err != nil {
		return err
	}
	j.o.Dir = j.out
	j.o.Data = map[string]string{"btad": j.btad, "dagm": j.dagm, "textures": j.textures}
	if filepath.Ext(j.imagenet) == ".onnx" {
		j.o.Data[table.Teacher] = j.imagenet
	}
	j.o.Fit = padim.Options{TargetFRR: 0.01}
	j.o.SpoolDir = os.TempDir()
	m := &maps{size: j.o.Size, count: map[string]int{}}
	j.o.Overlay = m.add
	next := time.Now()
	j.o.Progress = func(row, stage string, done, of int) {
		if now := time.Now(); now.After(next) {
			next = now.Add(showEvery)
			fmt.Fprintf(stderr, "%s: %s %d/%d\n", row, stage, done, of)
		}
	}
	t, failed := table.Run(ctx, rows, sets, j.o, func(t *table.Table) error { return j.save(t, m) })
	if t == nil {
		return failed
	}
	return errors.Join(failed, t.WriteText(stdout))
}

// openImageNet opens the network of the row imagenet, nil for none; an ONNX file is imported
// first, its int8 ranges measured on the free textures.
func (j *tableJob) openImageNet(stderr io.Writer) (*infer.Model, error) {
	switch {
	case j.imagenet == "":
		return nil, nil
	case filepath.Ext(j.imagenet) != ".onnx":
		return infer.Open(j.imagenet)
	case j.textures == "":
		return nil, fmt.Errorf("--imagenet %s: an ONNX file needs --textures for the ranges of int8", j.imagenet)
	}
	i := importJob{
		model: j.imagenet, folder: j.textures, size: 256, pictures: 64, percentile: 99.99, threads: j.o.Threads,
	}
	return i.run(stderr)
}

// save writes what is measured so far.
func (j *tableJob) save(t *table.Table, m *maps) error {
	data, err := json.MarshalIndent(t, "", " ")
	if err != nil {
		return err
	}
	if err := container.WriteFile(filepath.Join(j.out, "table.json"), append(data, '\n')); err != nil {
		return err
	}
	return j.writeReport(t, m)
}
