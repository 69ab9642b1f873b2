//go:build linux

package pixel

import (
	"math/rand/v2"
	"testing"
	"unsafe"

	"cull/internal/impl/impltest"
)

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
	Pick(impltest.Page(t, n, atStart), impltest.Page(t, (n-1)*step+1, atStart), step)

	outputs, taps, samples := 1+rng.IntN(70), 1+rng.IntN(20), 20+rng.IntN(100)
	first, count := make([]int32, outputs), make([]int32, outputs)
	var coef []int32
	for i := range outputs {
		first[i], count[i] = int32(i*(samples-taps)/outputs), int32(taps)
		coef = append(coef, weights(rng, taps)...)
	}
	r := NewRow(first, count, coef, taps)
	r.Apply(impltest.Page(t, Padded(outputs), atStart), impltest.Page(t, r.Span(samples), atStart))

	width := Padded(n)
	stride := width + Block*rng.IntN(2)
	Columns(impltest.Page(t, width, atStart), impltest.Page(t, (taps-1)*stride+width, atStart), stride, coef[:taps])

	y, cb, cr := impltest.Page(t, width, atStart), impltest.Page(t, width, atStart), impltest.Page(t, width, atStart)
	matrices[0].RGB(y, cb, cr)
	dst := impltest.Page(t, 3*n, atStart)
	Interleave(unsafe.Slice((*int8)(unsafe.Pointer(&dst[0])), len(dst)), y[:n], cb[:n], cr[:n])
}
