package commands

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"cull/internal/container"
	"cull/internal/dataset"
	"cull/internal/evaluate"
	"cull/internal/inspect"
	"cull/padim"
)

const evalSynopsis = "[OPTION]... DATASET"

func evalCommand() Command {
	return Command{
		Name: "eval", Synopsis: evalSynopsis,
		Does: "measures detection on a data set in MVTec AD, MVTec AD 2 or BTAD layout",
		Run:  Eval,
	}
}

// evalFlags are the options of eval.
type evalFlags struct {
	net, features, mode, json, overlay string
	size, train                        int
	seed                               uint64
	targetFRR, light, relit            float64
	noMirrors                          bool
	controls                           bool
}

func (f *evalFlags) register(fs *flag.FlagSet) {
	fs.StringVar(&f.net, "net", "", "network `file` (default: the built-in one)")
	fs.StringVar(&f.features, "features", "net", featureNames()+"; several with commas")
	fs.StringVar(&f.mode, "mode", "auto", "auto, part, texture or stock")
	fs.IntVar(&f.size, "size", 256, "side of the input picture, `pixels`")
	fs.IntVar(&f.train, "train", 0, "train on at most `N` pictures, drawn at random (0: all)")
	fs.Uint64Var(&f.seed, "seed", 1, "of the draw and of the projection")
	fs.Float64Var(&f.light, "light", inspect.Light, "how much the light may change, `stops`; 0 teaches the pictures alone")
	fs.BoolVar(&f.noMirrors, "no-mirrors", false, "teach no mirrored copies, however few the good parts are")
	fs.Float64Var(&f.relit, "relit", 0, "change the light of the test pictures by up to so many `stops`")
	fs.Float64Var(&f.targetFRR, "target-frr", 0.01, "false-reject `rate` that the threshold aims at")
	fs.StringVar(&f.json, "json", "", "write the figures to `file`, - for standard output; an array for several features")
	fs.StringVar(&f.overlay, "overlay", "", "write heat maps below `folder`")
	fs.BoolVar(&f.controls, "controls", false, "net and every control, one table each")
}

// Eval runs `cull eval`.
func Eval(ctx context.Context, env Env, args []string) error {
	var f evalFlags
	fs := flag.NewFlagSet("eval", flag.ContinueOnError)
	f.register(fs)
	rest, err := parse(env, "eval", evalSynopsis, fs, args)
	if err != nil {
		return err
	}
	if len(rest) != 1 {
		return Hint(usagef("eval: want one data set, got %d", len(rest)),
			"cull eval ../shared/data, or a single category in it")
	}
	features, err := f.rows()
	if err != nil {
		return err
	}
	mode, err := parseMode("eval", f.mode)
	if err != nil {
		return err
	}
	if err := checkSize("eval", f.size); err != nil {
		return err
	}
	if err := checkLight("eval", "light", f.light); err != nil {
		return err
	}
	if err := checkLight("eval", "relit", f.relit); err != nil {
		return err
	}
	if err := checkRate("eval", f.targetFRR); err != nil {
		return err
	}
	if f.train < 0 {
		return Hint(usagef("eval: --train %d: must not be negative", f.train), "0 trains on all pictures")
	}
	if f.json != "" && f.json != "-" {
		if err := writable("eval", f.json); err != nil {
			return err
		}
	}
	sets, err := dataset.Open(rest[0])
	if errors.Is(err, dataset.ErrMask) || errors.Is(err, dataset.ErrMasks) {
		return Hint(err, "name masks after their pictures; a kind without a folder of masks has no pixel figures")
	}
	if errors.Is(err, dataset.ErrCase) {
		return Hint(err, "rename one of them, or take it out of the data set")
	}
	if err != nil {
		return Hint(err, "a category has the folders train/good and test/good, test/<defect>…")
	}
	o := evaluate.Options{
		Size: f.size, Train: f.train, Seed: f.seed, SpoolDir: os.TempDir(),
		Fit: padim.Options{Mode: mode, TargetFRR: f.targetFRR}, Light: f.light, Relit: f.relit, NoMirrors: f.noMirrors,
	}
	ofNetwork := func(row evaluate.Features) bool {
		return row == evaluate.Net || row == evaluate.Taps || row == evaluate.Random
	}
	if slices.ContainsFunc(features, ofNetwork) {
		if o.Model, err = openNetwork(f.net); err != nil {
			return err
		}
	}
	if f.overlay != "" {
		if err := overlaysReplaceable(f.overlay, sets, features); err != nil {
			return err
		}
		o.Overlay = overlays(f.overlay)
	}
	return f.run(ctx, env, sets, o, features)
}

