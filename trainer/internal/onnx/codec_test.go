package onnx

import (
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

// sample is an encoded model with every kind of field.
func sample(t testing.TB) []byte {
	t.Helper()
	m, err := Export(everything(rand.New(rand.NewPCG(3, 1))), Int8)
	if err != nil {
		t.Fatal(err)
	}
	n := &m.Graph.Nodes[0]
	n.Domain = "ai.onnx"
	n.Attrs = append(n.Attrs,
		Attr{Name: "f", Kind: KindFloat, F: -1.5},
		Attr{Name: "fs", Kind: KindFloats, Floats: []float32{1, 2}},
		Attr{Name: "t", Kind: KindTensor, T: &Tensor{Name: "c", Type: I64, Dims: []int64{1}, Raw: make([]byte, 8)}})
	return m.Encode()
}

func TestParseReadsWhatEncodeWrote(t *testing.T) {
	b := sample(t)
	m, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if m.IR != irVersion || m.Opset != opsetVersion || len(m.Meta) != 4 {
		t.Errorf("version %d, opset %d, %d lines of metadata", m.IR, m.Opset, len(m.Meta))
	}
	again, err := Parse(m.Encode())
	if err != nil || !reflect.DeepEqual(m, again) {
		t.Errorf("a second round differs (%v)", err)
	}
	if string(m.Encode()) != string(b) {
		t.Error("encoding what was read gives other bytes")
	}
}

func TestTruncatedFilesNeverPanic(t *testing.T) {
	b := sample(t)
	whole := 0
	for n := range b {
		if m, err := Parse(b[:n]); err == nil { // a cut between two fields
			whole++
			Import(m)
		}
	}
	if whole > 20 {
		t.Errorf("%d prefixes were taken for models", whole)
	}
}

func TestTypedListsBecomeBytes(t *testing.T) {
	var w writer
	w.ints(1, []int64{3})
	w.int(2, int64(I8))
	w.ints(5, []int64{-1, 2, 3})
	w.string(8, "list")
	var c Tensor
	if err := c.decode(field{wire: wireBytes, b: w}); err != nil {
		t.Fatal(err)
	}
	v, err := c.Floats()
	if err != nil || !reflect.DeepEqual(v, []float32{-1, 2, 3}) {
		t.Errorf("%v, %v", v, err)
	}
	c.Dims = []int64{1 << 62, 4}
	if _, err := c.Floats(); err == nil {
		t.Error("a shape that overflows passed")
	}
	w = nil
	w.int(14, 1)
	if err := c.decode(field{wire: wireBytes, b: w}); err == nil || !strings.Contains(err.Error(), "another file") {
		t.Errorf("external data: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(sample(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b)
		if err != nil {
			return
		}
		if _, err := Parse(m.Encode()); err != nil {
			t.Error(err)
		}
		n, err := Import(m)
		if err != nil {
			return
		}
		if err := n.Graph.Validate(); err != nil {
			t.Error(err)
		}
	})
}
