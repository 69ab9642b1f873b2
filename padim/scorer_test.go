package padim

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"

	"cull/internal/impl/impltest"
)

func TestScoresDoNotDependOnThreads(t *testing.T) {
	train := newParts(14, 64, 8, 4, 8, 16)
	picture := train.from(500, 1).one(0)
	for _, o := range []Options{{Mode: Part, Dim: 20}, {Mode: Texture, Dim: 20}, {Mode: Stock, Dim: 12}} {
		var want []byte
		var score Result
		for _, threads := range []int{1, 3} {
			o.Threads = threads
			m, r := mustFit(t, train, o)
			b := encode(t, m)
			for _, s := range r.Scores {
				b = binary.LittleEndian.AppendUint32(b, math.Float32bits(s))
			}
			got := mustScorer(t, m, threads).Score(picture)
			if want == nil {
				want, score = b, got
			}
			if !slices.Equal(b, want) {
				t.Errorf("%v: %d threads teach another model", o.Mode, threads)
			}
			if got.Score != score.Score || !slices.Equal(got.Map.Data, score.Map.Data) {
				t.Errorf("%v: %d threads score %v, one %v", o.Mode, threads, got.Score, score.Score)
			}
		}
	}
}

// Teaching and scoring give these bits on every CPU, with every kernel.
func TestBitsAreTheSameEverywhere(t *testing.T) {
	want := map[Mode]string{
		Auto:    "c5492840a8c260a0700043f576269baf32b12850c3a8ffbe8ce7b154f99121f5",
		Texture: "11521120edd0343b4fb4a3ecdaeedf8992a12d94a5966bd314897e400498eac4",
		Stock:   "401c019c608e1abc22c0e6eb7936138b1963e46953754682fb1b1f78f31ca7f8",
	}
	train := newParts(13, 64, 8, 4, 8, 16)
	impltest.Each(t, "padim/kernel", func(t *testing.T) {
		for mode, w := range want {
			m, r := mustFit(t, train, Options{Mode: mode, Dim: 20})
			h := sha256.New()
			h.Write(encode(t, m))
			displaced := train.from(900, 1)
			displaced.jitter = 12 // so that cells search
			res := mustScorer(t, m, 2).Score(displaced.one(0))
			all := append(append(slices.Clone(r.Scores), r.Threshold.Value, res.Score), res.Map.Data...)
			if err := binary.Write(h, binary.LittleEndian, all); err != nil {
				t.Fatal(err)
			}
			if err := binary.Write(h, binary.LittleEndian, []float64{r.PartLogLik, r.TextureLogLik}); err != nil {
				t.Fatal(err)
			}
			if got := hex.EncodeToString(h.Sum(nil)); got != w {
				t.Errorf("%v: got %s, want %s", mode, got, w)
			}
		}
	})
}

// What lies one cell elsewhere is judged by the Gaussian of where it was taught, which makes it
// good. What no good part has is no nearer for the search, and no distance ends below
// those that need none.
func TestSearchForgivesACell(t *testing.T) {
	train := newParts(40, 64, 12, 8)
	searching, _ := mustFit(t, train, Options{Mode: Part, NoPool: true})
	fixed, _ := mustFit(t, train, Options{Mode: Part, NoPool: true, NoSearch: true})
	a, b := mustScorer(t, searching, 1), mustScorer(t, fixed, 1)
	good := float32(math.Sqrt(nearby * 12))

	elsewhere, strange := train.from(900, 1), train.from(900, 1)
	elsewhere.shift, strange.depth = 8, 120
	for _, c := range []struct {
		name      string
		picture   []Map
		low, high float32 // of the share of the distance that the search leaves
	}{
		{"as taught", train.from(900, 1).one(0), 0.95, 1},
		{"a cell elsewhere", elsewhere.one(0), 0, 0.6},
		{"strange", strange.one(0), 0.9, 1},
	} {
		a.Score(c.picture)
		b.Score(c.picture)
		with, without := a.Distances(), b.Distances()
		var sum, all float32
		for p, v := range with.Data {
			u := without.Data[p]
			if v > u || v < min(u, good)*(1-1e-6) {
				t.Errorf("%s: cell %d: %v with search, %v without", c.name, p, v, u)
			}
			if p%with.W < with.W-1 { // the last column's good neighbour is outside
				sum, all = sum+v, all+u
			}
		}
		if share := sum / all; share < c.low || share > c.high {
			t.Errorf("%s: search leaves %v of the distance, want %v to %v", c.name, share, c.low, c.high)
		}
	}
}

func TestScoreAllocatesNothing(t *testing.T) {
	train := newParts(5, 64, 8, 4, 8, 16)
	picture := train.one(0)
	for _, o := range []Options{{Mode: Part}, {Mode: Texture}, {Mode: Part, NoSearch: true}, {Mode: Stock}} {
		o.Dim = 20
		m, _ := mustFit(t, train, o)
		for _, threads := range []int{1, 2} {
			s := mustScorer(t, m, threads)
			if n := testing.AllocsPerRun(20, func() { s.Score(picture) }); n != 0 {
				t.Errorf("%v, %d threads: %v allocations a picture", o.Mode, threads, n)
			}
		}
	}
}

