package onnx

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"cull/infer/net"
	"cull/trainer/internal/grad"
	"cull/trainer/internal/quantise"
)

// tensor is an initialiser of float32.
func tensor(name string, v []float32, dims ...int64) Tensor {
	var b []byte
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return Tensor{Name: name, Type: F32, Dims: dims, Raw: b}
}

// model has the input x and the output out.
func model(nodes []Node, init []Tensor, out string) *Model {
	return &Model{IR: irVersion, Opset: opsetVersion, Graph: Graph{
		Name: "g", Nodes: nodes, Init: init,
		In:  []Value{{Name: "x", Type: F32, Dims: []Dim{{Param: "N"}, {Size: 3}, {Param: "H"}, {Param: "W"}}}},
		Out: []Value{{Name: out, Type: F32}},
	}}
}

// A quantiser leaves out a ReLU before a type that has no number below zero: the pair is one.
func TestQuantisedReLUIsKept(t *testing.T) {
	for _, c := range []struct {
		name string
		zero []Tensor // none: as if uint8 and 0
		want float32  // of -0.5
	}{
		{"uint16, 0", []Tensor{{Name: "z", Type: U16, Raw: []byte{0, 0}}}, 0},
		{"uint16, 32768", []Tensor{{Name: "z", Type: U16, Raw: []byte{0, 128}}}, -0.5},
		{"int16, -32768", []Tensor{{Name: "z", Type: I16, Raw: []byte{0, 128}}}, 0},
		{"int16, 0", []Tensor{{Name: "z", Type: I16, Raw: []byte{0, 0}}}, -0.5},
		{"uint8, 0", []Tensor{{Name: "z", Type: U8, Raw: []byte{0}}}, 0},
		{"uint8, 128", []Tensor{{Name: "z", Type: U8, Raw: []byte{128}}}, -0.5},
		{"int8, -128", []Tensor{{Name: "z", Type: I8, Raw: []byte{0x80}}}, 0},
		{"int8, 0", []Tensor{{Name: "z", Type: I8, Raw: []byte{0}}}, -0.5},
		{"none", nil, 0},
	} {
		pair := []string{"s"}
		if c.zero != nil {
			pair = append(pair, "z")
		}
		m := model([]Node{
			{Op: "Conv", Name: "c", In: []string{"x", "w"}, Out: []string{"y"}},
			{Op: "QuantizeLinear", Name: "q", In: append([]string{"y"}, pair...), Out: []string{"yq"}},
			{Op: "DequantizeLinear", Name: "d", In: append([]string{"yq"}, pair...), Out: []string{"yd"}},
			{Op: "Conv", Name: "c2", In: []string{"yd", "w2"}, Out: []string{"o"}},
		}, append([]Tensor{
			tensor("w", []float32{1, 0, 0}, 1, 3, 1, 1), tensor("w2", []float32{1}, 1, 1, 1, 1), tensor("s", []float32{1. / 255}),
		}, c.zero...), "o")
		n, err := Import(m)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got := first(n, -0.5); got != c.want {
			t.Errorf("%s: -0.5 becomes %v, want %v", c.name, got, c.want)
		}
	}
}

// first returns the first number of the first tap for a picture of v alone.
func first(n *quantise.Network, v float32) float32 {
	x := grad.NewTensor(1, 4, 4, 3)
	for y := range 4 {
		for i := range x.Row(0, y) {
			x.Row(0, y)[i] = v
		}
	}
	return n.Run(grad.NewCPU(1), x)[n.Graph.Taps[0].Node].Row(0, 0)[0]
}

// pair is a QuantizeLinear and a DequantizeLinear with the scale s and zero point z.
func pair(in, out string) []Node {
	return []Node{
		{Op: "QuantizeLinear", Name: out + "q", In: []string{in, "s", "z"}, Out: []string{out + "q"}},
		{Op: "DequantizeLinear", Name: out, In: []string{out + "q", "s", "z"}, Out: []string{out}},
	}
}

func ints(name string, v ...int64) Attr { return Attr{Name: name, Kind: KindInts, Ints: v} }

