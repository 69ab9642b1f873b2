package control

import (
	"math/rand/v2"
	"slices"
	"testing"

	"cull/internal/impl/impltest"
)

// Every implementation gives the bits of the portable loops, at every length of the tail.
func TestFiltersEqualGeneric(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 1))
	random := func(n int) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = r.Float32() - 0.5
		}
		return v
	}
	impltest.Each(t, Pkg, func(t *testing.T) {
		for n := range 75 {
			for radius := range 4 {
				for _, stride := range []int{1, 5, 16} {
					for _, parity := range []float32{even, odd} {
						c := correlation{
							dst: random(n), src: random(n + 2*radius*stride), stride: stride,
							f: random(radius + 1), parity: parity,
						}
						c.apply()
						got := slices.Clone(c.dst)
						c.generic(0)
						if !slices.Equal(got, c.dst) {
							t.Fatalf("%d values, radius %d, stride %d, parity %v: %v, want %v",
								n, radius, stride, parity, got, c.dst)
						}
					}
				}
			}
			o := orientation{x: random(n), y: random(n), xx: random(n), yy: random(n), xy: random(n)}
			var got [4][]float32
			for k := range o.e {
				o.e[k] = make([]float32, n)
			}
			o.apply()
			for k := range o.e {
				got[k] = slices.Clone(o.e[k])
			}
			o.generic(0)
			for k := range o.e {
				if !slices.Equal(got[k], o.e[k]) {
					t.Fatalf("%d values, orientation %d: %v, want %v", n, k, got[k], o.e[k])
				}
			}
		}
	})
}

// The smaller offset changes the energies' channels alone.
func TestMapsAtOffsets(t *testing.T) {
	rgb := make([]uint8, 3*32*48)
	for i := range rgb {
		rgb[i] = uint8(i * i / 7)
	}
	b := NewBank()
	both := b.MapsAt(rgb, 32, 48, Offset, 0.0005)
	usual := b.Maps(rgb, 32, 48)
	for s, n := range BankChannels {
		if !slices.Equal(both[0][s], usual[s]) {
			t.Errorf("stage %d: MapsAt and Maps differ at the usual offset", s)
		}
		for i, v := range both[1][s] {
			linear := s == 0 && i%n < 4 || s == 1 && i%n == 0 // brightness, opponents, difference of Gaussians
			if w := usual[s][i]; linear && v != w || !linear && v >= w {
				t.Fatalf("stage %d, channel %d: %v with offset 0.0005, %v with 0.01", s, i%n, v, w)
			}
		}
	}
}
