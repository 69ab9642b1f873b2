package measure

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func near(a, b, eps float64) bool {
	return math.Abs(a-b) <= eps || math.IsNaN(a) && math.IsNaN(b)
}

func TestImageFiguresByHand(t *testing.T) {
	for _, c := range []struct {
		name           string
		good, bad      []float64
		auroc, ap, f1  float64
		falseAtEscapes int
	}{
		{"apart", []float64{1, 2, 3}, []float64{4, 5}, 1, 1, 1, 0},
		{"reversed", []float64{4, 5}, []float64{1, 2}, 0, 1./3/2 + 2./4/2, 2. / 3, 2},
		{"all tied", []float64{1, 1, 1}, []float64{1, 1}, 0.5, 2. / 5, 4. / 7, 3},
		// pairs: 3>1, 3>2, 3=3, 2>1, 2=2, 2<3 -> (1+1+.5+1+.5+0)/6
		{"mixed", []float64{1, 2, 3}, []float64{2, 3}, 4. / 6, 1. / 2 * (1./2 + 2./4), 4. / 6, 2},
		{"no bad", []float64{1}, nil, math.NaN(), math.NaN(), math.NaN(), 0},
	} {
		f1, _ := F1Max(c.good, c.bad)
		if a := AUROC(c.good, c.bad); !near(a, c.auroc, 1e-12) {
			t.Errorf("%s: AUROC %v, want %v", c.name, a, c.auroc)
		}
		if ap := AveragePrecision(c.good, c.bad); !near(ap, c.ap, 1e-12) {
			t.Errorf("%s: average precision %v, want %v", c.name, ap, c.ap)
		}
		if !near(f1, c.f1, 1e-12) {
			t.Errorf("%s: F1 %v, want %v", c.name, f1, c.f1)
		}
		want := Rate{c.falseAtEscapes, len(c.good)}
		if len(c.bad) == 0 { // no bad part, no threshold that lets none pass
			want = Rate{}
		}
		if r := FRRAtZeroEscapes(c.good, c.bad); r != want {
			t.Errorf("%s: %+v, want %+v", c.name, r, want)
		}
	}
}

// scores draws n scores of few distinct values, so that ties are common.
func scores(rng *rand.Rand, n int, shift float64) []float64 {
	s := make([]float64, n)
	for i := range s {
		s[i] = math.Round(4*(rng.NormFloat64()+shift)) / 4
	}
	return s
}

func TestAUROCEqualsCountingPairs(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		good, bad := scores(rng, 1+rng.IntN(40), 0), scores(rng, 1+rng.IntN(40), 0.7)
		var sum float64
		for _, g := range good {
			for _, b := range bad {
				switch {
				case b > g:
					sum++
				case b == g:
					sum += 0.5
				}
			}
		}
		want := sum / float64(len(good)*len(bad))
		if got := AUROC(good, bad); !near(got, want, 1e-12) {
			t.Fatalf("%v, want %v", got, want)
		}
	}
}

// TestAUROCIntervalCovers draws normal scores a known AUROC apart:
// AUROC = Phi(shift/sqrt 2).
func TestAUROCIntervalCovers(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	const shift, rounds = 1.5, 400
	truth := 0.5 * (1 + math.Erf(shift/2))
	covered := 0
	for range rounds {
		good, bad := make([]float64, 40), make([]float64, 60)
		for i := range good {
			good[i] = rng.NormFloat64()
		}
		for i := range bad {
			bad[i] = rng.NormFloat64() + shift
		}
		low, high := AUROCInterval(good, bad)
		if a := AUROC(good, bad); low > a || high < a || low < 0 || high > 1 {
			t.Fatalf("%v not in %v..%v", a, low, high)
		}
		if low <= truth && truth <= high {
			covered++
		}
	}
	if covered < rounds*92/100 || covered > rounds*99/100 {
		t.Errorf("covered %d of %d", covered, rounds)
	}
	if low, high := AUROCInterval([]float64{1, 2, 3}, []float64{4, 5}); low > 0.3 || high != 1 {
		t.Errorf("perfect separation of 3 and 2: %v..%v", low, high)
	}
	for n := 2; n < 50; n++ {
		equal := slices.Repeat([]float64{0.1}, n)
		if low, high := AUROCInterval(equal, equal); low != 0 || high != 1 {
			t.Errorf("%d equal: %v..%v", n, low, high)
		}
	}
}

