package light

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"slices"
	"testing"
	"unsafe"
)

// ramp is a picture of w x h with all values, of different colours where coloured.
func ramp(w, h int, coloured bool) []int8 {
	pic := make([]int8, 3*w*h)
	for i := range pic {
		v := i / 3 * 5 % 255
		if coloured {
			v = i * 7 % 255
		}
		pic[i] = int8(v - 127)
	}
	return pic
}

func TestRelitCopiesAreTheSameOnEveryCPU(t *testing.T) {
	r := NewRelighter(40, 24, 0.7, 1)
	sum := sha256.New()
	for n := range 5 {
		for _, coloured := range []bool{false, true} {
			c := r.Copy(ramp(40, 24, coloured), n)
			sum.Write(unsafe.Slice((*byte)(unsafe.Pointer(&c[0])), len(c)))
		}
	}
	const want = "d9da993045d4428803d9f34b78fbd274426039c153c386247d0ce33f436a5468"
	if got := hex.EncodeToString(sum.Sum(nil)); got != want {
		t.Errorf("digest %s, want %s", got, want)
	}
}

// The light of a copy stays within what was asked for, and copies differ.
func TestRelitCopiesKeepTheirBounds(t *testing.T) {
	const w, h, stops = 32, 32, 0.5
	flat := make([]int8, 3*w*h) // 128 everywhere, in the middle of the scale
	// Exposure, and half of either slope in a corner, in a camera's values; then the lift.
	most := math.Exp2(2*stops/2.2)*128 + 255*0.02*stops + 1
	least := math.Exp2(-2*stops/2.2)*128*(1-0.02*stops) - 1
	r := NewRelighter(w, h, stops, 3)
	var seen [][]int8
	lo, hi := 255., 0.
	for n := range 200 {
		c := r.Copy(flat, n)
		if !grey(c) {
			t.Fatalf("copy %d of a picture without colour has some", n)
		}
		for _, v := range c {
			lo, hi = min(lo, float64(int(v)+128)), max(hi, float64(int(v)+128))
		}
		if slices.ContainsFunc(seen, func(s []int8) bool { return slices.Equal(s, c) }) {
			t.Fatalf("copy %d is an earlier one", n)
		}
		seen = append(seen, slices.Clone(c))
	}
	if lo < least || hi > most {
		t.Errorf("128 becomes %v to %v, want within %.1f to %.1f", lo, hi, least, most)
	}
	if lo > 128-0.6*(128-least) || hi < 128+0.6*(most-128) {
		t.Errorf("128 becomes %v to %v: not much of %.1f to %.1f", lo, hi, least, most)
	}
	coloured := ramp(w, h, true)
	if c := r.Copy(coloured, 1); slices.Equal(c, coloured) {
		t.Error("a copy is its picture")
	}
	if c := NewRelighter(w, h, 0, 3).Copy(coloured, 1); !slices.Equal(c, coloured) {
		t.Error("no stops change the picture")
	}
}
