package padim

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"cull/capture"
	"cull/infer"
	"cull/infer/prep"
	"cull/internal/imagefile"
	"cull/synth"
	"cull/weights"
)

// views are pictures as features of the shipped network.
type views struct {
	runner *infer.Runner
	prep   *prep.Prep
	frames []*capture.Frame
}

const viewSide = 128

func (v *views) Len() int { return len(v.frames) }

func (v *views) Each(f func(int, []Map) error) error {
	pic := make([]int8, viewSide*viewSide*3)
	for i, frame := range v.frames {
		if err := v.prep.Apply(pic, frame); err != nil {
			return err
		}
		var maps []Map
		for _, m := range v.runner.Run(pic) {
			maps = append(maps, Map(m))
		}
		if err := f(i, maps); err != nil {
			return err
		}
	}
	return nil
}

func newViews(t *testing.T, frames []*capture.Frame) *views {
	t.Helper()
	m, err := infer.Parse(weights.Cull())
	if err != nil {
		t.Fatal(err)
	}
	r, err := m.NewRunner(viewSide, viewSide, infer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	p, err := prep.New(prep.Plan{Width: viewSide, Height: viewSide})
	if err != nil {
		t.Fatal(err)
	}
	return &views{r, p, frames}
}

// drawn returns n parts of the demonstration line.
func drawn(t *testing.T, n int, seed uint64, defects float64) (frames []*capture.Frame) {
	t.Helper()
	g, err := synth.New(synth.Line(synth.Cap, viewSide, viewSide, defects), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		var s synth.Sample
		if err := g.Render(&s, seed+uint64(i)); err != nil {
			t.Fatal(err)
		}
		frames = append(frames, &capture.Frame{
			Pix: s.Image.Pix, Format: capture.RGB24, Width: viewSide, Height: viewSide, Stride: 3 * viewSide,
		})
	}
	return frames
}

// photographs returns at most n pictures of a folder of ../shared/data.
func photographs(t *testing.T, folder string, n int) (frames []*capture.Frame) {
	t.Helper()
	if testing.Short() {
		t.Skip("drawn pictures are enough for a short run")
	}
	dir := filepath.Join("..", "..", "shared", "data", folder)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("%s is not here", dir)
	}
	paths, err := imagefile.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths[:min(n, len(paths))] {
		f, err := imagefile.Read(path)
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, f)
	}
	return frames
}

// Of the distances on real covariances, that are far from the unit matrix, at most
// this much is lost by the format of the factors and by float32 sums. The threshold
// comes from scores with the same loss.
const (
	cellErrorHalf    = 2e-3
	scoreErrorHalf   = 5e-4
	cellErrorSingle  = 2e-6
	scoreErrorSingle = 1e-6
)

func TestScoreErrorAgainstFloat64(t *testing.T) {
	for _, c := range []struct {
		name         string
		teach, judge func(t *testing.T) []*capture.Frame
	}{
		{
			"drawn", func(t *testing.T) []*capture.Frame { return drawn(t, 24, 1, 0) },
			func(t *testing.T) []*capture.Frame { return drawn(t, 4, 1000, 1) },
		},
		{
			"kolektorsdd", func(t *testing.T) []*capture.Frame { return photographs(t, "kolektorsdd/train/good", 20) },
			func(t *testing.T) []*capture.Frame { return photographs(t, "kolektorsdd/test/defect", 4) },
		},
		{
			"crackforest", func(t *testing.T) []*capture.Frame { return photographs(t, "crackforest/train/good", 20) },
			func(t *testing.T) []*capture.Frame { return photographs(t, "crackforest/test/crack", 4) },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			train, test := newViews(t, c.teach(t)), newViews(t, c.judge(t))
			for _, o := range []Options{
				{Mode: Part}, {Mode: Part, Shrinkage: -1}, {Mode: Texture},
			} {
				for _, p := range []Precision{Half, Single} {
					o.Precision = p
					checkScoreError(t, train, test, o)
				}
			}
		})
	}
}

