package commands

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"image"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"cull/capture"
	"cull/device/internal/sim"
	"cull/infer"
	"cull/infer/prep"
	"cull/internal/fixed"
	"cull/internal/inspect"
	"cull/internal/light"
	"cull/internal/product"
	"cull/internal/version"
	"cull/padim"
	"cull/synth"
)

const benchSynopsis = "[--json] [--threads N] [--net FILE] [--size N] [--jitter [--pulses N]]"

func benchCommand() Command {
	return Command{
		Name: "bench", Synopsis: benchSynopsis,
		Does: "measures the latency of every step on this machine",
		Run:  Bench,
	}
}

// The camera frame that preprocessing is measured on.
const benchWidth, benchHeight = 640, 480

// benchPulses is how many pulses of each kind --jitter measures.
const benchPulses = 2000

// benchParts is how many parts the measured product is taught from.
const benchParts = 12

type benchAnswer struct {
	Version   string `json:"version"`
	Board     string `json:"board"`
	CPU       string `json:"cpu"`
	CPUs      int    `json:"cpus"`
	OS        string `json:"os"`
	NetSHA256 string `json:"net_sha256"`
	Kernel    string `json:"kernel"` // of the network
	Scorer    string `json:"scorer_kernel"`
	Prep      string `json:"preprocessing_kernel"`
	Fixed     string `json:"fixed_kernel"`
	Size      int    `json:"size"`
	MACs      int64  `json:"macs"`
	Mode      string `json:"mode"`

	PeakGOPS float64     `json:"peak_gop_per_s"` // one core, registers only; 0: no assembly
	Layers   []layerCost `json:"layers"`
	Passes   []benchPass `json:"passes"`
	StartMS  float64     `json:"start_ms"` // read, check, self-test and pack network and product
	StartCPU float64     `json:"start_cpu_ms"`
	Resident int64       `json:"resident_bytes"`
}

// A benchPass is all steps on one number of threads.
type benchPass struct {
	Threads   int      `json:"threads"`
	Steps     []timing `json:"steps"`
	GMACs     float64  `json:"gmac_per_s"`        // of the network, at its median
	PerSecond float64  `json:"inspections_per_s"` // of the whole, at its median
	Allocs    float64  `json:"allocs_per_inspection"`
}

// Bench runs `cull bench`.
func Bench(ctx context.Context, env Env, args []string) error {
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	asJSON := fs.Bool("json", false, "write the figures as JSON")
	threads := fs.Int("threads", 0, "of network and scorer, `N` alone (default: one, then all CPUs)")
	net := fs.String("net", "", "network `file` (default: the built-in one)")
	size := fs.Int("size", 0, "side of the input picture, `pixels` (default: the network's)")
	jitter := fs.Bool("jitter", false, "measure instead how late a reject pulse is, idle and beside the network")
	pulses := fs.Int("pulses", 0, fmt.Sprintf("of each kind with --jitter: `N` (default %d)", benchPulses))
	rest, err := parse(env, "bench", benchSynopsis, fs, args)
	switch {
	case err != nil:
		return err
	case len(rest) > 0:
		return Hint(usagef("bench: unexpected argument %q", rest[0]), "cull bench %s", benchSynopsis)
	case *threads < 0 || *threads > 64:
		return Hint(usagef("bench: --threads %d: want 1 to 64", *threads), "leave it out for one, then all CPUs")
	case *pulses < 0 || *pulses > 1e6:
		return Hint(usagef("bench: --pulses %d: want 1 to 1000000", *pulses), "leave it out for %d", benchPulses)
	case *pulses != 0 && !*jitter:
		return Hint(usagef("bench: --pulses is for --jitter"), "cull bench --jitter --pulses %d", *pulses)
	case *jitter && *threads != 0:
		return Hint(usagef("bench: --threads is not for --jitter"), "the network runs on all CPUs beside the pulses")
	}
	if *size != 0 {
		if err := checkSize("bench", *size); err != nil {
			return err
		}
	}
	if *jitter {
		return benchJitter(ctx, env, *net, *size, cmp.Or(*pulses, benchPulses), *asJSON)
	}
	passes := []int{*threads}
	if all := runtime.GOMAXPROCS(0); *threads == 0 {
		passes = []int{1, all}[:min(all, 2)]
	}
	b := benchmark{net: *net, size: *size, effort: benchEffort}
	if err := b.teach(ctx); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	answer, err := b.measure(ctx, passes)
	if err != nil {
		return err
	}
	if *asJSON {
		return writeJSON(env, "-", answer)
	}
	return answer.print(env.Stdout)
}

// A benchmark is what is measured: a network, and a product in a folder of its own.
type benchmark struct {
	net    string
	size   int
	effort effort
	dir    string
}

func (b *benchmark) path() string { return filepath.Join(b.dir, "bench.product") }

