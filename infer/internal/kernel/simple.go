package kernel

import "cull/infer/quant"

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

// Add sums two planes of one shape: see quant.AddRequantize.
type Add struct {
	A, B, Out      Plane
	ScaleA, ScaleB []float32 // [C]
	Lo             int8
}

// Rows adds rows.
func (o *Add) Rows(y0, y1 int) {
	n := o.Out.C
	for y := y0; y < y1; y++ {
		a, b, dst := o.A.Row(y), o.B.Row(y), o.Out.Row(y)
		for len(dst) > 0 {
			addPixel(dst[:n], a[:n], b[:n], o.ScaleA, o.ScaleB, o.Lo)
			a, b, dst = a[n:], b[n:], dst[n:]
		}
	}
}

func addPixel(dst, a, b []int8, sa, sb []float32, lo int8) {
	a, b, sa, sb = a[:len(dst)], b[:len(dst)], sa[:len(dst)], sb[:len(dst)]
	for c := range dst {
		dst[c] = quant.AddRequantize(a[c], b[c], sa[c], sb[c], lo)
	}
}

// ReLU is max(x, 0).
type ReLU struct{ In, Out Plane }

// Rows rectifies rows.
func (o *ReLU) Rows(y0, y1 int) {
	for y := y0; y < y1; y++ {
		dst := o.Out.Row(y)
		src := o.In.Row(y)[:len(dst)]
		for i, v := range src {
			dst[i] = max(v, 0)
		}
	}
}

// A Pool is a window of Kernel x Kernel pixels. Pixels outside In take no part.
type Pool struct {
	In, Out             Plane
	Kernel, Stride, Pad int
}

// span returns the input coordinates lo..hi-1 of the window of output coordinate i.
func (o *Pool) span(i, side int) (lo, hi int) {
	lo = i*o.Stride - o.Pad
	return max(lo, 0), min(lo+o.Kernel, side)
}

// MaxPool takes the largest value of a window.
type MaxPool struct{ Pool }

// Rows pools rows.
func (o *MaxPool) Rows(y0, y1 int) {
	n := o.Out.C
	for y := y0; y < y1; y++ {
		dst := o.Out.Row(y)
		top, bottom := o.span(y, o.In.H)
		for x := range o.Out.W {
			left, right := o.span(x, o.In.W)
			d := dst[x*n:][:n]
			copy(d, o.In.Row(top)[left*n:])
			for v := top; v < bottom; v++ {
				for u := left; u < right; u++ {
					maxInto(d, o.In.Row(v)[u*n:][:n])
				}
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

// AvgPool sums a window in int32 and requantises: see quant.Requantize.
type AvgPool struct {
	Pool
	Scale float32
	Lo    int8
}

// Rows pools rows.
func (o *AvgPool) Rows(y0, y1 int) {
	n := o.Out.C
	var sums [lanes]int32
	for y := y0; y < y1; y++ {
		dst := o.Out.Row(y)
		for x := range o.Out.W {
			for c := 0; c < n; c += lanes {
				o.pixel(dst[x*n+c:][:min(lanes, n-c)], &sums, y, x, c)
			}
		}
	}
}

// pixel computes len(dst) channels from c of output pixel (y, x).
func (o *AvgPool) pixel(dst []int8, sums *[lanes]int32, y, x, c int) {
	clear(sums[:])
	top, bottom := o.span(y, o.In.H)
	left, right := o.span(x, o.In.W)
	for v := top; v < bottom; v++ {
		for u := left; u < right; u++ {
			src := o.In.Row(v)[u*o.In.C+c:][:len(dst)]
			for i, a := range src {
				sums[i&(lanes-1)] += int32(a)
			}
		}
	}
	for i := range dst {
		dst[i] = quant.Requantize(sums[i&(lanes-1)], o.Scale, o.Lo)
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