// A quantiser leaves out a clip at 6 too, before a type whose highest number is 6. The first pixel of the picture is 1, of
// the convolution 9.
func TestQuantisedReLU6IsKept(t *testing.T) {
	u8, i8 := Tensor{Name: "z", Type: U8, Raw: []byte{0}}, Tensor{Name: "z", Type: I8, Raw: []byte{0x80}}
	half := Tensor{Name: "z", Type: U8, Raw: []byte{128}}
	conv := Node{Op: "Conv", Name: "c", In: []string{"x", "w"}, Out: []string{"y"}}
	pool := func(op string) Node {
		return Node{Op: op, Name: "p", In: []string{"y"}, Out: []string{"y2"}, Attrs: []Attr{ints("kernel_shape", 2, 2), ints("strides", 2, 2)}}
	}
	clip := Node{Op: "Clip", Name: "clip", In: []string{"y2", "lo", "six"}, Out: []string{"o"}}
	two := tensor("s", []float32{6. / 255, 7. / 255}, 2)
	far, end := []Node{conv}, "y"
	for i := range 3 * deepest {
		far = append(far, Node{Op: "Identity", In: []string{end}, Out: []string{fmt.Sprint("y", i)}})
		end = fmt.Sprint("y", i)
	}
	for _, c := range []struct {
		name  string
		nodes []Node
		s, z  Tensor
		want  float32
	}{
		{"uint8", append([]Node{conv}, pair("y", "o")...), tensor("s", []float32{6. / 255}), u8, 6},
		{"int8", append([]Node{conv}, pair("y", "o")...), tensor("s", []float32{6. / 255}), i8, 6},
		{"far from the convolution", append(far, pair(end, "o")...), tensor("s", []float32{6. / 255}), u8, 6},
		{"far, twice", slices.Concat(far, pair(end, "o1"), pair("o1", "o")), tensor("s", []float32{6. / 255}), u8, 6},
		{"rounded up", append([]Node{conv}, pair("y", "o")...), tensor("s", []float32{6. / 255 * (1 + 5e-5)}), u8, 6},
		{"above 6", append([]Node{conv}, pair("y", "o")...), tensor("s", []float32{6.01 / 255}), u8, 9},
		{"one channel above 6", append([]Node{conv}, pair("y", "o")...), two, Tensor{Name: "z", Type: U8, Dims: []int64{2}, Raw: []byte{0, 0}}, 9},
		{"numbers below zero", append([]Node{conv}, pair("y", "o")...), tensor("s", []float32{6. / 255}), half, 9},
		{"maximum pool", append([]Node{conv, pool("MaxPool")}, pair("y2", "o")...), tensor("s", []float32{6. / 255}), u8, 6},
		{"mean", append([]Node{conv, pool("AveragePool")}, pair("y2", "o")...), tensor("s", []float32{6. / 255}), u8, 9},
		{"mean, ReLU", append([]Node{
			conv, pool("AveragePool"), {Op: "Relu", Name: "r", In: []string{"y2"}, Out: []string{"y3"}},
		}, pair("y3", "o")...), tensor("s", []float32{6. / 255}), u8, 9},
		{"clip behind a maximum pool", []Node{conv, pool("MaxPool"), clip}, tensor("s", []float32{1}), u8, 6},
		{"clip without bounds", []Node{conv, {Op: "Clip", Name: "clip", In: []string{"y"}, Out: []string{"o"}}}, tensor("s", []float32{1}), u8, 9},
	} {
		n, err := Import(model(c.nodes, []Tensor{
			tensor("w", []float32{9, 0, 0, 9, 0, 0}, 2, 3, 1, 1), tensor("lo", []float32{0}), tensor("six", []float32{6}), c.s, c.z,
		}, "o"))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if got := first(n, 1); got != c.want {
			t.Errorf("%s: 9 becomes %v, want %v", c.name, got, c.want)
		}
	}
}

func TestPairOfItself(t *testing.T) {
	m := model(pair("o", "o"), []Tensor{tensor("s", []float32{6. / 255}), {Name: "z", Type: U8, Raw: []byte{0}}}, "o")
	if _, err := Import(m); err == nil || !strings.Contains(err.Error(), "depends on itself") {
		t.Error(err)
	}
}

