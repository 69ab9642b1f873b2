//go:build linux

package pixel

import (
	"math/rand/v2"
	"syscall"
	"testing"
	"unsafe"

	"cull/internal/impl/impltest"
)

// page returns n bytes whose first, or whose last, touches a page that faults.
func page(t *testing.T, n int, atStart bool) []uint8 {
	t.Helper()
	size := syscall.Getpagesize()
	inner := (n + size - 1) / size * size
	b, err := syscall.Mmap(-1, 0, inner+2*size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Munmap(b); err != nil {
			t.Error(err)
		}
	})
	for _, guard := range [][]byte{b[:size], b[size+inner:]} {
		if err := syscall.Mprotect(guard, syscall.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	if atStart {
		return b[size:][:n:n]
	}
	return b[size+inner-n:][:n:n]
}

// Every byte that a kernel reads or writes was given to it. A fault ends the test binary.
func TestKernelsStayInside(t *testing.T) {
	impltest.Each(t, Pkg, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(6, 6))
		for k := range 80 {
			t.Run("", func(t *testing.T) { stayInside(t, rng, k%2 == 0) })
		}
	})
}

func stayInside(t *testing.T, rng *rand.Rand, atStart bool) {
	n, step := 1+rng.IntN(120), 1+rng.IntN(4)
	Pick(page(t, n, atStart), page(t, (n-1)*step+1, atStart), step)

	outputs, taps, samples := 1+rng.IntN(70), 1+rng.IntN(20), 20+rng.IntN(100)
	first, count := make([]int32, outputs), make([]int32, outputs)
	var coef []int32
	for i := range outputs {
		first[i], count[i] = int32(i*(samples-taps)/outputs), int32(taps)
		coef = append(coef, weights(rng, taps)...)
	}
	r := NewRow(first, count, coef, taps)
	r.Apply(page(t, Padded(outputs), atStart), page(t, r.Span(samples), atStart))

	width := Padded(n)
	stride := width + Block*rng.IntN(2)
	Columns(page(t, width, atStart), page(t, (taps-1)*stride+width, atStart), stride, coef[:taps])

	y, cb, cr := page(t, width, atStart), page(t, width, atStart), page(t, width, atStart)
	matrices[0].RGB(y, cb, cr)
	dst := page(t, 3*n, atStart)
	Interleave(unsafe.Slice((*int8)(unsafe.Pointer(&dst[0])), len(dst)), y[:n], cb[:n], cr[:n])
}
