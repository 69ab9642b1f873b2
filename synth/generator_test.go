package synth

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"testing"
)

// must returns a generator of procedural pictures with parameters set.
func must(tb testing.TB, o Options, set ...string) *Generator {
	tb.Helper()
	for i := 0; i < len(set); i += 2 {
		if err := o.Set(set[i], set[i+1]); err != nil {
			tb.Fatal(err)
		}
	}
	g, err := New(o, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return g
}

func render(tb testing.TB, g *Generator, seed uint64) *Sample {
	tb.Helper()
	s := new(Sample)
	if err := g.Render(s, seed); err != nil {
		tb.Fatal(err)
	}
	return s
}

func hashOf(samples []*Sample) string {
	h := sha256.New()
	for _, s := range samples {
		h.Write(s.Clean.Pix)
		h.Write(s.Image.Pix)
		h.Write(s.Twin.Pix)
		for _, m := range [][]float32{s.Mask, s.Score, s.Visible, s.Relative} {
			for _, v := range m {
				h.Write(binary.LittleEndian.AppendUint32(nil, math.Float32bits(v)))
			}
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

func BenchmarkRender(b *testing.B) {
	g := must(b, Defaults(128, 128))
	var s Sample
	seed := uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		if err := g.Render(&s, seed); err != nil {
			b.Fatal(err)
		}
		seed++
	}
}
