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
	parent := NewFloat(be, n, m, size)
	float := func(p []uint8) []padim.Map {
		Int8(in, p)
		return parent.Maps(in)
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

// A Float turns pictures into feature maps as the device does, but computes in float up to
// the maps: the parent of an int8 network.
type Float struct {
	be    grad.Backend
	net   *Network
	model *infer.Model
	x     *grad.Tensor
	nodes []*grad.Tensor
	maps  []padim.Map
}

// NewFloat returns the parent of m, size x size: n, its taps rounded to m's steps, because
// that is the form of a map.
func NewFloat(be grad.Backend, n *Network, m *infer.Model, size int) *Float {
	return &Float{be: be, net: n, model: m, x: grad.NewTensor(1, size, size, 3)}
}

// Maps returns the taps of the picture, [size][size][3]. They are Float's until the next call.
func (f *Float) Maps(pic []int8) []padim.Map {
	for y := range f.x.H {
		row := f.x.Row(0, y)
		for i, v := range pic[y*len(row):][:len(row)] {
			row[i] = float32(v) * InputStep
		}
	}
	f.nodes = f.net.RunInto(f.nodes, f.be, f.x)
	if f.maps == nil {
		f.maps = make([]padim.Map, len(f.net.Graph.Taps))
	}
	for k, tap := range f.net.Graph.Taps {
		t, step, m := f.nodes[tap.Node], f.model.TapStep[k], &f.maps[k]
		*m = padim.Map{
			H: t.H, W: t.W, C: t.C, Stride: f.net.Graph.Stride(tap.Node), Step: step, Data: m.Data[:0],
		}
		for y := range t.H {
			for i, v := range t.Row(0, y) {
				q := math.RoundToEven(float64(v / step[i%t.C]))
				m.Data = append(m.Data, int8(min(max(q, -quant.Max), quant.Max)))
			}
		}
	}
	return f.maps
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
