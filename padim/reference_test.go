package padim

import (
	"math"
	"testing"
)

func TestDistancesAreThoseOfTheGaussians(t *testing.T) {
	train := newParts(12, 64, 8, 8, 16)
	for _, o := range []Options{
		{Mode: Part, Shrinkage: 0.5}, {Mode: Part, Shrinkage: 0.5, Precision: Single}, {Mode: Texture}, {Mode: Stock},
	} {
		m, _ := mustFit(t, train, o)
		s := mustScorer(t, m, 2)
		s.Score(train.one(3))
		x, stride := s.Features()
		for p, got := range s.Distances().Data {
			mean, w := m.Gaussian(p)
			if want := mahalanobis(x[p*stride:][:m.Dim()], mean, w); math.Abs(float64(got)-want) > 1e-5*want {
				t.Fatalf("%v, cell %d: %v, by definition %v", m.Mode(), p, got, want)
			}
		}
	}
}

// mahalanobis returns |W (x - mean)|.
func mahalanobis(x []float32, mean, w []float64) float64 {
	sum := 0.0
	for i := range mean {
		z := 0.0
		for j, v := range w[tri(i):][:i+1] {
			z += v * (float64(x[j]) - mean[j])
		}
		sum += z * z
	}
	return math.Sqrt(sum)
}
