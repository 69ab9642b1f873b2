package kernel

import "cull/infer/quant"

// depthwise is a convolution with one input channel per output channel.
type depthwise struct {
	Conv
	in, out Plane
	at      []int  // start of each pixel of the window
	weights []int8 // [Kernel][Kernel][C], for the portable code
	chunks  []dotChunk
}

// A dotChunk has the numbers of lanes channels from channel on.
type dotChunk struct {
	channel int
	weights []int8 // see packLanes
	bias    [lanes]int32
	scale   [lanes]float32
}

// NewAvgPool is a depthwise convolution with all weights one. The border of in must be at least pad.
func NewAvgPool(in, out Plane, kernel, stride, pad int, scale float32, lo int8) Op {
	c := Conv{Kernel: kernel, Stride: stride, Pad: pad, Groups: in.C, Lo: lo, Signed: lo < 0}
	c.Bias = make([]int32, in.C)
	for range in.C {
		c.Scale = append(c.Scale, scale)
		for range kernel * kernel {
			c.Weights = append(c.Weights, 1)
		}
	}
	return newDepthwise(c, in, out)
}

func newDepthwise(c Conv, in, out Plane) *depthwise {
	d := &depthwise{Conv: c, in: in, out: out, at: make([]int, 0, c.Kernel*c.Kernel+1)}
	for ky := range c.Kernel {
		for kx := range c.Kernel {
			d.at = append(d.at, ky*in.rowStride()+kx*in.C)
		}
	}
	defer func() { d.Weights = nil }()
	if vectors(out.C) {
		d.pack()
		return d
	}
	d.weights = make([]int8, len(c.Weights))
	for ch := range out.C {
		for k := range d.at {
			d.weights[k*out.C+ch] = c.Weights[ch*len(d.at)+k]
		}
	}
	return d
}

// pack prepares for dotLanes, which takes taps in pairs: an odd one is
// followed by itself with weight zero.
func (d *depthwise) pack() {
	taps := len(d.at)
	if taps%2 == 1 {
		d.at = append(d.at, d.at[taps-1])
	}
	for i := range chunks(d.out.C) {
		c := dotChunk{channel: chunk(i, d.out.C)}
		weights := make([][lanes]int8, len(d.at))
		for l := range lanes {
			for k := range taps {
				weights[k][l] = d.Weights[(c.channel+l)*taps+k]
			}
			c.bias[l] = d.Bias[c.channel+laneOrder[l]]
			c.scale[l] = d.Scale[c.channel+laneOrder[l]]
		}
		c.weights = packLanes(weights)
		d.chunks = append(d.chunks, c)
	}
}

func (d *depthwise) Rows(y0, y1 int) {
	if d.chunks != nil {
		d.vectorRows(y0, y1)
		return
	}
	const most = 64
	var sums [most]int32
	for y := y0; y < y1; y++ {
		dst := d.out.Row(y)
		for x := range d.out.W {
			src := d.in.Data[d.window(&d.in, y, x):]
			for c := 0; c < d.out.C; c += most {
				n := min(most, d.out.C-c)
				d.pixel(src[c:], dst[x*d.out.C+c:][:n], sums[:n], c)
			}
		}
	}
}

// pixel computes channels c.. of one pixel; src starts at the window's channel c.
func (d *depthwise) pixel(src, dst []int8, sums []int32, c int) {
	copy(sums, d.Bias[c:])
	for k, at := range d.at {
		a := src[at:][:len(sums)]
		w := d.weights[k*d.out.C+c:][:len(sums)]
		for i := range sums {
			sums[i] += int32(a[i]) * int32(w[i])
		}
	}
	scale := d.Scale[c:][:len(sums)]
	dst = dst[:len(sums)]
	for i, s := range sums {
		dst[i] = quant.Requantize(s, scale[i], d.Lo)
	}
}

func (d *depthwise) vectorRows(y0, y1 int) {
	for i := range d.chunks {
		c := &d.chunks[i]
		for y := y0; y < y1; y++ {
			dotLanes(&lane{
				in:      &d.in.Data[d.window(&d.in, y, 0)+c.channel],
				out:     &d.out.Row(y)[c.channel],
				weights: &c.weights[0],
				bias:    &c.bias[0],
				scale:   &c.scale[0],
				at:      &d.at[0],
				taps:    len(d.at),
				step:    d.Stride * d.in.C,
				outStep: d.out.C,
				count:   d.out.W,
				low:     int32(d.Lo),
			})
		}
	}
}
