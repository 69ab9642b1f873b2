package quantise

import (
	"math/rand/v2"
	"strings"
	"testing"

	"cull/infer"
	"cull/infer/net"
	"cull/trainer/internal/grad"
	"cull/trainer/internal/trunk"
)

// pictures are smooth random ones, size x size.
func pictures(r *rand.Rand, n, size int) [][]uint8 {
	all := make([][]uint8, n)
	for i := range all {
		all[i] = make([]uint8, 3*size*size)
		var v [3]float64
		for j := range all[i] {
			c := j % 3
			v[c] = 0.95*v[c] + 20*r.NormFloat64()
			all[i][j] = uint8(min(max(128+v[c], 0), 255))
		}
	}
	return all
}

func load(pictures [][]uint8, size int) *grad.Tensor {
	x := grad.NewTensor(len(pictures), size, size, 3)
	for i, p := range pictures {
		Load(x, i, p)
	}
	return x
}

// trained returns a small trunk whose batch-norm statistics fit the pictures.
func trained(be grad.Backend, x *grad.Tensor, r *rand.Rand) *trunk.Trunk {
	t := trunk.New(trunk.Shape{Width: 8, Blocks: [trunk.Stages]int{2, 1, 2}, Smooth: true}, r)
	for range 40 {
		t.Forward(be, x, true)
	}
	return t
}

func TestInt8FollowsFloat(t *testing.T) {
	const size = 64
	be, r := grad.NewCPU(1), rand.New(rand.NewPCG(1, 1))
	pics := pictures(r, 4, size)
	x := load(pics, size)
	tr := trained(be, x, r)
	n := FromTrunk(tr)

	taps := tr.Forward(be, x, false)
	out := n.Run(be, x)
	for i, tap := range n.Graph.Taps {
		for j, v := range taps[i].Data {
			if d := v - out[tap.Node].Data[j]; d > 1e-3 || d < -1e-3 {
				t.Fatalf("tap %s: folded network differs by %g", tap.Name, d)
			}
		}
	}
	for _, rule := range []Rule{{Percentile: 99.99}, {}} {
		ranges, err := Calibrate(be, n, rule, func(f func(*grad.Tensor)) error { f(x); return nil })
		if err != nil {
			t.Fatal(err)
		}
		m, err := Model(n, ranges)
		if err != nil {
			t.Fatal(err)
		}
		losses, err := Compare(be, n, ranges, m, size, pics)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range losses {
			if l.SNR < 16 {
				t.Errorf("rule %v: node %s: %.1f dB, want at least 16", rule, l.Name, l.SNR)
			}
		}
	}
}

func TestModelSurvivesItsFile(t *testing.T) {
	be, r := grad.NewCPU(1), rand.New(rand.NewPCG(2, 1))
	x := load(pictures(r, 2, 32), 32)
	n := FromTrunk(trained(be, x, r))
	ranges, err := Calibrate(be, n, Rule{Percentile: 99.9}, func(f func(*grad.Tensor)) error { f(x); return nil })
	if err != nil {
		t.Fatal(err)
	}
	m, err := Model(n, ranges)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.AddAnswers(32, 48, 1, 2); err != nil {
		t.Fatal(err)
	}
	b, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := infer.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := back.SelfTest(2); err != nil {
		t.Error(err)
	}
}

// A channel that is never active and one that does not change have no range.
func TestDeadChannelsQuantise(t *testing.T) {
	be, r := grad.NewCPU(1), rand.New(rand.NewPCG(3, 1))
	x := load(pictures(r, 2, 32), 32)
	tr := trained(be, x, r)
	for _, l := range tr.Layers() {
		l.Gamma[0], l.Beta[0] = 0, -5
		l.Gamma[1], l.Beta[1] = 0, 0
	}
	n := FromTrunk(tr)
	for _, rule := range []Rule{{Percentile: 99.9}, {}} {
		ranges, err := Calibrate(be, n, rule, func(f func(*grad.Tensor)) error { f(x); return nil })
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Model(n, ranges); err != nil {
			t.Errorf("rule %v: %v", rule, err)
		}
	}
}

// A node of which calibration saw nothing, or next to nothing of what its terms are, has steps that the device can take.
func TestSilentNodesQuantise(t *testing.T) {
	be, r := grad.NewCPU(1), rand.New(rand.NewPCG(4, 1))
	pics := pictures(r, 2, 32)
	x := load(pics, 32)
	conv := func(n *Network, in int, name string, act net.Act, weight, bias float32) int {
		f := grad.NewFilter(3, 3, 1, 1, 1)
		for i := range f.W {
			f.W[i] = weight * float32(1+i)
		}
		k := n.add(net.Node{Name: name, Op: net.Conv, In: []int{in}, Out: 3, Kernel: 1, Stride: 1, Groups: 1, Act: act})
		n.Filters[k], n.Bias[k] = f, []float32{bias, bias, bias}
		return k
	}
	silent := &Network{Graph: net.Graph{InputChannels: 3}}
	in := silent.add(net.Node{Name: "x", Op: net.Input})
	dead := conv(silent, in, "dead", net.ActReLU, 50, -5000)
	after := conv(silent, dead, "after", net.None, 1, 3)
	silent.Graph.Taps = []net.Tap{{Name: "dead", Node: dead}, {Name: "after", Node: after}}

	cancel := &Network{Graph: net.Graph{InputChannels: 3}}
	in = cancel.add(net.Node{Name: "x", Op: net.Input})
	a, b := conv(cancel, in, "a", net.None, 1e4, 0), conv(cancel, in, "b", net.None, -1e4, 1e-7)
	sum := cancel.add(net.Node{Name: "sum", Op: net.Add, In: []int{a, b}})
	cancel.Graph.Taps = []net.Tap{{Name: "sum", Node: sum}}

	zero := &Network{Graph: net.Graph{InputChannels: 3}}
	in = zero.add(net.Node{Name: "x", Op: net.Input})
	dead = conv(zero, in, "zero", net.None, 0, 0)
	zero.Graph.Taps = []net.Tap{{Name: "zero", Node: conv(zero, dead, "after", net.None, 1, 0)}}

	for _, n := range []*Network{silent, cancel, zero} {
		ranges, err := Calibrate(be, n, Rule{Percentile: 99.99}, func(f func(*grad.Tensor)) error { f(x); return nil })
		if err != nil {
			t.Fatal(err)
		}
		m, err := Model(n, ranges)
		if err != nil {
			t.Error(err)
			continue
		}
		losses, err := Compare(be, n, ranges, m, 32, pics)
		if err != nil {
			t.Error(err)
		}
		for _, l := range losses {
			if l.Name == "after" && n == silent && l.SNR < 30 {
				t.Errorf("behind a silent node: %.1f dB", l.SNR)
			}
		}
	}
}

func TestOverflowIsNamed(t *testing.T) {
	be, r := grad.NewCPU(1), rand.New(rand.NewPCG(3, 1))
	x := load(pictures(r, 2, 32), 32)
	tr := trained(be, x, r)
	for _, l := range tr.Layers() {
		for i := range l.Gamma {
			l.Gamma[i] = 1e30
		}
	}
	_, err := Calibrate(be, FromTrunk(tr), Rule{}, func(f func(*grad.Tensor)) error { f(x); return nil })
	if err == nil || !strings.Contains(err.Error(), "not finite") {
		t.Errorf("%v", err)
	}
}