// The two of a pair say the same scales, under whatever names; of blocks and other shapes nothing is read.
func TestPairsThatChangeNumbersAreRefused(t *testing.T) {
	w := Tensor{Name: "w", Type: I8, Dims: []int64{2, 3, 1, 1}, Raw: make([]byte, 6)}
	axis := func(a int) []Attr { return []Attr{integer("axis", a)} }
	act := func(q, d []string, qa, da []Attr) []Node {
		return []Node{
			{Op: "DequantizeLinear", Name: "wd", In: []string{"w", "half"}, Out: []string{"wd"}},
			{Op: "Conv", Name: "c", In: []string{"x", "wd"}, Out: []string{"y"}},
			{Op: "QuantizeLinear", Name: "q", In: append([]string{"y"}, q...), Out: []string{"yq"}, Attrs: qa},
			{Op: "DequantizeLinear", Name: "d", In: append([]string{"yq"}, d...), Out: []string{"o"}, Attrs: da},
		}
	}
	weights := func(q, d []string, da []Attr) []Node {
		return []Node{
			{Op: "QuantizeLinear", Name: "q", In: append([]string{"wf"}, q...), Out: []string{"wq"}},
			{Op: "DequantizeLinear", Name: "d", In: append([]string{"wq"}, d...), Out: []string{"wd"}, Attrs: da},
			{Op: "Conv", Name: "c", In: []string{"x", "wd"}, Out: []string{"o"}},
		}
	}
	const differ = "scales of the pair differ"
	for _, c := range []struct {
		want  string
		nodes []Node
	}{
		{"", act([]string{"half", "mid"}, []string{"half2", "mid2"}, nil, nil)},
		{"", act([]string{"halves"}, []string{"halves"}, axis(1), axis(-3))},
		{"", act([]string{"half"}, []string{"half"}, axis(1), axis(0))}, // one scale has no axis
		{"", weights([]string{"half"}, []string{"half2"}, nil)},
		{differ, act([]string{"half", "mid"}, []string{"one", "mid"}, nil, nil)},
		{differ, act([]string{"half", "mid"}, []string{"half", "zero"}, nil, nil)},
		{differ, act([]string{"halves"}, []string{"halves"}, axis(1), axis(0))},
		{differ, weights([]string{"half"}, []string{"one"}, nil)},
		{differ, weights([]string{"half", "mid"}, []string{"half", "zero"}, nil)},
		{differ, weights([]string{"halves"}, []string{"halves"}, axis(0))},
		{`node "q" (QuantizeLinear): block_size 1`, act([]string{"half"}, []string{"half"}, []Attr{integer("block_size", 1)}, nil)},
		{`node "d" (DequantizeLinear): block_size 1`, act([]string{"half"}, []string{"half"}, nil, []Attr{integer("block_size", 1)})},
		{`"blocks" is [2 1 1 1]`, act([]string{"blocks"}, []string{"blocks"}, nil, nil)},
		{"block_size 2", weights([]string{"half"}, []string{"half"}, []Attr{integer("block_size", 2)})},
		{"more than 0", act([]string{"none"}, []string{"none"}, nil, nil)},
		{`"d" (DequantizeLinear): scale: "blocks" is [2 1 1 1]`, []Node{
			{Op: "DequantizeLinear", Name: "d", In: []string{"w", "blocks"}, Out: []string{"wd"}, Attrs: axis(0)},
			{Op: "Conv", Name: "c", In: []string{"x", "wd"}, Out: []string{"o"}},
		}},
		{`"d" (DequantizeLinear): block_size 2`, []Node{
			{Op: "DequantizeLinear", Name: "d", In: []string{"w", "half"}, Out: []string{"wd"}, Attrs: []Attr{integer("block_size", 2)}},
			{Op: "Conv", Name: "c", In: []string{"x", "wd"}, Out: []string{"o"}},
		}},
	} {
		_, err := Import(model(c.nodes, []Tensor{
			w, tensor("wf", make([]float32, 6), 2, 3, 1, 1),
			tensor("half", []float32{0.5}), tensor("half2", []float32{0.5}, 1), tensor("one", []float32{1}), tensor("none", []float32{0}),
			tensor("halves", []float32{0.5, 0.25}, 2), tensor("blocks", []float32{0.5, 0.25}, 2, 1, 1, 1),
			{Name: "mid", Type: U8, Raw: []byte{128}},
			{Name: "mid2", Type: U8, Raw: []byte{128}},
			{Name: "zero", Type: U8, Raw: []byte{0}},
		}, "o"))
		if err == nil && c.want != "" || err != nil && (c.want == "" || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("error %v, want %q", err, c.want)
		}
	}
}