func TestProjectionIsTheMatrixProduct(t *testing.T) {
	train := newParts(5, 64, 8, 4, 8, 16)
	picture := train.one(0)
	l, err := newLayout(picture, 8)
	if err != nil {
		t.Fatal(err)
	}
	stats := newChannelStats(l, nil)
	stats.add(picture)
	unit := stats.units(true)
	q := semiOrthogonal(10, 24, 3)
	p := newDense(l, false, q, unit)
	b := newProjection(p)
	b.maps = picture
	for i, s := range p.stages {
		b.sum(i, 0, s.h/s.down, p.scratch())
	}
	b.gather(0, p.h, make([]int32, 3*16))
	for cell := range p.cells() {
		r, c := cell/p.w, cell%p.w
		for j := range q {
			want, k := 0.0, 0
			for i, s := range p.stages {
				for ch := range s.c {
					v := 0.0
					for a := range s.down {
						for d := range s.down {
							y, x := r*s.down/s.up+a, c*s.down/s.up+d
							v += float64(picture[i].Data[(y*s.w+x)*s.c+ch])
						}
					}
					want += q[j][k] * unit[i][ch] * v / float64(s.down*s.down)
					k++
				}
			}
			// int8 weights: half a step of 1/127 of the largest weight, times values of a few sigma.
			if got := float64(b.x[cell*16+j]); math.Abs(got-want) > 0.1 {
				t.Fatalf("cell %d, dimension %d: got %v, want %v", cell, j, got, want)
			}
		}
	}
}

func TestTopMeanIsThatOfTheHighest(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	for range 300 {
		n := 1 + rng.IntN(60)
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(rng.IntN(20))
		}
		k := 1 + rng.IntN(n)
		s := &Scorer{m: &Model{top: k}, out: ScoreMap{1, n, v}}
		got := s.topMean()
		sorted := slices.Clone(v)
		sort.Slice(sorted, func(a, b int) bool { return sorted[a] > sorted[b] })
		var sum float32
		for _, x := range sorted[:k] {
			sum += x
		}
		if got != sum/float32(k) {
			t.Fatalf("top %d of %v: got %v", k, v, got)
		}
	}
}

func TestResizeKeepsCellCentres(t *testing.T) {
	m := ScoreMap{2, 3, []float32{0, 1, 2, 3, 4, 5}}
	dst := make([]float32, 6*9)
	m.Resize(dst, 6, 9)
	for p, v := range m.Data {
		if got := dst[(p/3*3+1)*9+p%3*3+1]; got != v {
			t.Errorf("cell %d: got %v, want %v", p, got, v)
		}
	}
	if dst[0] != 0 || dst[53] != 5 {
		t.Errorf("corners: got %v and %v", dst[0], dst[53])
	}
}

func TestGate(t *testing.T) {
	g := Gate{Threshold: 2}
	for score, want := range map[float32]Verdict{1: Pass, 2: Pass, 2.0001: Reject} {
		if got := g.Decide(Result{Score: score}); got != want {
			t.Errorf("score %v: got %v", score, got)
		}
	}
	if got := g.Decide(Result{Score: float32(math.NaN())}); got != Reject {
		t.Errorf("not a number: got %v", got)
	}
}

// Half-precision factors change a score by less than 0.1 %.
func TestHalfPrecisionIsEnough(t *testing.T) {
	if testing.Short() {
		t.Skip("statistics: long under emulation and the race detector")
	}
	train := newParts(30, 64, 16, 4, 8, 16)
	o := Options{Mode: Part, Threads: 1}
	half, _ := mustFit(t, train, o)
	o.Precision = Single
	single, _ := mustFit(t, train, o)
	a, b := mustScorer(t, half, 1), mustScorer(t, single, 1)
	worst := 0.0
	for i := range 10 {
		picture := train.from(700+uint64(i), 1).one(0)
		x, y := a.Score(picture), b.Score(picture)
		for p := range x.Map.Data {
			worst = max(worst, math.Abs(float64(x.Map.Data[p]/y.Map.Data[p]-1)))
		}
	}
	t.Logf("largest relative difference %.1e", worst)
	if worst > 1e-3 {
		t.Errorf("a cell's score differs by %.1e", worst)
	}
}

func BenchmarkScore(b *testing.B) {
	train := newParts(5, 256, 32, 4, 8, 16)
	picture := train.one(0)
	for _, mode := range []Mode{Part, Texture} {
		m, _ := mustFit(b, train, Options{Mode: mode, Shrinkage: 0.5})
		s := mustScorer(b, m, 1)
		b.Run(mode.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.Score(picture)
			}
		})
	}
}

func BenchmarkFit(b *testing.B) {
	train := newParts(20, 256, 32, 8, 16)
	k, err := keep(train)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		mustFit(b, k, Options{})
	}
}
