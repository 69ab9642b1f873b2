package grad

// Convolutions are direct: no im2col, no packing of pictures. The window of an
// output pixel is Kernel runs of Kernel*In neighbouring values of the bordered
// input, so the inner loop is a matrix product whose left operand lies in place.

// A window says which values a direct convolution reads for each output pixel.
type window struct {
	src      *Tensor
	y, x     int // of the window's first pixel at output (0, 0)
	step     int // pixels between neighbouring windows
	kh, kw   int
	w        []float32 // [kh][kw][src.C][out channels]
	dst      *Tensor
	dy, dx   int // first output pixel
	dstep    int // pixels between neighbouring outputs
	rows     int
	cols     int
	channels int // of dst
}

// Conv computes y = x * f.
func (c *CPU) Conv(y, x *Tensor, f *Filter) {
	checkConv(y, x, f)
	switch {
	case f.Groups > 1 && f.Groups == f.In && f.In == f.Out && f.Kernel == 3:
		c.Each(x.N, func(n int) { c.depthwise(y, x, f, n) })
		return
	case f.Groups > 1:
		c.Each(x.N, func(n int) { groupedConv(y, x, f, n) })
		return
	case f.byWinograd(x.H, x.W):
		c.winogradConv(y, x, f.W)
		return
	}
	p := f.pad()
	w := window{
		src: x, y: -p, x: -p, step: f.Stride, kh: f.Kernel, kw: f.Kernel, w: f.W,
		dst: y, dstep: 1, rows: y.H, cols: y.W, channels: y.C,
	}
	tiles := c.tiles(&w)
	c.Each(x.N, func(n int) { c.direct(&w, tiles, n) })
}

// ConvInput computes the gradient of the input. At stride 1 it is a convolution
// of dy with the rotated, transposed filter; at stride 2 it is one convolution for
// each parity of the input's row and column, each with the taps that meet it.
func (c *CPU) ConvInput(dx, dy *Tensor, f *Filter) {
	checkConv(dy, dx, f)
	if f.Groups > 1 {
		c.Each(dx.N, func(n int) { groupedConvInput(dx, dy, f, n) })
		return
	}
	if f.byWinograd(dx.H, dx.W) {
		ks := taps(f.Kernel)
		c.winogradConv(dx, dy, transposed(f, ks, ks))
		return
	}
	var ws []window
	if f.Stride == 1 {
		p := f.pad()
		ks := taps(f.Kernel)
		ws = []window{{
			src: dy, y: -p, x: -p, step: 1, kh: f.Kernel, kw: f.Kernel,
			w: transposed(f, ks, ks), dst: dx, dstep: 1, rows: dx.H, cols: dx.W, channels: dx.C,
		}}
	} else {
		if f.Kernel == 1 {
			dx.Clear()
		}
		for py := range f.Kernel/2 + 1 {
			for px := range f.Kernel/2 + 1 {
				ky, kx := phase(f.Kernel, py), phase(f.Kernel, px)
				ws = append(ws, window{
					src: dy, step: 1, kh: len(ky), kw: len(kx), w: transposed(f, ky, kx),
					dst: dx, dy: py, dx: px, dstep: 2,
					rows: (dx.H - py + 1) / 2, cols: (dx.W - px + 1) / 2, channels: dx.C,
				})
			}
		}
	}
	tiles := make([][]tile, len(ws))
	for i := range ws {
		tiles[i] = c.tiles(&ws[i])
	}
	c.Each(dx.N, func(n int) {
		for i := range ws {
			c.direct(&ws[i], tiles[i], n)
		}
	})
}

// taps is kernel-1 .. 0: the order of taps in the input gradient at stride 1.
func taps(kernel int) []int {
	k := make([]int, kernel)
	for i := range k {
		k[i] = kernel - 1 - i
	}
	return k
}

// phase lists the taps k with 2*o + k - pad = i for an input index i of the given
// parity, for o = i/2 and then i/2 + 1.
func phase(kernel, parity int) []int {
	switch {
	case kernel == 1:
		return []int{0}
	case parity == 0:
		return []int{1}
	}
	return []int{2, 0}
}

// transposed returns the taps ky x kx of f as [ky][kx][out][in].
func transposed(f *Filter, ky, kx []int) []float32 {
	w := make([]float32, len(ky)*len(kx)*f.In*f.Out)
	o := 0
	for _, y := range ky {
		for _, x := range kx {
			tap := f.W[(y*f.Kernel+x)*f.In*f.Out:]
			for out := range f.Out {
				for in := range f.In {
					w[o] = tap[in*f.Out+out]
					o++
				}
			}
		}
	}
	return w
}

// A tile is some pairs of neighbouring output pixels: indices of the first window's
// first value and of the first output of each pair, relative to the image. Pairs
// that the kernel does not have repeat the last one.
type tile struct{ in, out [maxPairs]int32 }

