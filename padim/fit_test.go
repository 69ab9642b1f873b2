package padim

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"
)

func mustFit(t testing.TB, s Samples, o Options) (*Model, *Report) {
	t.Helper()
	m, r, err := Fit(s, o)
	if err != nil {
		t.Fatal(err)
	}
	return m, r
}

func mustScorer(t testing.TB, m *Model, threads int) *Scorer {
	t.Helper()
	s, err := m.NewScorer(ScorerOptions{Threads: threads})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDefectIsFound(t *testing.T) {
	train := newParts(30, 64, 8, 4, 8, 16)
	for _, mode := range []Mode{Part, Texture, Stock} {
		t.Run(mode.String(), func(t *testing.T) {
			m, r := mustFit(t, train, Options{Mode: mode})
			s := mustScorer(t, m, 1)
			test := train.from(1000, 1)
			good := s.Score(test.sample(0))
			if v := (Gate{r.Threshold.Value}).Decide(good); v != Pass {
				t.Errorf("good part: score %v, threshold %v: %v", good.Score, r.Threshold.Value, v)
			}
			bad := test.one(0)
			for _, m := range bad { // a patch of 16 x 16 pixels around (24, 40)
				for y := 16 / m.Stride; y < max(32/m.Stride, 16/m.Stride+1); y++ {
					for x := 32 / m.Stride; x < max(48/m.Stride, 32/m.Stride+1); x++ {
						for c := range m.C {
							m.Data[(y*m.W+x)*m.C+c] = int8(-m.Data[(y*m.W+x)*m.C+c]/2 + 50)
						}
					}
				}
			}
			res := s.Score(bad)
			if v := (Gate{r.Threshold.Value}).Decide(res); v != Reject {
				t.Errorf("defect: score %v, threshold %v: %v", res.Score, r.Threshold.Value, v)
			}
			best := 0
			for p, v := range res.Map.Data {
				if v > res.Map.Data[best] {
					best = p
				}
			}
			px := 64 / res.Map.H
			if y, x := best/res.Map.W*px, best%res.Map.W*px; y < 8 || y >= 40 || x < 24 || x >= 56 {
				t.Errorf("the map's highest value is at pixel (%d, %d), the defect around (24, 40)", y, x)
			}
		})
	}
}

// With Gaussian features of d dimensions and many parts the squared distance
// of a further part follows chi-square: mean d, variance 2d.
func TestSquaredDistanceFollowsChiSquare(t *testing.T) {
	if testing.Short() {
		t.Skip("statistics: long under emulation and the race detector")
	}
	train := newParts(600, 32, 6, 4, 8)
	m, _ := mustFit(t, train, Options{
		Mode: Part, Projection: Identity, Shrinkage: -1, Ridge: -1, Smooth: -1, NoPool: true,
	})
	s := mustScorer(t, m, 1)
	const n = 1000
	var sum, squares float64
	for i := range n {
		s.Score(train.from(5000+uint64(i), 1).sample(0))
		for _, v := range s.dist.Data {
			m2 := float64(v) * float64(v)
			sum += m2
			squares += m2 * m2
		}
	}
	d, cells := float64(m.Dim()), float64(n*len(s.dist.Data))
	mean := sum / cells
	variance := squares/cells - mean*mean
	// A model of N parts inflates the mean by (1+1/N)(N-1)/(N-d-2): Hotelling's T^2.
	want := d * (1 + 1.0/600) * 599 / (600 - d - 2)
	if math.Abs(mean/want-1) > 0.02 {
		t.Errorf("mean of M^2: got %.3f, want %.3f", mean, want)
	}
	if math.Abs(variance/(2*d)-1) > 0.15 {
		t.Errorf("variance of M^2: got %.3f, want about %.1f", variance, 2*d)
	}
}

func TestModeIsChosenFromGoodParts(t *testing.T) {
	aligned := newParts(20, 64, 8, 8, 16)
	faint := newParts(10, 128, 32, 8, 16, 32)
	faint.depth = 6
	texture := newParts(10, 128, 32, 8, 16, 32)
	texture.flat = true
	loose := newParts(10, 128, 32, 8, 16, 32)
	loose.jitter = 400
	for _, c := range []struct {
		name string
		s    Samples
		want Mode
	}{{"aligned", aligned, Part}, {"faint", faint, Part}, {"texture", texture, Texture}, {"loose", loose, Texture}} {
		_, r := mustFit(t, c.s, Options{})
		t.Logf("%s: part %.2f, texture %.2f nats, shrinkage %g, threshold %+v",
			c.name, r.PartLogLik, r.TextureLogLik, r.Shrinkage, r.Threshold)
		if r.Mode != c.want {
			t.Errorf("%s: got %v, want %v", c.name, r.Mode, c.want)
		}
	}
}

func TestTooFewParts(t *testing.T) {
	_, _, err := Fit(newParts(MinParts-1, 32, 4, 8), Options{})
	if !errors.Is(err, ErrTooFew) {
		t.Fatalf("got %v", err)
	}
	mustFit(t, newParts(MinParts, 32, 4, 8), Options{})
}

// Nothing varies: the quantiser's variance is all there is, and a part that
// differs is still far away.
func TestIdenticalPartsTeachAModel(t *testing.T) {
	one := newParts(1, 32, 4, 8).one(0)
	var same kept
	for range 15 {
		same = append(same, one)
	}
	for _, mode := range []Mode{Part, Texture} {
		m, r := mustFit(t, same, Options{Mode: mode})
		s := mustScorer(t, m, 1)
		good := s.Score(one).Score
		if mode == Part && (Gate{r.Threshold.Value}).Decide(Result{Score: good}) != Pass {
			t.Errorf("%v: score %v, threshold %v", mode, good, r.Threshold.Value)
		}
		other := newParts(1, 32, 4, 8).from(3, 1).one(0)
		if got := s.Score(other).Score; mode == Part && !(got > 3*good+1) {
			t.Errorf("%v: another part scores %v, the taught %v", mode, got, good)
		}
	}
}

func TestWrongInputIsNamed(t *testing.T) {
	good := newParts(5, 32, 4, 8)
	odd := append(kept(nil), mustKeep(t, good)...)
	odd[3] = newParts(1, 64, 4, 8).one(0)
	for name, c := range map[string]struct {
		s    Samples
		o    Options
		want string
	}{
		"shape":    {odd, Options{}, "good part 3: stage 0: 8x8x4"},
		"stride":   {newParts(5, 36, 4, 12), Options{}, "stride 12 is neither"},
		"cells":    {newParts(5, 12, 4, 4), Options{}, "do not fill whole cells"},
		"mask":     {good, Options{Mask: make([]bool, 5)}, "mask has 5 cells, the grid 4x4"},
		"channels": {good, Options{Channels: []int{0, 9}}, "entry 1: 9: want 0 to 3"},
		"target":   {good, Options{TargetFRR: 2}, "false-reject rate 2"},
		"mode":     {good, Options{Mode: 9}, "mode 9"},
	} {
		_, _, err := Fit(c.s, c.o)
		if err == nil || !strings.HasPrefix(err.Error(), "padim: fit: ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q in it", name, err, c.want)
		}
	}
}

