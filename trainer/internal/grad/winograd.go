package grad

// Winograd's minimal filtering F(2x2, 3x3) (Lavin & Gray 2016, section 4.1): four outputs of a 3x3
// convolution take 16 products per pair of channels in place of 36:
//
//	Y = A' [(G g G') . (B' d B)] A
//
//	B' = | 1  0 -1  0 |   G = |  1   0   0  |   A' = | 1  1  1  0 |
//	     | 0  1  1  0 |       | 1/2 1/2 1/2 |        | 0  1 -1  1 |
//	     | 0 -1  1  0 |       | 1/2 -1/2 1/2|
//	     | 0 -1  0  1 |       |  0   0   1  |
//
// over a picture's tiles of 4x4 pixels, two apart. Element k of all transformed tiles is plane k; the products are 16
// matrix products of planes. The gradient of the weights is the adjoint: G' [(B' d B) . (A dY A')] G.

type tileOp int

const (
	opSpreadInput  tileOp = iota // 16 planes = B' (4x4 pixels) B
	opSpreadOutput               // 16 planes = A (2x2 pixels) A'
	opGatherOutput               // 2x2 pixels = A' (16 planes) A
	tileOps
)

const (
	planes = 16
	// A chunk is what is transformed at a time: chunkTiles tiles, a multiple of every kernel's pixels, or half as many
	// where they have more than chunkChannels channels, so that both sides stay in the second-level cache.
	chunkTiles    = 48
	chunkChannels = 128
	// weightChunk is the same for the gradient of the weights, whose sums are read and written once a chunk.
	weightChunk = 72
	// weightMost is the most pairs of channels whose gradient is made so: beyond them reading and writing
	// the 16 sums costs more than is saved.
	weightMost = 64 * 64
)

// byWinograd tells whether a convolution of an h x w picture is computed so; it does not depend on the machine.
func (f *Filter) byWinograd(h, w int) bool {
	return f.Winograd && f.Kernel == 3 && f.Stride == 1 && f.Groups == 1 && h%2 == 0 && w%2 == 0
}

// chunkRows is the number of rows of tiles of a picture w pixels wide in a chunk.
func chunkRows(w, channels int) int {
	tiles := chunkTiles
	if channels > chunkChannels {
		tiles /= 2
	}
	return max(1, tiles/(w/2))
}

// A panel is channels from..to-1 of a product's result, which one kernel computes; nil: the generic loop.
type panel struct {
	from, to int
	k        *convKernel
}

func (c *CPU) panels(channels int) (all []panel) {
	done := 0
	for i := range c.k.conv {
		k := &c.k.conv[i]
		for ; channels-done >= k.width; done += k.width {
			all = append(all, panel{done, done + k.width, k})
		}
	}
	if done < channels {
		all = append(all, panel{done, channels, nil})
	}
	return all
}

// winogradConv computes y = x * w for weights [3][3][x.C][y.C].
func (c *CPU) winogradConv(y, x *Tensor, w []float32) {
	in, out := x.C, y.C
	panels := c.panels(out)
	u := c.scratch(planes * in * out)
	c.Each(in, func(i int) { spreadFilter(u, w, in, out, i, panels) })
	rows := chunkRows(y.W, in+out)
	all := y.N * y.H / 2
	c.Each((all+rows-1)/rows, func(i int) {
		first, last := i*rows, min((i+1)*rows, all)
		n := (last - first) * y.W / 2
		buf := c.buffer(planes * (plane(n*in) + plane(n*out)))
		v, m := buf[:planes*plane(n*in)], buf[planes*plane(n*in):]
		c.transform(opSpreadInput, v, x, first, last)
		for k := range planes {
			for _, p := range panels {
				product(m[k*plane(n*out):], v[k*plane(n*in):], u[k*in*out+p.from*in:], n, in, out, p)
			}
		}
		c.transform(opGatherOutput, m, y, first, last)
		c.pool.Put(&buf)
	})
}

// plane is the distance of planes of n values: an odd number of cache lines, so that a tile's 16 values
// fall into different sets.
func plane(n int) int { return (n+15)/16*16 | 16 }

// buffer returns n values, not cleared, from the pool.
func (c *CPU) buffer(n int) []float32 {
	if b, ok := c.pool.Get().(*[]float32); ok && cap(*b) >= n {
		return (*b)[:n]
	}
	return make([]float32, n)
}

