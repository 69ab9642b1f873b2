package grad

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"testing"
)

// fusedBits is what every vector kernel set gives, AVX2, AVX-512 and NEON, for channels in whole vectors of 8:
// all add in one order with one rounding a product.
const fusedBits = "fbd28192db1867fb"

func TestEveryVectorKernelGivesTheSameBits(t *testing.T) {
	for _, be := range Implementations(2) {
		if be.Name() == generic.name {
			continue
		}
		h := sha256.New()
		add := func(v []float32) {
			raw, err := binary.Append(nil, binary.LittleEndian, v)
			if err != nil {
				t.Fatal(err)
			}
			h.Write(raw)
		}
		r := rng(13)
		for _, s := range []struct {
			in, out, kernel, stride int
			winograd                bool
		}{{3, 32, 3, 2, false}, {24, 56, 3, 1, false}, {24, 56, 3, 1, true}, {16, 40, 3, 2, false}, {40, 16, 1, 1, false}, {16, 8, 1, 2, false}} {
			f := NewFilter(s.in, s.out, s.kernel, s.stride, 1)
			f.Winograd = s.winograd
			for i := range f.W {
				f.W[i] = r.Float32() - 0.5
			}
			x := random(r, 9, 10, 6, s.in)
			y := NewTensor(9, f.OutSize(10), f.OutSize(6), s.out)
			be.Conv(y, x, &f)
			add(y.Data)
			dy, dw := random(r, 9, y.H, y.W, s.out), make([]float32, len(f.W))
			be.ConvWeight(dw, x, dy, &f)
			add(dw)
			if s.in%8 == 0 {
				be.ConvInput(x, dy, &f)
				add(x.Data)
			}
		}
		for op := range elemOps {
			p := [3]*Tensor{random(r, 1, 5, 6, 24), random(r, 1, 5, 6, 24), random(r, 1, 5, 6, 24)}
			var v [3][]float32
			for i := range v {
				v[i] = make([]float32, 24)
				for j := range v[i] {
					v[i][j] = r.Float32() - 0.5
				}
			}
			be.elem(op, p[0], 0, p, v)
			add(p[0].Data)
			for i := range v {
				add(v[i])
			}
		}
		if got := hex.EncodeToString(h.Sum(nil)[:8]); got != fusedBits {
			t.Errorf("%s: %s, want %s", be.Name(), got, fusedBits)
		}
	}
}
