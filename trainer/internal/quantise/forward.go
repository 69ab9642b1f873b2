package quantise

import (
	"math"

	"cull/infer/net"
	"cull/trainer/internal/grad"
)

// side maps a side of the input to that of the result: see net.Graph.Shapes.
func side(n *net.Node, in int) int { return (in+2*n.Pad+n.PadExtra-n.Kernel)/n.Stride + 1 }

// result returns the tensor of n's result: old where it has the shape.
func result(old *grad.Tensor, n *net.Node, x *grad.Tensor, channels int) *grad.Tensor {
	h, w := side(n, x.H), side(n, x.W)
	if old != nil && old.N == x.N && old.H == h && old.W == w && old.C == channels {
		return old
	}
	return grad.NewTensor(x.N, h, w, channels)
}

// convolve computes a Conv node into y. Dense and depthwise convolutions of the trainer's own
// kind run on the backend, others (5x5, 7x7, other padding) in loops here.
func convolve(be grad.Backend, n *net.Node, f *grad.Filter, bias []float32, y, x *grad.Tensor) {
	if v := centred(n, f, x); v != nil {
		be.Conv(y, v, f)
	} else {
		each(be, y, func(img, row int) { convolveRow(n, f, y, x, img, row) })
	}
	be.Norm(y, y, ones(f.Out), bias, n.Act != net.None)
}

// centred returns the view of x on which the backend's convolution, padded by half a
// kernel on all sides, is node n's; nil where there is none. TensorFlow's padding of a
// 3x3 at stride 2, one row and column at the far ends of even sides, is that of the
// picture seen from one pixel further down and right.
func centred(n *net.Node, f *grad.Filter, x *grad.Tensor) *grad.Tensor {
	if f.Kernel > 3 || f.Groups > 1 && (f.Groups != f.In || f.In != f.Out) {
		return nil
	}
	switch {
	case n.Pad == f.Kernel/2:
		return x
	case f.Kernel == 3 && f.Stride == 2 && n.Pad == 0 && n.PadExtra == 1 && x.H%2 == 0 && x.W%2 == 0:
		v := *x
		v.Data = x.Data[x.Pitch()+x.C:]
		return &v
	}
	return nil
}

// each calls f for every row of every image.
func each(be grad.Backend, y *grad.Tensor, f func(img, row int)) {
	be.Each(y.N*y.H, func(i int) { f(i/y.H, i%y.H) })
}

// window calls f with every pixel of output pixel (row, col)'s window that lies inside
// x: its place in the window and its index in x.Data.
func window(n *net.Node, x *grad.Tensor, img, row, col int, f func(k, at int)) {
	for ky := range n.Kernel {
		for kx := range n.Kernel {
			yy, xx := row*n.Stride-n.Pad+ky, col*n.Stride-n.Pad+kx
			if yy >= 0 && xx >= 0 && yy < x.H && xx < x.W {
				f(ky*n.Kernel+kx, x.At(img, yy, xx))
			}
		}
	}
}

func convolveRow(n *net.Node, f *grad.Filter, y, x *grad.Tensor, img, row int) {
	share, per := f.In/f.Groups, f.Out/f.Groups
	clear(y.Row(img, row))
	for col := range y.W {
		out := y.Data[y.At(img, row, col):][:f.Out]
		window(n, x, img, row, col, func(k, at int) {
			w, in := f.W[k*share*f.Out:][:share*f.Out], x.Data[at:][:f.In]
			if share == 1 && per == 1 {
				for c, v := range in {
					out[c] += v * w[c]
				}
				return
			}
			for g := range f.Groups {
				o := out[g*per:][:per]
				for c, v := range in[g*share:][:share] {
					for j, wv := range w[c*f.Out+g*per:][:per] {
						o[j] += v * wv
					}
				}
			}
		})
	}
}

// pool computes a MaxPool or AvgPool node into y.
func pool(be grad.Backend, n *net.Node, y, x *grad.Tensor) {
	share := 1 / float32(n.Kernel*n.Kernel)
	each(be, y, func(img, row int) {
		clear(y.Row(img, row))
		for col := range y.W {
			out := y.Data[y.At(img, row, col):][:y.C]
			if n.Op == net.MaxPool {
				for c := range out {
					out[c] = float32(math.Inf(-1))
				}
			}
			window(n, x, img, row, col, func(_, at int) {
				for c, v := range x.Data[at:][:len(out)] {
					if n.Op == net.MaxPool {
						out[c] = max(out[c], v)
					} else {
						out[c] += v * share
					}
				}
			})
		}
	})
}

// clip6 is min(x, 6).
func clip6(be grad.Backend, x *grad.Tensor) {
	each(be, x, func(img, row int) {
		for i, v := range x.Row(img, row) {
			x.Row(img, row)[i] = min(v, 6)
		}
	})
}
