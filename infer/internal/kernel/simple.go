package kernel

import (
	"slices"

	"cull/infer/quant"
)

// Input copies In, [H][W][C], into the plane.
type Input struct {
	In  []int8
	Out Plane
}

// Rows copies rows.
func (o *Input) Rows(y0, y1 int) {
	n := o.Out.W * o.Out.C
	for y := y0; y < y1; y++ {
		copy(o.Out.Row(y), o.In[y*n:])
	}
}

// add sums two planes of one shape: see quant.AddRequantize.
type add struct {
	a, b, out      Plane
	scaleA, scaleB []float32 // [C]
	lo             int8
	vector         bool
}

// NewAdd adds a and b with scales per channel, [C] each.
func NewAdd(a, b, out Plane, scaleA, scaleB []float32, lo int8) Op {
	return &add{a, b, out, slices.Clone(scaleA), slices.Clone(scaleB), lo, vectors(out.C)}
}

func (o *add) Rows(y0, y1 int) {
	for y := y0; y < y1; y++ {
		if o.vector {
			o.vectorRow(y)
		} else {
			o.row(y)
		}
	}
}

func (o *add) row(y int) {
	n := o.out.C
	a, b, dst := o.a.Row(y), o.b.Row(y), o.out.Row(y)
	for len(dst) > 0 {
		addPixel(dst[:n], a[:n], b[:n], o.scaleA, o.scaleB, o.lo)
		a, b, dst = a[n:], b[n:], dst[n:]
	}
}

func addPixel(dst, a, b []int8, sa, sb []float32, lo int8) {
	a, b, sa, sb = a[:len(dst)], b[:len(dst)], sa[:len(dst)], sb[:len(dst)]
	for c := range dst {
		dst[c] = quant.AddRequantize(a[c], b[c], sa[c], sb[c], lo)
	}
}

func (o *add) vectorRow(y int) {
	a, b, dst := o.a.Row(y), o.b.Row(y), o.out.Row(y)
	for i := range chunks(o.out.C) {
		c := chunk(i, o.out.C)
		addLanes(&lane{
			in: &a[c], second: &b[c], out: &dst[c], scale: &o.scaleA[c], scaleB: &o.scaleB[c],
			step: o.out.C, outStep: o.out.C, count: o.out.W, low: int32(o.lo),
		})
	}
}

// relu is max(x, 0).
type relu struct {
	in, out Plane
	vector  bool
}

// NewReLU rectifies in.
func NewReLU(in, out Plane) Op { return &relu{in, out, vectors(out.W * out.C)} }

func (o *relu) Rows(y0, y1 int) {
	for y := y0; y < y1; y++ {
		dst := o.out.Row(y)
		src := o.in.Row(y)[:len(dst)]
		if !o.vector {
			for i, v := range src {
				dst[i] = max(v, 0)
			}
			continue
		}
		at := 0 // one tap: the value itself
		l := lane{in: &src[0], out: &dst[0], at: &at, taps: 1, step: lanes, outStep: lanes, count: len(dst) / lanes}
		maxLanes(&l)
		l.in, l.out, l.count = &src[len(src)-lanes], &dst[len(dst)-lanes], 1
		maxLanes(&l)
	}
}

// maxPool takes the largest value of a window; pixels outside in take no part.
type maxPool struct {
	in, out             Plane
	kernel, stride, pad int
	left, right         int   // output pixels left..right-1 have whole windows
	at                  []int // start of each pixel of a window, relative to its first
	vector              bool
}

// NewMaxPool pools windows of kernel x kernel pixels.
func NewMaxPool(in, out Plane, kernel, stride, pad int) Op {
	o := &maxPool{in: in, out: out, kernel: kernel, stride: stride, pad: pad, vector: vectors(out.C)}
	o.left = min((pad+stride-1)/stride, out.W)
	o.right = max(o.left, min(out.W, (in.W+pad-kernel+stride)/stride))
	for ky := range kernel {
		for kx := range kernel {
			o.at = append(o.at, ky*in.rowStride()+kx*in.C)
		}
	}
	return o
}

// span returns the input coordinates lo..hi-1 of the window of output coordinate i.
func (o *maxPool) span(i, side int) (lo, hi int) {
	lo = i*o.stride - o.pad
	return max(lo, 0), min(lo+o.kernel, side)
}

