package loss

import (
	"math"
	"math/rand/v2"

	"cull/trainer/internal/grad"
	"cull/trainer/internal/trunk"
)

// Class is classification, the pre-training of ImageNet and FractalDB:
//
//	f = mean over u of max(0, F3(u)),  z = W f + b,  -log softmax(z)[class]
//
// averaged over the images, F3 the last tap.
type Class struct {
	classes int
	w, b    []float32 // [classes][channels], [classes]
	dw, db  []float32
}

// NewClass returns the term with a new head.
func NewClass(classes int, shape trunk.Shape, rng *rand.Rand) *Class {
	in := shape.Channels(trunk.Stages - 1)
	c := &Class{
		classes: classes,
		w:       make([]float32, classes*in), dw: make([]float32, classes*in),
		b: make([]float32, classes), db: make([]float32, classes),
	}
	bound := 1 / math.Sqrt(float64(in))
	for i := range c.w {
		c.w[i] = float32((2*rng.Float64() - 1) * bound)
	}
	return c
}

// Name is "class".
func (c *Class) Name() string { return "class" }

// Pairs is false.
func (c *Class) Pairs() bool { return false }

// Params lists the head.
func (c *Class) Params() []grad.Param {
	return []grad.Param{
		{Name: "class.weight", W: c.w, G: c.dw, Decay: true},
		{Name: "class.bias", W: c.b, G: c.db},
	}
}

// State is empty.
func (c *Class) State() [][]float32 { return nil }

// Apply see Term.
func (c *Class) Apply(be grad.Backend, b *Batch, taps, gtaps []*grad.Tensor, weight float64) float64 {
	last := trunk.Stages - 1
	x, gx := b.Images(taps[last]), b.Images(gtaps[last])
	values := make([]float64, b.N)
	feature, slope := make([][]float64, b.N), make([][]float64, b.N)
	be.Each(b.N, func(n int) {
		feature[n] = meanReLU(x, n)
		values[n], slope[n] = c.image(feature[n], b.Class[n])
		for i := range slope[n] {
			slope[n][i] *= weight / float64(b.N)
		}
		c.spread(x, gx, n, slope[n])
	})
	clear(c.dw)
	clear(c.db)
	for n := range slope { // in order, so that sums do not depend on threads
		for k, g := range slope[n] {
			c.db[k] += float32(g)
			row := c.dw[k*x.C:][:x.C]
			for i := range row {
				row[i] += float32(g * feature[n][i])
			}
		}
	}
	return sum(values) / float64(b.N)
}

// meanReLU is the mean of max(0, x) over the grid of image n, per channel.
func meanReLU(x *grad.Tensor, n int) []float64 {
	f := make([]float64, x.C)
	for y := range x.H {
		row := x.Row(n, y)
		for i, v := range row[:x.W*x.C] {
			f[i%x.C] += float64(max(0, v))
		}
	}
	for i := range f {
		f[i] /= float64(x.H * x.W)
	}
	return f
}

// image returns the cross-entropy of one image and its gradient with respect to z.
func (c *Class) image(f []float64, class int) (value float64, slope []float64) {
	z := make([]float64, c.classes)
	top := math.Inf(-1)
	for k := range z {
		z[k] = float64(c.b[k])
		for i, w := range c.w[k*len(f):][:len(f)] {
			z[k] += float64(w) * f[i]
		}
		top = max(top, z[k])
	}
	want := z[class]
	var total float64
	for k := range z {
		z[k] = math.Exp(z[k] - top)
		total += z[k]
	}
	for k := range z {
		z[k] /= total
	}
	z[class]--
	return math.Log(total) + top - want, z
}

// spread adds the gradient of the features of image n to gx.
func (c *Class) spread(x, gx *grad.Tensor, n int, slope []float64) {
	g := make([]float32, x.C)
	for i := range g {
		var s float64
		for k, d := range slope {
			s += d * float64(c.w[k*x.C+i])
		}
		g[i] = float32(s / float64(x.H*x.W))
	}
	for y := range x.H {
		row, out := x.Row(n, y), gx.Row(n, y)
		for i, v := range row[:x.W*x.C] {
			if v > 0 {
				out[i] += g[i%x.C]
			}
		}
	}
}
