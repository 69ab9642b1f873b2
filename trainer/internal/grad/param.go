package grad

import (
	"math"
	"math/rand/v2"
)

// A Param is a slice of weights that an optimiser moves.
type Param struct {
	Name  string
	W, G  []float32 // values and their gradient
	Decay bool      // weight decay applies: convolutions, not batch-norm or biases
}

// He fills w from a normal distribution of standard deviation sqrt(2/fanIn)
// (He et al. 2015, equation 10).
func He(w []float32, fanIn int, rng *rand.Rand) {
	s := math.Sqrt(2 / float64(fanIn))
	for i := range w {
		w[i] = float32(rng.NormFloat64() * s)
	}
}

// fit returns t when it has the shape, else a new tensor.
func fit(t *Tensor, n, h, w, c int) *Tensor {
	if t != nil && t.N == n && t.H == h && t.W == w && t.C == c {
		return t
	}
	return NewTensor(n, h, w, c)
}
