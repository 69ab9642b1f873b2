package synth

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"
)

func fractal(class, seed uint64) Picture {
	p := Picture{W: 80, H: 64, Pix: make([]uint8, 3*80*64)}
	f := NewFractal(class)
	f.Draw(&p, seed)
	return p
}

func TestFractalsOfAClassAreMoreAlikeThanClasses(t *testing.T) {
	// Overlap of lit pixels: intersection by union, averaged over classes.
	overlap := func(a, b Picture) float64 {
		both, any := 0, 0
		for i := 0; i < len(a.Pix); i += 3 {
			p := a.Pix[i]|a.Pix[i+1]|a.Pix[i+2] > 0
			q := b.Pix[i]|b.Pix[i+1]|b.Pix[i+2] > 0
			if p && q {
				both++
			}
			if p || q {
				any++
			}
		}
		return float64(both) / float64(any)
	}
	var within, between float64
	for c := range uint64(12) {
		a := fractal(c, 1)
		within += overlap(a, fractal(c, 2)) / 12
		between += overlap(a, fractal(c+1, 2)) / 12
	}
	if within <= between {
		t.Errorf("overlap within a class %.2f, between classes %.2f", within, between)
	}
}

func TestAFractalIsTheSameOnEveryCPU(t *testing.T) {
	h := sha256.New()
	for c := range uint64(10) {
		h.Write(fractal(c, 3).Pix)
	}
	const want = "a927aa48466640c7e4809369b41d4593245fbe0235c4e42bcc2e4c3d011400c6"
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		t.Errorf("hash %s, want %s", got, want)
	}
}