// A QuantizeLinear's integers are no real numbers, wherever they are read.
func TestIntegersAreRefused(t *testing.T) {
	nodes := append([]Node{{Op: "Conv", Name: "c", In: []string{"x", "w"}, Out: []string{"y"}}}, pair("y", "d")...)
	nodes = append(nodes,
		Node{Op: "MaxPool", Name: "pool", In: []string{"dq"}, Out: []string{"pool"}, Attrs: []Attr{ints("kernel_shape", 2, 2)}},
		Node{Op: "Add", Name: "sum", In: []string{"dq", "dq"}, Out: []string{"sum"}})
	m := model(nodes, []Tensor{
		tensor("w", []float32{1, 0, 0}, 1, 3, 1, 1), tensor("s", []float32{1}), {Name: "z", Type: U8, Raw: []byte{128}},
	}, "d")
	for _, output := range []string{"dq", "pool", "sum"} {
		if _, err := Import(m, output); err == nil || !strings.Contains(err.Error(), `node "dq" (QuantizeLinear): its result is integers`) {
			t.Errorf("%s: %v", output, err)
		}
	}
	if _, err := Import(m, "y", "d"); err != nil {
		t.Error(err)
	}
}

// Axes outside the tensor are an error, whatever their sign.
func TestAxisOutsideTheTensor(t *testing.T) {
	for _, axis := range []int64{-6, 4, math.MaxInt64, math.MinInt64} {
		m := model([]Node{
			{Op: "DequantizeLinear", Name: "dq", In: []string{"q", "s"}, Out: []string{"w"}, Attrs: []Attr{{Name: "axis", Kind: KindInt, I: axis}}},
			{Op: "Conv", Name: "c", In: []string{"x", "w"}, Out: []string{"y"}},
		}, []Tensor{
			{Name: "q", Type: I8, Dims: []int64{2, 3, 1, 1}, Raw: make([]byte, 6)}, tensor("s", []float32{1, 1}, 2),
		}, "y")
		if _, err := Import(m); err == nil || !strings.Contains(err.Error(), "dq") {
			t.Errorf("axis %d: %v", axis, err)
		}
	}
}

// A constant that is used three times by the next, and so on, is made once: 3^15 times would not end.
func TestConstantsAreMadeOnce(t *testing.T) {
	var nodes []Node
	prev := "k"
	for i := range deepest - 1 {
		out := string(rune('A' + i))
		nodes = append(nodes, Node{
			Op: "DequantizeLinear", Name: out, In: []string{prev, prev, prev}, Out: []string{out},
			Attrs: []Attr{{Name: "axis", Kind: KindInt, I: 0}},
		})
		prev = out
	}
	nodes = append(nodes, Node{Op: "Conv", Name: "c", In: []string{"x", prev}, Out: []string{"y"}})
	p := &importer{made: map[string]*Node{}, constants: map[string]*Tensor{}, values: map[string]values{}}
	k := tensor("k", make([]float32, 1000), 1000)
	p.constants["k"] = &k
	for i := range nodes {
		p.made[nodes[i].Out[0]] = &nodes[i]
	}
	if v, _, err := p.constant(prev, 0); err != nil || len(v) != 1000 || len(p.values) != deepest {
		t.Errorf("%d numbers, %d constants, %v", len(v), len(p.values), err)
	}
}