func (o *maxPool) Rows(y0, y1 int) {
	for y := y0; y < y1; y++ {
		if !o.vector || o.left == o.right {
			o.pixels(y, 0, o.out.W)
			continue
		}
		o.pixels(y, 0, o.left)
		o.vectorPixels(y)
		o.pixels(y, o.right, o.out.W)
	}
}

func (o *maxPool) pixels(y, from, to int) {
	n := o.out.C
	dst := o.out.Row(y)
	top, bottom := o.span(y, o.in.H)
	for x := from; x < to; x++ {
		left, right := o.span(x, o.in.W)
		d := dst[x*n:][:n]
		copy(d, o.in.Row(top)[left*n:])
		for v := top; v < bottom; v++ {
			row := o.in.Row(v)
			for u := left; u < right; u++ {
				maxInto(d, row[u*n:][:n])
			}
		}
	}
}

func maxInto(dst, src []int8) {
	src = src[:len(dst)]
	for i, v := range src {
		dst[i] = max(dst[i], v)
	}
}

// vectorPixels computes the pixels with whole windows; at the top and bottom
// fewer rows of the window take part.
func (o *maxPool) vectorPixels(y int) {
	top, bottom := o.span(y, o.in.H)
	src := o.in.Row(top)[(o.left*o.stride-o.pad)*o.in.C:]
	dst := o.out.Row(y)[o.left*o.out.C:]
	for i := range chunks(o.out.C) {
		c := chunk(i, o.out.C)
		maxLanes(&lane{
			in: &src[c], out: &dst[c], at: &o.at[0], taps: (bottom - top) * o.kernel,
			step: o.stride * o.in.C, outStep: o.out.C, count: o.right - o.left, low: -128,
		})
	}
}

// Nearest repeats every pixel Factor times along both axes.
type Nearest struct {
	In, Out Plane
	Factor  int
}

// Rows resizes rows.
func (o *Nearest) Rows(y0, y1 int) {
	n := o.Out.C
	for y := y0; y < y1; y++ {
		src, dst := o.In.Row(y/o.Factor), o.Out.Row(y)
		for x := range o.Out.W {
			copy(dst[x*n:][:n], src[x/o.Factor*n:])
		}
	}
}

// Bilinear interpolates between pixel centres, pixels outside repeating the
// nearest one. With F = Factor, output coordinate i lies between input
// coordinates j and j+1 with integer weights 2F-r and r,
//
//	2i + 1 - F = 2F*j + r,  0 <= r < 2F
//
// and a value is the sum of four products divided by 4F^2, rounded half to even.
type Bilinear struct {
	In, Out Plane
	Factor  int
}

// between returns both neighbours of output coordinate i and the second's weight of 2*Factor.
func (o *Bilinear) between(i, side int) (j0, j1 int, r int32) {
	f := o.Factor
	n := 2*i + 1 - f + 2*f // >= 0: one pixel further
	j := n/(2*f) - 1
	return max(j, 0), min(j+1, side-1), int32(n % (2 * f))
}

// Rows resizes rows.
func (o *Bilinear) Rows(y0, y1 int) {
	n := o.Out.C
	f := int32(2 * o.Factor)
	for y := y0; y < y1; y++ {
		dst := o.Out.Row(y)
		top, bottom, ry := o.between(y, o.In.H)
		upper, lower := o.In.Row(top), o.In.Row(bottom)
		for x := range o.Out.W {
			left, right, rx := o.between(x, o.In.W)
			a, b := upper[left*n:][:n], upper[right*n:][:n]
			c, d := lower[left*n:][:n], lower[right*n:][:n]
			for i := range n {
				sum := (f-ry)*((f-rx)*int32(a[i])+rx*int32(b[i])) + ry*((f-rx)*int32(c[i])+rx*int32(d[i]))
				dst[x*n+i] = int8(divideEven(sum, f*f))
			}
		}
	}
}

// divideEven returns a/b rounded to nearest, ties to even; b is positive and even.
func divideEven(a, b int32) int32 {
	q, r := a/b, a%b
	if r < 0 {
		q, r = q-1, r+b
	}
	if half := b / 2; r > half || r == half && q&1 == 1 {
		q++
	}
	return q
}