func mustKeep(t *testing.T, s Samples) kept {
	t.Helper()
	k, err := keep(s)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestGridIsTheOneTaught(t *testing.T) {
	p := newParts(5, 64, 4, 4, 16)
	for _, o := range []Options{{}, {Cell: 16}, {Mode: Stock}} {
		m, _ := mustFit(t, p, o)
		h, w, err := o.Grid(p.one(0))
		if mh, mw, _ := m.Grid(); err != nil || mh != h || mw != w {
			t.Errorf("%+v: %dx%d, taught %dx%d, %v", o, h, w, mh, mw, err)
		}
	}
}

// Where there are no more channels than dimensions, none is mixed with another: the network has chosen them.
func TestAsManyDimensionsAsChannels(t *testing.T) {
	s := newParts(12, 32, 8, 4, 8, 16) // 24 channels
	encode := func(o Options) []byte {
		t.Helper()
		m, _ := mustFit(t, s, o)
		b, err := m.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	want := encode(Options{Mode: Part, Projection: Identity, Shrinkage: 0.5})
	if !bytes.Equal(encode(Options{Mode: Part, Shrinkage: 0.5}), want) || !bytes.Equal(encode(Options{Mode: Part, Shrinkage: 0.5, Dim: 24}), want) {
		t.Error("another model than with the channels as they are")
	}
	if bytes.Equal(encode(Options{Mode: Part, Shrinkage: 0.5, Dim: 23}), want) {
		t.Error("23 dimensions of 24 channels: the same model")
	}
}

// The cells that the choice looks at: one in each k-th of the grid, and not a
// few columns of it.
func TestScatteredCells(t *testing.T) {
	for _, side := range []int{16, 28, 32, 64} {
		n, k := side*side, chooseCells
		columns := map[int]bool{}
		for i, p := range scattered(n, k) {
			if p < i*n/k || p >= (i+1)*n/k {
				t.Errorf("grid of %d: cell %d is %d: want %d to %d", side, i, p, i*n/k, (i+1)*n/k-1)
			}
			columns[p%side] = true
		}
		if len(columns) < side/3 {
			t.Errorf("grid of %d: cells of %d columns", side, len(columns))
		}
	}
	if s := scattered(5, 32); len(s) != 5 || s[4] != 4 {
		t.Errorf("fewer cells than asked for: %v", s)
	}
}
