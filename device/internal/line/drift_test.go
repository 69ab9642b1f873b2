package line

import (
	"math/rand/v2"
	"testing"
)

// drawn are n scores about mean.
func drawn(rng *rand.Rand, n int, mean float64) []float64 {
	s := make([]float64, n)
	for i := range s {
		s[i] = mean + rng.NormFloat64()
	}
	return s
}

// told counts what d says of scores.
func told(d *drift, scores []float64) (n int) {
	for _, s := range scores {
		if d.add(s) {
			n++
		}
	}
	return n
}

func TestScoresThatDrift(t *testing.T) {
	for _, tc := range []struct {
		name  string
		parts int     // taught
		mean  float64 // of the scores after those that are as the taught ones, in standard deviations
		want  int
	}{
		{"as they were taught", 50, 0, 0},
		{"a little higher", 50, 0.2, 0},
		{"higher", 50, 1.5, 1},
		{"lower", 50, -1.5, 1},
		{"of many taught parts, a little higher", 5000, 0.4, 0},
		{"of ten taught parts, a little higher", 10, 0.2, 0},
		{"of ten taught parts, higher than nearly all", 10, 4, 1},
		{"of five taught parts, which tell nothing", 5, 9, 0},
	} {
		for seed := range uint64(20) {
			rng := rand.New(rand.NewPCG(seed, 0))
			var d drift
			d.watch(drawn(rng, tc.parts, 0), 200)
			if n := told(&d, drawn(rng, 5000, 0)); n != 0 {
				t.Errorf("%s, seed %d: told %d times of scores as they were taught", tc.name, seed, n)
			}
			if n := told(&d, drawn(rng, 5000, tc.mean)); n != tc.want {
				share, _ := d.share()
				t.Errorf("%s, seed %d: told %d times, want %d: share %.3f, limit %.3f", tc.name, seed, n, tc.want, share, d.limit())
			}
		}
	}
}

// Pairs of many taught parts and of many that passed are no number of 32 bits.
func TestDriftOfManyParts(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 0))
	var d drift
	d.watch(drawn(rng, 22000, 0), 50000)
	told(&d, drawn(rng, 50000, 0))
	if share, known := d.share(); !known || share < 0.49 || share > 0.51 {
		t.Errorf("share %v, %v of scores as they were taught", share, known)
	}
	if n := told(&d, drawn(rng, 50000, 9)); n != 1 {
		t.Errorf("told %d times", n)
	}
}

func TestDriftIsToldAgainOnlyAfterItWasGone(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 0))
	var d drift
	d.watch(drawn(rng, 100, 0), 100)
	for _, step := range []struct {
		mean float64
		want int
	}{{2, 1}, {2, 0}, {0.8, 0}, {2, 0}, {0, 0}, {2, 1}, {-2, 1}} {
		if n := told(&d, drawn(rng, 1000, step.mean)); n != step.want {
			t.Errorf("mean %v: told %d times, want %d", step.mean, n, step.want)
		}
	}
}

func TestShareOfDrift(t *testing.T) {
	for _, tc := range []struct {
		taught, newest []float64
		want           float64
		known          bool
	}{
		{[]float64{3, 1, 2}, []float64{9, 0, 2, 2.5}, (3 + 0 + 1.5 + 2) / 12, true},
		{[]float64{1}, []float64{5, 5, 5, 5, 0, 0, 0, 0}, 0, true}, // the newest four alone
		{[]float64{1, 1}, []float64{1, 1, 1, 1}, 0.5, true},
		{[]float64{1}, []float64{5, 5, 5}, 0, false},
		{nil, []float64{5, 5, 5, 5}, 0, false},
	} {
		var d drift
		d.watch(tc.taught, 4)
		told(&d, tc.newest)
		got, known := d.share()
		if diff := got - tc.want; known != tc.known || diff*diff > 1e-18 {
			t.Errorf("taught %v, newest %v: %v, %v; want %v, %v", tc.taught, tc.newest, got, known, tc.want, tc.known)
		}
	}
	var never drift
	never.watch([]float64{1, 2}, 0)
	if _, known := never.share(); told(&never, []float64{9, 9}) != 0 || known {
		t.Error("a drift of no parts is known")
	}
}

func TestReloadBeginsAnotherDriftOnlyWhereItsPartsChange(t *testing.T) {
	o := &Options{DriftParts: 4, Taught: []float64{1, 2, 3, 4, 5, 6, 7, 8}}
	tr := &tracker{o: o}
	tr.drift.watch(o.Taught, o.DriftParts)
	told(&tr.drift, []float64{1, 2, 3})
	tr.changed()
	told(&tr.drift, []float64{4})
	if _, known := tr.drift.share(); !known {
		t.Error("a reload that changes something else forgot the newest parts")
	}
	o.change(&Options{DriftParts: 2})
	tr.changed()
	if _, known := tr.drift.share(); known {
		t.Error("more parts are compared than have been since the change")
	}
	told(&tr.drift, []float64{9, 9})
	if share, known := tr.drift.share(); !known || share != 1 {
		t.Errorf("two parts after the change: %v, %v", share, known)
	}
}
