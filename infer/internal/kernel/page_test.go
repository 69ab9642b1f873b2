//go:build linux

package kernel

import (
	"math/rand/v2"
	"testing"
	"unsafe"

	"cull/internal/impl/impltest"
)

// pagePlane returns a plane whose first byte, or whose last byte of slack,
// touches a page that faults.
func pagePlane(t *testing.T, h, w, c, border int, atStart bool) Plane {
	t.Helper()
	p := Plane{H: h, W: w, C: c, Border: border}
	b := impltest.Page(t, p.Size()+Slack, atStart)
	p.Data = unsafe.Slice((*int8)(unsafe.Pointer(&b[0])), len(b))
	return p
}

// Every byte that a kernel reads or writes belongs to its planes. A fault ends the test binary.
func TestKernelsStayInside(t *testing.T) {
	impltest.Each(t, Pkg, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(5, 5))
		for n := range 60 {
			t.Run("", func(t *testing.T) { stayInside(t, rng, n%2 == 0) })
		}
	})
}

func stayInside(t *testing.T, rng *rand.Rand, atStart bool) {
	c := randomCase(rng)
	if rng.IntN(4) == 0 {
		c.groups, c.out = c.in, c.in
	}
	oh, ow := (c.h+2*c.pad-c.kernel)/c.stride+1, (c.w+2*c.pad-c.kernel)/c.stride+1
	in := pagePlane(t, c.h, c.w, c.in, c.pad, atStart)
	out := pagePlane(t, oh, ow, c.out, 0, atStart)
	n := c.out * c.kernel * c.kernel * c.in / c.groups
	NewConv(Conv{
		Kernel: c.kernel, Stride: c.stride, Pad: c.pad, Groups: c.groups, Signed: c.signed, Lo: -127,
		Weights: make([]int8, n), Bias: make([]int32, c.out), Scale: make([]float32, c.out),
	}, in, out).Rows(0, oh)

	same := pagePlane(t, c.h, c.w, c.in, 0, atStart)
	same.ClearBorder(0, c.h)
	scale := make([]float32, c.in)
	NewReLU(in, same).Rows(0, c.h)
	NewAdd(in, same, pagePlane(t, c.h, c.w, c.in, 0, atStart), scale, scale, 0).Rows(0, c.h)
	pooled := pagePlane(t, oh, ow, c.in, 0, atStart)
	NewMaxPool(in, pooled, c.kernel, c.stride, c.pad).Rows(0, oh)
	NewAvgPool(in, pooled, c.kernel, c.stride, c.pad, 1, -127).Rows(0, oh)
}
