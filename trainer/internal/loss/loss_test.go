package loss

import (
	"math"
	"math/rand/v2"
	"testing"

	"cull/trainer/internal/grad"
	"cull/trainer/internal/trunk"
)

const pairs = 3 // samples of the test batch

var shape = trunk.Shape{Width: 8, Blocks: [trunk.Stages]int{1, 1, 1}}

// features returns taps of 2*pairs pictures of 64 pixels, correlated between channels.
func features(r *rand.Rand, scale float64) []*grad.Tensor {
	var taps []*grad.Tensor
	for s := range trunk.Stages {
		t := grad.NewTensor(2*pairs, 16>>s, 16>>s, shape.Channels(s))
		for n := range t.N {
			for y := range t.H {
				row := t.Row(n, y)
				shared := r.NormFloat64()
				for i := range row {
					row[i] = float32(scale * (r.NormFloat64() + 0.5*shared))
				}
			}
		}
		taps = append(taps, t)
	}
	return taps
}

func batch(r *rand.Rand) *Batch {
	b := &Batch{N: pairs, Pairs: true}
	for s := range b.Label {
		b.Label[s] = make([]float32, pairs*(16>>s)*(16>>s))
		for i := range b.Label[s] {
			if r.IntN(3) == 0 {
				b.Label[s][i] = r.Float32()
			}
		}
	}
	return b
}

func zeros(like []*grad.Tensor) []*grad.Tensor {
	var g []*grad.Tensor
	for _, t := range like {
		g = append(g, grad.NewTensor(t.N, t.H, t.W, t.C))
	}
	return g
}

// check compares the derivative along random directions of w with the gradient g.
func check(t *testing.T, name string, r *rand.Rand, w, g []float32, value func() float64) {
	t.Helper()
	const eps, directions = 2e-4, 8
	var square, norm float64
	for range directions {
		keep := append([]float32(nil), w...)
		dir := make([]float32, len(w))
		var want float64
		for i := range dir {
			if w[i] != 0 { // borders stay zero
				dir[i] = float32(r.NormFloat64())
			}
			want += float64(dir[i]) * float64(g[i])
			norm += float64(g[i]) * float64(g[i]) / directions
		}
		at := func(e float32) float64 {
			for i := range w {
				w[i] = keep[i] + e*dir[i]
			}
			return value()
		}
		got := (at(eps) - at(-eps)) / (2 * eps)
		copy(w, keep)
		square += (got - want) * (got - want) / directions
	}
	if norm == 0 || math.Sqrt(square) > 0.02*math.Sqrt(norm) {
		t.Errorf("%s: finite differences and gradient differ by %.3g (norm %.3g)",
			name, math.Sqrt(square), math.Sqrt(norm))
	}
}

// checkTerm checks the gradient of the images' features and of the term's parameters.
func checkTerm(t *testing.T, term Term, b *Batch) {
	t.Helper()
	be, r := grad.NewCPU(2), rand.New(rand.NewPCG(8, 8))
	taps := features(r, 1.3)
	const weight = 0.7
	value := func() float64 { return weight * term.Apply(be, b, taps, zeros(taps), weight) }
	g := zeros(taps)
	term.Apply(be, b, taps, g, weight)
	for _, p := range term.Params() {
		check(t, p.Name, r, p.W, append([]float32(nil), p.G...), value)
	}
	for s := range taps {
		check(t, "features", r, b.Images(taps[s]).Data, b.Images(g[s]).Data, value)
	}
}

func TestDirectGradient(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	d := NewDirect(0.5, shape, r)
	checkTerm(t, d, batch(r))
}

type ramp struct{}

func (ramp) Name() string                { return "ramp" }
func (ramp) Channels() [trunk.Stages]int { return [trunk.Stages]int{5, 8, 11} }
func (ramp) NewMaker() func([]uint8, int) [trunk.Stages][]float32 {
	return nil
}

func TestRegressGradient(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	b := batch(r)
	b.Maps = make([][][trunk.Stages][]float32, 1)
	for range pairs {
		var m [trunk.Stages][]float32
		for s, n := range (ramp{}).Channels() {
			m[s] = make([]float32, (16>>s)*(16>>s)*n)
			for i := range m[s] {
				m[s][i] = r.Float32()*float32(i%n) + 3
			}
		}
		b.Maps[0] = append(b.Maps[0], m)
	}
	term := NewRegress(ramp{}, 0, shape, r)
	term.Fit(b.Maps[0])
	checkTerm(t, term, b)
}

func TestIndirectGradient(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	checkTerm(t, &Indirect{Tau: 1.5, Rank: 0.2}, batch(r))
}

