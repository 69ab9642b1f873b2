package kernel

import "cull/infer/quant"

// dense is the portable convolution, grouped or not. It does two products in
// one 64-bit multiplication:
//
//	(w1*2^32 + w0) * a = (w1*a)*2^32 + w0*a
//
// so an int64 accumulator holds two sums, S1*2^32 + S0, from which both are
// recovered exactly because |S0| < 2^31 (checked when a model is loaded).
type dense struct {
	Conv
	in, out Plane
	at      []int      // start of each run, see Conv.offsets
	run     int        // bytes of a run
	weights [][2]int64 // [Out/4 of each group, rounded up][len(at)][run], four channels each
}

const (
	quad = 4 // output channels computed together
	duo  = 2 // pixels computed together
)

func newDense(c Conv, in, out Plane) *dense {
	d := &dense{Conv: c, in: in, out: out}
	d.at, d.run = c.offsets(&in)
	window := len(d.at) * d.run
	per := out.C / c.Groups
	d.weights = make([][2]int64, 0, c.Groups*((per+quad-1)/quad)*window)
	for g := range c.Groups {
		for q := 0; q < per; q += quad {
			for k := range window {
				w := func(n int) int64 {
					if q+n >= per {
						return 0
					}
					return int64(c.Weights[(g*per+q+n)*window+k])
				}
				d.weights = append(d.weights, [2]int64{w(1)<<32 + w(0), w(3)<<32 + w(2)})
			}
		}
	}
	d.Weights = nil
	return d
}

func (d *dense) Rows(y0, y1 int) {
	window := len(d.at) * d.run
	per := d.out.C / d.Groups
	for y := y0; y < y1; y++ {
		w := d.weights
		for c := 0; c < d.out.C; {
			g := c / per
			n := min(quad, (g+1)*per-c)
			d.row(y, c, n, g*d.run, w[:window])
			w = w[window:]
			c += n
		}
	}
}

// row computes n channels from c of output row y. skip is the group's offset in a pixel.
func (d *dense) row(y, c, n, skip int, w [][2]int64) {
	bias, scale := d.Bias[c:c+n], d.Scale[c:c+n]
	src := d.in.Data[d.window(&d.in, y, 0)+skip:]
	dst := d.out.Row(y)[c:]
	step := d.Stride * d.in.C
	for x := 0; x < d.out.W; x += duo {
		first := x * step
		second := first + step
		if x+1 == d.out.W {
			second = first
		}
		var sum [duo * quad]int32
		d.tile(src[first:], src[second:], w, &sum)
		for i, b := range bias {
			dst[x*d.out.C+i] = quant.Requantize(sum[i]+b, scale[i], d.Lo)
		}
		if x+1 == d.out.W {
			break
		}
		for i, b := range bias {
			dst[(x+1)*d.out.C+i] = quant.Requantize(sum[quad+i]+b, scale[i], d.Lo)
		}
	}
}

// tile sums two windows, at the starts of p and q, over four channels each.
func (d *dense) tile(p, q []int8, w [][2]int64, sum *[duo * quad]int32) {
	var p01, p23, q01, q23 int64
	for _, at := range d.at {
		wr := w[:d.run]
		w = w[d.run:]
		pr, qr := p[at:][:len(wr)], q[at:][:len(wr)]
		for k := range wr {
			w01, w23 := wr[k][0], wr[k][1]
			a, b := int64(pr[k]), int64(qr[k])
			p01 += a * w01
			p23 += a * w23
			q01 += b * w01
			q23 += b * w23
		}
	}
	sum[0], sum[1] = split(p01)
	sum[2], sum[3] = split(p23)
	sum[4], sum[5] = split(q01)
	sum[6], sum[7] = split(q23)
}

// split undoes S1*2^32 + S0.
func split(sum int64) (s0, s1 int32) {
	s0 = int32(sum)
	return s0, int32((sum - int64(s0)) >> 32)
}
