package quantise

import (
	"fmt"
	"io"
	"math"

	"cull/infer"
	"cull/infer/quant"
	"cull/internal/measure"
	"cull/padim"
	"cull/trainer/internal/grad"
)

// A Product is what a comparison of scores is made on: pictures of one kind of
// surface, size x size, bytes R, G, B.
type Product struct {
	Name       string
	Good       [][]uint8 // taught
	Clean, Bad [][]uint8 // scored
}

// A Shift says what int8 does to the scores of one product. Both detectors are
// taught on their own features; they differ in everything before the taps' rounding.
type Shift struct {
	Name        string
	Int8, Float float64 // image AUROC
	// Score is the mean |difference| of the scores, each divided by the standard
	// deviation of its detector's scores of clean pictures.
	Score float64
}

// CompareScores measures the shift of every product.
func CompareScores(be grad.Backend, n *Network, m *infer.Model, size int, products []Product) ([]Shift, error) {
	run, err := m.NewRunner(size, size, infer.Options{})
	if err != nil {
		return nil, fmt.Errorf("quantise: %w", err)
	}
	defer run.Close()
	in := make([]int8, 3*size*size)
	device := func(p []uint8) []padim.Map {
		Int8(in, p)
		var maps []padim.Map
		for _, f := range run.Run(in) {
			maps = append(maps, padim.Map(f))
		}
		return maps
	}
	x := grad.NewTensor(1, size, size, 3)
	float := func(p []uint8) []padim.Map {
		Load(x, 0, p)
		return rounded(n, m, n.Run(be, x))
	}
	var out []Shift
	for _, p := range products {
		a, err := scores(p, device)
		if err != nil {
			return nil, fmt.Errorf("quantise: %s: %w", p.Name, err)
		}
		b, err := scores(p, float)
		if err != nil {
			return nil, fmt.Errorf("quantise: %s: float: %w", p.Name, err)
		}
		s := Shift{Name: p.Name, Int8: a.auroc(), Float: b.auroc()}
		for i := range a.all {
			s.Score += math.Abs(a.all[i]/a.spread-b.all[i]/b.spread) / float64(len(a.all))
		}
		out = append(out, s)
	}
	return out, nil
}

// rounded brings the taps of a float run to the device's maps.
func rounded(n *Network, m *infer.Model, nodes []*grad.Tensor) []padim.Map {
	var maps []padim.Map
	for k, tap := range n.Graph.Taps {
		t, step := nodes[tap.Node], m.TapStep[k]
		f := padim.Map{H: t.H, W: t.W, C: t.C, Stride: n.Graph.Stride(tap.Node), Step: step}
		for y := range t.H {
			for i, v := range t.Row(0, y) {
				q := math.RoundToEven(float64(v / step[i%t.C]))
				f.Data = append(f.Data, int8(min(max(q, -quant.Max), quant.Max)))
			}
		}
		maps = append(maps, f)
	}
	return maps
}

// samples are the taught pictures of a product under one network.
type samples struct {
	pictures [][]uint8
	features func(p []uint8) []padim.Map
}

func (s samples) Len() int { return len(s.pictures) }

func (s samples) Each(f func(i int, maps []padim.Map) error) error {
	for i, p := range s.pictures {
		if err := f(i, s.features(p)); err != nil {
			return err
		}
	}
	return nil
}

// results are the scores of a product's pictures, clean ones first.
type results struct {
	all    []float64
	clean  int
	spread float64
}

func scores(p Product, features func([]uint8) []padim.Map) (r results, err error) {
	model, _, err := padim.Fit(samples{p.Good, features}, padim.Options{Mode: padim.Texture})
	if err != nil {
		return r, err
	}
	scorer, err := model.NewScorer(padim.ScorerOptions{})
	if err != nil {
		return r, err
	}
	r.clean = len(p.Clean)
	var sum, square float64
	for i, list := range [][][]uint8{p.Clean, p.Bad} {
		for _, pic := range list {
			v := float64(scorer.Score(features(pic)).Score)
			r.all = append(r.all, v)
			if i == 0 {
				sum += v
				square += v * v
			}
		}
	}
	k := float64(r.clean)
	r.spread = max(1e-9, math.Sqrt(max(0, square/k-sum/k*sum/k)))
	return r, nil
}

func (r results) auroc() float64 {
	return measure.AUROC(r.all[:r.clean], r.all[r.clean:])
}

// PrintShifts writes the shifts as a table.
func PrintShifts(w io.Writer, shifts []Shift) error {
	if _, err := fmt.Fprintf(w, "%-20s %8s %8s %8s\n", "scores", "int8", "float", "shift sd"); err != nil {
		return err
	}
	for _, s := range shifts {
		if _, err := fmt.Fprintf(w, "%-20s %8.3f %8.3f %8.3f\n", s.Name, s.Int8, s.Float, s.Score); err != nil {
			return err
		}
	}
	return nil
}
