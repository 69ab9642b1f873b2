package discriminant

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
)

// Channel 1 varies little on normal surfaces and defects move it: it is found, beside one that varies a lot.
// Channel 4 never varies and is never moved.
func TestDirections(t *testing.T) {
	const channels, pictures = 5, 200
	r := rand.New(rand.NewPCG(3, 3))
	deviation := []float64{5, 0.5, 2, 3, 0}
	d := New(channels)
	for range pictures {
		dev := make([]float64, 4*channels)
		for i := range dev {
			dev[i] = deviation[i%channels] * r.NormFloat64()
		}
		d.Normal(dev, 3)
	}
	if err := d.Factor(3*4*pictures, 0); err != nil {
		t.Fatal(err)
	}
	for range 50 {
		by := make([]float64, 4*channels)
		for cell := range 4 {
			by[cell*channels+1] = 2
			by[cell*channels] = r.NormFloat64()
		}
		by[2*channels+2] = 1e6 // where it is not seen
		d.Change(by, []float32{1, 0.5, 0, 1})
	}
	w, scale, err := d.Directions(1)
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(float64(w[1])*0.5) < 0.95 || math.Abs(float64(scale[0])-1) > 0.1 {
		t.Errorf("weights %v, deviation %v: want channel 1 alone, brought to 1", w, scale)
	}
	for c, v := range w {
		if c != 1 && math.Abs(float64(v)*deviation[c]) > 0.2 {
			t.Errorf("weights %v: channel %d is in the direction", w, c)
		}
	}
	at := float64(Bias(w, []float64{7, 7, 7, 7, 7})[0])
	for _, v := range w {
		at += 7 * float64(v)
	}
	if math.Abs(at) > 1e-5 {
		t.Errorf("the mean is at %v, want 0", at)
	}
}

func TestNothingVaries(t *testing.T) {
	d := New(2)
	d.Normal(make([]float64, 8), 1)
	if err := d.Factor(4, 0); !errors.Is(err, ErrConstant) {
		t.Error(err)
	}
	d = New(2)
	d.Normal([]float64{1e-15, -1e-15, -1e-15, 1e-15}, 1) // what sums of features of about 1 are rounded by
	if err := d.Factor(2, 1); !errors.Is(err, ErrConstant) {
		t.Error(err)
	}
}

// Defects that nobody sees have no directions.
func TestNothingIsSeen(t *testing.T) {
	d := New(2)
	d.Normal([]float64{1, 2, -1, 1, 0, -3}, 1)
	if err := d.Factor(3, 0); err != nil {
		t.Fatal(err)
	}
	d.Change([]float64{5, 5}, []float32{Seen / 2})
	if w, _, err := d.Directions(1); !errors.Is(err, ErrNoDefect) {
		t.Errorf("%v, %v", w, err)
	}
}

func TestSmoothIsTheMeanOfWhatIsThere(t *testing.T) {
	dst := []float64{9, 9, 9, 9, 9, 9}
	Smooth(dst, []float64{1, 2, 3, 4, 5, 6}, 2, 3, 1)
	for i, want := range []float64{3, 3.5, 4, 3, 3.5, 4} {
		if dst[i] != want {
			t.Errorf("cell %d: %g, want %g", i, dst[i], want)
		}
	}
}

// A channel that normal cells hold still counts as one that hardly varies, not as one without end.
func TestChannelThatNeverVaries(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	const channels, cells, still = 16, 4000, 3
	d := New(channels)
	dev := make([]float64, cells*channels)
	for i := range dev {
		if i%channels != still {
			dev[i] = r.NormFloat64()
		}
	}
	d.Normal(dev, 1)
	if err := d.Factor(cells, 0); err != nil {
		t.Fatal(err)
	}
	by, label := make([]float64, 50*channels), make([]float32, 50)
	for i := range label {
		label[i] = 1
		by[i*channels+still] = 1
		by[i*channels+5] = 0.3 * r.NormFloat64()
	}
	d.Change(by, label)
	w, _, err := d.Directions(8)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range w {
		if !(math.Abs(float64(v)) < 2/math.Sqrt(least)) {
			t.Errorf("channel %d, direction %d: weight %v", i/8, i%8, v)
		}
	}
}