// Two detectors on the same parts, one with more noise: their difference varies less than
// either, and the interval knows. The truth is the mean over the rounds' own parts.
func TestAUROCDifferenceCovers(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 4))
	const rounds, noise = 400, 0.7
	truth := 0.5*(1+math.Erf(1.5/2/math.Sqrt(1+noise*noise))) - 0.5*(1+math.Erf(1.5/2))
	covered := 0
	var width, single float64
	for range rounds {
		var a, b Scores
		draw := func(shift float64, n int) (u, v []float64) {
			for range n {
				x := rng.NormFloat64() + shift
				u, v = append(u, x), append(v, x+noise*rng.NormFloat64())
			}
			return u, v
		}
		a.Good, b.Good = draw(0, 40)
		a.Bad, b.Bad = draw(1.5, 60)
		d, low, high := AUROCDifference([]Scores{a}, []Scores{b})
		if want := AUROC(b.Good, b.Bad) - AUROC(a.Good, a.Bad); !near(d, want, 1e-12) || low > d || high < d {
			t.Fatalf("%v in %v..%v, want %v", d, low, high, want)
		}
		if low <= truth && truth <= high {
			covered++
		}
		l, h := AUROCInterval(a.Good, a.Bad)
		width, single = width+(high-low), single+(h-l)
	}
	if covered < rounds*92/100 || covered > rounds*98/100 {
		t.Errorf("covered %d of %d", covered, rounds)
	}
	if width > single {
		t.Errorf("mean width %v, of one detector %v", width/rounds, single/rounds)
	}
}

func TestAUROCDifferenceOfRuns(t *testing.T) {
	a := []Scores{{[]float64{1, 2, 3}, []float64{2, 4}}, {[]float64{1, 2, 9}, []float64{3, 4}}}
	if d, low, high := AUROCDifference(a, a); d != 0 || low != 0 || high != 0 {
		t.Errorf("a detector and itself: %v in %v..%v", d, low, high)
	}
	b := []Scores{{[]float64{1, 2, 3}, []float64{4, 5}}, a[1]} // 0.75 becomes 1, and no change
	if d, _, _ := AUROCDifference(a, b); !near(d, 0.125, 1e-12) {
		t.Errorf("%v, want 0.125", d)
	}
	one := []Scores{{[]float64{1}, []float64{2}}}
	if d, low, high := AUROCDifference(one, one); d != 0 || low != -1 || high != 1 {
		t.Errorf("one part each: %v in %v..%v", d, low, high)
	}
}

func TestRateIntervals(t *testing.T) {
	// Clopper-Pearson: 0 of 10: 1-0.025^(1/10). 8 of 20: R's binom.test.
	for _, c := range []struct {
		r         Rate
		low, high float64
	}{
		{Rate{0, 10}, 0, 0.308497},
		{Rate{10, 10}, 0.691503, 1},
		{Rate{8, 20}, 0.191192, 0.639457},
		{Rate{0, 0}, 0, 1},
	} {
		low, high := c.r.ClopperPearson()
		if !near(low, c.low, 1e-5) || !near(high, c.high, 1e-5) {
			t.Errorf("%+v: Clopper-Pearson %.6f..%.6f, want %v..%v", c.r, low, high, c.low, c.high)
		}
	}
}

// picture is one test picture of few distinct scores.
func picture(rng *rand.Rand, w, h int) ([]float32, []bool) {
	s, m := make([]float32, w*h), make([]bool, w*h)
	for i := range s {
		m[i] = rng.IntN(5) == 0
		s[i] = float32(rng.IntN(12)) / 4
		if m[i] {
			s[i] += 0.5
		}
	}
	return s, m
}

func TestPixelFiguresEqualBruteForce(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 20 {
		var p Pixels
		var good, bad []float64
		var regions [][]float64 // scores of every region
		for i := range 3 {
			w, h := 3+rng.IntN(9), 3+rng.IntN(9)
			s, m := picture(rng, w, h)
			if i == 0 {
				m = nil
			}
			if err := p.Add(s, m, w, h); err != nil {
				t.Fatal(err)
			}
			for j, v := range s {
				if m != nil && m[j] {
					bad = append(bad, float64(v))
				} else {
					good = append(good, float64(v))
				}
			}
			if m != nil {
				regions = append(regions, flood(s, m, w, h)...)
			}
		}
		if p.Regions() != len(regions) {
			t.Fatalf("%d regions, want %d", p.Regions(), len(regions))
		}
		if got, want := p.AUROC(), AUROC(good, bad); !near(got, want, 1e-12) {
			t.Fatalf("AUROC %v, want %v", got, want)
		}
		for _, limit := range []float64{0.05, 0.3, 1} {
			if got, want := p.AUPRO(limit), bruteAUPRO(good, regions, limit); !near(got, want, 1e-9) {
				t.Fatalf("AUPRO@%v %v, want %v", limit, got, want)
			}
		}
	}
}