// run evaluates every row and writes tables and JSON.
func (f *evalFlags) run(
	ctx context.Context, env Env, sets []dataset.Category, o evaluate.Options, features []evaluate.Features,
) error {
	progress := newProgress(env.Stderr)
	o.Progress = func(category, stage string, done, of int) {
		progress.show("%s: %s %d/%d", category, stage, done, of)
	}
	table := env.Stdout
	if f.json == "-" {
		table = env.Stderr
	}
	var reports []*evaluate.Report
	for _, o.Features = range features {
		report, err := evaluate.Run(ctx, sets, o)
		progress.clear()
		if err != nil {
			return withTeachHint(err)
		}
		reports = append(reports, report)
		if err := writeTable(table, report); err != nil {
			return err
		}
	}
	if f.json == "" {
		return nil
	}
	var answer any = reports[0]
	if len(reports) > 1 {
		answer = reports
	}
	return writeJSON(env, f.json, answer)
}

// rows returns which features to evaluate.
func (f *evalFlags) rows() ([]evaluate.Features, error) {
	if f.controls {
		return evaluate.All, nil
	}
	var rows []evaluate.Features
	for name := range strings.SplitSeq(f.features, ",") {
		row := evaluate.Features(name)
		if !slices.Contains(evaluate.All, row) {
			return nil, Hint(usagef("eval: --features %q is not known", name),
				"one of %s", featureNames())
		}
		if slices.Contains(rows, row) {
			return nil, Hint(usagef("eval: --features names %s twice", name), "name each once")
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// featureNames lists what may be evaluated, for people.
func featureNames() string {
	var names []string
	for _, row := range evaluate.All {
		names = append(names, string(row))
	}
	return strings.Join(names, ", ")
}

func writeTable(w io.Writer, r *evaluate.Report) error {
	p := r.Protocol
	fmt.Fprintf(w, "features %s, mode %s, %d px, seed %d, light taught %g stops, of the test pictures %g, %s, kernel %s\n",
		p.Features, p.Mode, p.Size, p.Seed, p.Light, p.Relit, p.Arithmetic, p.Kernel)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "category\ttrain\tgood\tbad\timage AUROC\t95 %\tpixel\tAUPRO\tF1\tFRR\tescapes\tFRR at 0 esc.\tmode\tms\t")
	for _, c := range r.Categories {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%s\t%s–%s\t%s\t%s\t%s\t%d/%d\t%d/%d\t%s\t%s\t%.1f\t\n",
			c.Name, c.TrainGood, c.TestGood, c.TestBad, figure(c.ImageAUROC),
			figure(c.ImageAUROCLow), figure(c.ImageAUROCHigh), figure(c.PixelAUROC), figure(c.AUPRO30),
			figure(c.F1Max), c.FalseRejects.Count, c.FalseRejects.Of, c.Escapes.Count, c.Escapes.Of,
			figure(c.FRRAtZeroEscapes), c.Mode, float64(c.MSPerImageP50))
	}
	fmt.Fprintf(t, "mean\t\t\t\t%s\t\t%s\t%s\t\t\t\t\t\t\t\n",
		figure(r.Mean.ImageAUROC), figure(r.Mean.PixelAUROC), figure(r.Mean.AUPRO30))
	if err := t.Flush(); err != nil {
		return err
	}
	for _, c := range r.Categories {
		if c.Copies > 0 {
			fmt.Fprintf(w, "%s: %d pictures of good parts are copies of others and were not taught\n", c.Name, c.Copies)
		}
		if c.Unmasked != nil {
			fmt.Fprintf(w, "%s: no pixel figures, for there are no masks of %s\n", c.Name, strings.Join(c.Unmasked, ", "))
		}
	}
	return nil
}

// figure prints three places, and a dash for what does not exist.
func figure(v evaluate.Figure) string {
	if v != v {
		return "–"
	}
	return fmt.Sprintf("%.3f", float64(v))
}

// writeJSON writes v to path, all or nothing, or to standard output for "-".
func writeJSON(env Env, path string, v any) error {
	data, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err
	}
	data = append(data, '\n')
	if path == "-" {
		_, err := env.Stdout.Write(data)
		return err
	}
	return Hint(container.WriteFile(path, data), "choose a folder that exists and may be written to")
}