func TestAntiCollapseGradient(t *testing.T) {
	be, r := grad.NewCPU(1), rand.New(rand.NewPCG(7, 7))
	l := &Indirect{Tau: 1, Hinge: 0.1, Decorrelate: 2}
	for _, f := range features(r, 0.4) {
		g := grad.NewTensor(f.N, f.H, f.W, f.C)
		l.hinge(be, f, g, 0.7)
		check(t, "hinge", r, f.Data, g.Data, func() float64 {
			return 0.7 * l.hinge(be, f, grad.NewTensor(f.N, f.H, f.W, f.C), 0.7)
		})
		g.Clear()
		l.decorrelate(be, f, g, moments(be, f), 0.7)
		check(t, "decorrelate", r, f.Data, g.Data, func() float64 {
			return 0.7 * l.decorrelate(be, f, grad.NewTensor(f.N, f.H, f.W, f.C), moments(be, f), 0.7)
		})
	}
}

func TestLabels(t *testing.T) {
	score := make([]float32, 32*16)
	score[1*16+1], score[22*16+15] = 0.9, 0.45
	for s, got := range Labels(score, 32, 16) {
		h, w := 8>>s, 4>>s
		want := make([]float32, h*w)
		want[0] = 0.1
		want[(5>>s)*w+w-1] = max(want[(5>>s)*w+w-1], 0.05)
		if len(got) != len(want) {
			t.Fatalf("stage %d: %d cells, want %d", s, len(got), len(want))
		}
		for i := range want {
			if math.Abs(float64(got[i]-want[i])) > 1e-6 {
				t.Errorf("stage %d: label[%d] = %v, want %v", s, i, got[i], want[i])
			}
		}
	}
}

// The gradient of the classification equals differences of its value.
func TestClassGradient(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	be := grad.NewCPU(2)
	term := NewClass(5, shape, rng)
	b := &Batch{N: 3, Class: []int{4, 0, 2}}
	taps, gtaps := make([]*grad.Tensor, trunk.Stages), make([]*grad.Tensor, trunk.Stages)
	for s := range taps {
		taps[s] = grad.NewTensor(3, 8>>s, 8>>s, shape.Channels(s))
		gtaps[s] = grad.Like(nil, taps[s])
		for n := range 3 {
			for y := range taps[s].H {
				for i := range taps[s].Row(n, y) {
					taps[s].Row(n, y)[i] = float32(rng.NormFloat64())
				}
			}
		}
	}
	const weight, h = 1.7, 1e-2
	value := func() float64 {
		for _, g := range gtaps {
			g.Clear()
		}
		return weight * term.Apply(be, b, taps, gtaps, weight)
	}
	value()
	check := func(what string, x *float32, g float64) {
		t.Helper()
		keep := *x
		*x = keep + h
		up := value()
		*x = keep - h
		down := value()
		*x = keep
		if d := (up - down) / (2 * h); math.Abs(d-g) > 2e-3*(math.Abs(g)+0.01) {
			t.Errorf("%s: gradient %v, difference %v", what, g, d)
		}
	}
	last := trunk.Stages - 1
	for n := range 3 {
		row := taps[last].Row(n, 1)
		for i := range 9 {
			if v := math.Abs(float64(row[i])); v > 2*h { // away from the kink
				value()
				check("feature", &row[i], float64(gtaps[last].Row(n, 1)[i]))
			}
		}
	}
	for _, p := range term.Params() {
		value()
		for i := 0; i < len(p.W); i += 7 {
			value()
			check(p.Name, &p.W[i], float64(p.G[i]))
		}
	}
}

// A channel that is the same everywhere is the worst of all, and stays out of the gradient.
func TestHingeCountsDeadChannels(t *testing.T) {
	b := batch(rand.New(rand.NewPCG(1, 1)))
	var taps []*grad.Tensor
	for s := range trunk.Stages {
		taps = append(taps, grad.NewTensor(2*pairs, 16>>s, 16>>s, shape.Channels(s)))
	}
	g := zeros(taps)
	with := (&Indirect{Tau: 1, Hinge: 1}).Apply(grad.NewCPU(1), b, taps, g, 1)
	without := (&Indirect{Tau: 1}).Apply(grad.NewCPU(1), b, taps, zeros(taps), 1)
	if math.Abs(with-without-trunk.Stages) > 1e-9 {
		t.Errorf("the hinge is %v, want 1 a stage", with-without)
	}
	for s, x := range g {
		for _, v := range x.Data {
			if v != 0 {
				t.Fatalf("stage %d: gradient %v", s, v)
			}
		}
	}
}
