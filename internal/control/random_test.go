package control

import (
	"math"
	"math/rand/v2"
	"testing"

	"cull/infer"
	"cull/infer/net"
)

func residual() net.Graph {
	conv := func(name string, in, stride int, act net.Act) net.Node {
		return net.Node{
			Name: name, Op: net.Conv, In: []int{in}, Out: 12,
			Kernel: 3, Stride: stride, Pad: 1, Groups: 1, Act: act,
		}
	}
	return net.Graph{
		InputChannels: 3,
		Nodes: []net.Node{
			{Name: "in", Op: net.Input},
			conv("stem", 0, 2, net.ActReLU), conv("a", 1, 1, net.ActReLU), conv("b", 2, 1, net.None),
			{Name: "sum", Op: net.Add, In: []int{1, 3}},
		},
		Taps: []net.Tap{{Name: "sum", Node: 4}},
	}
}

// TestRandomWeightsFillTheRange: every channel of a random network, before its
// activation, has about the deviation wanted on pictures like those it was scaled on.
func TestRandomWeightsFillTheRange(t *testing.T) {
	const h, w = 64, 64
	rng := rand.New(rand.NewPCG(3, 3))
	pics := [][]int8{picture(rng, h*w*3), picture(rng, h*w*3)}
	m, err := RandomWeights(residual(), 1, pics, h, w)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Validate(); err != nil {
		t.Fatal(err)
	}
	mean, sd, err := channelStatistics(m, 4, pics, h, w)
	if err != nil {
		t.Fatal(err)
	}
	for c := range sd {
		if math.Abs(sd[c]-deviation) > 4 || math.Abs(mean[c]) > 60 {
			t.Errorf("channel %d: mean %.1f, deviation %.1f, want %d", c, mean[c], sd[c], deviation)
		}
	}
	if m.Graph.Nodes[1].Act != net.ActReLU {
		t.Error("an activation was lost")
	}
	other, err := RandomWeights(residual(), 2, pics, h, w)
	if err != nil {
		t.Fatal(err)
	}
	if same(m, other) {
		t.Error("two seeds, one network")
	}
}

func same(a, b *infer.Model) bool {
	for i, w := range a.Params[1].Weights {
		if b.Params[1].Weights[i] != w {
			return false
		}
	}
	return true
}