// spreadFilter writes input channel i of G g G' to u [16][panel][in][channels of the panel].
func spreadFilter(u, w []float32, in, out, i int, panels []panel) {
	for _, p := range panels {
		width := p.to - p.from
		at := p.from*in + i*width
		for ch := range width {
			var t [4][3]float32
			for x := range 3 {
				a, b, d := w[(x*in+i)*out+p.from+ch], w[((3+x)*in+i)*out+p.from+ch], w[((6+x)*in+i)*out+p.from+ch]
				t[0][x], t[1][x], t[2][x], t[3][x] = a, 0.5*(a+d+b), 0.5*(a+d-b), d
			}
			for r := range 4 {
				a, b, d := t[r][0], t[r][1], t[r][2]
				o := u[4*r*in*out+at+ch:]
				o[0], o[in*out], o[2*in*out], o[3*in*out] = a, 0.5*(a+d+b), 0.5*(a+d-b), d
			}
		}
	}
}

// product computes the panel's channels of m [n][out] = v [n][in] * u [in][width].
func product(m, v, u []float32, n, in, out int, p panel) {
	width := p.to - p.from
	if p.k == nil || n < 2 {
		for t := range n {
			o := m[t*out+p.from : t*out+p.to]
			clear(o)
			for k, a := range v[t*in:][:in] {
				for j, b := range u[k*width:][:width] {
					o[j] += float32(a * b)
				}
			}
		}
		return
	}
	a := convArgs{w: &u[0], pix: 4 * in, runLen: in, runs: 1, wSkip: 4 * width, outPix: 4 * out}
	last := n - 2
	for t := 0; t < n; t += 2 * p.k.pairs {
		t1, t2, t3 := min(t+2, last), min(t+4, last), min(t+6, last)
		t0 := min(t, last)
		a.in0, a.in1, a.in2, a.in3 = &v[t0*in], &v[t1*in], &v[t2*in], &v[t3*in]
		o := m[p.from:]
		a.out0, a.out1, a.out2, a.out3 = &o[t0*out], &o[t1*out], &o[t2*out], &o[t3*out]
		p.k.run(&a)
	}
}

// transform computes rows first..last-1 of a batch's tiles, from the picture t to planes [16][tile][C] or back.
func (c *CPU) transform(op tileOp, data []float32, t *Tensor, first, last int) {
	perRow := t.W / 2
	plane := plane((last - first) * perRow * t.C)
	for r := first; r < last; r++ {
		pixel := t.At(r/(t.H/2), r%(t.H/2)*2, 0)
		if op == opSpreadInput {
			pixel -= t.Pitch() + t.C
		}
		c.tileRow(op, data[(r-first)*perRow*t.C:], plane, t.Data[pixel:], t)
	}
}

// tileRow transforms a row of tiles.
func (c *CPU) tileRow(op tileOp, data []float32, plane int, pix []float32, t *Tensor) {
	done := 0
	for i := range c.k.elem {
		k := &c.k.elem[i]
		n := (t.C - done) / k.lanes
		if n == 0 {
			continue
		}
		a := tileArgs{
			in: &pix[done], inRow: 4 * t.Pitch(), inCol: 4 * t.C, inSkip: 4 * (2*t.C - n*k.lanes),
			out: &data[done], outRow: 16 * plane, outCol: 4 * plane, outSkip: 4 * (t.C - n*k.lanes),
			vectors: n, tiles: t.W / 2,
		}
		if op == opGatherOutput {
			a.in, a.out = a.out, a.in
			a.inRow, a.outRow = a.outRow, a.inRow
			a.inCol, a.outCol = a.outCol, a.inCol
			a.inSkip, a.outSkip = a.outSkip, a.inSkip
		}
		k.tile[op](&a)
		done += n * k.lanes
	}
	for tile := range t.W / 2 {
		for ch := done; ch < t.C; ch++ {
			genericTile(op, data[tile*t.C+ch:], plane, pix[2*tile*t.C+ch:], t.Pitch(), t.C)
		}
	}
}

