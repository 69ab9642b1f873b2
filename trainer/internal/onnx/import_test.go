package onnx

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"cull/infer"
	"cull/infer/net"
	"cull/trainer/internal/grad"
	"cull/trainer/internal/quantise"
)

// run computes a network's taps for the picture in, [h][w][3] in units of the device.
func run(n *quantise.Network, h, w int, in []int8) (taps []*grad.Tensor) {
	x := grad.NewTensor(1, h, w, 3)
	for y := range h {
		for i, row := 0, x.Row(0, y); i < len(row); i++ {
			row[i] = float32(in[y*len(row)+i]) * quantise.InputStep
		}
	}
	out := n.Run(grad.NewCPU(1), x)
	for _, t := range n.Graph.Taps {
		taps = append(taps, out[t.Node])
	}
	return taps
}

// importable is everything without what a trunk from elsewhere does not have.
func importable(rng *rand.Rand) *infer.Model {
	m := everything(rng)
	m.Graph.Nodes, m.Params = m.Graph.Nodes[:10], m.Params[:10]
	m.Graph.Taps = []net.Tap{{Name: "relu", Node: 7}, {Name: "most", Node: 8}, {Name: "mean", Node: 9}}
	m.TapStep = [][]float32{wide32(8), wide32(8), wide32(8)}
	for _, s := range []*infer.Params{&m.Params[5], &m.Params[6]} { // plain sums
		for c := range s.Scale {
			s.Scale[c], s.ScaleB[c] = 1, 1
		}
	}
	m.Params[9].Scale[0] = 1. / 9
	return m
}

func wide32(n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = 1. / 64
	}
	return v
}

func TestImportReadsWhatExportWrote(t *testing.T) {
	m := importable(rand.New(rand.NewPCG(5, 1)))
	o, err := Export(m, Float)
	if err != nil {
		t.Fatal(err)
	}
	n, err := Import(o)
	if err != nil {
		t.Fatal(err)
	}
	in := make([]int8, testH*testW*3)
	infer.TestPicture(in, 2)
	want := unrounded(t, m, testH, testW, in)
	for k, f := range run(n, testH, testW, in) {
		w := want[m.Graph.Taps[k].Node]
		if f.H != w.h || f.W != w.w || f.C != w.c {
			t.Fatalf("tap %d: %d x %d x %d", k, f.H, f.W, f.C)
		}
		for y := range f.H {
			for i, v := range f.Row(0, y) {
				e := w.v[y*f.W*f.C+i] * float64(m.TapStep[k][i%f.C])
				if math.Abs(float64(v)-e) > 1e-4*(1+math.Abs(e)) {
					t.Fatalf("tap %d, row %d, value %d: %g, want %g", k, y, i, v, e)
				}
			}
		}
	}
}

// small returns conv (weights of one, lopsided padding), batch normalisation, ReLU.
func small() *Model {
	constant := func(name string, v ...float32) Tensor {
		return Tensor{Name: name, Type: F32, Dims: []int64{int64(len(v))}, Raw: floatBytes(v)}
	}
	w := constant("w", make([]float32, 54)...)
	w.Dims = []int64{2, 3, 3, 3}
	for i := range 54 {
		copy(w.Raw[4*i:], floatBytes([]float32{1}))
	}
	return &Model{IR: irVersion, Opset: opsetVersion, Graph: Graph{
		Nodes: []Node{
			{Op: "Conv", Name: "first", In: []string{"x", "w"}, Out: []string{"a"}, Attrs: []Attr{
				{Name: "strides", Kind: KindInts, Ints: []int64{2, 2}},
				{Name: "pads", Kind: KindInts, Ints: []int64{0, 0, 1, 1}},
			}},
			{Op: "BatchNormalization", Name: "bn", In: []string{"a", "g", "b", "m", "v"}, Out: []string{"n"}},
			{Op: "Relu", Name: "r", In: []string{"n"}, Out: []string{"y"}},
		},
		Init: []Tensor{
			w, constant("g", 2, -1), constant("b", 1, 0.5), constant("m", 3, 0), constant("v", 4, 1),
			constant("lo", 0), constant("six", 6),
			constant("inf", 1, float32(math.Inf(-1))), constant("negative", -1, 1), constant("huge", 1e30, 1), constant("g6", 1, 1, 1, 1, 1, 1),
		},
		In:  []Value{{"x", F32, []Dim{{Param: "N"}, {Size: 3}, {Size: 8}, {Size: 8}}}},
		Out: []Value{{"y", F32, nil}},
	}}
}

