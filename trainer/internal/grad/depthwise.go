package grad

// depthwise computes image n of y = x * f for a 3x3 filter with one input channel per
// output channel. At stride 1 a tap is an element-wise operation on shifted rows, for
// which there are vector kernels; a row at a time stays in the first-level cache.
func (c *CPU) depthwise(y, x *Tensor, f *Filter, n int) {
	done := 0
	if f.Stride == 1 {
		one, zero := make([]float32, y.C), make([]float32, y.C)
		for i := range one {
			one[i] = 1
		}
		for _, k := range c.k.elem {
			from := done
			done += (y.C - done) / k.lanes * k.lanes
			if from == done {
				continue
			}
			for row := range y.H {
				depthwiseRow(&k, y, x, f.W, one, zero, n, row, from, done)
			}
		}
	}
	if done < y.C {
		depthwiseGeneric(y, x, f, n, done)
	}
}

// depthwiseRow computes channels from..to-1 of a row, whole vectors.
func depthwiseRow(k *elemKernels, y, x *Tensor, w, one, zero []float32, n, row, from, to int) {
	for ch := from; ch < to; ch += k.lanes {
		a := elemArgs{
			p0: &y.Data[y.At(n, row, 0)+ch], c1: &zero[ch],
			rows: 1, cols: y.W, pix: 4 * y.C, skip: 8 * y.C,
		}
		for tap := range 9 {
			a.p1 = &x.Data[x.At(n, row+tap/3-1, tap%3-1)+ch]
			a.c0 = &w[tap*y.C+ch]
			if tap == 0 {
				k.op[opNorm](&a)
				a.p2, a.c2 = a.p0, &one[ch]
			} else {
				k.op[opNormAdd](&a)
			}
		}
	}
}

// depthwiseGeneric computes channels from.. of image n.
func depthwiseGeneric(y, x *Tensor, f *Filter, n, from int) {
	for row := range y.H {
		for col := range y.W {
			out := y.Data[y.At(n, row, col):][from:y.C]
			clear(out)
			for ky := range 3 {
				in := x.Data[x.At(n, row*f.Stride+ky-1, col*f.Stride-1):]
				a, b, c := in[from:][:len(out)], in[x.C+from:][:len(out)], in[2*x.C+from:][:len(out)]
				w := f.W[3*ky*y.C:]
				u, v, t := w[from:][:len(out)], w[y.C+from:][:len(out)], w[2*y.C+from:][:len(out)]
				for i := range out {
					out[i] += a[i]*u[i] + b[i]*v[i] + c[i]*t[i]
				}
			}
		}
	}
}
