//go:build linux

package kernel

import (
	"testing"
	"unsafe"

	"cull/internal/impl/impltest"
)

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
			}
		}
	})
}