// genericTile transforms one tile of one channel: the reference for every kernel set.
func genericTile(op tileOp, data []float32, plane int, pix []float32, row, col int) {
	switch op {
	case opSpreadInput:
		var t [4][4]float32
		for j := range 4 {
			d0, d1, d2, d3 := pix[j*col], pix[row+j*col], pix[2*row+j*col], pix[3*row+j*col]
			t[0][j], t[1][j], t[2][j], t[3][j] = d0-d2, d1+d2, d2-d1, d3-d1
		}
		for i := range 4 {
			o := data[4*i*plane:]
			o[0], o[plane], o[2*plane], o[3*plane] = t[i][0]-t[i][2], t[i][1]+t[i][2], t[i][2]-t[i][1], t[i][3]-t[i][1]
		}
	case opSpreadOutput:
		var t [4][2]float32
		for j := range 2 {
			a, b := pix[j*col], pix[row+j*col]
			t[0][j], t[1][j], t[2][j], t[3][j] = a, a+b, a-b, b
		}
		for i := range 4 {
			o, p, q := data[4*i*plane:], t[i][0], t[i][1]
			o[0], o[plane], o[2*plane], o[3*plane] = p, p+q, p-q, q
		}
	case opGatherOutput:
		var s [2][4]float32
		for j := range 4 {
			m := data[j*plane:]
			m0, m1, m2, m3 := m[0], m[4*plane], m[8*plane], m[12*plane]
			s[0][j], s[1][j] = m0+m1+m2, m1-m2+m3
		}
		for i := range 2 {
			pix[i*row], pix[i*row+col] = s[i][0]+s[i][1]+s[i][2], s[i][1]-s[i][2]+s[i][3]
		}
	}
}

// winogradWeight computes the gradient of a filter's weights.
func (c *CPU) winogradWeight(dw []float32, x, dy *Tensor) {
	in, out := x.C, dy.C
	size := planes * in * out
	parts := c.scratch(Shards * size)
	clear(parts)
	c.Each(Shards, func(s int) {
		part := parts[s*size:][:size]
		lo, hi := shard(x.N, s)
		lo, hi = lo*dy.H/2, hi*dy.H/2
		rows := weightRows(hi-lo, dy.W)
		for first := lo; first < hi; first += rows {
			last := min(first+rows, hi)
			n := (last - first) * dy.W / 2
			buf := c.buffer(planes * (plane(n*in) + plane(n*out)))
			v, m := buf[:planes*plane(n*in)], buf[planes*plane(n*in):]
			c.transform(opSpreadInput, v, x, first, last)
			c.transform(opSpreadOutput, m, dy, first, last)
			for k := range planes {
				c.outer(part[k*in*out:][:in*out], v[k*plane(n*in):][:n*in], m[k*plane(n*out):], in, out)
			}
			c.pool.Put(&buf)
		}
	})
	c.Each(in, func(i int) {
		at, n := i*out, in*out
		for s := 1; s < Shards; s++ {
			for k := range planes {
				sum := parts[k*n+at:][:out]
				for ch, v := range parts[s*size+k*n+at:][:out] {
					sum[ch] += v
				}
			}
		}
		for ch := range out {
			gatherFilter(dw[at+ch:], parts[at+ch:], n)
		}
	})
}

// weightRows cuts all rows of tiles of a picture w pixels wide into like parts of at most about weightChunk tiles.
func weightRows(all, w int) int {
	parts := max(1, (all*w/2+weightChunk-1)/weightChunk)
	return max(1, (all+parts-1)/parts)
}

// outer adds the products v' m of all tiles to u [in][out].
func (c *CPU) outer(u, v, m []float32, in, out int) {
	a := weightArgs{xPix: 4 * in, dyPix: 4 * out, rows: 1, cols: len(v) / in, outSkip: 4 * out}
	done := c.weightTiles(&a, u, v, m, in, out)
	for t := 0; done < out && t < len(v)/in; t++ {
		g := m[t*out+done : (t+1)*out]
		for k, a := range v[t*in:][:in] {
			o := u[k*out+done:][:len(g)]
			for j, b := range g {
				o[j] += float32(a * b)
			}
		}
	}
}

// gatherFilter computes w = G' u G of one pair of channels; neighbours of the 3x3 and of the 4x4 are n apart.
func gatherFilter(w, u []float32, n int) {
	var t [3][4]float32
	for j := range 4 {
		u0, u1, u2, u3 := u[j*n], u[(4+j)*n], u[(8+j)*n], u[(12+j)*n]
		t[0][j], t[1][j], t[2][j] = u0+0.5*(u1+u2), 0.5*(u1-u2), 0.5*(u1+u2)+u3
	}
	for i := range 3 {
		a, b, d, e := t[i][0], t[i][1], t[i][2], t[i][3]
		w[3*i*n], w[(3*i+1)*n], w[(3*i+2)*n] = a+0.5*(b+d), 0.5*(b-d), 0.5*(b+d)+e
	}
}
