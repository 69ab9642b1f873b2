package padim

import (
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
)

// The closed form of leaving one part out is the same as doing it.
func TestClosedFormIsTheRefit(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	for range 50 {
		n, d := 3+rng.IntN(20), 1+rng.IntN(12)
		x := make([][]float64, n)
		for i := range x {
			x[i] = make([]float64, d)
			for j := range x[i] {
				x[i][j] = rng.NormFloat64() * (1 + float64(j))
			}
		}
		const ridge = 0.3
		for out := range x {
			cov, mean := covariance(x, -1, float64(n-2), ridge)
			q := solve(cov, mean, x[out])
			restCov, restMean := covariance(x, out, float64(n-2), ridge)
			want := solve(restCov, restMean, x[out])
			if got := leftOutNorm2(q, float64(n)); math.Abs(got/want-1) > 1e-9 {
				t.Fatalf("n=%d d=%d: got %v, want %v", n, d, got, want)
			}
		}
	}
}

// covariance returns scatter/dof + ridge I and the mean of all x but out.
func covariance(x [][]float64, out int, dof, ridge float64) (cov, mean []float64) {
	d := len(x[0])
	cov, mean = make([]float64, tri(d)), make([]float64, d)
	n := 0.0
	for i, row := range x {
		if i != out {
			axpy(mean, 1, row)
			n++
		}
	}
	for j := range mean {
		mean[j] /= n
		cov[tri(j)+j] = ridge
	}
	for i, row := range x {
		for j := range d {
			for k := range j + 1 {
				if i != out {
					cov[tri(j)+k] += (row[j] - mean[j]) * (row[k] - mean[k]) / dof
				}
			}
		}
	}
	return cov, mean
}

func solve(cov, mean, x []float64) float64 {
	y := make([]float64, len(x))
	for j := range x {
		y[j] = x[j] - mean[j]
	}
	b := newBlock(len(x))
	b.set(0, cov)
	b.decompose()
	b.solve(0, y)
	return dot(y, y)
}

// Taking a fold's moments out gives the model that the other parts teach.
func TestFoldsAreRefits(t *testing.T) {
	train := newParts(14, 64, 8, 8, 16)
	all, err := keep(train)
	if err != nil {
		t.Fatal(err)
	}
	mask := make([]bool, 64)
	mask[5], mask[40] = true, true
	for name, o := range map[string]Options{
		"part":     {Mode: Part, Shrinkage: 0.5},
		"own":      {Mode: Part, Shrinkage: -1, Region: -1},
		"noregion": {Mode: Part, Region: -1},
		"masked":   {Mode: Part, Shrinkage: 0.5, Mask: mask},
		"nosearch": {Mode: Part, NoSearch: true},
		"shared":   {Mode: Part, Shrinkage: 1},
		"texture":  {Mode: Texture},
	} {
		o.Dim, o.Precision = 9, Single
		o, err := o.resolve()
		if err != nil {
			t.Fatal(err)
		}
		f := &fitter{Options: o, samples: all}
		if _, err := f.model(); err != nil {
			t.Fatal(err)
		}
		var r Report
		if err := f.foldScores(&r, f.empty(), 3); err != nil {
			t.Fatal(err)
		}
		for first := 0; first < len(all); first += 3 {
			last := min(first+3, len(all))
			rest := append(append(kept(nil), all[:first]...), all[last:]...)
			// The same projection, hence the statistics of all channels.
			g := &fitter{
				Options: o, samples: rest, proj: f.proj, cells: f.cells,
				noise: f.noise, row: f.row, column: f.column,
			}
			m, err := g.projected()
			if err != nil {
				t.Fatal(err)
			}
			s := mustScorer(t, m, 1)
			for i := first; i < last; i++ {
				if want := s.Score(all[i]).Score; math.Abs(float64(r.Scores[i]/want-1)) > 1e-5 {
					t.Errorf("%s: part %d: fold score %v, refit %v", name, i, r.Scores[i], want)
				}
			}
		}
	}
}