// teach makes the product and gives back the memory that took, which a line does not need.
func (b *benchmark) teach(ctx context.Context) error {
	m, err := openNetwork(b.net)
	if err != nil {
		return err
	}
	plan := inspect.Geometry(m, b.size)
	parts, err := goodParts(benchParts, plan)
	if err != nil {
		return err
	}
	p, err := inspect.Teach(ctx, parts, m, inspect.Options{
		Plan: plan, SpoolDir: os.TempDir(), Light: inspect.Light, NoMirrors: true,
		Fit: padim.Options{Mode: padim.Part, Threads: runtime.GOMAXPROCS(0)},
	}, time.Now())
	if err != nil {
		return err
	}
	p.Frame = image.Pt(benchWidth, benchHeight) // of the camera that is measured; the parts were drawn as pictures are
	if b.dir, err = os.MkdirTemp("", "cull-bench-"); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	return errors.Join(p.WriteFile(b.path()), ctx.Err())
}

// goodParts returns the first n good parts of the measured product; the first benchParts are those it is taught.
func goodParts(n int, plan prep.Plan) (capture.Source, error) {
	r, err := sim.NewRenderer(sim.Product{Family: synth.Washer, Size: plan.Width, Seed: 1})
	if err != nil {
		return nil, err
	}
	return r.Goods(n), nil
}

// measure starts as a line does and measures every pass.
func (b *benchmark) measure(ctx context.Context, passes []int) (*benchAnswer, error) {
	debug.FreeOSMemory()
	start, used := time.Now(), clock(unix.CLOCK_PROCESS_CPUTIME_ID)
	m, p, in, err := b.start(passes[len(passes)-1])
	if err != nil {
		return nil, err
	}
	defer p.Close()
	took, used := time.Since(start), clock(unix.CLOCK_PROCESS_CPUTIME_ID)-used
	a := &benchAnswer{
		Version: version.Name(), Board: board(), CPU: processor(), CPUs: runtime.NumCPU(), OS: release(),
		Kernel: infer.Kernel(), Scorer: padim.Kernel(), Prep: prep.Kernel(), Fixed: fixed.Kernel(), Size: p.Plan.Width, Mode: p.Model.Mode().String(),
		StartMS: milliseconds(took), StartCPU: milliseconds(used),
	}
	digest := m.Digest()
	a.NetSHA256 = hex.EncodeToString(digest[:])
	if _, err := in.Inspect(benchFrame()); err != nil {
		return nil, err
	}
	debug.FreeOSMemory()
	a.Resident = resident()
	in.Close()
	if a.MACs, err = m.Graph.MACs(p.Plan.Height, p.Plan.Width); err != nil {
		return nil, err
	}
	if a.PeakGOPS, a.Layers, err = measureLayers(ctx, b.effort, m, p.Plan.Height, p.Plan.Width); err != nil {
		return nil, err
	}
	for _, threads := range passes {
		pass, err := measurePass(ctx, b.effort, m, p, threads)
		if err != nil {
			return nil, err
		}
		pass.GMACs = float64(a.MACs) / 1e6 / pass.Steps[1].P50MS
		a.Passes = append(a.Passes, *pass)
	}
	return a, nil
}

// start does what `cull run` does before the line is ready.
func (b *benchmark) start(threads int) (*infer.Model, *product.Product, *inspect.Inspector, error) {
	m, err := openNetwork(b.net)
	if err != nil {
		return nil, nil, nil, err
	}
	p, err := product.Open(b.path(), m.Digest())
	if err != nil {
		return nil, nil, nil, err
	}
	in, err := inspect.Open(p, m, threads)
	return m, p, in, err
}

