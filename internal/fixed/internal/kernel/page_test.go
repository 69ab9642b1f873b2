//go:build linux

package kernel

import (
	"testing"
	"unsafe"

	"cull/internal/impl/impltest"
)

// words is p as longer numbers.
func words[T uint16 | int16 | uint32](p []byte) []T {
	var size T
	return unsafe.Slice((*T)(unsafe.Pointer(&p[0])), len(p)/int(unsafe.Sizeof(size)))
}

// Every byte that a kernel reads or writes was given to it. A fault ends the test binary.
func TestKernelsStayInside(t *testing.T) {
	impltest.Each(t, Pkg, func(t *testing.T) {
		for _, atStart := range []bool{false, true} {
			page := func(n int) []byte { return impltest.Page(t, n, atStart) }
			for _, n := range []int{Lane, 2 * Lane, 5 * Lane, 8 * Lane, 13 * Lane} {
				var rows [Directions][]uint8
				for k := range rows {
					rows[k] = page(n)
				}
				src := page(3 * n)
				Grey(page(n), unsafe.Slice((*int8)(unsafe.Pointer(&src[0])), len(src)))
				Sobel(&rows, page(n+2), page(n+2), page(n+2))
				Largest(page(n), rows[0], rows[1], rows[2])
				RaiseToLeast(page(n), &rows)

				Column(words[uint16](page(2*n)), (*[Near][]uint8)(rows[:Near]))
				Row(words[uint16](page(2*n)), words[uint16](page(2*n+8)))
				c := Curvature{words[int16](page(2 * n)), words[int16](page(2 * n)), words[int16](page(2 * n))}
				var around [Near][]uint16
				for k := range around {
					around[k] = words[uint16](page(2*n + 8))
				}
				Curve(c, words[uint32](page(2*n)), &around)
				Strengths(page(7*(n+3)+n), n+3, c, words[int16](page(2*n)))
				Mean(page(n), rows[0], rows[1], rows[2], rows[3])
				RaiseToExcess(page(n), &rows)
				Halve(page(n/2), rows[0], rows[1])
			}
		}
	})
}
