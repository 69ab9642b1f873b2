package grad

import (
	"fmt"
	"testing"
)

func TestPoolGradients(t *testing.T) {
	for _, w := range []Window{{2, 2, 0}, {3, 2, 1}, {3, 1, 1}} {
		t.Run(fmt.Sprint(w), func(t *testing.T) {
			be, r := NewCPU(2), rng(3)
			x := NewTensor(2, 8, 7, 5)
			for i, k := range r.Perm(len(x.Data)) { // far enough apart for the maximum
				if inner(x)(i) {
					x.Data[i] = 0.01 * float32(k-len(x.Data)/2)
				}
			}
			y := NewTensor(2, w.OutSize(8), w.OutSize(7), 5)
			g := random(r, 2, y.H, y.W, 5)
			dx := NewTensor(2, 8, 7, 5)
			avg := func() float64 { AvgPool(be, y, x, w); return dot(y, g) }
			avg()
			AvgPoolBack(be, dx, g, w)
			checkGradient(t, "average", r, x.Data, dx.Data, inner(x), avg)
			largest := func() float64 { MaxPool(be, y, x, w); return dot(y, g) }
			largest()
			MaxPoolBack(be, dx, g, y, x, w)
			checkGradient(t, "maximum", r, x.Data, dx.Data, inner(x), largest)
		})
	}
}

func TestAveragePoolValue(t *testing.T) {
	be := NewCPU(1)
	x := NewTensor(1, 2, 2, 1)
	for i, v := range []float32{1, 2, 3, 6} {
		x.Data[x.At(0, i/2, i%2)] = v
	}
	y := NewTensor(1, 1, 1, 1)
	AvgPool(be, y, x, Window{2, 2, 0})
	if got := y.Data[y.At(0, 0, 0)]; got != 3 {
		t.Errorf("mean %v, want 3", got)
	}
	MaxPool(be, y, x, Window{2, 2, 0})
	if got := y.Data[y.At(0, 0, 0)]; got != 6 {
		t.Errorf("maximum %v, want 6", got)
	}
}
