package net_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"cull/infer/net"
)

// pyramid uses every operation.
func pyramid() *net.Graph {
	return &net.Graph{
		InputChannels: 3,
		Nodes: []net.Node{
			{Name: "in", Op: net.Input},
			{Name: "stem", Op: net.Conv, In: []int{0}, Out: 8, Kernel: 3, Stride: 2, Pad: 1, Groups: 1, Act: net.ActReLU},
			{Name: "dw", Op: net.Conv, In: []int{1}, Out: 8, Kernel: 3, Stride: 1, Pad: 1, Groups: 8, Act: net.ActReLU6},
			{Name: "sum", Op: net.Add, In: []int{2, 1}},
			{Name: "relu", Op: net.ReLU, In: []int{3}},
			{Name: "max", Op: net.MaxPool, In: []int{4}, Kernel: 3, Stride: 2, Pad: 1},
			{Name: "avg", Op: net.AvgPool, In: []int{5}, Kernel: 2, Stride: 2},
			{Name: "up", Op: net.ResizeNearest, In: []int{6}, Factor: 2},
			{Name: "up2", Op: net.ResizeBilinear, In: []int{7}, Factor: 4},
		},
		Taps: []net.Tap{{Name: "a", Node: 3}, {Name: "b", Node: 8}},
	}
}

func TestShapes(t *testing.T) {
	g := pyramid()
	if err := g.Validate(); err != nil {
		t.Fatal(err)
	}
	got, err := g.Shapes(32, 50)
	if err != nil {
		t.Fatal(err)
	}
	want := []net.Shape{
		{32, 50, 3}, {16, 25, 8}, {16, 25, 8}, {16, 25, 8}, {16, 25, 8}, {8, 13, 8}, {4, 6, 8}, {8, 12, 8}, {32, 48, 8},
	}
	if !slices.Equal(got, want) {
		t.Errorf("shapes %v, want %v", got, want)
	}
	for i, want := range []int{1, 2, 2, 2, 2, 4, 8, 4, 1} {
		if s := g.Stride(i); s != want {
			t.Errorf("stride of node %d: %d, want %d", i, s, want)
		}
	}
	if want := []bool{true, false, false, true, false, false, false, false, false}; !slices.Equal(g.Signed(), want) {
		t.Errorf("signed %v, want %v", g.Signed(), want)
	}
	macs, err := g.MACs(32, 50)
	if want := int64(16*25*8*27 + 16*25*8*9); err != nil || macs != want {
		t.Errorf("MACs %d, want %d (%v)", macs, want, err)
	}
}

func TestShapesRefuses(t *testing.T) {
	g := pyramid()
	for _, c := range [][2]int{{0, 9}, {9, -1}, {1, 1}, {1 << 20, 8}} {
		if _, err := g.Shapes(c[0], c[1]); err == nil {
			t.Errorf("%v: no error", c)
		}
	}
	g.Nodes[2].Out, g.Nodes[2].Pad = 8, 0 // shapes of the sum differ at every size
	if _, err := g.Shapes(32, 32); err == nil || !strings.Contains(err.Error(), "add") {
		t.Errorf("unequal addends: %v", err)
	}
}

func TestEncodeDecode(t *testing.T) {
	g := pyramid()
	b, err := g.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := net.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got) != fmt.Sprint(g) {
		t.Errorf("read back %v, want %v", got, g)
	}
	for n := range b {
		if _, err := net.Decode(b[:n]); err == nil {
			t.Fatalf("the first %d bytes decode", n)
		}
	}
	for _, text := range []string{
		"", "[]", `{"nodes":[{"op":"magic"}]}`, strings.Replace(string(b), "relu6", "tanh", 1), string(b) + "1",
		strings.Replace(string(b), `"groups": 8`, `"group": 8`, 1), strings.Repeat(" ", 1<<21),
	} {
		if _, err := net.Decode([]byte(text)); err == nil {
			t.Errorf("%.40q decodes", text)
		}
	}
}

