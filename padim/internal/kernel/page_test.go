//go:build linux

package kernel

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"

	"cull/internal/impl/impltest"
)

// fenced returns copies of v that begin right behind, and end right before, a
// page that may not be touched.
func fenced[T any](t *testing.T, v []T) (behind, before []T) {
	t.Helper()
	place := func(atStart bool) []T {
		b := impltest.Page(t, len(v)*int(unsafe.Sizeof(v[0])), atStart)
		return unsafe.Slice((*T)(unsafe.Pointer(&b[0])), len(v))
	}
	behind, before = place(true), place(false)
	copy(behind, v)
	copy(before, v)
	return behind, before
}

// No kernel touches a byte outside its arguments: the test would crash.
func TestKernelsStayInsideTheirArguments(t *testing.T) {
	impltest.Each(t, Pkg, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(2, 3))
		for _, d := range []int{1, 15, 16, 17, 95, 96, 97, 112, 193} {
			_, half, single := triangle(rng, d)
			v := make([]float32, Padded(d))
			h0, h1 := fenced(t, half)
			s0, s1 := fenced(t, single)
			m0, m1 := fenced(t, v)
			x0, x1 := fenced(t, v)
			y0, y1 := fenced(t, v)
			Norm2Half(h0, m0, x0, y0, d)
			Norm2Half(h1, m1, x1, y1, d)
			Norm2Single(s0, m0, x0, y0, d)
			Norm2Single(s1, m1, x1, y1, d)

			s := NewShared(half, m0, d, true)
			v2 := make([]float32, 2*len(v))
			w0, w1 := fenced(t, s.w)
			many0, many1 := fenced(t, v2)
			scratch0, scratch1 := fenced(t, make([]float32, Scratch(d)))
			two := make([]float32, 2)
			s.w = w0
			s.Norm2(two, many0, scratch0)
			s.w, s.mean = w1, m1
			s.Norm2(two, many1, scratch1)

			p := NewProjection(make([]int16, 7*d), d, 7)
			in0, in1 := fenced(t, make([]int16, p.Inputs()))
			p0, p1 := fenced(t, p.w)
			out0, out1 := fenced(t, make([]int32, p.Outputs()))
			p.w = p0
			p.Project(out0, in0)
			p.w = p1
			p.Project(out1, in1)

			rows0, rows1 := fenced(t, make([]int32, d))
			f0, f1 := fenced(t, make([]float32, d))
			Sum3(rows0, rows0, rows0, rows0)
			Sum3(rows1, rows1, rows1, rows1)
			AddScaled3(f0, rows0, rows0, rows0, f0)
			AddScaled3(f1, rows1, rows1, rows1, f1)
		}
		for _, d := range []int{1, 2, 5, 8, 13} {
			a := definite(rng, d)
			l0, l1 := fenced(t, a)
			i0, i1 := fenced(t, a)
			Cholesky(l0, d)
			Cholesky(l1, d)
			Invert(i0, l0, d)
			Invert(i1, l1, d)
		}
	})
}

// Whatever the bits of the factor and of the features, all implementations
// agree to the bit.
func FuzzNorm2(f *testing.F) {
	f.Add(uint8(3), []byte{0, 60, 0, 0, 0, 188})
	f.Add(uint8(97), []byte{1, 0, 255, 123})
	f.Fuzz(func(t *testing.T, size uint8, raw []byte) {
		d := 1 + int(size)
		rng := bytes.NewReader(raw)
		half := make([]byte, 2*Size(d))
		_, _ = rng.Read(half)
		for k := 0; k < len(half); k += 2 {
			if !Finite(binary.LittleEndian.Uint16(half[k:])) {
				half[k+1] &^= 0x40
			}
		}
		mean, x, y := make([]float32, Padded(d)), make([]float32, Padded(d)), make([]float32, Padded(d))
		for j := range d {
			var b [4]byte
			_, _ = rng.Read(b[:])
			// Below 2^31 in magnitude, as a model guarantees.
			x[j] = math.Float32frombits(binary.LittleEndian.Uint32(b[:])&^(1<<30)) * 0x1p31
			mean[d-1-j] = float32(int8(b[0]))
		}
		want := applyGeneric(half, mean, x, y, d, true)
		if got := Norm2Half(half, mean, x, y, d); math.Float32bits(got) != math.Float32bits(want) {
			t.Fatalf("d=%d: got %v, want %v", d, got, want)
		}
	})
}