// flood labels by repeated relabelling to the smallest neighbour, another
// algorithm than the one under test.
func flood(s []float32, m []bool, w, h int) [][]float64 {
	label := make([]int, len(m))
	for i := range label {
		label[i] = i
	}
	for changed := true; changed; {
		changed = false
		for i := range m {
			for j := range m {
				if m[i] && m[j] && abs(i%w-j%w) <= 1 && abs(i/w-j/w) <= 1 && label[j] < label[i] {
					label[i], changed = label[j], true
				}
			}
		}
	}
	of := map[int][]float64{}
	for i, on := range m {
		if on {
			of[label[i]] = append(of[label[i]], float64(s[i]))
		}
	}
	var out [][]float64
	for _, r := range of {
		out = append(out, r)
	}
	return out
}

func abs(x int) int { return max(x, -x) }

// bruteAUPRO evaluates the curve at every threshold from its definition.
func bruteAUPRO(good []float64, regions [][]float64, limit float64) float64 {
	all := slices.Clone(good)
	for _, r := range regions {
		all = append(all, r...)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	share := func(s []float64, t float64) float64 {
		n := 0
		for _, v := range s {
			if v >= t {
				n++
			}
		}
		return float64(n) / float64(len(s))
	}
	var area, x0, y0 float64
	for i := len(all) - 1; i >= 0; i-- {
		x1, y1 := share(good, all[i]), 0.0
		for _, r := range regions {
			y1 += share(r, all[i]) / float64(len(regions))
		}
		if x1 >= limit {
			if x1 > x0 {
				y1 = y0 + (y1-y0)*(limit-x0)/(x1-x0)
			}
			x1 = limit
		}
		area += (x1 - x0) * (y0 + y1) / 2
		x0, y0 = x1, y1
		if x0 >= limit {
			break
		}
	}
	return area / limit
}

func TestAUPROByHand(t *testing.T) {
	// Ten normal pixels scoring 0..9, one region of two pixels at 20 and 8.5:
	// overlap 1/2 at rate 0, 1 from rate 0.1 on (9 is above 8.5).
	// 0..0.1: flat at 1/2 (the step to 1 is at rate 0.1); 0.1..0.3: 1.
	scores := []float32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 20, 8.5}
	mask := make([]bool, 12)
	mask[10], mask[11] = true, true
	var p Pixels
	if err := p.Add(scores, mask, 12, 1); err != nil {
		t.Fatal(err)
	}
	if got, want := p.AUPRO(0.3), (0.05+0.2)/0.3; !near(got, want, 1e-12) {
		t.Errorf("%v, want %v", got, want)
	}
	// A map that is one constant knows nothing: the curve is the diagonal.
	var c Pixels
	if err := c.Add(make([]float32, 12), mask, 12, 1); err != nil {
		t.Fatal(err)
	}
	if got := c.AUPRO(0.3); !near(got, 0.15, 1e-12) {
		t.Errorf("constant map: %v, want 0.15", got)
	}
	if got := c.AUROC(); got != 0.5 {
		t.Errorf("constant map: AUROC %v, want 0.5", got)
	}
}

func TestPixelsRefuseNaN(t *testing.T) {
	var p Pixels
	if err := p.Add([]float32{1, float32(math.NaN())}, nil, 2, 1); !errors.Is(err, ErrScore) {
		t.Errorf("%v", err)
	}
}

func TestRadixSort(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for _, n := range []int{0, 1, 255, 256, 1000, 70000} {
		a := make([]uint32, n)
		for i := range a {
			a[i] = key(float32(rng.NormFloat64() * math.Exp2(float64(rng.IntN(20)))))
		}
		want := slices.Sorted(slices.Values(a))
		radixSort(a)
		if !slices.Equal(a, want) {
			t.Fatalf("%d values: wrong order", n)
		}
	}
	if !(key(-2) < key(-1) && key(-1) < key(0) && key(float32(math.Copysign(0, -1))) == key(0) && key(0) < key(1)) {
		t.Error("keys are out of order")
	}
}

func BenchmarkPixels(b *testing.B) {
	rng := rand.New(rand.NewPCG(9, 10))
	s, m := make([]float32, 1<<20), make([]bool, 1<<20)
	for i := range s {
		s[i], m[i] = rng.Float32(), i < 1000
	}
	for b.Loop() {
		var p Pixels
		if err := p.Add(s, m, 1<<10, 1<<10); err != nil {
			b.Fatal(err)
		}
		p.AUROC()
		p.AUPRO(0.3)
	}
}
