// Package grad trains small convolutional networks on the CPU: float32 forward
// and backward of each layer written out, no automatic differentiation.
//
// Layers own their activations and gradients; a Backend does the arithmetic.
// Every sum over images is taken in Shards fixed parts, so the same seed gives
// the same weights to the last bit whatever the number of threads.
package grad

import "fmt"

// A Tensor is a batch of feature maps, stored [N][H+2][W+2][C] with a border of
// one pixel. The border is zero, always: layers write the inside only, and a 3x3
// convolution with padding reads across it without a test.
type Tensor struct {
	N, H, W, C int
	Data       []float32
}

// NewTensor returns a tensor of zeros.
func NewTensor(n, h, w, c int) *Tensor {
	return &Tensor{N: n, H: h, W: w, C: c, Data: make([]float32, n*(h+2)*(w+2)*c)}
}

// Pitch is the number of values from one row to the next.
func (t *Tensor) Pitch() int { return (t.W + 2) * t.C }

// Image is the number of values from one image to the next.
func (t *Tensor) Image() int { return (t.H + 2) * t.Pitch() }

// At is the index in Data of the first channel of pixel (y, x) of image n.
// y and x may be -1 and H or W: the border.
func (t *Tensor) At(n, y, x int) int {
	return n*t.Image() + (y+1)*t.Pitch() + (x+1)*t.C
}

// Row is the inside of row y of image n: W pixels of C channels.
func (t *Tensor) Row(n, y int) []float32 {
	o := t.At(n, y, 0)
	return t.Data[o : o+t.W*t.C : o+t.W*t.C]
}

// Clear sets all values to zero.
func (t *Tensor) Clear() { clear(t.Data) }

func (t *Tensor) sameShape(u *Tensor) {
	if t.N != u.N || t.H != u.H || t.W != u.W || t.C != u.C {
		panic(fmt.Sprintf("grad: shapes %v and %v", t.shape(), u.shape()))
	}
}

func (t *Tensor) shape() [4]int { return [4]int{t.N, t.H, t.W, t.C} }

// Like returns t when it has the shape of u, else a new tensor of that shape.
func Like(t, u *Tensor) *Tensor { return fit(t, u.N, u.H, u.W, u.C) }

// Images is the view of images lo..hi-1.
func (t *Tensor) Images(lo, hi int) *Tensor {
	v := *t
	v.N, v.Data = hi-lo, t.Data[lo*t.Image():hi*t.Image()]
	return &v
}