// checkScoreError compares a model's scorer with float64 arithmetic on factors that
// were never rounded.
func checkScoreError(t *testing.T, train, test *views, o Options) {
	t.Helper()
	o, err := o.resolve()
	if err != nil {
		t.Fatal(err)
	}
	f := &fitter{Options: o, samples: train}
	m, err := f.model()
	if err != nil {
		t.Fatal(err)
	}
	exact := f.unrounded()
	s := mustScorer(t, m, 1)
	worstCell, worstScore := 0.0, 0.0
	if err := test.Each(func(_ int, maps []Map) error {
		s.Score(maps)
		x, stride := s.Features()
		got := s.Distances()
		want := make([]float64, len(got.Data))
		for p, d := range got.Data {
			want[p] = distance64(m, exact, p, x[p*stride:][:m.Dim()])
			worstCell = max(worstCell, math.Abs(float64(d)/want[p]-1))
		}
		for p, d := range want { // the filter is the same, and adds some 1e-7
			s.dist.Data[p] = float32(d)
		}
		reference := float64(s.finish().Score)
		worstScore = max(worstScore, math.Abs(float64(s.Score(maps).Score)/reference-1))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	t.Logf("%v, shrinkage %.2f, precision %d: cells within %.1e, scores within %.1e",
		m.Mode(), f.shrink, o.Precision, worstCell, worstScore)
	cell, score := cellErrorHalf, scoreErrorHalf
	if o.Precision == Single {
		cell, score = cellErrorSingle, scoreErrorSingle
	}
	if worstCell > cell || worstScore > score || worstCell == 0 {
		t.Errorf("%v, precision %d: cells within %g, scores within %g: want %g and %g",
			m.Mode(), o.Precision, worstCell, worstScore, cell, score)
	}
}

// A gaussian64 is a cell's mean and whitening factor in float64.
type gaussian64 struct{ mean, w []float64 }

func (g *gaussian64) distance(x []float32) float64 { return mahalanobis(x, g.mean, g.w) }

// distance64 is the distance of cell p from the nearest Gaussian that it may have.
func distance64(m *Model, all []gaussian64, p int, x []float32) float64 {
	d, limit := all[p].distance(x), math.Sqrt(nearby*float64(m.Dim()))
	if !m.nearest || d <= limit {
		return d
	}
	_, w, _ := m.Grid()
	for q := range all {
		if down, right := q/w-p/w, q%w-p%w; down*down <= 1 && right*right <= 1 {
			d = min(d, all[q].distance(x))
		}
	}
	return max(d, limit)
}

// unrounded returns what estimate rounds.
func (f *fitter) unrounded() []gaussian64 {
	all := make([]gaussian64, f.proj.cells())
	var common, ridge []float64
	var regions *regions
	if f.mode != Texture {
		common, ridge = f.common(nil)
		regions = f.regions(nil)
	}
	for p := range all {
		if f.mode == Texture && p > 0 {
			all[p] = all[0]
			continue
		}
		w := f.newWork(0)
		if f.mode == Texture {
			f.texture(w, f.m, nil)
		} else {
			f.cell(w, p, nil)
			regions.blend(w, p)
			w.shrink(f.shrink, common, ridge)
		}
		all[p] = gaussian64{w.mean, invertedFactor(w.cov, f.proj.d)}
	}
	return all
}

// invertedFactor returns the inverse of the Cholesky factor of a, both packed.
func invertedFactor(a []float64, d int) []float64 {
	l, w := make([]float64, tri(d)), make([]float64, tri(d))
	for i := range d {
		for j := range i + 1 {
			v := a[tri(i)+j]
			for k := range j {
				v -= l[tri(i)+k] * l[tri(j)+k]
			}
			if i == j {
				l[tri(i)+j] = math.Sqrt(v)
			} else {
				l[tri(i)+j] = v / l[tri(j)+j]
			}
		}
	}
	for i := range d {
		w[tri(i)+i] = 1 / l[tri(i)+i]
		for j := range i {
			v := 0.0
			for k := j; k < i; k++ {
				v -= l[tri(i)+k] * w[tri(k)+j]
			}
			w[tri(i)+j] = v / l[tri(i)+i]
		}
	}
	return w
}
