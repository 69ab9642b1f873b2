// Package pixel holds the inner loops that turn rows of pixels into the network's input: taking samples
// apart, resampling along a row and along columns, BT.601, interleaving.
//
// All of it is integer arithmetic. The portable functions of file generic.go are the reference; the
// assembly gives the same bits.
package pixel

import "cull/internal/impl/vectors"

//go:generate go run ./gen

// Pkg is the name under which the implementations are registered (package impl).
const Pkg = "infer/pixel"

var assembly = vectors.New(Pkg)

// Name returns the name of the implementation in use.
func Name() string { return assembly.Name() }

// Bits is the precision of resampling weights, whose sum is 1<<Bits: 255 << 22 fits in 31 bits.
const Bits = 22

const half = 1 << (Bits - 1)

// Block is how many samples Columns works on at once.
const Block = 32

// Padded is n rounded up to whole blocks.
func Padded(n int) int { return (n + Block - 1) / Block * Block }

// Pick writes every step-th byte of src: dst[i] = src[i*step]. Step is 1 to 4.
func Pick(dst, src []uint8, step int) {
	if step == 1 {
		copy(dst, src)
		return
	}
	done := 0
	if n := len(dst) &^ 15; assembly.Use() && n > 0 {
		// The kernels read step*16 bytes for 16, so the last ones of src may not be there.
		if n*step > len(src) {
			n -= 16
		}
		if n > 0 {
			applyPick(&pick{dst: &dst[0], src: &src[0], step: step, blocks: n / 16})
			done = n
		}
	}
	pickGeneric(dst[done:], src[done*step:], step)
}

// A Row resamples a row: output i is the sum of some samples from a first one on, weighted.
type Row struct {
	first  []int32 // [outputs]
	count  []int32
	coef   []int32 // [outputs][taps]
	taps   int
	packed []int16 // [outputs/4][blocks][4 outputs][16]: 8 weights >> 11, the same 8 weights' low 11 bits
	starts []int32 // first, padded
	blocks int
}

// NewRow returns the resampler of outputs with their first samples, the number of samples each reads and their
// weights, taps of them an output.
func NewRow(first, count, coef []int32, taps int) Row {
	r := Row{first: first, count: count, coef: coef, taps: taps, blocks: (taps + 7) / 8}
	n := (len(first) + 3) / 4 * 4
	r.packed, r.starts = make([]int16, n*r.blocks*16), make([]int32, n)
	copy(r.starts, first)
	for i := range first {
		for k, c := range coef[i*taps:][:count[i]] {
			at := ((i/4*r.blocks+k/8)*4+i%4)*16 + k%8
			r.packed[at], r.packed[at+8] = int16(c>>11), int16(c&(1<<11-1))
		}
	}
	return r
}

// Span is how many samples Apply may read, whatever they are behind the n that its outputs need.
func (r *Row) Span(n int) int { return n + 8*r.blocks }

// Apply resamples src to dst, the first of them as many as there are outputs. Of src Span samples can be
// read, of dst Padded(outputs) written.
func (r *Row) Apply(dst, src []uint8) {
	if !assembly.Use() || len(r.first) == 0 {
		rowGeneric(dst, src, r)
		return
	}
	_ = src[r.Span(int(r.first[len(r.first)-1]))-1]
	applyRow(&row{
		dst: &dst[:len(r.starts)][0], src: &src[0], first: &r.starts[0], coef: &r.packed[0],
		blocks: r.blocks, groups: len(r.starts) / 4,
	})
}

// Columns writes dst[j] = (half + sum over k of coef[k]*rows[k*stride+j]) >> Bits. The length of dst is a multiple of
// Block.
func Columns(dst, rows []uint8, stride int, coef []int32) {
	if !assembly.Use() || len(coef) == 0 || len(dst) == 0 {
		columnsGeneric(dst, rows, stride, coef)
		return
	}
	_ = rows[(len(coef)-1)*stride+len(dst)-1]
	applyColumns(&columns{
		dst: &dst[0], rows: &rows[0], stride: stride, coef: &coef[0], taps: len(coef), blocks: len(dst) / Block,
	})
}

// A Matrix is BT.601 in 1/65536:
//
//	l = (Y - Black) Y' + 1/2;  R = l + RCr (Cr-128);  G = l + GCb (Cb-128) + GCr (Cr-128);  B = l + BCb (Cb-128)
//
// each rounded down and clamped to 0..255.
type Matrix struct{ Black, Y, RCr, GCb, GCr, BCb int32 }

// RGB replaces y, cb, cr of equal length, a multiple of Block, by R, G, B.
func (m *Matrix) RGB(y, cb, cr []uint8) {
	if !assembly.Use() || len(y) == 0 {
		m.rgbGeneric(y, cb, cr)
		return
	}
	applyRGB(&planes{a: &y[0], b: &cb[:len(y)][0], c: &cr[:len(y)][0], m: m, blocks: len(y) / 8})
}

// Interleave writes dst[3i], dst[3i+1], dst[3i+2] = a[i], b[i], c[i], each less 128, with -127 for -128.
func Interleave(dst []int8, a, b, c []uint8) {
	done := 0
	if n := len(a) &^ 15; assembly.Use() && n > 0 {
		_, _, _ = dst[3*n-1], b[n-1], c[n-1]
		applyInterleave(&planes{dst: &dst[0], a: &a[0], b: &b[0], c: &c[0], blocks: n / 16})
		done = n
	}
	interleaveGeneric(dst[3*done:], a[done:], b[done:], c[done:])
}

// The arguments of the assembly.
type (
	pick struct {
		dst, src     *uint8
		step, blocks int // blocks of 16
	}
	row struct {
		dst, src       *uint8
		first          *int32
		coef           *int16
		blocks, groups int // blocks of 8 taps; groups of 4 outputs
	}
	columns struct {
		dst, rows    *uint8
		stride       int
		coef         *int32
		taps, blocks int // blocks of 32
	}
	planes struct {
		dst     *int8
		a, b, c *uint8
		m       *Matrix
		blocks  int // of 8 for RGB, 16 for Interleave
	}
)
