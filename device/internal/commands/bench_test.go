package commands

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"cull/infer"
	"cull/weights"
)

// Every convolution of the network is in the table, at no more than the speed
// of light, and the layers' shares make a whole.
func TestLayersAreAllMeasured(t *testing.T) {
	m, err := infer.Parse(weights.Cull())
	if err != nil {
		t.Fatal(err)
	}
	want, _ := m.Graph.MACs(64, 64)
	macs, _ := m.Graph.NodeMACs(64, 64)
	kinds, costs := layerKinds(&m.Graph, macs)
	samples := make([][]time.Duration, len(costs))
	for k := range samples {
		samples[k] = []time.Duration{3 * time.Millisecond, time.Millisecond, 2 * time.Millisecond}
	}
	finishLayers(costs, samples, 1000)
	sum, part, layers := int64(0), 0.0, 0
	for _, c := range costs {
		sum, part, layers = sum+c.MACs, part+c.Part, layers+c.Count
		if c.MS != 2 || c.GOPS != gops(c.MACs, 2) || c.Peak != c.GOPS/1000 {
			t.Errorf("%+v", c)
		}
	}
	if sum != want || part < 0.999 || part > 1.001 || layers != len(kinds) || len(kinds) != len(m.Graph.Nodes) {
		t.Errorf("%d of %d MAC, shares %g, %d layers of %d nodes", sum, want, part, layers, len(kinds))
	}
}

// What an owner sends in names the board and has one number a line.
func TestBenchAnswerCanBeSentIn(t *testing.T) {
	a := benchAnswer{
		Board: "Raspberry Pi 9", CPU: "Cortex-A99", CPUs: 4, OS: "Linux", NetSHA256: strings.Repeat("0", 64),
		Kernel: "neondot", Scorer: "neon", Prep: "neon", Fixed: "neon", PeakGOPS: 60, StartMS: 700, Resident: 30e6,
		Layers: []layerCost{{Kind: "conv 3x3", MACs: 100, GOPS: 50}, {Kind: "add"}},
		Passes: []benchPass{{Threads: 1, Steps: []timing{{Step: "network", P50MS: 2}}}},
	}
	var out bytes.Buffer
	if err := a.print(&out); err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(out.String(), "\n---")
	for _, want := range []string{
		"Raspberry Pi 9", "Cortex-A99, 4 CPUs", "kernels network neondot, scorer neon, preprocessing neon, fixed maps neon", "RESULT peak_1t 60 GOP/s",
		"RESULT kernel_conv_3x3 50 GOP/s", "RESULT network_1t_p50 2 ms", "RESULT resident 30 MB",
	} {
		if !strings.Contains(block, want) {
			t.Errorf("no %q in\n%s", want, block)
		}
	}
	for l := range strings.Lines(block) {
		if strings.HasPrefix(l, "RESULT") && len(strings.Fields(l)) != 4 {
			t.Errorf("line %q", l)
		}
	}
}

func TestMeasuringEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	runs := 0
	var sink []byte
	_, err := benchEffort.measure(ctx, "x", func() error {
		if runs++; runs == benchWarm+5 {
			cancel()
		}
		sink = make([]byte, 100)
		return nil
	})
	if err != context.Canceled || sink == nil || runs != benchWarm+5 {
		t.Errorf("%d runs, %v", runs, err)
	}
}

// The whole of cull bench but for its patience.
func TestBench(t *testing.T) {
	b := benchmark{size: 64, effort: effort{runs: 2, most: time.Minute}}
	if err := b.teach(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(b.dir)
	a, err := b.measure(t.Context(), []int{1, 2})
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Passes) != 2 || len(a.Layers) == 0 || a.StartMS <= 0 {
		t.Fatalf("%+v", a)
	}
	for i, p := range a.Passes {
		if p.Threads != i+1 || len(p.Steps) != 7 || p.PerSecond <= 0 {
			t.Errorf("%+v", p)
		}
		for _, s := range p.Steps {
			if s.Runs != 2 || s.P50MS <= 0 || s.P99MS < s.P50MS {
				t.Errorf("%+v", s)
			}
		}
	}
}

// The lateness of a machine is sent in as one number a line, and says whether the thread was a real-time one.
func TestJitterAnswerCanBeSentIn(t *testing.T) {
	a := jitterAnswer{
		Board: "Raspberry Pi 9", CPUs: 4, NetSHA256: strings.Repeat("0", 64), FIFO: "operation not permitted",
		Figures: []jitterFigures{{Load: "loaded", Way: "pulse", N: 3, P50: 38.25, P999: 957, Worst: 12223.4}},
	}
	var out bytes.Buffer
	if err := a.print(&out); err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(out.String(), "\n---")
	for _, want := range []string{
		"Raspberry Pi 9", "fifo    operation not permitted", "RESULT jitter_loaded_pulse_p50 38.25 us", "RESULT jitter_loaded_pulse_p99.9 957 us",
		"RESULT jitter_loaded_pulse_max 12223 us",
	} {
		if !strings.Contains(block, want) {
			t.Errorf("no %q in\n%s", want, block)
		}
	}
}

func TestBenchMistakes(t *testing.T) {
	for _, args := range [][]string{{"now"}, {"--pulses", "3"}, {"--jitter", "--pulses", "-1"}, {"--jitter", "--threads", "2"}, {"--threads", "65"}, {"--size", "65"}} {
		err := Bench(t.Context(), Env{}, args)
		if !errors.Is(err, ErrUsage) || HintOf(err) == "" {
			t.Errorf("%q: %v (hint %q)", args, err, HintOf(err))
		}
	}
}

func TestJitterFigures(t *testing.T) {
	var f jitterFigures
	late := make([]time.Duration, 1000)
	for i := range late {
		late[i] = time.Duration(1000-i) * time.Microsecond
	}
	if f.from(late); f.N != 1000 || f.P50 != 501 || f.P99 != 991 || f.P999 != 1000 || f.Worst != 1000 {
		t.Errorf("%+v", f)
	}
}

// The whole of cull bench --jitter, with a real pulse process.
func TestBenchJitter(t *testing.T) {
	var out bytes.Buffer
	if err := Bench(t.Context(), Env{Stdout: &out}, []string{"--jitter", "--pulses", "5", "--size", "64", "--json"}); err != nil {
		t.Fatal(err)
	}
	var a jitterAnswer
	if err := json.Unmarshal(out.Bytes(), &a); err != nil || len(a.Figures) != 4 || a.FIFO == "" {
		t.Fatalf("%v %s", err, out.String())
	}
	for _, f := range a.Figures {
		if f.N != 5 || f.P50 < 0 || f.Worst < f.P50 {
			t.Errorf("%+v", f)
		}
	}
}
