// Peers measures the shipped network against ONNX Runtime and the scorer against
// gonum, alternately in one run: make bench-peers. README.md says what is compared.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"

	"cull/infer"
	"cull/internal/inspect"
	"cull/trainer/internal/onnx"
	"cull/trainer/internal/peers/turns"
	"cull/weights"
)

func main() {
	dir := flag.String("ort", "", "folder of ort.js and node_modules")
	rounds := flag.Int("rounds", 30, "turns of every contestant")
	runs := flag.Int("runs", 10, "runs a turn")
	flag.Parse()
	if err := compare(os.Stdout, *dir, *rounds, *runs); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

// A contestant does n runs.
type contestant struct {
	name    string
	against string // the contestant of ours it is compared with
	result  string // the name of its line, none for a variant that is only shown
	run     func(n int) (turns.Sample, error)
	cpu     bool // the figure that counts is CPU time; else wall
	turns.Sample
}

// pause is between turns: a pool that spins after its work must not do so in another's turn.
const pause = 20 * time.Millisecond

// alternate gives every contestant its turn, rounds times; the first is not counted.
func alternate(all []*contestant, rounds, runs int) error {
	for i := range rounds + 1 {
		for _, c := range all {
			time.Sleep(pause)
			s, err := c.run(runs)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			if i > 0 {
				c.Append(s)
			}
		}
	}
	return nil
}

func compare(w io.Writer, dir string, rounds, runs int) error {
	m, err := infer.Parse(weights.Cull())
	if err != nil {
		return err
	}
	plan := inspect.Geometry(m, 0)
	a := arena{model: m, h: plan.Height, w: plan.Width, dir: dir}
	if a.tmp, err = os.MkdirTemp("", "cull-peers-"); err != nil {
		return err
	}
	defer os.RemoveAll(a.tmp)
	defer a.close()
	if err := a.network(w); err != nil {
		return err
	}
	if err := a.scorer(w); err != nil {
		return err
	}
	if err := alternate(a.all, rounds, runs); err != nil {
		return err
	}
	return report(w, a.all)
}

// report writes the table and the results.
func report(w io.Writer, all []*contestant) error {
	fmt.Fprintf(w, "\n%-30s %9s %9s %9s   %s\n", "median, ms", "CPU", "wall", "best", "theirs / ours: CPU, wall, best")
	var results []string
	for _, c := range all {
		fmt.Fprintf(w, "%-30s %9.3f %9.3f %9.3f", c.name, turns.Median(c.CPU), turns.Median(c.Wall), slices.Min(c.Wall))
		k := slices.IndexFunc(all, func(o *contestant) bool { return o.name == c.against })
		if k < 0 {
			fmt.Fprintln(w)
			continue
		}
		cpu, wall := turns.Median(c.CPU)/turns.Median(all[k].CPU), turns.Median(c.Wall)/turns.Median(all[k].Wall)
		fmt.Fprintf(w, "   %5.2f %5.2f %5.2f\n", cpu, wall, slices.Min(c.Wall)/slices.Min(all[k].Wall))
		if !c.cpu {
			cpu = wall
		}
		if c.result != "" {
			results = append(results, fmt.Sprintf("RESULT %s %.2f x", c.result, cpu))
		}
	}
	fmt.Fprintln(w)
	for _, r := range results {
		fmt.Fprintln(w, r)
	}
	return nil
}

// An arena is where the contestants meet.
type arena struct {
	model    *infer.Model
	h, w     int
	dir, tmp string
	all      []*contestant
	maps     []infer.Map // ours, of the picture
	closers  []func()
}

func (a *arena) add(c contestant) { a.all = append(a.all, &c) }

func (a *arena) close() {
	for _, f := range a.closers {
		f()
	}
}

// network adds our runner and ONNX Runtime on every form of the network.
func (a *arena) network(w io.Writer) error {
	pic := make([]int8, a.h*a.w*3)
	infer.TestPicture(pic, 1)
	for i := range pic {
		pic[i] /= 4 // the contrast of a photograph
	}
	threads := []int{1, 2}
	for _, n := range threads {
		r, err := a.model.NewRunner(a.h, a.w, infer.Options{Threads: n})
		if err != nil {
			return err
		}
		a.closers = append(a.closers, r.Close)
		a.maps = r.Run(pic)
		a.add(contestant{name: oursOn(n), run: turns.Ours(func() { r.Run(pic) })})
	}
	fmt.Fprintf(w, "ours: kernel %s, %s, %d CPUs\n", infer.Kernel(), runtime.Version(), runtime.NumCPU())
	if a.dir == "" {
		return errors.New("no -ort: folder of ort.js and node_modules")
	}
	for _, f := range forms {
		path, input, err := a.export(f, pic)
		if err != nil {
			return err
		}
		for _, n := range threads {
			for _, spin := range []string{"1", "0"}[:n] {
				e, err := turns.Start("node", filepath.Join(a.dir, "ort.js"), path, strconv.Itoa(n), spin, input)
				if err != nil {
					return err
				}
				a.closers = append(a.closers, e.Stop)
				c := contestant{
					name: fmt.Sprintf("ort %s %s %dt", e.Version, f.name, n), against: oursOn(n), run: e.Run, cpu: n == 1,
				}
				if spin == "1" && (n == 1 || f.kind != onnx.Float) {
					c.result = fmt.Sprintf("ort_%s_%dt", f.name, n)
				}
				if spin == "0" {
					c.name += " no spin"
				}
				a.add(c)
				if n == 1 {
					worst, err := difference(e, a.tmp, f, a.maps)
					if err != nil {
						return err
					}
					fmt.Fprintf(w, "outputs of ort %s: at most %s\n", f.name, worst)
				}
			}
		}
	}
	return nil
}

func oursOn(threads int) string { return fmt.Sprintf("cull %dt", threads) }
