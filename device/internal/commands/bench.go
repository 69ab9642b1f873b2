package commands

import (
	"bytes"
	"context"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"cull/capture"
	"cull/device/internal/sim"
	"cull/infer"
	"cull/infer/prep"
	"cull/internal/inspect"
	"cull/padim"
	"cull/synth"
)

const benchSynopsis = "[--json] [--threads N] [--net FILE] [--size N]"

func benchCommand() Command {
	return Command{
		Name: "bench", Synopsis: benchSynopsis,
		Does: "measures the latency of every step on this machine",
		Run:  Bench,
	}
}

// How long each step is measured: until all three are met.
const (
	benchWarm = 3
	benchRuns = 50
	benchTime = time.Second
	benchMost = 15 * time.Second // but not longer
)

// The camera frame that preprocessing is measured on.
const benchWidth, benchHeight = 640, 480

// benchParts is how many parts the measured product is taught from.
const benchParts = 12

// A timing is the latency of one step.
type timing struct {
	Step  string  `json:"step"`
	Runs  int     `json:"runs"`
	P50MS float64 `json:"p50_ms"`
	P99MS float64 `json:"p99_ms"`
}

type benchAnswer struct {
	Version   string   `json:"version"`
	NetSHA256 string   `json:"net_sha256"`
	Kernel    string   `json:"kernel"`
	Threads   int      `json:"threads"`
	CPUs      int      `json:"cpus"`
	Size      int      `json:"size"`
	MACs      int64    `json:"macs"`
	Mode      string   `json:"mode"`
	Steps     []timing `json:"steps"`
	GMACs     float64  `json:"gmac_per_s"`        // of the network, at its median
	PerSecond float64  `json:"inspections_per_s"` // of the whole, at its median
	Resident  int64    `json:"resident_bytes"`
}

// Bench runs `cull bench`.
func Bench(ctx context.Context, env Env, args []string) error {
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	asJSON := fs.Bool("json", false, "write the figures as JSON")
	threads := fs.Int("threads", runtime.GOMAXPROCS(0), "of network and scorer")
	net := fs.String("net", "", "network `file` (default: the built-in one)")
	size := fs.Int("size", 0, "side of the input picture, `pixels` (default: the network's)")
	rest, err := parse(env, "bench", benchSynopsis, fs, args)
	switch {
	case err != nil:
		return err
	case len(rest) > 0:
		return usagef("bench: unexpected argument %q", rest[0])
	case *threads < 1 || *threads > 64:
		return usagef("bench: --threads %d: want 1 to 64", *threads)
	}
	if *size != 0 {
		if err := checkSize("bench", *size); err != nil {
			return err
		}
	}
	m, err := openNetwork(*net)
	if err != nil {
		return err
	}
	answer, err := measureSteps(ctx, m, *size, *threads)
	if err != nil {
		return err
	}
	if *asJSON {
		return writeJSON(env, "-", answer)
	}
	return answer.print(env.Stdout)
}

