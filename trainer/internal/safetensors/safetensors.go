// Package safetensors reads and writes safetensors files
// (github.com/huggingface/safetensors, "Format"): eight bytes with the little-endian
// length of a JSON header, the header, the tensors' bytes.
package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
)

// Limits, so that a hostile file costs little.
const (
	maxHeader  = 16 << 20
	maxTensors = 1 << 16
)

// ErrFormat reports bytes that are no safetensors file, or a damaged one.
var ErrFormat = errors.New("not a safetensors file")

// sizes are the bytes of an element; other types are refused.
var sizes = map[string]int{"F32": 4, "F64": 8, "I8": 1, "U8": 1, "I32": 4, "I64": 8}

// A Tensor is an array in row-major order, little-endian.
type Tensor struct {
	Name  string
	Type  string // F32, F64, I8, U8, I32, I64
	Shape []int
	Data  []byte
}

// A File is what a safetensors file holds.
type File struct {
	Meta    map[string]string
	Tensors []Tensor
}

type entry struct {
	Type    string   `json:"dtype"`
	Shape   []int    `json:"shape"`
	Offsets []uint64 `json:"data_offsets"`
}

const metadata = "__metadata__"

// Encode returns the bytes of the file: the tensors in their order, the header padded
// with spaces to a multiple of eight.
func (f *File) Encode() ([]byte, error) {
	var h bytes.Buffer
	h.WriteByte('{')
	add := func(key string, v any) error {
		k, err := json.Marshal(key)
		if err != nil {
			return err
		}
		b, err := json.Marshal(v)
		if err != nil {
			return err
		}
		if h.Len() > 1 {
			h.WriteByte(',')
		}
		h.Write(k)
		h.WriteByte(':')
		h.Write(b)
		return nil
	}
	if len(f.Meta) > 0 {
		if err := add(metadata, f.Meta); err != nil {
			return nil, fmt.Errorf("safetensors: %w", err)
		}
	}
	at := uint64(0)
	for i := range f.Tensors {
		t := &f.Tensors[i]
		end := at + uint64(len(t.Data))
		e := entry{t.Type, append([]int{}, t.Shape...), []uint64{at, end}}
		if err := e.check(); err != nil {
			return nil, fmt.Errorf("safetensors: %q: %w", t.Name, err)
		}
		if err := add(t.Name, e); err != nil {
			return nil, fmt.Errorf("safetensors: %q: %w", t.Name, err)
		}
		at = end
	}
	h.WriteByte('}')
	for h.Len()%8 != 0 {
		h.WriteByte(' ')
	}
	b := binary.LittleEndian.AppendUint64(nil, uint64(h.Len()))
	b = append(b, h.Bytes()...)
	for _, t := range f.Tensors {
		b = append(b, t.Data...)
	}
	return b, nil
}

// Parse reads a file. The tensors share b's memory, are in the order of their bytes, and
// cover all of them without gap or overlap.
func Parse(b []byte) (*File, error) {
	fail := func(format string, a ...any) (*File, error) {
		return nil, fmt.Errorf("safetensors: %w: "+format, append([]any{ErrFormat}, a...)...)
	}
	if len(b) < 8 {
		return fail("%d bytes", len(b))
	}
	n := binary.LittleEndian.Uint64(b)
	if n < 2 || n > maxHeader || n > uint64(len(b)-8) {
		return fail("a header of %d bytes in a file of %d", n, len(b))
	}
	f := new(File)
	entries, err := f.header(b[8 : 8+n])
	if err != nil {
		return fail("header: %w", err)
	}
	data := b[8+n:]
	order := make([]int, len(entries))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		x, y := entries[a].Offsets, entries[b].Offsets
		return slices.Compare(x, y)
	})
	tensors, at := make([]Tensor, 0, len(order)), uint64(0)
	for _, i := range order {
		t, o := f.Tensors[i], entries[i].Offsets
		if o[0] != at || o[1] > uint64(len(data)) {
			return fail("%q: bytes %d to %d: want to begin at %d, of %d", t.Name, o[0], o[1], at, len(data))
		}
		t.Data, at = data[o[0]:o[1]:o[1]], o[1]
		tensors = append(tensors, t)
	}
	if at != uint64(len(data)) {
		return fail("%d bytes behind the last tensor", uint64(len(data))-at)
	}
	f.Tensors = tensors
	return f, nil
}

// header reads the JSON object key by key, so that a repeated name is seen.
func (f *File) header(b []byte) ([]entry, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("no JSON object")
	}
	var entries []entry
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		key := t.(string) // an object's keys are strings, or Token fails
		if seen[key] || len(entries) == maxTensors {
			return nil, fmt.Errorf("%q: repeated, or more than %d tensors", key, maxTensors)
		}
		seen[key] = true
		if key == metadata {
			if err := d.Decode(&f.Meta); err != nil {
				return nil, fmt.Errorf("%s: %w", metadata, err)
			}
			continue
		}
		var e entry
		if err := d.Decode(&e); err != nil {
			return nil, fmt.Errorf("%q: %w", key, err)
		}
		if err := e.check(); err != nil {
			return nil, fmt.Errorf("%q: %w", key, err)
		}
		entries = append(entries, e)
		f.Tensors = append(f.Tensors, Tensor{Name: key, Type: e.Type, Shape: e.Shape})
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("more than one JSON value")
	}
	return entries, nil
}

// check compares type, shape and length.
func (e *entry) check() error {
	size := sizes[e.Type]
	switch {
	case size == 0:
		return fmt.Errorf("elements of type %q are not supported", e.Type)
	case len(e.Offsets) != 2 || e.Offsets[0] > e.Offsets[1]:
		return fmt.Errorf("data_offsets %v: want begin and end", e.Offsets)
	}
	n, most := uint64(1), (e.Offsets[1]-e.Offsets[0])/uint64(size)
	for _, d := range e.Shape {
		if d < 0 || d > 0 && n > most/uint64(d) {
			return fmt.Errorf("%s %v in %d bytes", e.Type, e.Shape, e.Offsets[1]-e.Offsets[0])
		}
		n *= uint64(d)
	}
	if n*uint64(size) != e.Offsets[1]-e.Offsets[0] {
		return fmt.Errorf("%s %v in %d bytes", e.Type, e.Shape, e.Offsets[1]-e.Offsets[0])
	}
	return nil
}

// Floats returns an F32 tensor of v.
func Floats(name string, v []float32, shape ...int) Tensor {
	b := make([]byte, 0, 4*len(v))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return Tensor{Name: name, Type: "F32", Shape: shape, Data: b}
}

// Floats returns the elements of an F32 tensor; another type is an error.
func (t *Tensor) Floats() ([]float32, error) {
	if t.Type != "F32" {
		return nil, fmt.Errorf("safetensors: %q: elements of type %s, want F32", t.Name, t.Type)
	}
	v := make([]float32, len(t.Data)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(t.Data[4*i:]))
	}
	return v, nil
}