// tilesOf cuts the output into tiles of pairs; a tile may hold pairs of several rows.
// The last pair of an odd row moves left, which computes one pixel twice.
func (w *window) tilesOf(pairs int) []tile {
	perRow := (w.cols + 1) / 2
	count := w.rows * perRow
	tiles := make([]tile, (count+pairs-1)/pairs)
	for i := range tiles {
		for k := range maxPairs {
			p := min(i*pairs+min(k, pairs-1), count-1)
			y, x := p/perRow, min(p%perRow*2, w.cols-2)
			tiles[i].in[k] = int32(w.src.At(0, w.y+y*w.step, w.x+x*w.step))
			tiles[i].out[k] = int32(w.dst.At(0, w.dy+y*w.dstep, w.dx+x*w.dstep))
		}
	}
	return tiles
}

// tiles is nil where the kernels do not fit: none there, or one column only.
func (c *CPU) tiles(w *window) []tile {
	if len(c.k.conv) == 0 || w.cols < 2 {
		return nil
	}
	return w.tilesOf(c.k.conv[0].pairs)
}

// direct computes image n of a window.
func (c *CPU) direct(w *window, tiles []tile, n int) {
	done := 0
	if len(tiles) > 0 {
		src, dst := w.src.Data[n*w.src.Image():], w.dst.Data[n*w.dst.Image():]
		a := convArgs{
			pix: 4 * w.step * w.src.C, runLen: w.kw * w.src.C, runs: w.kh,
			runSkip: 4 * (w.src.Pitch() - w.kw*w.src.C), wSkip: 4 * w.channels,
			outPix: 4 * w.dstep * w.dst.C,
		}
		for _, k := range c.k.conv {
			for ; w.channels-done >= k.width; done += k.width {
				a.w = &w.w[done]
				for i := range tiles {
					t := &tiles[i]
					a.in0, a.in1, a.in2, a.in3 = &src[t.in[0]], &src[t.in[1]], &src[t.in[2]], &src[t.in[3]]
					o := dst[done:]
					a.out0, a.out1, a.out2, a.out3 = &o[t.out[0]], &o[t.out[1]], &o[t.out[2]], &o[t.out[3]]
					k.run(&a)
				}
			}
		}
	}
	if done < w.channels {
		w.generic(n, done)
	}
}

// generic computes channels from.. of image n.
func (w *window) generic(n, from int) {
	ci, run := w.src.C, w.kw*w.src.C
	for y := range w.rows {
		for x := range w.cols {
			o := w.dst.At(n, w.dy+y*w.dstep, w.dx+x*w.dstep)
			out := w.dst.Data[o+from : o+w.channels]
			clear(out)
			for ky := range w.kh {
				i := w.src.At(n, w.y+y*w.step+ky, w.x+x*w.step)
				for k, v := range w.src.Data[i : i+run] {
					ws := w.w[(ky*w.kw*ci+k)*w.channels+from:][:len(out)]
					for j, wv := range ws {
						out[j] += v * wv
					}
				}
			}
		}
	}
}

// stripBytes is how much of x and dy a weight gradient keeps in the first-level cache.
const stripBytes = 24 << 10

// ConvWeight computes the gradient of the weights: dw = sum over batch and
// output pixels of x (at the tap) times dy.
func (c *CPU) ConvWeight(dw []float32, x, dy *Tensor, f *Filter) {
	checkConv(dy, x, f)
	if f.byWinograd(x.H, x.W) && f.In*f.Out <= weightMost {
		c.winogradWeight(dw, x, dy)
		return
	}
	parts := c.scratch(Shards * len(f.W))
	clear(parts)
	line := len(f.W) / f.Kernel // weights of one kernel row
	c.Each(Shards*f.Kernel, func(i int) {
		s, ky := i/f.Kernel, i%f.Kernel
		part := parts[s*len(f.W)+ky*line:][:line]
		lo, hi := shard(x.N, s)
		for n := lo; n < hi; n++ {
			if f.Groups > 1 {
				groupedConvWeight(part, x, dy, f, n, ky)
			} else {
				c.weightRow(part, x, dy, f, n, ky)
			}
		}
	})
	const chunk = 4096
	c.Each((len(dw)+chunk-1)/chunk, func(i int) {
		lo, hi := i*chunk, min((i+1)*chunk, len(dw))
		copy(dw[lo:hi], parts[lo:hi])
		for s := 1; s < Shards; s++ {
			for j, v := range parts[s*len(dw)+lo : s*len(dw)+hi] {
				dw[lo+j] += v
			}
		}
	})
}

