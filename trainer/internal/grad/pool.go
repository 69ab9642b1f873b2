package grad

// A Window is a square pooling window; the padding, at most 1, counts as zeros.
type Window struct{ Kernel, Stride, Pad int }

// OutSize is the output size for an input of size n.
func (w Window) OutSize(n int) int { return (n+2*w.Pad-w.Kernel)/w.Stride + 1 }

func (w Window) check(y, x *Tensor) {
	if w.Pad < 0 || w.Pad > 1 || y.N != x.N || y.C != x.C || y.H != w.OutSize(x.H) || y.W != w.OutSize(x.W) {
		panic("grad: pool: shapes do not fit the window")
	}
}

// each calls f with the indices of output pixel and input pixel of image n, window
// position by window position.
func (w Window) each(y, x *Tensor, n int, f func(o, i int)) {
	for row := range y.H {
		for col := range y.W {
			o := y.At(n, row, col)
			for ky := range w.Kernel {
				i := x.At(n, row*w.Stride+ky-w.Pad, col*w.Stride-w.Pad)
				for kx := range w.Kernel {
					f(o, i+kx*x.C)
				}
			}
		}
	}
}

// AvgPool sets y to the mean of x over the window.
func AvgPool(be Backend, y, x *Tensor, w Window) {
	w.check(y, x)
	k := 1 / float32(w.Kernel*w.Kernel)
	be.Each(y.N, func(n int) {
		for row := range y.H {
			clear(y.Row(n, row))
		}
		w.each(y, x, n, func(o, i int) {
			for c, v := range x.Data[i : i+x.C] {
				y.Data[o+c] += v * k
			}
		})
	})
}

// AvgPoolBack sets dx to the gradient of the input, given that of the output.
func AvgPoolBack(be Backend, dx, dy *Tensor, w Window) {
	w.check(dy, dx)
	k := 1 / float32(w.Kernel*w.Kernel)
	be.Each(dx.N, func(n int) {
		clear(dx.Data[n*dx.Image():][:dx.Image()])
		w.each(dy, dx, n, func(o, i int) {
			for c, v := range dy.Data[o : o+dy.C] {
				dx.Data[i+c] += v * k
			}
		})
		clearBorder(dx, n)
	})
}

// MaxPool sets y to the largest value of x in the window.
func MaxPool(be Backend, y, x *Tensor, w Window) {
	w.check(y, x)
	be.Each(y.N, func(n int) {
		last := -1
		w.each(y, x, n, func(o, i int) {
			if o != last {
				copy(y.Data[o:o+y.C], x.Data[i:i+x.C])
				last = o
			}
			for c, v := range x.Data[i : i+x.C] {
				y.Data[o+c] = max(y.Data[o+c], v)
			}
		})
	})
}

// MaxPoolBack sets dx to the gradient of the input, given that of the output: each
// goes to the first of the window's largest values.
func MaxPoolBack(be Backend, dx, dy, y, x *Tensor, w Window) {
	w.check(dy, dx)
	be.Each(dx.N, func(n int) {
		clear(dx.Data[n*dx.Image():][:dx.Image()])
		taken := make([]bool, dy.C)
		last := -1
		w.each(dy, dx, n, func(o, i int) {
			if o != last {
				clear(taken)
				last = o
			}
			for c := range taken {
				if !taken[c] && x.Data[i+c] == y.Data[o+c] {
					dx.Data[i+c] += dy.Data[o+c]
					taken[c] = true
				}
			}
		})
		clearBorder(dx, n)
	})
}
