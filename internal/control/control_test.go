package control

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
)

func picture(rng *rand.Rand, n int) []int8 {
	pic := make([]int8, n)
	for i := range pic {
		pic[i] = int8(rng.IntN(255) - 127)
	}
	return pic
}

func TestExtractorsQuantiseToSixSigma(t *testing.T) {
	const h, w = 64, 48
	for name, build := range map[string]func(h, w int) (*Extractor, error){
		"handmade": NewHandmade, "formula": NewFormula,
	} {
		e, err := build(h, w)
		if err != nil {
			t.Fatal(err)
		}
		rng := rand.New(rand.NewPCG(1, 1))
		var pics [][]int8
		for range 6 {
			pics = append(pics, picture(rng, h*w*3))
			e.Observe(pics[len(pics)-1])
		}
		if err := e.Calibrate(); err != nil {
			t.Fatal(err)
		}
		channels := 0
		var sum, sqr [3][]float64
		for _, p := range pics {
			for i, m := range e.Maps(p) {
				if m.H != h/m.Stride || m.W != w/m.Stride || len(m.Data) != m.H*m.W*m.C || len(m.Step) != m.C {
					t.Fatalf("%s: stage %d: %dx%dx%d", name, i, m.H, m.W, m.C)
				}
				if sum[i] == nil {
					sum[i], sqr[i] = make([]float64, m.C), make([]float64, m.C)
					channels += m.C
				}
				for j, v := range m.Data {
					if v == -128 {
						t.Fatalf("%s: stage %d: -128", name, i)
					}
					sum[i][j%m.C] += float64(v)
					sqr[i][j%m.C] += float64(v) * float64(v)
				}
			}
		}
		for i := range sum {
			n := float64(len(pics) * (h / (4 << i)) * (w / (4 << i)))
			for c := range sum[i] {
				mean := sum[i][c] / n
				if sd := math.Sqrt(sqr[i][c]/n - mean*mean); math.Abs(mean) > 1 || math.Abs(sd-127./6) > 1 {
					t.Errorf("%s: stage %d channel %d: mean %.2f, deviation %.2f", name, i, c, mean, sd)
				}
			}
		}
		if want := map[string]int{"handmade": 22, "formula": 116}[name]; channels != want {
			t.Errorf("%s: %d channels, want %d", name, channels, want)
		}
	}
}

func TestExtractorNeedsPictures(t *testing.T) {
	e, err := NewHandmade(32, 32)
	if err != nil {
		t.Fatal(err)
	}
	e.Observe(make([]int8, 32*32*3))
	if err := e.Calibrate(); !errors.Is(err, ErrNotCalibrated) {
		t.Error(err)
	}
	if _, err := NewFormula(40, 32); err == nil {
		t.Error("a size that is not a multiple of 16 was accepted")
	}
}

// TestConstantPictureHasFiniteMaps: no channel varies.
func TestConstantPictureHasFiniteMaps(t *testing.T) {
	e, err := NewFormula(32, 32)
	if err != nil {
		t.Fatal(err)
	}
	flat := make([]int8, 32*32*3)
	e.Observe(flat)
	e.Observe(flat)
	if err := e.Calibrate(); err != nil {
		t.Fatal(err)
	}
	for _, m := range e.Maps(flat) {
		for c, s := range m.Step {
			if !(s > 0) || math.IsInf(float64(s), 0) {
				t.Errorf("channel %d: step %v", c, s)
			}
		}
	}
}

func TestGreyByHand(t *testing.T) {
	// Luma 100 everywhere but 160 at one inner pixel of 4x4.
	pic := make([]int8, 4*4*3)
	for i := range pic {
		pic[i] = 100 - 128
	}
	for c := range 3 {
		pic[(1*4+1)*3+c] = 160 - 128
	}
	// Gradients: left neighbour 60, upper neighbour 60, the pixel itself 60*sqrt 2.
	want := [4]float64{100 + 60./16, 100, 160, (60 + 60 + 60*math.Sqrt2) / 16}
	for i, v := range Grey(pic, 4, 4) {
		if math.Abs(v-want[i]) > 1e-9 {
			t.Errorf("%s: %v, want %v", Statistics[i], v, want[i])
		}
	}
}

// A flat picture has no deviation and no gradient: the logarithms must keep their offset.
func TestAFlatPictureHasFiniteFeatures(t *testing.T) {
	const side = 64
	flat := make([]int8, 3*side*side)
	for name, newExtractor := range map[string]func(int, int) (*Extractor, error){
		"handmade": NewHandmade, "formula": NewFormula,
	} {
		e, err := newExtractor(side, side)
		if err != nil {
			t.Fatal(err)
		}
		for s, data := range e.forward(flat) {
			for i, v := range data {
				if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
					t.Fatalf("%s: stage %d, value %d is %v", name, s, i, v)
				}
			}
		}
	}
}
