package padim

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
)

func TestThresholdIsTheConformalQuantile(t *testing.T) {
	scores := make([]float32, 99)
	for i := range scores {
		scores[i] = float32(99 - i)
	}
	for _, c := range []struct {
		target float64
		value  float32
	}{{0.01, 99}, {0.05, 95}, {0.1, 90}, {0.5, 50}} {
		th, err := NewThreshold(scores, c.target, LeaveOneOut)
		if err != nil {
			t.Fatal(err)
		}
		if th.Value != c.value || th.Method != LeaveOneOut {
			t.Errorf("target %g: got %+v, want value %v", c.target, th, c.value)
		}
		rate, low, high := th.Expect()
		if rate > c.target+1e-12 || !(low < rate && rate < high) {
			t.Errorf("target %g: expect %g in %g..%g", c.target, rate, low, high)
		}
	}
	if scores[0] != 99 {
		t.Error("the scores were sorted in place")
	}
	th, err := NewThreshold(scores, 0.009, LeaveOneOut)
	if err != nil {
		t.Fatal(err)
	}
	if th.Method != Extrapolated || th.Value < 99 || th.Smallest() != 0.01 {
		t.Errorf("0.9 %% of 99 parts: got %+v", th)
	}
}

// The interval is Clopper and Pearson's: for the highest of n scores the upper
// bound u solves (1-u)^n = 0.025.
func TestExpectIsTheBetaInterval(t *testing.T) {
	_, _, high := Threshold{Parts: 20, Rank: 20}.Expect()
	if got := math.Pow(1-high, 20); math.Abs(got-0.025) > 1e-9 {
		t.Errorf("(1-high)^20 = %g", got)
	}
	b := distuv.Beta{Alpha: 3, Beta: 48}
	_, low, high := Threshold{Parts: 50, Rank: 48}.Expect()
	if math.Abs(b.CDF(low)-0.025) > 1e-9 || math.Abs(b.CDF(high)-0.975) > 1e-9 {
		t.Errorf("low %g, high %g", low, high)
	}
}

// Whatever the continuous distribution, a further good part exceeds the
// threshold with the probability promised; extrapolated, under an exponential
// tail exactly, under a lighter tail less often.
func TestFalseRejectsKeepThePromise(t *testing.T) {
	if testing.Short() {
		t.Skip("simulation: long under emulation and the race detector")
	}
	rng := rand.New(rand.NewPCG(11, 12))
	exponential := func() float64 { return rng.ExpFloat64() }
	normal := func() float64 { return rng.NormFloat64() }
	for _, c := range []struct {
		name   string
		draw   func() float64
		n      int
		target float64
		low    float64 // of the rate, as a share of the target
	}{
		{"exponential", exponential, 20, 0.05, 0.95},
		{"normal", normal, 39, 0.05, 0.95},
		{"normal", normal, 99, 0.01, 0.95},
		{"exponential, extrapolated", exponential, 20, 0.01, 0.95},
		{"exponential, extrapolated", exponential, 50, 0.002, 0.95},
		{"normal, extrapolated", normal, 20, 0.01, 0.1},
	} {
		const rounds = 20000
		sum, squares := 0.0, 0.0
		scores := make([]float32, c.n)
		further := make([]float64, 200000)
		for i := range further {
			further[i] = c.draw()
		}
		slices.Sort(further)
		for range rounds {
			for i := range scores {
				scores[i] = float32(c.draw())
			}
			th, err := NewThreshold(scores, c.target, LeaveOneOut)
			if err != nil {
				t.Fatal(err)
			}
			at, _ := slices.BinarySearch(further, float64(th.Value))
			rate := float64(len(further)-at) / float64(len(further))
			sum += rate
			squares += rate * rate
		}
		mean := sum / rounds
		sigma := math.Sqrt((squares/rounds-mean*mean)/rounds) + 0.03*c.target
		t.Logf("%s, n=%d: target %g, rate %.5f", c.name, c.n, c.target, mean)
		if mean > c.target+3*sigma || mean < c.low*c.target-3*sigma {
			t.Errorf("%s, n=%d: target %g, rate %.5f +- %.5f", c.name, c.n, c.target, mean, sigma)
		}
	}
}

// The promise holds through the whole of Fit: left-out scores of real models.
// Every round teaches on n parts and judges further good parts.
func TestTaughtThresholdKeepsThePromise(t *testing.T) {
	if testing.Short() {
		t.Skip("simulation: long under emulation and the race detector")
	}
	const target, further = 0.05, 20
	for _, c := range []struct{ n, rounds int }{{20, 60}, {50, 30}, {100, 20}} {
		for _, mode := range []Mode{Part, Texture} {
			rejected, seed := 0, uint64(1)
			for range c.rounds {
				train := newParts(c.n, 32, 4, 8, 16).from(seed*1000, c.n)
				seed++
				m, r := mustFit(t, train, Options{Mode: mode, Dim: 6, TargetFRR: target, Shrinkage: 0.5})
				s := mustScorer(t, m, 1)
				for i := range further {
					part := train.from(1e9+seed*1000+uint64(i), 1).sample(0)
					if (Gate{r.Threshold.Value}).Decide(s.Score(part)) == Reject {
						rejected++
					}
				}
			}
			// The rate of a round follows Beta: between rounds it varies more than a binomial.
			k := math.Ceil(float64(c.n+1) * (1 - target))
			mean := (float64(c.n) + 1 - k) / (float64(c.n) + 1)
			beta := mean * (1 - mean) / (float64(c.n) + 2)
			sigma := math.Sqrt((mean*(1-mean)/further + beta) / float64(c.rounds))
			rate := float64(rejected) / float64(c.rounds*further)
			t.Logf("%v, %d parts: false-reject rate %.4f, expected %.4f +- %.4f", mode, c.n, rate, mean, sigma)
			if rate > mean+3*sigma || rate < mean-4*sigma {
				t.Errorf("%v, %d parts: false-reject rate %.4f, expected %.4f +- %.4f", mode, c.n, rate, mean, sigma)
			}
		}
	}
}

func TestSuspectsAreFarOut(t *testing.T) {
	r := Report{Scores: []float32{10, 11, 12, 13, 30, 12, 11, 10, 17, 12}}
	if got := r.Suspects(); !slices.Equal(got, []int{4}) {
		t.Errorf("got %v, want part 4", got)
	}
	if got := (&Report{Scores: make([]float32, 8)}).Suspects(); got != nil {
		t.Errorf("equal scores: got %v", got)
	}
}
