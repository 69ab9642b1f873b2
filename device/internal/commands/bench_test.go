package commands

import (
	"bytes"
	"context"
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
		Kernel: "neondot", Scorer: "neon", PeakGOPS: 60, StartMS: 700, Resident: 30e6,
		Layers: []layerCost{{Kind: "conv 3x3", MACs: 100, GOPS: 50}, {Kind: "add"}},
		Passes: []benchPass{{Threads: 1, Steps: []timing{{Step: "network", P50MS: 2}}}},
	}
	var out bytes.Buffer
	if err := a.print(&out); err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(out.String(), "\n---")
	for _, want := range []string{
		"Raspberry Pi 9", "Cortex-A99, 4 CPUs", "kernels neondot, neon", "RESULT peak_1t 60 GOP/s",
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
	_, err := measureStep(ctx, "x", func() error {
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
