package grad

import (
	"math"
	"testing"
)

// quadratic is sum of (w - 3)^2/2 * scale.
func quadratic(p Param) {
	for i := range p.W {
		p.G[i] = (p.W[i] - 3) * float32(1+i)
	}
}

func TestOptimisersFindTheMinimum(t *testing.T) {
	p := Param{"w", make([]float32, 5), make([]float32, 5), true}
	ps := []Param{p}
	for name, o := range map[string]Optimiser{"adamw": NewAdamW(ps, 0), "sgd": NewSGD(ps, 0.9, 0)} {
		clear(p.W)
		for i := range 400 {
			quadratic(p)
			o.Step(ps, 0.05*float64(400-i)/400)
		}
		for i, w := range p.W {
			if math.Abs(float64(w)-3) > 1e-2 {
				t.Errorf("%s: w[%d] = %v, want 3", name, i, w)
			}
		}
	}
}

func TestWeightDecaySparesBiases(t *testing.T) {
	w := Param{"w", []float32{1}, []float32{0}, true}
	b := Param{"b", []float32{1}, []float32{0}, false}
	ps := []Param{w, b}
	NewAdamW(ps, 0.1).Step(ps, 0.5)
	if w.W[0] != 0.95 || b.W[0] != 1 {
		t.Errorf("w %v, b %v; want 0.95, 1", w.W[0], b.W[0])
	}
}

func TestClip(t *testing.T) {
	p := []Param{{"w", make([]float32, 2), []float32{3, 4}, true}}
	if n := Clip(p, 1); n != 5 || math.Abs(float64(p[0].G[0])-0.6) > 1e-6 {
		t.Errorf("norm %v, gradient %v", n, p[0].G)
	}
}