func TestBatchNormalisationIsFolded(t *testing.T) {
	n, err := Import(small())
	if err != nil {
		t.Fatal(err)
	}
	in := make([]int8, 8*8*3)
	for i := range in {
		in[i] = 127
	}
	f := run(n, 8, 8, in)[0]
	one := 127. / 127.5
	for _, c := range []struct {
		y, x   int
		inside float64
	}{{0, 0, 27}, {3, 0, 18}, {3, 3, 12}} { // rows and columns beyond the end are zeros
		for ch, want := range []float64{
			max(0, 2*(c.inside*one-3)/math.Sqrt(4+1e-5)+1), max(0, 0.5-c.inside*one/math.Sqrt(1+1e-5)),
		} {
			if got := f.Row(0, c.y)[c.x*2+ch]; math.Abs(float64(got)-want) > 1e-4 {
				t.Errorf("pixel %d, %d, channel %d: %g, want %g", c.y, c.x, ch, got, want)
			}
		}
	}
}

func TestRawAndRectifiedSumsAreTwoNodes(t *testing.T) {
	m := small()
	m.Graph.Nodes = append(m.Graph.Nodes,
		Node{Op: "Add", Name: "s", In: []string{"y", "y"}, Out: []string{"sum"}},
		Node{Op: "Clip", Name: "c", In: []string{"sum", "lo", "six"}, Out: []string{"clipped"}})
	n, err := Import(m, "sum", "clipped")
	if err != nil {
		t.Fatal(err)
	}
	var acts []net.Act
	for _, node := range n.Graph.Nodes {
		if node.Op == net.Add {
			acts = append(acts, node.Act)
		}
	}
	if len(acts) != 2 || acts[0] != net.None || acts[1] != net.ActReLU6 {
		t.Errorf("activations of the sums: %v", acts)
	}
}

func TestQuantisedWeightsAreRead(t *testing.T) {
	m := small()
	raw := make([]byte, 54)
	for i := range raw {
		raw[i] = byte(3 + i/27)
	}
	m.Graph.Init[0] = Tensor{Name: "q", Type: I8, Dims: []int64{2, 3, 3, 3}, Raw: raw}
	m.Graph.Init = append(m.Graph.Init,
		Tensor{Name: "s", Type: F32, Dims: []int64{2}, Raw: floatBytes([]float32{0.5, 0.25})},
		Tensor{Name: "z", Type: I8, Dims: []int64{2}, Raw: []byte{1, 0}})
	m.Graph.Nodes = append([]Node{
		{Op: "DequantizeLinear", In: []string{"q", "s", "z"}, Out: []string{"w"}, Attrs: []Attr{integer("axis", 0)}},
	}, m.Graph.Nodes...)
	n, err := Import(m, "a")
	if err != nil {
		t.Fatal(err)
	}
	if w := n.Filters[1].W; w[0] != 1 || w[1] != 1 {
		t.Errorf("weights %g and %g, want (3-1)*0.5 and 4*0.25", w[0], w[1])
	}
}

func TestRefusedModelsNameTheFault(t *testing.T) {
	for _, c := range []struct {
		want   string
		change func(g *Graph)
	}{
		{`"first" (LSTM): operation not supported`, func(g *Graph) { g.Nodes[0].Op = "LSTM" }},
		{`"first" (Conv): operations of the domain`, func(g *Graph) { g.Nodes[0].Domain = "com.other" }},
		{`(Gemm): its result is no feature map`, func(g *Graph) { g.Nodes[1].Op = "Gemm" }},
		{"pads [1 0 1 1]", func(g *Graph) { g.Nodes[0].Attrs[1].Ints = []int64{1, 0, 1, 1} }},
		{"pads [0 0 2 2]", func(g *Graph) { g.Nodes[0].Attrs[1].Ints = []int64{0, 0, 2, 2} }},
		{"strides [2 1]", func(g *Graph) { g.Nodes[0].Attrs[0].Ints = []int64{2, 1} }},
		{"dilations", func(g *Graph) {
			g.Nodes[0].Attrs[0] = Attr{Name: "dilations", Ints: []int64{2, 2}}
		}},
		{"groups", func(g *Graph) { g.Nodes[0].Attrs = []Attr{integer("group", 2)} }},
		{"auto_pad", func(g *Graph) { g.Nodes[0].Attrs[0] = Attr{Name: "auto_pad", S: "SAME_LOWER"} }},
		{`no node makes the value "w2"`, func(g *Graph) { g.Nodes[0].In[0] = "w2" }},
		{"depends on itself", func(g *Graph) { g.Nodes[0].In[0] = "y" }},
		{`"q" is not a constant`, func(g *Graph) { g.Nodes[0].In[1] = "q" }},
		{"want 2", func(g *Graph) { g.Nodes[1].In[4] = "lo" }},
		{"bounds 0 and 5", func(g *Graph) {
			g.Nodes[2] = Node{Op: "Clip", In: []string{"n"}, Out: []string{"y"}, Attrs: []Attr{{Name: "min"}, {Name: "max", F: 5}}}
		}},
		{"bytes", func(g *Graph) { g.Init[0].Raw = g.Init[0].Raw[1:] }},
		{`weights: tensor "w": value 1 is NaN`, func(g *Graph) { copy(g.Init[0].Raw[4:], floatBytes([]float32{float32(math.NaN())})) }},
		{`bias: tensor "inf": value 1 is -Inf`, func(g *Graph) { g.Nodes[0].In = append(g.Nodes[0].In, "inf") }},
		{`bias: tensor "g6": 6 values, want 2`, func(g *Graph) { g.Nodes[0].In = append(g.Nodes[0].In, "g6") }},
		{`(BatchNormalization): tensor "inf": value 1 is -Inf`, func(g *Graph) { g.Nodes[1].In[1] = "inf" }},
		{`tensor "negative": variance 0 is -1`, func(g *Graph) { g.Nodes[1].In[4] = "negative" }},
		{"value 0 is +Inf: out of the range", func(g *Graph) {
			copy(g.Init[0].Raw, floatBytes([]float32{1e30}))
			g.Nodes[1].In[1] = "huge"
		}},
		{`input "k" is a constant`, func(g *Graph) {
			g.Nodes[0] = Node{Op: "Constant", Out: []string{"k"}, Attrs: []Attr{{Name: "value", Kind: KindTensor, T: &g.Init[1]}}}
			g.Nodes[1] = Node{Op: "Add", In: []string{"x", "k"}, Out: []string{"n"}}
		}},
		{`input "k" is a constant`, func(g *Graph) {
			g.Nodes[0] = Node{Op: "Identity", In: []string{"lo"}, Out: []string{"k"}}
			g.Nodes[1] = Node{Op: "Add", In: []string{"k", "x"}, Out: []string{"n"}}
		}},
		{"want float [N][3][H][W]", func(g *Graph) { g.In[0].Dims[1].Size = 1 }},
	} {
		m := small()
		c.change(&m.Graph)
		if _, err := Import(m); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want one with %q", err, c.want)
		}
	}
}

