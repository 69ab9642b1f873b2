package quantise

import (
	"math"
	"math/rand/v2"
	"testing"

	"cull/infer"
	"cull/infer/net"
	"cull/infer/quant"
	"cull/trainer/internal/grad"
	"cull/trainer/internal/trunk"
)

// ranges calibrates a trunk on x.
func ranges(t *testing.T, be grad.Backend, tr *trunk.Trunk, x *grad.Tensor, percentile float64) Ranges {
	t.Helper()
	r, err := Calibrate(be, FromTrunk(tr), Rule{percentile}, func(f func(*grad.Tensor)) error { f(x); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Every node, every value: what is trained is what the device will compute, clamped values,
// residual sums and dead channels included.
func TestAwareForwardIsTheDevices(t *testing.T) {
	const size = 64
	for _, smooth := range []bool{false, true} {
		be, r := grad.NewCPU(2), rand.New(rand.NewPCG(6, 1))
		pics := pictures(r, 4, size)
		x := load(pics, size)
		tr := trunk.New(trunk.Shape{Width: 8, Blocks: [trunk.Stages]int{2, 1, 2}, Smooth: smooth}, r)
		for _, l := range tr.Layers() {
			l.Gamma[0], l.Beta[0], l.Gamma[1], l.Beta[1] = 0, -5, 0, 0.1
		}
		for range 40 {
			tr.Forward(be, x, true)
		}
		ranges := ranges(t, be, tr, x, 98)
		m, err := Model(FromTrunk(tr), ranges)
		if err != nil {
			t.Fatal(err)
		}
		run, err := m.NewRunner(size, size, infer.Options{KeepAll: true})
		if err != nil {
			t.Fatal(err)
		}
		defer run.Close()
		a := NewAware(tr, ranges)
		taps := a.Forward(be, x)
		in := make([]int8, 3*size*size)
		clamped := 0
		for n, p := range pics {
			Int8(in, p)
			run.Run(in)
			for i, y := range a.out {
				want := run.Node(i)
				for row := range y.H {
					for j, v := range y.Row(n, row) {
						w := want.Data[row*y.W*y.C+j]
						if float32(w) != v {
							t.Fatalf("smooth %v, picture %d, node %s, row %d, value %d: %g, device %d",
								smooth, n, m.Graph.Nodes[i].Name, row, j, v, w)
						}
						if w == 127 {
							clamped++
						}
					}
				}
			}
			for k, tap := range m.Graph.Taps {
				for j, v := range taps[k].Row(n, 0) {
					if want := a.out[tap.Node].Row(n, 0)[j] * m.TapStep[k][j%taps[k].C]; v != want {
						t.Fatalf("tap %d: %g, want %g", k, v, want)
					}
				}
			}
		}
		if clamped < 1000 {
			t.Errorf("only %d clamped values", clamped)
		}
	}
}

// A surrogate is the smooth function whose gradient the straight-through estimator is: every
// rounding adds the constant that it adds at the present weights, every clamped value is constant.
type surrogate struct {
	a        *Aware
	captured bool
	weight   [][]float64 // added to a Conv's folded weights
	bias     [][]float64
	value    [][]float64 // added to a result
	up       []*grad.Tensor
}

// loss is the sum of the taps times up, in float64.
func (s *surrogate) loss() (sum float64) {
	a, nodes := s.a, len(s.a.graph.Nodes)
	if !s.captured {
		s.weight, s.bias, s.value = make([][]float64, nodes), make([][]float64, nodes), make([][]float64, nodes)
	}
	y := make([][]float64, nodes)
	for i, t := range a.out {
		y[i] = make([]float64, len(t.Data))
		if !s.captured {
			s.value[i] = make([]float64, len(t.Data))
		}
		node := &a.graph.Nodes[i]
		var w, b []float64
		if node.Op == net.Conv {
			w, b = s.fold(i)
		}
		for n := range t.N {
			for row := range t.H {
				for col := range t.W {
					at := t.At(n, row, col)
					for c := range t.C {
						s.node(i, y, w, b, n, row, col, at+c, c)
					}
				}
			}
		}
	}
	s.captured = true
	for k, tap := range a.graph.Taps {
		for i, u := range s.up[k].Data {
			sum += float64(u) * y[tap.Node][i]
		}
	}
	return sum
}

// fold returns a layer's weights and bias with what rounding adds.
func (s *surrogate) fold(i int) (w, b []float64) {
	l, f := s.a.layers[i], &s.a.real[i]
	w, b = make([]float64, len(f.W)), make([]float64, f.Out)
	for k, v := range l.Filter.W {
		c := k % f.Out
		w[k] = float64(v) * float64(l.Gamma[c]) / math.Sqrt(float64(l.Var[c])+grad.NormEps)
	}
	for c := range b {
		b[c] = float64(l.Beta[c]) - float64(l.Mean[c])*float64(l.Gamma[c])/math.Sqrt(float64(l.Var[c])+grad.NormEps)
	}
	if !s.captured {
		s.weight[i], s.bias[i] = make([]float64, len(w)), make([]float64, len(b))
		for k := range w {
			s.weight[i][k] = float64(f.W[k]) - w[k]
		}
		p := &s.a.params[i]
		for c := range b {
			s.bias[i][c] = float64(p.Bias[c])*float64(p.Scale[c])*float64(s.a.step[i][c]) - b[c]
		}
	}
	for k := range w {
		w[k] += s.weight[i][k]
	}
	for c := range b {
		b[c] += s.bias[i][c]
	}
	return w, b
}

// node computes value j, channel c, of node i.
func (s *surrogate) node(i int, y [][]float64, w, b []float64, n, row, col, j, c int) {
	a, node := s.a, &s.a.graph.Nodes[i]
	present := float64(a.out[i].Data[j]) * float64(a.step[i][c])
	if node.Op == net.Input || a.inside[i] != nil && a.inside[i].Data[j] == 0 {
		y[i][j] = present
		return
	}
	var v float64
	in := a.out[node.In[0]]
	switch node.Op {
	case net.Conv:
		v = b[c]
		window(node, in, n, row, col, func(k, at int) {
			for ic := range in.C {
				v += y[node.In[0]][at+ic] * w[(k*in.C+ic)*node.Out+c]
			}
		})
	case net.Add:
		v = y[node.In[0]][j] + y[node.In[1]][j]
	case net.AvgPool:
		window(node, in, n, row, col, func(_, at int) { v += y[node.In[0]][at+c] / float64(node.Kernel*node.Kernel) })
	}
	if !s.captured {
		s.value[i][j] = present - v
	}
	y[i][j] = v + s.value[i][j]
}

// The gradient is that of the surrogate, by central differences in float64.
func TestAwareGradient(t *testing.T) {
	const size = 32
	be, r := grad.NewCPU(1), rand.New(rand.NewPCG(7, 1))
	x := load(pictures(r, 2, size), size)
	tr := trunk.New(trunk.Shape{Width: 8, Blocks: [trunk.Stages]int{2, 1, 1}, Smooth: true}, r)
	for range 40 {
		tr.Forward(be, x, true)
	}
	for _, l := range tr.Layers() {
		for c := range l.Gamma {
			l.Gamma[c], l.Beta[c] = 0.5+r.Float32(), 0.2*float32(r.NormFloat64())
		}
	}
	a := NewAware(tr, ranges(t, be, tr, x, 98))
	s := &surrogate{a: a}
	var spent []*grad.Tensor
	for _, f := range a.Forward(be, x) {
		u := grad.Like(nil, f)
		for n := range f.N {
			for y := range f.H {
				for i := range u.Row(n, y) {
					u.Row(n, y)[i] = float32(r.NormFloat64())
				}
			}
		}
		s.up, spent = append(s.up, u), append(spent, cloned([]*grad.Tensor{u})...)
	}
	a.Backward(be, spent)
	s.loss()
	for _, p := range tr.Params() {
		keep := append([]float32(nil), p.W...)
		var norm float64
		for _, v := range p.G {
			norm += float64(v) * float64(v)
		}
		norm = math.Sqrt(norm)
		for turn := range 2 { // along the gradient, and at random
			dir, want := make([]float64, len(p.W)), 0.0
			for i, g := range p.G {
				dir[i] = float64(g) / norm
				if turn == 1 {
					dir[i] = r.NormFloat64() / math.Sqrt(float64(len(dir)))
				}
			}
			const eps = 1e-3
			for i := range dir { // as far as float32 weights go
				d := float64(keep[i] + float32(eps*dir[i]) - keep[i])
				want += d / eps * float64(p.G[i])
			}
			at := func(e float32) float64 {
				for i := range p.W {
					d := keep[i] + float32(eps*dir[i]) - keep[i]
					p.W[i] = keep[i] + e*d
				}
				return s.loss()
			}
			got := (at(1) - at(-1)) / (2 * eps)
			copy(p.W, keep)
			if math.Abs(got-want) > 1e-3*norm {
				t.Errorf("%s, turn %d: difference %.6g, gradient %.6g", p.Name, turn, got, want)
			}
		}
	}
}

// What is clipped has no gradient; what is not keeps all of it.
func TestClippedResultsHaveNoGradient(t *testing.T) {
	for _, c := range []struct {
		x    float32
		lo   int8
		want float32
	}{
		{126.9, 0, 1},
		{127, 0, 1},
		{127.1, 0, 0},
		{0.1, 0, 1},
		{0, 0, 1},
		{-1e-38, 0, 0},
		{-0.1, 0, 0},
		{-126.9, -127, 1},
		{-127, -127, 1},
		{-127.1, -127, 0},
		{0, -127, 1},
		{127.1, -127, 0},
	} {
		if got := within(c.x, c.lo); got != c.want {
			t.Errorf("within(%g, %d) = %g", c.x, c.lo, got)
		}
	}
}

// Descent on the straight-through gradient brings the device's taps towards given ones.
func TestAwareTrainingLowersTheInt8Loss(t *testing.T) {
	const size = 32
	be, r := grad.NewCPU(1), rand.New(rand.NewPCG(9, 1))
	x := load(pictures(r, 4, size), size)
	tr := trained(be, x, r)
	var want []*grad.Tensor
	for _, f := range tr.Forward(be, x, false) {
		u := *f
		u.Data = append([]float32(nil), f.Data...)
		want = append(want, &u)
	}
	a := NewAware(tr, ranges(t, be, tr, x, 99.9))
	params := tr.Params()
	opt := grad.NewAdamW(params, 0)
	loss := func() (sum float64, g []*grad.Tensor) {
		for k, f := range a.Forward(be, x) {
			u := grad.Like(nil, f)
			for i, v := range f.Data {
				u.Data[i] = v - want[k].Data[i]
				sum += float64(u.Data[i]) * float64(u.Data[i])
			}
			g = append(g, u)
		}
		return sum, g
	}
	first, g := loss()
	for range 60 {
		a.Backward(be, g)
		opt.Step(params, 3e-4)
		_, g = loss()
	}
	if last, _ := loss(); last > 0.7*first {
		t.Errorf("squared difference of int8 and float taps %.4g, %.4g at first", last, first)
	} else {
		t.Logf("squared difference of int8 and float taps %.4g, %.4g at first", last, first)
	}
}

func BenchmarkAwareStep(b *testing.B) {
	be, r := grad.NewCPU(1), rand.New(rand.NewPCG(1, 1))
	x := load(pictures(r, 32, 96), 96)
	tr := trunk.New(trunk.Shape{Width: 32, Blocks: [trunk.Stages]int{2, 2, 2}}, r)
	tr.Forward(be, x, true)
	tr.Freeze(true)
	rs, err := Calibrate(be, FromTrunk(tr), Rule{99.9}, func(f func(*grad.Tensor)) error { f(x); return nil })
	if err != nil {
		b.Fatal(err)
	}
	a := NewAware(tr, rs)
	b.Run("float", func(b *testing.B) {
		for b.Loop() {
			tr.Backward(be, cloned(tr.Forward(be, x, true)))
		}
	})
	b.Run("aware", func(b *testing.B) {
		for b.Loop() {
			a.Backward(be, cloned(a.Forward(be, x)))
		}
	})
}

func cloned(all []*grad.Tensor) (c []*grad.Tensor) {
	for _, t := range all {
		u := *t
		u.Data = append([]float32(nil), t.Data...)
		c = append(c, &u)
	}
	return c
}

// The mask is that of the rounded product: a compiler that fused it with the comparison would find a remainder.
func TestRequantizeMasksOnlyWhatItClamps(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 1))
	const n = 512
	row, inside := make([]float32, n), make([]float32, n)
	p := &infer.Params{Bias: make([]int32, n), Scale: make([]float32, n)}
	for c := range n {
		row[c], p.Bias[c], p.Scale[c] = float32(r.IntN(200001)-100000), int32(r.IntN(2001)-1000), 2e-3*r.Float32()+1e-5
	}
	acc := make([]int32, n)
	for c := range acc {
		acc[c] = int32(row[c]) + p.Bias[c]
	}
	requantize(row, inside, p, -quant.Max)
	for c, got := range inside {
		x, want := float32(float32(acc[c])*p.Scale[c]), float32(1)
		if x < -quant.Max || x > quant.Max {
			want = 0
		}
		if got != want {
			t.Fatalf("%d * %g = %g: mask %g, want %g", acc[c], p.Scale[c], x, got, want)
		}
	}
}
