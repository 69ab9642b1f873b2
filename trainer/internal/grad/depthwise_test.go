package grad

import (
	"math"
	"math/rand/v2"
	"testing"
)

// Every kernel set, whole vectors and what is left of the channels, against the definition.
func TestDepthwise(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	for _, c := range []*CPU{{threads: 1, k: &generic}, NewCPU(2)} {
		for _, stride := range []int{1, 2} {
			for _, channels := range []int{3, 8, 27, 40} {
				f := NewFilter(channels, channels, 3, stride, channels)
				x := NewTensor(2, 7, 6, channels)
				for i := range f.W {
					f.W[i] = float32(rng.NormFloat64())
				}
				for n := range x.N {
					for y := range x.H {
						for i := range x.Row(n, y) {
							x.Row(n, y)[i] = float32(rng.NormFloat64())
						}
					}
				}
				y := NewTensor(2, f.OutSize(7), f.OutSize(6), channels)
				c.Conv(y, x, &f)
				want := NewTensor(2, y.H, y.W, channels)
				for n := range x.N {
					groupedConv(want, x, &f, n)
				}
				for i, v := range want.Data {
					if math.Abs(float64(v-y.Data[i])) > 1e-5 {
						t.Fatalf("%s, stride %d, %d channels: value %d is %g, want %g", c.Name(), stride, channels, i, y.Data[i], v)
					}
				}
			}
		}
	}
}