// measureSteps measures the steps of an inspection, each alone, then all of them together.
func measureSteps(ctx context.Context, m *infer.Model, size, threads int) (*benchAnswer, error) {
	plan := inspect.Geometry(m, size)
	net, err := inspect.NewNetwork(m, plan.Height, plan.Width, threads)
	if err != nil {
		return nil, err
	}
	defer net.Close()
	parts, err := sim.NewRenderer(sim.Product{Family: synth.Washer, Size: plan.Width, Seed: 1})
	if err != nil {
		return nil, err
	}
	model, report, err := inspect.Learn(ctx, parts.Goods(benchParts), net, inspect.Options{
		Plan: plan, SpoolDir: os.TempDir(), Fit: padim.Options{Mode: padim.Part, Shrinkage: 0.5, Threads: threads},
	})
	if err != nil {
		return nil, err
	}
	debug.FreeOSMemory() // what teaching used, which a line does not
	whole, err := inspect.New(plan, net, model, report.Threshold.Value, threads)
	if err != nil {
		return nil, err
	}
	p, err := prep.New(plan)
	if err != nil {
		return nil, err
	}
	scorer, err := model.NewScorer(padim.ScorerOptions{Threads: threads})
	if err != nil {
		return nil, err
	}
	frame, pic := benchFrame(), make([]int8, plan.Height*plan.Width*3)
	if err := p.Apply(pic, frame); err != nil {
		return nil, err
	}
	maps := net.Maps(pic)
	a := &benchAnswer{
		Version: version, Kernel: infer.Kernel(), Threads: threads, CPUs: runtime.NumCPU(),
		Size: plan.Width, Mode: model.Mode().String(),
	}
	digest := m.Digest()
	a.NetSHA256 = hex.EncodeToString(digest[:])
	if a.MACs, err = m.Graph.MACs(plan.Height, plan.Width); err != nil {
		return nil, err
	}
	for _, s := range []struct {
		name string
		run  func() error
	}{
		{"preprocessing", func() error { return p.Apply(pic, frame) }},
		{"network", func() error { net.Maps(pic); return nil }},
		{"scorer", func() error { scorer.Score(maps); return nil }},
		{"inspection", func() error { _, err := whole.Inspect(frame); return err }},
	} {
		t, err := measureStep(ctx, s.name, s.run)
		if err != nil {
			return nil, err
		}
		a.Steps = append(a.Steps, t)
	}
	a.GMACs = float64(a.MACs) / 1e6 / a.Steps[1].P50MS
	a.PerSecond = 1000 / a.Steps[3].P50MS
	a.Resident = resident()
	return a, nil
}

// benchFrame is a frame of a usual camera: YUYV, a slope of brightness.
func benchFrame() *capture.Frame {
	pix := make([]byte, 2*benchWidth*benchHeight)
	for i := range pix {
		pix[i] = 128
		if i%2 == 0 {
			pix[i] = byte(16 + i/2%benchWidth*200/benchWidth)
		}
	}
	return capture.NewFrame(capture.Frame{
		Pix: pix, Format: capture.YUYV, Width: benchWidth, Height: benchHeight, Stride: 2 * benchWidth,
	}, nil)
}

func measureStep(ctx context.Context, name string, run func() error) (timing, error) {
	var took []time.Duration
	begin := time.Now()
	for i := 0; ; i++ {
		start := time.Now()
		if err := run(); err != nil {
			return timing{}, err
		}
		if err := ctx.Err(); err != nil {
			return timing{}, err
		}
		if i < benchWarm {
			continue
		}
		took = append(took, time.Since(start))
		spent := time.Since(begin)
		if len(took) >= benchRuns && spent >= benchTime || spent >= benchMost {
			break
		}
	}
	slices.Sort(took)
	at := func(q float64) float64 {
		return float64(took[min(len(took)-1, int(q*float64(len(took))))]) / float64(time.Millisecond)
	}
	return timing{name, len(took), at(0.5), at(0.99)}, nil
}

// resident returns the memory of this process that is in RAM, 0 where the kernel does not say.
func resident() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for l := range bytes.Lines(status) {
		if f := bytes.Fields(l); len(f) == 3 && string(f[0]) == "VmRSS:" {
			kib, _ := strconv.ParseInt(string(f[1]), 10, 64)
			return kib << 10
		}
	}
	return 0
}

func (a *benchAnswer) print(w io.Writer) error {
	fmt.Fprintf(w, "network   %s…, %.3f GMAC at %d x %d pixels\n", a.NetSHA256[:12], float64(a.MACs)/1e9, a.Size, a.Size)
	fmt.Fprintf(w, "kernel    %s, %d threads on %d CPUs\n", a.Kernel, a.Threads, a.CPUs)
	fmt.Fprintf(w, "frame     %d x %d YUYV, product in %s mode\n\n", benchWidth, benchHeight, a.Mode)
	fmt.Fprintf(w, "%-14s %10s %10s %6s\n", "step", "p50 ms", "p99 ms", "runs")
	for _, s := range a.Steps {
		fmt.Fprintf(w, "%-14s %10.3f %10.3f %6d\n", s.Step, s.P50MS, s.P99MS, s.Runs)
	}
	_, err := fmt.Fprintf(w, "\n%.1f GMAC/s, %.1f inspections/s, %.1f MB resident\n",
		a.GMACs, a.PerSecond, float64(a.Resident)/1e6)
	return err
}
