package onnx

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"

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
