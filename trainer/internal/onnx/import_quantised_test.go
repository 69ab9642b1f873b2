package onnx

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"cull/infer/net"
	"cull/trainer/internal/grad"
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
		{"uint16", []Tensor{{Name: "z", Type: 4, Raw: []byte{0, 0}}}, -0.5},
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
		x := grad.NewTensor(1, 4, 4, 3)
		for i := range x.Row(0, 1) {
			x.Row(0, 1)[i] = -0.5
		}
		if got := n.Run(grad.NewCPU(1), x)[n.Graph.Taps[0].Node].Row(0, 1)[0]; got != c.want {
			t.Errorf("%s: -0.5 becomes %v, want %v", c.name, got, c.want)
		}
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
	if v, _, err := p.constant(prev, 0); err != nil || len(v) != 1000 || len(p.values) != deepest-1 {
		t.Errorf("%d numbers, %d constants, %v", len(v), len(p.values), err)
	}
}

// The picture itself has nothing to cut, however many nodes pass it through; of a pool it is the input that is cut.
func TestQuantisedPictureAndPool(t *testing.T) {
	init := []Tensor{
		tensor("w", []float32{1, 0, 0}, 1, 3, 1, 1), tensor("s", []float32{1. / 255}), {Name: "z", Type: U8, Raw: []byte{0}},
	}
	pair := func(in, out string) []Node {
		return []Node{
			{Op: "QuantizeLinear", Name: out + "q", In: []string{in, "s", "z"}, Out: []string{out + "q"}},
			{Op: "DequantizeLinear", Name: out, In: []string{out + "q", "s", "z"}, Out: []string{out}},
		}
	}
	for _, c := range []struct {
		name  string
		nodes []Node
		want  int // nodes of the network
	}{
		{"picture behind an identity", append([]Node{{Op: "Identity", Name: "i", In: []string{"x"}, Out: []string{"x0"}}}, pair("x0", "x1")...), 2},
		{"picture, twice", append(pair("x", "x0"), pair("x0", "x1")...), 2},
	} {
		m := model(append(c.nodes, Node{Op: "Conv", Name: "c", In: []string{"x1", "w"}, Out: []string{"o"}}), init, "o")
		if n, err := Import(m); err != nil || len(n.Graph.Nodes) != c.want {
			t.Errorf("%s: %v", c.name, err)
		}
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
