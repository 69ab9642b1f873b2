package grad

import (
	"sync"
	"sync/atomic"
)

// CPU is the Backend of this machine. One goroutine uses it at a time.
type CPU struct {
	threads int
	k       *kernels
	buf     []float32
	pool    sync.Pool // of *[]float32: a goroutine's buffer
}

// NewCPU returns a backend with the fastest kernels this CPU has. threads is at
// least 1; goroutines wait for work without spinning.
func NewCPU(threads int) *CPU { return &CPU{threads: max(1, threads), k: best()} }

// Implementations lists the kernel sets this CPU can run, fastest first.
func Implementations(threads int) []*CPU {
	var all []*CPU
	for _, k := range available() {
		all = append(all, &CPU{threads: max(1, threads), k: k})
	}
	return all
}

// Name is the kernel set's name.
func (c *CPU) Name() string { return c.k.name }

// Peak does n turns of fused multiply-adds between registers, on the caller's thread, and returns how
// many floating-point operations they were: what no kernel can exceed. It is 0 without vector kernels.
func (c *CPU) Peak(n int) (flops float64) {
	if c.k.peak.run == nil || n < 1 {
		return 0
	}
	c.k.peak.run(n)
	return float64(n) * float64(c.k.peak.flops)
}

// Each runs f(0..n-1) on the threads.
func (c *CPU) Each(n int, f func(i int)) {
	if c.threads == 1 || n < 2 {
		for i := range n {
			f(i)
		}
		return
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(c.threads, n) {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				f(i)
			}
		})
	}
	wg.Wait()
}

// scratch returns n values, not cleared, valid until the next call.
func (c *CPU) scratch(n int) []float32 {
	if len(c.buf) < n {
		c.buf = make([]float32, n)
	}
	return c.buf[:n]
}

// shard returns the images of part i.
func shard(n, i int) (lo, hi int) { return n * i / Shards, n * (i + 1) / Shards }

// reduce adds part sums in order: dst = sum of parts.
func reduce(dst []float64, parts [][]float64, at int) {
	clear(dst)
	for _, p := range parts {
		for c := range dst {
			dst[c] += p[at+c]
		}
	}
}

// Moments sums y and y*y: float32 within an image, float64 across images.
func (c *CPU) Moments(sum, sq []float64, y *Tensor) {
	parts := c.statistics(y, 2, func(n int, acc []float32) {
		c.elem(opMoments, y, n, [3]*Tensor{y}, [3][]float32{acc[:y.C], acc[y.C:]})
	})
	reduce(sum, parts, 0)
	reduce(sq, parts, y.C)
}

// Sums is the reduction of batch normalisation's backward pass.
func (c *CPU) Sums(s0, s1 []float64, g, y, z *Tensor, mean []float32) {
	g.sameShape(y)
	op, t := opSums, [3]*Tensor{g, y}
	if z != nil {
		op, t = opMaskSums, [3]*Tensor{g, y, z}
	}
	parts := c.statistics(y, 2, func(n int, acc []float32) {
		c.elem(op, y, n, t, [3][]float32{mean, acc[:y.C], acc[y.C:]})
	})
	reduce(s0, parts, 0)
	reduce(s1, parts, y.C)
}

// statistics runs f per image with k zeroed values a channel and returns the
// sums over each shard.
func (c *CPU) statistics(t *Tensor, k int, f func(n int, acc []float32)) [][]float64 {
	parts := make([][]float64, Shards)
	c.Each(Shards, func(i int) {
		parts[i] = make([]float64, k*t.C)
		acc := make([]float32, k*t.C)
		lo, hi := shard(t.N, i)
		for n := lo; n < hi; n++ {
			clear(acc)
			f(n, acc)
			for j, v := range acc {
				parts[i][j] += float64(v)
			}
		}
	})
	return parts
}

// Norm scales and shifts each channel.
func (c *CPU) Norm(z, y *Tensor, a, b []float32, relu bool) {
	op := opNorm
	if relu {
		op = opNormReLU
	}
	c.all(op, [3]*Tensor{z, y}, [3][]float32{a, b})
}

// NormAdd scales two tensors and adds them.
func (c *CPU) NormAdd(z, y *Tensor, a, b []float32, r *Tensor, d []float32) {
	c.all(opNormAdd, [3]*Tensor{z, y, r}, [3][]float32{a, b, d})
}

// ReLU clamps at zero.
func (c *CPU) ReLU(z, y *Tensor) { c.all(opReLU, [3]*Tensor{z, y}, [3][]float32{}) }

// Mask copies where z is positive.
func (c *CPU) Mask(dst, src, z *Tensor) {
	c.all(opMask, [3]*Tensor{dst, src, z}, [3][]float32{})
}

// NormBack is the pointwise part of batch normalisation's backward pass.
func (c *CPU) NormBack(dst, g, y *Tensor, a, b, d []float32) {
	c.all(opNormBack, [3]*Tensor{dst, g, y}, [3][]float32{a, b, d})
}

// Add accumulates src in dst.
func (c *CPU) Add(dst, src *Tensor) { c.all(opAdd, [3]*Tensor{dst, src}, [3][]float32{}) }

func (c *CPU) all(op elemOp, t [3]*Tensor, v [3][]float32) {
	for _, u := range t[1:] {
		if u != nil {
			t[0].sameShape(u)
		}
	}
	c.Each(t[0].N, func(n int) { c.elem(op, t[0], n, t, v) })
}

// elem runs op on the inside of image n, vector by vector of channels; what is
// left of the channels goes through the generic loop.
func (c *CPU) elem(op elemOp, shape *Tensor, n int, t [3]*Tensor, v [3][]float32) {
	o, done := shape.At(n, 0, 0), 0
	for _, w := range c.k.elem {
		a := elemArgs{
			rows: shape.H, cols: shape.W,
			pix: 4 * shape.C, skip: 8 * shape.C,
		}
		for ; shape.C-done >= w.lanes; done += w.lanes {
			a.p0 = &t[0].Data[o+done]
			if t[1] != nil {
				a.p1 = &t[1].Data[o+done]
			}
			if t[2] != nil {
				a.p2 = &t[2].Data[o+done]
			}
			if v[0] != nil {
				a.c0 = &v[0][done]
			}
			if v[1] != nil {
				a.c1 = &v[1][done]
			}
			if v[2] != nil {
				a.c2 = &v[2][done]
			}
			w.op[op](&a)
		}
	}
	if done < shape.C {
		genericElem(op, shape, n, done, t, v)
	}
}