// A part and its copies leave together, in folds and where the fit is repeated: its score is that
// of a model that saw neither; copies that are taught have none, and those that are only tried teach nothing.
func TestCopiesLeaveWithTheirPart(t *testing.T) {
	copies := []bool{true, false, true}
	each := 1 + len(copies)
	for _, parts := range []int{5, 14} {
		all, err := keep(newParts(parts*each, 64, 8, 8, 16))
		if err != nil {
			t.Fatal(err)
		}
		o, err := Options{Dim: 9, Precision: Single, Copies: copies}.resolve()
		if err != nil {
			t.Fatal(err)
		}
		_, report, err := Fit(all, o)
		if err != nil {
			t.Fatal(err)
		}
		if report.Parts != parts || len(report.Scores) != parts || report.Threshold.Parts != parts || len(report.Tried) != parts {
			t.Fatalf("%d parts, %d scores, %d with copies tried, threshold of %d parts: want %d of each",
				report.Parts, len(report.Scores), len(report.Tried), report.Threshold.Parts, parts)
		}
		var taught kept // without the copies that are only tried
		for i := range all {
			if i%each != 2 {
				taught = append(taught, all[i])
			}
		}
		o.Copies = []bool{true, true}
		whole := &fitter{Options: o, samples: taught}
		if _, err := whole.model(); err != nil {
			t.Fatal(err)
		}
		for i, got := range report.Scores {
			g := &fitter{Options: o, samples: taught.but(i*3, (i+1)*3)}
			g.Mode = report.Mode
			if parts > refitParts { // folds keep the projection of all
				g.proj, g.cells, g.noise, g.row, g.column = whole.proj, whole.cells, whole.noise, whole.row, whole.column
			} else if err := g.project(); err != nil {
				t.Fatal(err)
			}
			m, err := g.projected()
			if err != nil {
				t.Fatal(err)
			}
			s := mustScorer(t, m, 1)
			if want := s.Score(all[i*each]).Score; math.Abs(float64(got/want-1)) > 1e-5 {
				t.Errorf("%d parts: part %d: left-out score %v, of a model without it and its copies %v", parts, i, got, want)
			}
			tried := report.Tried[i]
			if want := s.Score(all[i*each+2]).Score; len(tried) != 1 || math.Abs(float64(tried[0]/want-1)) > 1e-5 {
				t.Errorf("%d parts: part %d: copy tried: %v, of a model without it %v", parts, i, tried, want)
			}
		}
	}
}

func TestCopiesMustComeWithEveryPart(t *testing.T) {
	all := newParts(14, 64, 8, 8, 16)
	for name, o := range map[string]Options{
		"14 samples are no whole number of parts":        {Copies: []bool{true, false}},
		"1 copies of each part: want none in stock mode": {Copies: []bool{true}, Mode: Stock},
	} {
		if _, _, err := Fit(all, o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("copies %v, mode %v: error %v, want %q", o.Copies, o.Mode, err, name)
		}
	}
}

// A thousand parts take no more memory than fifty: measured with everything
// that is alive at the end of each pass.
func TestMemoryDoesNotDependOnParts(t *testing.T) {
	if testing.Short() {
		t.Skip("long under emulation and the race detector")
	}
	peak := func(n int) uint64 {
		s := &weighed{parts: newParts(n, 32, 6, 8, 16)}
		mustFit(t, s, Options{Dim: 10, Threads: 1})
		return s.peak
	}
	peak(50)
	few, many := peak(50), peak(1000)
	t.Logf("50 parts: %d bytes, 1000 parts: %d bytes", few, many)
	// The scores themselves, 4 bytes a part, and up to foldParts parts held.
	allowed := few + 8*1000 + foldParts*16*16*4 + 4096
	if many > allowed {
		t.Errorf("1000 parts: %d bytes, 50 parts: %d", many, few)
	}
}

// Taking parts out of the scatter makes no garbage that grows with their number.
func TestPartsLeaveInConstantMemory(t *testing.T) {
	f := &fitter{samples: newParts(20, 32, 6, 8, 16)}
	var err error
	if f.Options, err = (Options{Mode: Part, Shrinkage: 0.5, Dim: 10, Threads: 1}).resolve(); err != nil {
		t.Fatal(err)
	}
	if _, err := f.model(); err != nil {
		t.Fatal(err)
	}
	out := make([][]float32, foldParts)
	for k := range out {
		out[k] = make([]float32, f.proj.cells()*f.pad())
	}
	c := make([]float64, tri(f.proj.d))
	bytes := func(out [][]float32) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f.remove(c, out)
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	bytes(out) // makes the buffer
	if one, all := bytes(out[:1]), bytes(out); all > one+4096 {
		t.Errorf("%d parts leave: %d bytes allocated, one: %d", foldParts, all, one)
	}
}

type weighed struct {
	*parts
	peak uint64
}

func (w *weighed) Each(f func(int, []Map) error) error {
	return w.parts.Each(func(i int, maps []Map) error {
		err := f(i, maps)
		if i%50 == 48 || i == w.n-1 {
			runtime.GC()
			var s runtime.MemStats
			runtime.ReadMemStats(&s)
			w.peak = max(w.peak, s.HeapAlloc)
		}
		return err
	})
}