// measurePass measures the steps of an inspection, each alone, then all of them together.
func measurePass(ctx context.Context, e effort, m *infer.Model, p *product.Product, threads int) (*benchPass, error) {
	in, err := inspect.Open(p, m, threads)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	net, err := inspect.NewNetwork(m, p.Plan.Height, p.Plan.Width, threads)
	if err != nil {
		return nil, err
	}
	defer net.Close()
	beside, err := fixed.New(p.Plan.Height, p.Plan.Width)
	if err != nil {
		return nil, err
	}
	prepare, err := prep.New(p.Plan)
	if err != nil {
		return nil, err
	}
	scorer, err := p.Model.NewScorer(padim.ScorerOptions{Threads: threads})
	if err != nil {
		return nil, err
	}
	normal := light.NewNormaliser(p.Light, p.Plan.Width, p.Plan.Height, nil, 0)
	pic := make([]int8, p.Plan.Height*p.Plan.Width*3)
	parts, err := goodParts(1, p.Plan)
	if err != nil {
		return nil, err
	}
	part, err := parts.Next(ctx)
	if err != nil {
		return nil, err
	}
	if err := prepare.Apply(pic, part); err != nil {
		return nil, err
	}
	normal.Normalise(pic)
	good := cloneMaps(net.Maps(pic))
	// The frame is no part of the product: every cell searches its neighbourhood, the slowest that there is.
	frame := benchFrame()
	if err := prepare.Apply(pic, frame); err != nil {
		return nil, err
	}
	normal.Normalise(pic)
	maps := net.Maps(pic)
	pass := &benchPass{Threads: threads}
	for _, s := range []struct {
		name string
		run  func() error
	}{
		{"preprocessing", func() error { return prepare.Apply(pic, frame) }},
		{"network", func() error { net.Taps.Maps(pic); return nil }},
		{"light", func() error { normal.Normalise(pic); return nil }},
		{"fixed", func() error { beside.Append(nil, pic); return nil }},
		{"scorer", func() error { scorer.Score(good); return nil }},
		{"search", func() error { scorer.Score(maps); return nil }},
		{"inspection", func() error { _, err := in.Inspect(frame); return err }},
	} {
		t, err := e.measure(ctx, s.name, s.run)
		if err != nil {
			return nil, err
		}
		pass.Steps = append(pass.Steps, *t)
	}
	last := &pass.Steps[len(pass.Steps)-1]
	pass.PerSecond, pass.Allocs = 1000/last.P50MS, last.allocs
	return pass, nil
}

// cloneMaps returns maps with data of their own.
func cloneMaps(maps []padim.Map) []padim.Map {
	own := slices.Clone(maps)
	for i := range own {
		own[i].Data = slices.Clone(own[i].Data)
	}
	return own
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
	fmt.Fprintf(w, "kernels   %s\n", a.kernels())
	fmt.Fprintf(w, "frame     %d x %d YUYV, product in %s mode\n\n", benchWidth, benchHeight, a.Mode)
	a.printLayers(w)
	for _, p := range a.Passes {
		fmt.Fprintf(w, "\n%-22s %10s %10s %10s %6s\n", fmt.Sprintf("%d thread(s)", p.Threads), "p50 ms", "p99 ms", "CPU ms", "runs")
		for _, s := range p.Steps {
			fmt.Fprintf(w, "%-22s %10.3f %10.3f %10.3f %6d\n", s.Step, s.P50MS, s.P99MS, s.CPUMS, s.Runs)
		}
		fmt.Fprintf(w, "%.1f GMAC/s, %.1f inspections/s, %g allocations an inspection\n", p.GMACs, p.PerSecond, p.Allocs)
	}
	fmt.Fprintf(w, "\nready %.0f ms after the start (CPU %.0f ms), %.1f MB resident with the product loaded\n",
		a.StartMS, a.StartCPU, float64(a.Resident)/1e6)
	return a.printResults(w)
}

func (a *benchAnswer) kernels() string {
	return fmt.Sprintf("network %s, scorer %s, preprocessing %s, fixed maps %s", a.Kernel, a.Scorer, a.Prep, a.Fixed)
}

// digits writes v with four significant digits, or all before the point.
func digits(v float64) string {
	if math.Abs(v) >= 1000 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

// printResults writes what replaces a board's budget in doc/performance.md.
func (a *benchAnswer) printResults(w io.Writer) error {
	fmt.Fprintf(w, "\n--- measured; to replace a budget in doc/performance.md, send in all lines from here on\n")
	fmt.Fprintf(w, "board   %s\ncpu     %s, %d CPUs\nsystem  %s\ncull    %s, network %s\nkernels %s\n",
		a.Board, a.CPU, a.CPUs, a.OS, a.Version, a.NetSHA256[:12], a.kernels())
	result := func(name string, v float64, unit string) { fmt.Fprintf(w, "RESULT %s %s %s\n", name, digits(v), unit) }
	if a.PeakGOPS > 0 {
		result("peak_1t", a.PeakGOPS, "GOP/s")
	}
	for _, l := range a.Layers {
		if l.GOPS > 0 {
			result("kernel_"+strings.NewReplacer(" ", "_", ",", "").Replace(l.Kind), l.GOPS, "GOP/s")
		}
	}
	for _, p := range a.Passes {
		for _, s := range p.Steps {
			name := fmt.Sprintf("%s_%dt", s.Step, p.Threads)
			result(name+"_p50", s.P50MS, "ms")
			result(name+"_p99", s.P99MS, "ms")
			result(name+"_cpu", s.CPUMS, "ms")
		}
		result(fmt.Sprintf("allocations_%dt", p.Threads), p.Allocs, "/inspection")
	}
	result("start", a.StartMS, "ms")
	result("start_cpu", a.StartCPU, "ms")
	result("resident", float64(a.Resident)/1e6, "MB")
	_, err := fmt.Fprintln(w, "---")
	return err
}
