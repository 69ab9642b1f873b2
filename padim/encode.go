package padim

import (
	"encoding/binary"
	"math"
)

// The bytes of a model, doc/format-product.md. Arrays that are read in place
// begin at multiples of align, counted from the first byte.
const align = 64

// Flags of the header.
const (
	flagShared = 1 << iota
	flagNearest
	flagSingle
	flagPool
	flagMask
	flagsKnown = 1<<iota - 1
)

// AppendBinary appends the bytes of m to b.
func (m *Model) AppendBinary(b []byte) ([]byte, error) {
	w := writer{b: b, start: len(b)}
	w.u32(uint32(m.mode), m.flags(), uint32(m.proj.d), uint32(m.proj.cell), uint32(m.top),
		uint32(m.zoom), uint32(len(m.taps)), uint32(len(m.proj.stages)))
	for i, s := range m.proj.stages {
		sp := m.proj.per[i]
		dense := uint32(0)
		if sp.pick == nil {
			dense = 1
		}
		w.u32(uint32(s.h), uint32(s.w), uint32(s.c), uint32(s.stride),
			uint32(sp.lo), uint32(sp.hi), dense, 0)
		w.f32(s.step)
		w.f32(sp.factor)
		for _, c := range sp.pick {
			w.u32(uint32(c))
		}
		for _, v := range sp.weight {
			w.b = append(w.b, byte(int8(v)))
		}
		w.pad(4)
	}
	w.f32(m.taps)
	if m.ignore != nil {
		w.mask(m.ignore)
	}
	w.pad(align)
	w.f32(m.mean)
	w.pad(align)
	return append(w.b, m.factor...), nil
}

func (m *Model) flags() uint32 {
	flags := uint32(0)
	for bit, on := range map[uint32]bool{
		flagShared: m.shared, flagNearest: m.nearest, flagSingle: m.single,
		flagPool: m.proj.pool, flagMask: m.ignore != nil,
	} {
		if on {
			flags |= bit
		}
	}
	return flags
}

// A writer appends little-endian values.
type writer struct {
	b     []byte
	start int
}

func (w *writer) u32(v ...uint32) {
	for _, x := range v {
		w.b = binary.LittleEndian.AppendUint32(w.b, x)
	}
}

func (w *writer) f32(v []float32) {
	for _, x := range v {
		w.u32(math.Float32bits(x))
	}
}

// mask writes a bit a cell, the first in bit 0, filled up to 4 bytes.
func (w *writer) mask(v []bool) {
	bits := make([]byte, (len(v)+7)/8)
	for p, on := range v {
		if on {
			bits[p/8] |= 1 << (p % 8)
		}
	}
	w.b = append(w.b, bits...)
	w.pad(4)
}

func (w *writer) pad(n int) {
	for (len(w.b)-w.start)%n != 0 {
		w.b = append(w.b, 0)
	}
}
