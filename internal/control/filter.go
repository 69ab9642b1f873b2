package control

import "math"

// Pkg is the name under which this package's implementations are registered.
const Pkg = "control"

// A correlation is dst[i] = f[0] c[i] + sum over t = 1..r of f[t] (c[i + t stride] + parity c[i - t stride]),
// added up in that order, where c[0] is src[r stride]: src reaches r strides beyond both ends.
type correlation struct {
	dst, src []float32 // len(src) = len(dst) + 2 r stride
	stride   int
	f        []float32
	parity   float32
}

// generic does the elements from on.
func (c *correlation) generic(from int) {
	r := len(c.f) - 1
	mid := c.src[r*c.stride:][:len(c.dst)]
	for i := from; i < len(c.dst); i++ {
		c.dst[i] = c.f[0] * mid[i]
	}
	for t := 1; t <= r; t++ {
		accumulate(c.dst[from:], c.src[(r+t)*c.stride+from:], c.src[(r-t)*c.stride+from:], c.f[t], c.parity)
	}
}

// accumulate adds f (a + parity c).
func accumulate(dst, a, c []float32, f, parity float32) {
	a, c = a[:len(dst)], c[:len(dst)]
	if parity == odd {
		for i := range dst {
			dst[i] += float32(f * (a[i] - c[i]))
		}
		return
	}
	for i := range dst {
		dst[i] += float32(f * (a[i] + c[i]))
	}
}

// An orientation is the oriented energies of a picture's derivatives, value by value: e[k] is that at angle k pi/4.
type orientation struct {
	x, y, xx, yy, xy []float32
	e                [4][]float32
}

// generic does the elements from on.
func (o *orientation) generic(from int) {
	const r = math.Sqrt2 / 2
	for i := from; i < len(o.x); i++ {
		x, y := o.x[i], o.y[i]
		a, c, m := o.xx[i], o.yy[i], o.xy[i]
		u, v := float32(r*(x+y)), float32(r*(y-x))
		half := float32((a + c) / 2)
		o.e[0][i] = energy(x, a)
		o.e[1][i] = energy(u, half+m)
		o.e[2][i] = energy(y, c)
		o.e[3][i] = energy(v, half-m)
	}
}

func energy(first, second float32) float32 {
	return sqrt(float32(first*first) + float32(second*second) + 1e-8)
}

func sqrt(x float32) float32 { return float32(math.Sqrt(float64(x))) }
