//go:build !purego

package control

import (
	"unsafe"

	"golang.org/x/sys/cpu"

	"cull/internal/impl"
)

var useAVX2 = cpu.X86.HasAVX2

func init() { impl.Register(Pkg, "avx2", &useAVX2) }

func (c *correlation) apply() {
	done := 0
	if useAVX2 {
		done = len(c.dst) &^ 7
		a := span{
			dst: unsafe.SliceData(c.dst), src: unsafe.SliceData(c.src), f: unsafe.SliceData(c.f),
			n: done, stride: c.stride, r: len(c.f) - 1,
		}
		if c.parity == odd {
			oddAVX2(&a)
		} else {
			evenAVX2(&a)
		}
	}
	c.generic(done)
}

func (o *orientation) apply() {
	done := 0
	if useAVX2 {
		done = len(o.x) &^ 7
		a := planes{n: done}
		for i, p := range [][]float32{o.x, o.y, o.xx, o.yy, o.xy, o.e[0], o.e[1], o.e[2], o.e[3]} {
			a.p[i] = unsafe.SliceData(p)
		}
		orientAVX2(&a)
	}
	o.generic(done)
}

// A span is a correlation of n elements, a multiple of 8.
type span struct {
	dst, src, f  *float32
	n, stride, r int
}

// planes are those of an orientation in its order, of n elements, a multiple of 8.
type planes struct {
	p [9]*float32
	n int
}

//go:noescape
func evenAVX2(a *span)

//go:noescape
func oddAVX2(a *span)

//go:noescape
func orientAVX2(a *planes)