// weightRow adds image n's share of kernel row ky to part [kx][in][out]. The taps of a kernel row times
// the input channels are neighbours in the picture and in part: one matrix product.
func (c *CPU) weightRow(part []float32, x, dy *Tensor, f *Filter, n, ky int) {
	strip := max(1, stripBytes/(4*(f.Stride*x.Pitch()+dy.Pitch())))
	depth := f.Kernel * f.In
	a := weightArgs{
		xPix: 4 * f.Stride * x.C, dyPix: 4 * dy.C, cols: dy.W,
		xSkip: 4 * f.Stride * (x.Pitch() - dy.W*x.C), dySkip: 8 * dy.C, outSkip: 4 * dy.C,
	}
	for y := 0; y < dy.H; y += strip {
		a.rows = min(strip, dy.H-y)
		xs, dys := x.Data[x.At(n, y*f.Stride+ky-f.pad(), -f.pad()):], dy.Data[dy.At(n, y, 0):]
		done := c.weightTiles(&a, part, xs, dys, depth, dy.C)
		for row := 0; row < a.rows && done < dy.C; row++ {
			for col := range dy.W {
				g := dys[row*dy.Pitch()+col*dy.C:][done:dy.C]
				for k, v := range xs[f.Stride*(row*x.Pitch()+col*x.C):][:depth] {
					o := part[k*dy.C+done:][:len(g)]
					for j, gv := range g {
						o[j] += v * gv
					}
				}
			}
		}
	}
}

// weightTiles adds what the kernels can to out [depth][channels] and returns the output channels they did.
func (c *CPU) weightTiles(a *weightArgs, out, x, dy []float32, depth, channels int) (done int) {
	all := c.k.weight
	for len(all) > 0 {
		width, n := all[0].width, 1
		for n < len(all) && all[n].width == width {
			n++
		}
		for ; channels-done >= width; done += width {
			at := 0
			for _, k := range all[:n] {
				for ; depth-at >= k.depth; at += k.depth {
					if k.depth == 6 && depth-at == 8 {
						break // 4 + 4: a kernel of 2 is slow
					}
					a.x, a.dy, a.out = &x[at], &dy[done], &out[at*channels+done]
					k.run(a)
				}
			}
		}
		all = all[n:]
	}
	return done
}

func checkConv(y, x *Tensor, f *Filter) {
	if x.N != y.N || x.C != f.In || y.C != f.Out || y.H != f.OutSize(x.H) || y.W != f.OutSize(x.W) {
		panic("grad: convolution: shapes do not fit the filter")
	}
}

// Grouped convolutions have generic loops only, but for depthwise's forward pass.

func groupedConv(y, x *Tensor, f *Filter, n int) {
	eachTap(y, f, n, 0, f.Kernel, func(o, i, w int) {
		y.Data[o] = 0
	}, func(o, i, w int) { y.Data[o] += x.Data[i] * f.W[w] }, x)
}

func groupedConvInput(dx, dy *Tensor, f *Filter, n int) {
	clear(dx.Data[n*dx.Image():][:dx.Image()])
	eachTap(dy, f, n, 0, f.Kernel, nil, func(o, i, w int) { dx.Data[i] += dy.Data[o] * f.W[w] }, dx)
	clearBorder(dx, n)
}

func groupedConvWeight(part []float32, x, dy *Tensor, f *Filter, n, ky int) {
	first := ky * len(f.W) / f.Kernel
	eachTap(dy, f, n, ky, ky+1, nil, func(o, i, w int) {
		part[w-first] += dy.Data[o] * x.Data[i]
	}, x)
}

// eachTap calls f with the indices of output, input and weight for every product
// of image n whose kernel row is in [k0, k1); start is called once per output.
func eachTap(y *Tensor, f *Filter, n, k0, k1 int, start, do func(o, i, w int), x *Tensor) {
	inG, outG := f.In/f.Groups, f.Out/f.Groups
	for row := range y.H {
		for col := range y.W {
			at := y.At(n, row, col)
			for out := range f.Out {
				if start != nil {
					start(at+out, 0, 0)
				}
				for ky := k0; ky < k1; ky++ {
					for kx := range f.Kernel {
						src := x.At(n, row*f.Stride+ky-f.pad(), col*f.Stride+kx-f.pad()) + out/outG*inG
						w := (ky*f.Kernel+kx)*inG*f.Out + out
						for in := range inG {
							do(at+out, src+in, w+in*f.Out)
						}
					}
				}
			}
		}
	}
}

// clearBorder zeroes the border of image n.
func clearBorder(t *Tensor, n int) {
	clear(t.Data[t.At(n, -1, -1):][:t.Pitch()])
	clear(t.Data[t.At(n, t.H, -1):][:t.Pitch()])
	for y := range t.H {
		clear(t.Data[t.At(n, y, -1):][:t.C])
		clear(t.Data[t.At(n, y, t.W):][:t.C])
	}
}