// What cuts the picture at zero cuts it, whatever lies between; a model whose picture has nothing below zero loses nothing.
func TestRectifiedPicture(t *testing.T) {
	node := func(op, in, out string, more ...string) Node {
		return Node{Op: op, Name: out, In: append([]string{in}, more...), Out: []string{out}}
	}
	pool := node("MaxPool", "x", "x0")
	pool.Attrs = []Attr{ints("kernel_shape", 2, 2), ints("strides", 2, 2)}
	for _, c := range []struct {
		name  string
		nodes []Node
		fault string // of Normalise with a mean of 0
	}{
		{"ReLU", []Node{node("Relu", "x", "x1")}, ""},
		{"ReLU, twice", []Node{node("Relu", "x", "x0"), node("Relu", "x0", "x1")}, ""},
		{"clip", []Node{node("Clip", "x", "x1", "z0")}, ""},
		{"pair", pair("x", "x1"), ""},
		{"pair behind an identity", append([]Node{node("Identity", "x", "x0")}, pair("x0", "x1")...), ""},
		{"pair, twice", append(pair("x", "x0"), pair("x0", "x1")...), ""},
		{"maximum pool, ReLU", []Node{pool, node("Relu", "x0", "x1")}, "(maxpool) reads the input"},
		{"maximum pool, pair", append([]Node{pool}, pair("x0", "x1")...), "(maxpool) reads the input"},
	} {
		m := model(append(c.nodes, node("Conv", "x1", "o", "w")), []Tensor{
			tensor("w", []float32{1, 0, 0}, 1, 3, 1, 1), tensor("s", []float32{1. / 255}), tensor("z0", []float32{0}), {Name: "z", Type: U8, Raw: []byte{0}},
		}, "o")
		n, err := Import(m)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if below, above := first(n, -0.5), first(n, 0.5); below != 0 || above != 0.5 {
			t.Errorf("%s: -0.5 and 0.5 become %g and %g", c.name, below, above)
		}
		nodes := len(n.Graph.Nodes)
		if err := Normalise(n, [3]float64{0, 0.1, 0}, [3]float64{1, 1, 1}); err == nil || !strings.Contains(err.Error(), "(relu): the model cuts") {
			t.Errorf("%s: below zero with a mean above it: %v", c.name, err)
		}
		err = Normalise(n, [3]float64{0, -0.1, 0}, [3]float64{1, 1, 1})
		if c.fault != "" {
			if err == nil || !strings.Contains(err.Error(), c.fault) {
				t.Errorf("%s: %v, want %q", c.name, err, c.fault)
			}
			continue
		}
		if err != nil || len(n.Graph.Nodes) != nodes-1 || len(n.Filters) != nodes-1 || n.Graph.Validate() != nil {
			t.Errorf("%s: %d of %d nodes, %v", c.name, len(n.Graph.Nodes), nodes, err)
		} else if below := first(n, -0.5); math.Abs(float64(below)-(128-63.75)/255) > 1e-6 {
			t.Errorf("%s: normalised, -0.5 becomes %g", c.name, below)
		}
	}
	m := model([]Node{node("Clip", "x", "x1", "z0", "six"), node("Conv", "x1", "o", "w")}, []Tensor{
		tensor("w", []float32{1, 0, 0}, 1, 3, 1, 1), tensor("z0", []float32{0}), tensor("six", []float32{6}),
	}, "o")
	if _, err := Import(m); err == nil || !strings.Contains(err.Error(), `value "x": a clip at 6 of the picture`) {
		t.Errorf("clip at 6: %v", err)
	}
}

// Of a maximum pool it is the input that is cut.
func TestQuantisedPool(t *testing.T) {
	init := []Tensor{
		tensor("w", []float32{1, 0, 0}, 1, 3, 1, 1), tensor("s", []float32{7. / 255}), {Name: "z", Type: U8, Raw: []byte{0}},
	}
	m := model(append([]Node{
		{Op: "Conv", Name: "c", In: []string{"x", "w"}, Out: []string{"y"}},
		{Op: "MaxPool", Name: "p", In: []string{"y"}, Out: []string{"y2"}, Attrs: []Attr{
			{Name: "kernel_shape", Kind: KindInts, Ints: []int64{3, 3}}, {Name: "strides", Kind: KindInts, Ints: []int64{2, 2}},
		}},
	}, pair("y2", "o")...), init, "o")
	n, err := Import(m)
	if err != nil || len(n.Graph.Nodes) != 3 || n.Graph.Nodes[1].Act != net.ActReLU || n.Graph.Nodes[2].Act != net.None {
		t.Errorf("pool: %+v, %v", n, err)
	}
	int8Output := model([]Node{
		{Op: "Conv", Name: "c", In: []string{"x", "w"}, Out: []string{"y"}},
		{Op: "QuantizeLinear", Name: "q", In: []string{"y", "s"}, Out: []string{"yq"}, Attrs: []Attr{{Name: "output_dtype", Kind: KindInt, I: int64(I8)}}},
		{Op: "DequantizeLinear", Name: "d", In: []string{"yq", "s"}, Out: []string{"o"}},
	}, init, "o")
	if n, err := Import(int8Output); err != nil || n.Graph.Nodes[1].Act != net.None {
		t.Errorf("output_dtype int8: %v", err)
	}
}
