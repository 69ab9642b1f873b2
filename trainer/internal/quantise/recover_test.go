package quantise

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"cull/infer"
	"cull/infer/net"
	"cull/trainer/internal/grad"
	"cull/trainer/internal/trunk"
	"cull/weights"
)

// int8Of quantises a trunk on the pictures x.
func int8Of(t *testing.T, be grad.Backend, tr *trunk.Trunk, x *grad.Tensor) *infer.Model {
	t.Helper()
	n := FromTrunk(tr)
	r, err := Calibrate(be, n, Rule{Percentile: 99.9}, func(f func(*grad.Tensor)) error { f(x); return nil })
	if err != nil {
		t.Fatal(err)
	}
	m, err := Model(n, r)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// realTaps runs a model on a picture and returns its taps in real numbers.
func realTaps(t *testing.T, m *infer.Model, size int, pic []uint8) (taps [][]float64) {
	t.Helper()
	run, err := m.NewRunner(size, size, infer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	in := make([]int8, len(pic))
	Int8(in, pic)
	for _, f := range run.Run(in) {
		v := make([]float64, len(f.Data))
		for i, q := range f.Data {
			v[i] = float64(q) * float64(f.Step[i%f.C])
		}
		taps = append(taps, v)
	}
	return taps
}

// decibels is the signal-to-noise ratio of got.
func decibels(want, got []float64) float64 {
	var signal, noise float64
	for i, w := range want {
		signal += w * w
		noise += (w - got[i]) * (w - got[i])
	}
	return 10 * math.Log10(signal/max(noise, 1e-30))
}

func inside(x *grad.Tensor) (v []float64) {
	for y := range x.H {
		for _, f := range x.Row(0, y) {
			v = append(v, float64(f))
		}
	}
	return v
}

// Of an int8 network come a float trunk that differs from it by the rounding of
// activations alone, and ranges that give the same network back.
func TestTrunkOfAModel(t *testing.T) {
	const size = 64
	be, r := grad.NewCPU(1), rand.New(rand.NewPCG(4, 1))
	pics := pictures(r, 4, size)
	x := load(pics, size)
	tr := trained(be, x, r)
	for _, l := range tr.Layers() { // and dead channels
		l.Gamma[0], l.Beta[0] = 0, -5
		l.Gamma[1], l.Beta[1] = 0, 0
	}
	m := int8Of(t, be, tr, x)
	back, ranges, err := Trunk(m)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Model(FromTrunk(back), ranges)
	if err != nil {
		t.Fatal(err)
	}
	for i := range m.Params {
		if !slices.Equal(m.Params[i].Weights, again.Params[i].Weights) {
			t.Errorf("node %s: other weights", m.Graph.Nodes[i].Name)
		}
	}
	one := load(pics[:1], size)
	float := back.Forward(be, one, false)
	fresh := int8Of(t, be, back, x)
	want := realTaps(t, m, size, pics[0])
	same, anew := realTaps(t, again, size, pics[0]), realTaps(t, fresh, size, pics[0])
	for k, w := range want {
		for _, c := range []struct {
			name  string
			got   []float64
			least float64
		}{{"float", inside(float[k]), 20}, {"the same ranges", same[k], 60}, {"new ranges", anew[k], 20}} {
			if db := decibels(w, c.got); db < c.least {
				t.Errorf("tap %d, %s: %.1f dB, want %.0f", k+1, c.name, db, c.least)
			} else {
				t.Logf("tap %d, %s: %.1f dB", k+1, c.name, db)
			}
		}
	}
}

// Linear maps behind the taps come back too, and the network with them.
func TestProjectionsOfAModel(t *testing.T) {
	const size = 64
	be, r := grad.NewCPU(1), rand.New(rand.NewPCG(4, 1))
	pics := pictures(r, 4, size)
	x := load(pics, size)
	n := FromTrunk(trained(be, x, r))
	channels := n.Graph.Channels()
	for k, tap := range n.Graph.Taps {
		w, bias := make([]float32, 8*channels[tap.Node]), make([]float32, 8)
		for i := range w {
			w[i] = float32(r.NormFloat64())
		}
		for i := range bias {
			bias[i] = float32(r.NormFloat64())
		}
		n.Project(k, w, bias)
	}
	ranges, err := Calibrate(be, n, Rule{Percentile: 99.9}, func(f func(*grad.Tensor)) error { f(x); return nil })
	if err != nil {
		t.Fatal(err)
	}
	m, err := Model(n, ranges)
	if err != nil {
		t.Fatal(err)
	}
	tr, ranges, err := Trunk(m)
	if err != nil {
		t.Fatal(err)
	}
	again := FromTrunk(tr)
	if len(again.Graph.Nodes) != len(n.Graph.Nodes)-trunk.Stages {
		t.Errorf("%d nodes, want %d", len(again.Graph.Nodes), len(n.Graph.Nodes)-trunk.Stages)
	}
	for k, p := range Projections(m) {
		again.Project(k, p.W, p.Bias)
		ranges = append(ranges, p.Range)
	}
	back, err := Model(again, ranges)
	if err != nil {
		t.Fatal(err)
	}
	want, got := realTaps(t, m, size, pics[0]), realTaps(t, back, size, pics[0])
	for k := range want {
		if db := decibels(want[k], got[k]); db < 50 {
			t.Errorf("tap %d: %.1f dB", k+1, db)
		}
	}
	for _, p := range Projections(int8Of(t, be, trained(be, x, r), x)) {
		if p.W != nil {
			t.Error("a map where none is")
		}
	}
}

func TestTrunkOfTheShippedNetwork(t *testing.T) {
	const size = 64
	m, err := infer.Parse(weights.Cull())
	if err != nil {
		t.Fatal(err)
	}
	tr, ranges, err := Trunk(m)
	if err != nil {
		t.Fatal(err)
	}
	n := FromTrunk(tr)
	for k, p := range Projections(m) {
		n.Project(k, p.W, p.Bias)
		ranges = append(ranges, p.Range)
	}
	again, err := Model(n, ranges)
	if err != nil {
		t.Fatal(err)
	}
	pic := pictures(rand.New(rand.NewPCG(5, 1)), 1, size)
	float := n.Run(grad.NewCPU(1), load(pic, size))
	want, got := realTaps(t, m, size, pic[0]), realTaps(t, again, size, pic[0])
	for k := range want {
		if db := decibels(want[k], got[k]); db < 60 {
			t.Errorf("tap %d: %.1f dB", k+1, db)
		}
		if db := decibels(want[k], inside(float[n.Graph.Taps[k].Node])); db < 15 {
			t.Errorf("tap %d: float %.1f dB", k+1, db)
		}
	}
}

func TestOtherNetworksHaveNoTrunk(t *testing.T) {
	m, err := infer.Parse(weights.Cull())
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(g *net.Graph){
		"two taps":      func(g *net.Graph) { g.Taps = g.Taps[:2] },
		"taps reversed": func(g *net.Graph) { slices.Reverse(g.Taps) },
		"tap at input":  func(g *net.Graph) { g.Taps[0].Node = 0 },
		"other name":    func(g *net.Graph) { g.Nodes[3].Name = "other" },
		"no activation": func(g *net.Graph) { g.Nodes[1].Act = net.None },
		"nothing":       func(g *net.Graph) { *g = net.Graph{} },
	} {
		c := *m
		c.Graph.Nodes, c.Graph.Taps = slices.Clone(m.Graph.Nodes), slices.Clone(m.Graph.Taps)
		change(&c.Graph)
		if _, _, err := Trunk(&c); !errors.Is(err, ErrTopology) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
