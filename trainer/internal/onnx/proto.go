// Package onnx reads and writes ONNX models (github.com/onnx/onnx, onnx.proto, IR
// version 8) and brings networks in and out: Export writes a .net model as ONNX,
// Import reads a trunk as a float network. doc/onnx.md says what is covered.
package onnx

import (
	"encoding/binary"
	"fmt"
	"math"
)

// A Model is an ONNX file.
type Model struct {
	IR       int64
	Producer string
	Opset    int64 // version of the standard operators
	Graph    Graph
	Meta     []Entry
}

// An Entry is a line of a model's metadata.
type Entry struct{ Key, Value string }

// A Graph lists nodes in an order in which they can be computed.
type Graph struct {
	Name    string
	Nodes   []Node
	Init    []Tensor // constants, by name
	In, Out []Value
}

// A Node is one operation. An empty input is an optional one that is absent.
type Node struct {
	Op, Name, Domain string
	In, Out          []string
	Attrs            []Attr
}

// A Kind says which field of an Attr has the value; the numbers are AttributeProto's.
type Kind int64

// Kinds of attributes. Others are kept by number, without their value.
const (
	KindFloat  Kind = 1
	KindInt    Kind = 2
	KindString Kind = 3
	KindTensor Kind = 4
	KindFloats Kind = 6
	KindInts   Kind = 7
)

// An Attr is a named constant of a node.
type Attr struct {
	Name   string
	Kind   Kind
	F      float32
	I      int64
	S      string
	T      *Tensor
	Floats []float32
	Ints   []int64
}

// A Type is the type of a tensor's elements; the numbers are TensorProto's.
type Type int64

// Types of elements that are read and written.
const (
	F32 Type = 1
	U8  Type = 2
	I8  Type = 3
	U16 Type = 4
	I16 Type = 5
	I32 Type = 6
	I64 Type = 7
	F64 Type = 11
)

// size is the number of bytes of an element, 0 if the type is not supported.
func (t Type) size() int {
	switch t {
	case U8, I8:
		return 1
	case U16, I16:
		return 2
	case F32, I32:
		return 4
	case I64, F64:
		return 8
	}
	return 0
}

// A Tensor is a constant. Raw is little-endian, in the order of Dims.
type Tensor struct {
	Name string
	Type Type
	Dims []int64
	Raw  []byte
}

// A Value describes an input or output. A Dim is a size or, where that is 0, a name.
type Value struct {
	Name string
	Type Type
	Dims []Dim
}

// A Dim is one side of a Value.
type Dim struct {
	Size  int64
	Param string
}

// len returns the number of elements, or an error where it is not what Raw holds.
func (t *Tensor) len() (int, error) {
	size := t.Type.size()
	if size == 0 {
		return 0, fmt.Errorf("tensor %q: elements of type %d are not supported", t.Name, t.Type)
	}
	n, most := int64(1), int64(len(t.Raw)/size)
	for _, d := range t.Dims {
		if d < 0 || d > 0 && n > most/d {
			return 0, fmt.Errorf("tensor %q: %v elements in %d bytes", t.Name, t.Dims, len(t.Raw))
		}
		n *= d
	}
	if n*int64(size) != int64(len(t.Raw)) {
		return 0, fmt.Errorf("tensor %q: %v elements in %d bytes", t.Name, t.Dims, len(t.Raw))
	}
	return int(n), nil
}

// Floats returns the elements as float32, whatever their type.
func (t *Tensor) Floats() ([]float32, error) {
	n, err := t.len()
	if err != nil {
		return nil, err
	}
	v := make([]float32, n)
	for i := range v {
		switch b := t.Raw[i*t.Type.size():]; t.Type {
		case F32:
			v[i] = math.Float32frombits(binary.LittleEndian.Uint32(b))
		case F64:
			v[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(b)))
		case U8:
			v[i] = float32(b[0])
		case I8:
			v[i] = float32(int8(b[0]))
		case U16:
			v[i] = float32(binary.LittleEndian.Uint16(b))
		case I16:
			v[i] = float32(int16(binary.LittleEndian.Uint16(b)))
		case I32:
			v[i] = float32(int32(binary.LittleEndian.Uint32(b)))
		case I64:
			v[i] = float32(int64(binary.LittleEndian.Uint64(b)))
		}
	}
	return v, nil
}

// attr returns the attribute of that name, nil if there is none.
func (n *Node) attr(name string) *Attr {
	for i := range n.Attrs {
		if n.Attrs[i].Name == name {
			return &n.Attrs[i]
		}
	}
	return nil
}
