package onnx

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// The wire format of protocol buffers (protobuf.dev/programming-guides/encoding), the
// part that ONNX uses: varints, 32 and 64 bit numbers and length-delimited bytes.
const (
	wireVarint = 0
	wire64     = 1
	wireBytes  = 2
	wire32     = 5
)

var errTruncated = errors.New("truncated")

// A writer appends fields. Numbers of value 0 and empty strings are left out, as
// proto3 does.
type writer []byte

func (w *writer) tag(field, wire int) {
	*w = binary.AppendUvarint(*w, uint64(field)<<3|uint64(wire))
}

func (w *writer) int(field int, v int64) {
	if v != 0 {
		w.tag(field, wireVarint)
		*w = binary.AppendUvarint(*w, uint64(v))
	}
}

func (w *writer) float(field int, v float32) {
	w.tag(field, wire32)
	*w = binary.LittleEndian.AppendUint32(*w, math.Float32bits(v))
}

func (w *writer) bytes(field int, b []byte) {
	w.tag(field, wireBytes)
	*w = append(binary.AppendUvarint(*w, uint64(len(b))), b...)
}

func (w *writer) string(field int, s string) {
	if s != "" {
		w.bytes(field, []byte(s))
	}
}

// ints appends a packed list.
func (w *writer) ints(field int, v []int64) {
	var p writer
	for _, x := range v {
		p = binary.AppendUvarint(p, uint64(x))
	}
	if len(v) > 0 {
		w.bytes(field, p)
	}
}

// message appends what f writes as one field.
func (w *writer) message(field int, f func(*writer)) {
	var m writer
	f(&m)
	w.bytes(field, m)
}

// A field is one field of a message: v holds a number, b the bytes of wireBytes.
type field struct {
	number, wire int
	v            uint64
	b            []byte
}

// fields calls f with every field of a message, in order.
func fields(b []byte, f func(field) error) error {
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 || tag>>3 == 0 || tag>>3 > 1<<29-1 {
			return errTruncated
		}
		b = b[n:]
		d := field{number: int(tag >> 3), wire: int(tag & 7)}
		n = 0
		switch d.wire {
		case wireVarint:
			if d.v, n = binary.Uvarint(b); n <= 0 {
				return errTruncated
			}
		case wire64, wire32:
			if n = 8; d.wire == wire32 {
				n = 4
			}
			if len(b) < n {
				return errTruncated
			}
			for i := range n {
				d.v |= uint64(b[i]) << (8 * i)
			}
		case wireBytes:
			size, head := binary.Uvarint(b)
			if head <= 0 || size > uint64(len(b)-head) {
				return errTruncated
			}
			n = head + int(size)
			d.b = b[head:n:n]
		default:
			return fmt.Errorf("field %d: wire type %d", d.number, d.wire)
		}
		if err := f(d); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// is reports an error where the field has another wire type than wanted.
func (d field) is(wire int) error {
	if d.wire != wire {
		return fmt.Errorf("field %d: wire type %d, want %d", d.number, d.wire, wire)
	}
	return nil
}

func (d field) readString(s *string) error {
	*s = string(d.b)
	return d.is(wireBytes)
}

func (d field) readInt(v *int64) error {
	*v = int64(d.v)
	return d.is(wireVarint)
}

// readInts appends one value or a packed list.
func (d field) readInts(v *[]int64) error {
	if d.wire == wireVarint {
		*v = append(*v, int64(d.v))
		return nil
	}
	if err := d.is(wireBytes); err != nil {
		return err
	}
	for b := d.b; len(b) > 0; {
		x, n := binary.Uvarint(b)
		if n <= 0 {
			return errTruncated
		}
		*v = append(*v, int64(x))
		b = b[n:]
	}
	return nil
}

// readFixed appends the little-endian bytes of one value or a packed list of size
// bytes each.
func (d field) readFixed(raw *[]byte, size int) error {
	if d.wire == wireBytes {
		if len(d.b)%size != 0 {
			return errTruncated
		}
		*raw = append(*raw, d.b...)
		return nil
	}
	want := wire32
	if size == 8 {
		want = wire64
	}
	for i := range size {
		*raw = append(*raw, byte(d.v>>(8*i)))
	}
	return d.is(want)
}

// within names the part of a message an error came from.
func within(what string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
