package control

import (
	"math"
	"math/rand/v2"
	"testing"
)

// drawn is a 96 x 96 picture of that brightness with a dark line of some depth through the centre at
// orientation k pi/8, and noise.
func drawn(k int, depth, noise float64) []uint8 {
	const n = 96
	r := rand.New(rand.NewPCG(1, 2))
	rgb := make([]uint8, 3*n*n)
	cs, sn := lineDirection(k)
	for y := range n {
		for x := range n {
			d := float64(y-n/2)*cs - float64(x-n/2)*sn
			v := 128 - depth*math.Exp(-d*d/2/1.5/1.5) + noise*r.NormFloat64()
			for c := range 3 {
				rgb[3*(y*n+x)+c] = uint8(math.Round(v))
			}
		}
	}
	return rgb
}

// centre is the cell of stride 8 with the middle of the picture at its corner, dark lines of the first scale.
func centre(m [BankStages][]float32) []float32 { return m[1][(6*12+6)*LineChannels:][:lineAngles] }

func TestLinesTellOrientationWhateverTheContrast(t *testing.T) {
	b := NewBank()
	for k := range lineAngles {
		strong, faint := centre(b.Lines(drawn(k, 100, 0), 96, 96)), centre(b.Lines(drawn(k, 10, 0), 96, 96))
		for c, v := range strong {
			if c != k && v >= strong[k] {
				t.Errorf("orientation %d: channel %d is %v, the line's own %v", k, c, v, strong[k])
			}
		}
		if strong[k] < 0.5 || math.Abs(float64(strong[k]-faint[k])) > 0.1*float64(strong[k]) {
			t.Errorf("orientation %d: a line of 100 levels gives %v, one of 10 %v", k, strong[k], faint[k])
		}
	}
}

// A line no stronger than the grain it runs through stands out from it, for grain keeps no direction.
func TestLinesStandOutFromGrain(t *testing.T) {
	b := NewBank()
	with, without := b.Lines(drawn(2, 12, 6), 96, 96), b.Lines(drawn(2, 0, 6), 96, 96)
	var most float32
	for i := 2; i < len(without[1]); i += LineChannels {
		most = max(most, without[1][i])
	}
	if v := centre(with)[2]; v < 1.2*most {
		t.Errorf("the line gives %v, grain up to %v", v, most)
	}
}

func TestLinesOfNothing(t *testing.T) {
	for s, m := range NewBank().Lines(drawn(0, 0, 0), 96, 96) {
		if want := (96 / 4 >> s) * (96 / 4 >> s) * LineChannels; len(m) != want {
			t.Fatalf("stage %d: %d values, want %d", s, len(m), want)
		}
		for i, v := range m {
			if math.Abs(float64(v)) > 0.01 {
				t.Fatalf("stage %d, value %d: %v on a picture of one brightness", s, i, v)
			}
		}
	}
}

func BenchmarkLines(b *testing.B) {
	rgb, bank := drawn(1, 20, 10), NewBank()
	for b.Loop() {
		bank.Lines(rgb, 96, 96)
	}
}
