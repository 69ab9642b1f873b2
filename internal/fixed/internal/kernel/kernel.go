// Package kernel has the inner loops of the grey picture and of the maps of spots and lines, on numbers of a byte each. Portable Go computes eight at a
// time, in a word; AVX2 and NEON as many as a register holds. All give the same bytes.
package kernel

import "cull/internal/impl/vectors"

// Pkg is the name of this package's implementations.
const Pkg = "fixed/kernel"

var assembly = vectors.New(Pkg)

// Name returns the name of the implementation in use.
func Name() string { return assembly.Name() }

// blocks returns how many blocks of size the assembly does of n numbers; Go does the others.
func blocks(n, size int) int {
	if !assembly.Use() {
		return 0
	}
	return n / size
}

// Lane is what lengths are a multiple of.
const Lane = 8

// Directions is the number of directions of Sobel.
const Directions = 8

// Grey sets every number of dst to the mean of a pixel's three channels, of -127 to 127, plus 127, rounded down. src
// has three numbers for each of dst.
func Grey(dst []uint8, src []int8) {
	n := len(dst)
	src = src[:3*n]
	k := blocks(n, greyBlock)
	if k > 0 {
		applyGrey(&grey{dst: &dst[0], src: &src[0], blocks: k})
	}
	dst, src = dst[k*greyBlock:], src[3*k*greyBlock:]
	for i := range dst {
		p := src[3*i:][:3]
		dst[i] = uint8((int(p[0]) + int(p[1]) + int(p[2]) + 3*127) / 3)
	}
}

// Sobel applies Sobel's operator to a row of pixels of 0 to 254. up, mid and down are three rows of the picture from
// the pixel to the left of the first on, two longer than those of to: how much the picture rises in the directions east,
// south-east, south and on clockwise to north-east, where it falls 0, in half grey levels a pixel, at most 127.
// Diagonals, whose sums are √2 times as large, count 23/32.
func Sobel(to *[Directions][]uint8, up, mid, down []uint8) {
	n := len(to[0])
	up, mid, down = up[:n+2], mid[:n+2], down[:n+2]
	k := blocks(n, sobelBlock)
	if k > 0 {
		a := sobel{up: &up[0], mid: &mid[0], down: &down[0], blocks: k}
		for i := range to {
			a.to[i] = &to[i][:n][0]
		}
		applySobel(&a)
	}
	for i := k * sobelBlock; i < n; i += Lane {
		sobelWord(to, i, up[i:], mid[i:], down[i:])
	}
}

// Largest sets every number of dst to the largest of those of a, b and c; numbers are of 0 to 127.
func Largest(dst, a, b, c []uint8) {
	n := len(dst)
	a, b, c = a[:n], b[:n], c[:n]
	k := blocks(n, block)
	if k > 0 {
		applyLargest(&largest{dst: &dst[0], a: &a[0], b: &b[0], c: &c[0], blocks: k})
	}
	for i := k * block; i < n; i += Lane {
		store(dst[i:], larger(load(b[i:]), larger(load(a[i:]), load(c[i:]))))
	}
}

// RaiseToLeast sets every number of dst to the least of those of from, where that is larger; numbers are of 0 to 127.
func RaiseToLeast(dst []uint8, from *[Directions][]uint8) {
	n := len(dst)
	k := blocks(n, block)
	if k > 0 {
		a := least{dst: &dst[0], blocks: k}
		for i := range from {
			a.from[i] = &from[i][:n][0]
		}
		applyLeast(&a)
	}
	p0, p1, p2, p3 := from[0][:n], from[1][:n], from[2][:n], from[3][:n]
	p4, p5, p6, p7 := from[4][:n], from[5][:n], from[6][:n], from[7][:n]
	for i := k * block; i < n; i += Lane {
		a := smaller(smaller(load(p0[i:]), load(p1[i:])), smaller(load(p2[i:]), load(p3[i:])))
		b := smaller(smaller(load(p4[i:]), load(p5[i:])), smaller(load(p6[i:]), load(p7[i:])))
		store(dst[i:], larger(load(dst[i:]), smaller(a, b)))
	}
}

// The arguments of the assembly.
type (
	grey struct {
		dst    *uint8
		src    *int8
		blocks int // of greyBlock
	}
	sobel struct {
		to            [Directions]*uint8
		up, mid, down *uint8
		blocks        int // of sobelBlock
	}
	largest struct {
		dst, a, b, c *uint8
		blocks       int // of block
	}
	least struct {
		dst    *uint8
		from   [Directions]*uint8
		blocks int // of block
	}
)