func TestValidateRefuses(t *testing.T) {
	for _, c := range []struct {
		want   string
		change func(g *net.Graph)
	}{
		{"nodes", func(g *net.Graph) { g.Nodes = nil }},
		{"nodes", func(g *net.Graph) { g.Nodes = make([]net.Node, net.MaxNodes+1) }},
		{"inputChannels", func(g *net.Graph) { g.InputChannels = 0 }},
		{"node 0", func(g *net.Graph) { g.Nodes[0].Op = net.ReLU }},
		{"node 0, and no other", func(g *net.Graph) { g.Nodes[4].Op = net.Input }},
		{"unknown", func(g *net.Graph) { g.Nodes[4].Op = 99 }},
		{"unknown", func(g *net.Graph) { g.Nodes[1].Act = 99 }},
		{"name", func(g *net.Graph) { g.Nodes[4].Name = "in" }},
		{"name", func(g *net.Graph) { g.Nodes[4].Name = strings.Repeat("x", 65) }},
		{"before", func(g *net.Graph) { g.Nodes[4].In = []int{4} }},
		{"before", func(g *net.Graph) { g.Nodes[4].In = []int{-1} }},
		{"inputs", func(g *net.Graph) { g.Nodes[4].In = []int{1, 2} }},
		{"inputs", func(g *net.Graph) { g.Nodes[3].In = []int{1} }},
		{"kernel", func(g *net.Graph) { g.Nodes[1].Kernel = 2 }},
		{"kernel", func(g *net.Graph) { g.Nodes[1].Kernel = 9 }},
		{"padExtra", func(g *net.Graph) { g.Nodes[1].PadExtra = 1 }},
		{"field", func(g *net.Graph) { g.Nodes[5].PadExtra = 1 }},
		{"stride", func(g *net.Graph) { g.Nodes[1].Stride = 3 }},
		{"pad", func(g *net.Graph) { g.Nodes[1].Pad = 2 }},
		{"groups", func(g *net.Graph) { g.Nodes[1].Groups = 0 }},
		{"groups", func(g *net.Graph) { g.Nodes[1].Groups = 2 }},
		{"out", func(g *net.Graph) { g.Nodes[1].Out = 1 << 30 }},
		{"kernel", func(g *net.Graph) { g.Nodes[5].Kernel = 8 }},
		{"stride", func(g *net.Graph) { g.Nodes[5].Stride = 4 }},
		{"pad", func(g *net.Graph) { g.Nodes[5].Pad = 2 }},
		{"factor", func(g *net.Graph) { g.Nodes[7].Factor = 1 }},
		{"field", func(g *net.Graph) { g.Nodes[4].Factor = 2 }},
		{"shapes", func(g *net.Graph) { g.Nodes[3].In = []int{0, 1} }},
		{"weights", func(g *net.Graph) {
			for i := 1; i < 5; i++ {
				g.Nodes[i] = net.Node{
					Name: fmt.Sprint(i), Op: net.Conv, In: []int{i - 1},
					Out: net.MaxChannels, Kernel: 3, Stride: 1, Groups: 1,
				}
			}
		}},
		{"taps", func(g *net.Graph) { g.Taps = nil }},
		{"taps", func(g *net.Graph) { g.Taps = make([]net.Tap, net.MaxTaps+1) }},
		{"no node", func(g *net.Graph) { g.Taps[0].Node = 9 }},
		{"name", func(g *net.Graph) { g.Taps[1].Name = "a" }},
		{"larger", func(g *net.Graph) { g.Nodes[8].Factor = 8 }},
	} {
		g := pyramid()
		c.change(g)
		if err := g.Validate(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want one with %q", err, c.want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	b, err := pyramid().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		g, err := net.Decode(b)
		if err != nil {
			return
		}
		for i := range g.Nodes {
			g.Stride(i)
		}
		if _, err := g.MACs(64, 64); err == nil {
			if _, err := g.Shapes(64, 64); err != nil {
				t.Error(err)
			}
		}
		again, err := g.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := net.Decode(again); err != nil {
			t.Error(err)
		}
	})
}