// Many convolutions may share one tensor: its numbers are read once, and the copies that the network has of them are counted.
func TestSharedWeightsAreCounted(t *testing.T) {
	w := tensor("w", make([]float32, 6), 2, 3, 1, 1)
	p := &importer{
		net: &quantise.Network{}, constants: map[string]*Tensor{"w": &w}, values: map[string]values{}, weights: net.MaxWeights - 12,
	}
	a, _, _ := p.tensor("w")
	if b, _, err := p.tensor("w"); err != nil || &a[0] != &b[0] {
		t.Errorf("read twice: %v", err)
	}
	n := &Node{Op: "Conv", In: []string{"x", "w"}}
	for range 2 {
		if _, err := p.conv(n, &net.Node{}, 3); err != nil {
			t.Error(err)
		}
	}
	if _, err := p.conv(n, &net.Node{}, 3); err == nil || err.Error() != "more than 134217728 weights" {
		t.Errorf("error %v", err)
	}
}

// The names that stand in for unfit ones are free.
func TestNamesThatStandInAreFree(t *testing.T) {
	long := strings.Repeat("x", 65)
	conv := func(in, out string) Node {
		return Node{Op: "Conv", Name: "c", In: []string{in, "w"}, Out: []string{out}}
	}
	m := model([]Node{conv("x", "node 2"), conv("node 2", long), conv(long, "o")}, []Tensor{tensor("w", make([]float32, 9), 3, 3, 1, 1)}, "o")
	if _, err := Import(m); err != nil {
		t.Error(err)
	}
}

// SAME_UPPER pads by what the side leaves over: one picture's padding is not another's.
func TestPaddingThatFollowsFromTheSide(t *testing.T) {
	m := small()
	m.Graph.Nodes[0].Attrs[1] = Attr{Name: "auto_pad", Kind: KindString, S: "SAME_UPPER"}
	m.Graph.Nodes = append(m.Graph.Nodes, Node{
		Op: "MaxPool", Name: "pool", In: []string{"y"}, Out: []string{"p"},
		Attrs: []Attr{ints("kernel_shape", 2, 2), ints("strides", 2, 2), {Name: "auto_pad", Kind: KindString, S: "SAME_UPPER"}},
	})
	for _, c := range []struct {
		side   int
		output string
		want   string
	}{
		{64, "p", ""},
		{66, "y", ""},
		{65, "a", `node "first" (Conv): auto_pad SAME_UPPER over 65 pixels, which its stride 2 does not divide: choose --size, a multiple of 2`},
		{65, "y", `node "first" (Conv)`},
		{66, "p", `node "pool" (MaxPool): auto_pad SAME_UPPER over 33 pixels, which its stride 2 does not divide: choose --size, a multiple of 4`},
	} {
		_, err := ImportAt(c.side, m, c.output)
		if err == nil && c.want != "" || err != nil && (c.want == "" || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%d pixels, output %s: %v, want %q", c.side, c.output, err, c.want)
		}
	}
	if n, err := ImportAt(65, small()); err != nil || n.Graph.Nodes[1].PadExtra != 1 {
		t.Errorf("padding that is given: %v", err)
	}
}
