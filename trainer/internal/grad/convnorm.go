package grad

import (
	"math"
	"math/rand/v2"
)

// NormEps is added to the variance in batch normalisation.
const NormEps = 1e-5

// Momentum is the usual share of the newest batch in the running statistics.
const Momentum = 0.1

// A ConvNorm is a convolution without bias followed by batch normalisation:
//
//	y = conv(x), z = gamma*(y - mean)/sqrt(var + eps) + beta
//
// The caller applies the affine part, alone, with a ReLU or inside a residual sum.
type ConvNorm struct {
	Name        string
	Filter      Filter
	Gamma, Beta []float32
	Mean, Var   []float32 // running statistics, for inference and export
	Momentum    float32   // share of the newest batch in them
	Frozen      bool      // training uses the running statistics, as constants

	Y    *Tensor   // the convolution's result
	A, B []float32 // z = Y*A + B

	dw, dgamma, dbeta []float32
	mean, istd        []float32 // of the batch
	count             float64
	sum0, sum1        []float64
	a, b, c           []float32
}

// NewConvNorm returns a layer with He weights, gamma 1 and beta 0.
func NewConvNorm(name string, in, out, kernel, stride int, rng *rand.Rand) *ConvNorm {
	l := &ConvNorm{Name: name, Filter: NewFilter(in, out, kernel, stride, 1), Momentum: Momentum}
	He(l.Filter.W, kernel*kernel*in, rng)
	for _, s := range []*[]float32{
		&l.Gamma, &l.Beta, &l.Mean, &l.Var, &l.A, &l.B,
		&l.dgamma, &l.dbeta, &l.mean, &l.istd, &l.a, &l.b, &l.c,
	} {
		*s = make([]float32, out)
	}
	l.dw = make([]float32, len(l.Filter.W))
	l.sum0, l.sum1 = make([]float64, out), make([]float64, out)
	for i := range l.Gamma {
		l.Gamma[i], l.Var[i] = 1, 1
	}
	return l
}

// Params lists what is learnt.
func (l *ConvNorm) Params() []Param {
	return []Param{
		{l.Name + ".weight", l.Filter.W, l.dw, true},
		{l.Name + ".gamma", l.Gamma, l.dgamma, false},
		{l.Name + ".beta", l.Beta, l.dbeta, false},
	}
}

// Forward computes Y and the affine part A, B: from the batch's statistics in
// training, which also move the running ones, else, or where the layer is frozen,
// from the running statistics.
func (l *ConvNorm) Forward(be Backend, x *Tensor, train bool) {
	f := &l.Filter
	l.Y = fit(l.Y, x.N, f.OutSize(x.H), f.OutSize(x.W), f.Out)
	be.Conv(l.Y, x, f)
	if !train {
		l.affine(l.Mean, l.Var)
		return
	}
	if l.Frozen {
		l.affine(l.Mean, l.Var)
		copy(l.mean, l.Mean)
		copy(l.istd, l.Var)
		inverseRoots(l.istd)
		return
	}
	be.Moments(l.sum0, l.sum1, l.Y)
	l.count = float64(x.N * l.Y.H * l.Y.W)
	variance := l.istd // becomes 1/sqrt below
	for c := range l.mean {
		m := l.sum0[c] / l.count
		v := max(0, l.sum1[c]/l.count-m*m)
		l.mean[c], variance[c] = float32(m), float32(v)
		l.Mean[c] += l.Momentum * (float32(m) - l.Mean[c])
		l.Var[c] += l.Momentum * (float32(v*l.count/max(1, l.count-1)) - l.Var[c])
	}
	l.affine(l.mean, variance)
	inverseRoots(l.istd)
}

// inverseRoots turns variances into 1/sqrt(v + eps).
func inverseRoots(v []float32) {
	for c := range v {
		v[c] = float32(1 / math.Sqrt(float64(v[c])+NormEps))
	}
}

func (l *ConvNorm) affine(mean, variance []float32) {
	for c := range l.A {
		l.A[c] = l.Gamma[c] * float32(1/math.Sqrt(float64(variance[c])+NormEps))
		l.B[c] = l.Beta[c] - mean[c]*l.A[c]
	}
}

// Backward takes the gradient g of z (masked where relu > 0 is false, when relu
// is not nil), writes that of Y to dy, which may be g, and that of x to dx, when
// it is not nil. It follows a Forward in training on the same x.
func (l *ConvNorm) Backward(be Backend, dy, g, relu, x, dx *Tensor) {
	be.Sums(l.sum0, l.sum1, g, l.Y, relu, l.mean)
	for c := range l.Gamma {
		is := float64(l.istd[c])
		l.dbeta[c] = float32(l.sum0[c])
		l.dgamma[c] = float32(l.sum1[c] * is)
		if l.Frozen {
			l.a[c], l.b[c], l.c[c] = l.A[c], 0, 0
			continue
		}
		k := float64(l.Gamma[c]) * is
		kb := -k * is * is * l.sum1[c] / l.count
		l.a[c], l.b[c] = float32(k), float32(kb)
		l.c[c] = float32(-k*l.sum0[c]/l.count - kb*float64(l.mean[c]))
	}
	be.NormBack(dy, g, l.Y, l.a, l.b, l.c)
	be.ConvWeight(l.dw, x, dy, &l.Filter)
	if dx != nil {
		be.ConvInput(dx, dy, &l.Filter)
	}
}

// Folded returns the convolution and bias that equal the layer at inference:
// W*A per output channel, and B, both from the running statistics. The filter is a direct one:
// what rounds it sums integers in it.
func (l *ConvNorm) Folded() (f Filter, bias []float32) {
	l.affine(l.Mean, l.Var)
	f = l.Filter
	f.W, f.Winograd = make([]float32, len(l.Filter.W)), false
	for i, w := range l.Filter.W {
		f.W[i] = w * l.A[i%f.Out]
	}
	return f, append([]float32(nil), l.B...)
}
