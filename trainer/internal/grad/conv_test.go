package grad

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

func rng(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

// random fills the inside of a new tensor.
func random(r *rand.Rand, n, h, w, c int) *Tensor {
	t := NewTensor(n, h, w, c)
	for i := range n {
		for y := range h {
			row := t.Row(i, y)
			for j := range row {
				row[j] = r.Float32() - 0.5
			}
		}
	}
	return t
}

// naive computes y, dx and dw in float64 from the definition.
func naive(x, dy *Tensor, f *Filter) (y, dx, dw []float64) {
	y, dx, dw = make([]float64, len(dy.Data)), make([]float64, len(x.Data)), make([]float64, len(f.W))
	inG, outG, k, p := f.In/f.Groups, f.Out/f.Groups, f.Kernel, f.Kernel/2
	for n := range dy.N {
		for i := range dy.H * dy.W * f.Out * k * k * inG {
			oy, i := i/(dy.W*f.Out*k*k*inG), i%(dy.W*f.Out*k*k*inG)
			ox, i := i/(f.Out*k*k*inG), i%(f.Out*k*k*inG)
			out, i := i/(k*k*inG), i%(k*k*inG)
			ky, i := i/(k*inG), i%(k*inG)
			kx, in := i/inG, i%inG
			iy, ix := oy*f.Stride+ky-p, ox*f.Stride+kx-p
			if iy < 0 || ix < 0 || iy >= x.H || ix >= x.W {
				continue
			}
			xi, yi := x.At(n, iy, ix)+out/outG*inG+in, dy.At(n, oy, ox)+out
			wi := ((ky*k+kx)*inG+in)*f.Out + out
			y[yi] += float64(x.Data[xi]) * float64(f.W[wi])
			dx[xi] += float64(dy.Data[yi]) * float64(f.W[wi])
			dw[wi] += float64(dy.Data[yi]) * float64(x.Data[xi])
		}
	}
	return y, dx, dw
}

func worst(got []float32, want []float64) float64 {
	var e float64
	for i, v := range want {
		e = max(e, math.Abs(v-float64(got[i])))
	}
	return e
}

func TestConvolutionEqualsItsDefinition(t *testing.T) {
	shapes := []struct{ in, out, kernel, stride, groups, h, w int }{
		{3, 16, 3, 2, 1, 12, 16},
		{3, 24, 3, 2, 1, 9, 11},
		{16, 32, 3, 1, 1, 8, 8},
		{32, 64, 3, 2, 1, 12, 12},
		{32, 32, 3, 1, 1, 6, 6},
		{24, 48, 3, 2, 1, 6, 10},
		{48, 24, 1, 1, 1, 7, 5},
		{32, 64, 1, 2, 1, 9, 9},
		{32, 64, 1, 2, 1, 16, 16},
		{5, 7, 3, 1, 1, 4, 3},
		{13, 19, 3, 2, 1, 10, 9},
		{8, 1, 1, 1, 1, 5, 5},
		{16, 16, 3, 1, 16, 6, 7},
		{16, 32, 3, 2, 4, 7, 6},
	}
	for _, be := range Implementations(2) {
		for _, s := range shapes {
			t.Run(fmt.Sprintf("%s/%v", be.Name(), s), func(t *testing.T) {
				r := rng(7)
				f := NewFilter(s.in, s.out, s.kernel, s.stride, s.groups)
				for i := range f.W {
					f.W[i] = r.Float32() - 0.5
				}
				x := random(r, 3, s.h, s.w, s.in)
				dy := random(r, 3, f.OutSize(s.h), f.OutSize(s.w), s.out)
				wantY, wantX, wantW := naive(x, dy, &f)
				y, dx := NewTensor(3, dy.H, dy.W, dy.C), random(r, 3, s.h, s.w, s.in)
				dw := make([]float32, len(f.W))
				be.Conv(y, x, &f)
				be.ConvInput(dx, dy, &f)
				be.ConvWeight(dw, x, dy, &f)
				for _, c := range []struct {
					name string
					err  float64
				}{
					{"y", worst(y.Data, wantY)}, {"dx", worst(dx.Data, wantX)}, {"dw", worst(dw, wantW)},
				} {
					if c.err > 2e-5 {
						t.Errorf("%s: worst difference %g", c.name, c.err)
					}
				}
			})
		}
	}
}

func TestVectorWidthsGiveTheSameBits(t *testing.T) {
	all := Implementations(1)
	if len(all) < 3 {
		t.Skip("this CPU has one vector width only")
	}
	r := rng(3)
	f := NewFilter(24, 56, 3, 1, 1)
	He(f.W, 9*24, r)
	x, dy := random(r, 4, 9, 10, 24), random(r, 4, 9, 10, 56)
	var y, dx [2]*Tensor
	var dw [2][]float32
	for i, be := range all[:2] {
		y[i], dx[i], dw[i] = NewTensor(4, 9, 10, 56), NewTensor(4, 9, 10, 24), make([]float32, len(f.W))
		be.Conv(y[i], x, &f)
		be.ConvInput(dx[i], dy, &f)
		be.ConvWeight(dw[i], x, dy, &f)
	}
	same(t, "y", y[0].Data, y[1].Data)
	same(t, "dx", dx[0].Data, dx[1].Data)
	same(t, "dw", dw[0], dw[1])
}

func TestThreadsGiveTheSameBits(t *testing.T) {
	run := func(threads int) ([]float32, []float32) {
		be, r := NewCPU(threads), rng(5)
		b := NewBlock("b", 16, 32, 2, false, r)
		x, g := random(r, 21, 8, 8, 16), random(r, 21, 4, 4, 32)
		dx := NewTensor(21, 8, 8, 16)
		b.Forward(be, x, true)
		b.Backward(be, g, nil, dx)
		return dx.Data, b.Conv1.dw
	}
	dx1, dw1 := run(1)
	dx5, dw5 := run(5)
	same(t, "dx", dx1, dx5)
	same(t, "dw", dw1, dw5)
}

func same(t *testing.T, name string, a, b []float32) {
	t.Helper()
	for i := range a {
		if math.Float32bits(a[i]) != math.Float32bits(b[i]) {
			t.Fatalf("%s[%d]: %v and %v", name, i, a[i], b[i])
		}
	}
}

func TestElementwiseEqualsGeneric(t *testing.T) {
	for _, be := range Implementations(1) {
		for _, c := range []int{1, 8, 24, 29, 32, 48} {
			r := rng(uint64(c))
			for op := range elemOps {
				p := [3]*Tensor{random(r, 2, 5, 6, c), random(r, 2, 5, 6, c), random(r, 2, 5, 6, c)}
				q := [3]*Tensor{clone(p[0]), clone(p[1]), clone(p[2])}
				var v, w [3][]float32
				for i := range v {
					v[i] = make([]float32, c)
					for j := range v[i] {
						v[i][j] = r.Float32() - 0.5
					}
					w[i] = append([]float32(nil), v[i]...)
				}
				be.elem(op, p[0], 1, p, v)
				genericElem(op, q[0], 1, 0, q, w)
				for i := range p {
					near(t, fmt.Sprintf("%s op %d c %d p%d", be.Name(), op, c, i), p[i].Data, q[i].Data)
					near(t, fmt.Sprintf("%s op %d c %d c%d", be.Name(), op, c, i), v[i], w[i])
				}
			}
		}
	}
}

func clone(t *Tensor) *Tensor {
	u := *t
	u.Data = append([]float32(nil), t.Data...)
	return &u
}

func near(t *testing.T, name string, a, b []float32) {
	t.Helper()
	for i := range a {
		if math.Abs(float64(a[i]-b[i])) > 1e-5 {
			t.Fatalf("%s[%d]: %v and %v", name, i, a[i], b[i])
		}
	}
}

func BenchmarkConv(b *testing.B) {
	for _, s := range []struct{ in, out, stride, size int }{
		{3, 32, 2, 96}, {32, 32, 1, 24}, {64, 64, 1, 12}, {128, 128, 1, 6}, {128, 128, 1, 8},
	} {
		const n = 8
		r := rng(1)
		f := NewFilter(s.in, s.out, 3, s.stride, 1)
		He(f.W, 9*s.in, r)
		x := random(r, n, s.size, s.size, s.in)
		y := random(r, n, f.OutSize(s.size), f.OutSize(s.size), s.out)
		dx, dw := NewTensor(n, s.size, s.size, s.in), make([]float32, len(f.W))
		flop := 2 * float64(n*y.H*y.W*len(f.W))
		fast := f
		fast.Winograd = s.stride == 1
		for _, be := range Implementations(1) {
			for _, k := range []struct {
				name string
				f    func()
			}{
				{"forward", func() { be.Conv(y, x, &f) }},
				{"input", func() { be.ConvInput(dx, y, &f) }},
				{"weight", func() { be.ConvWeight(dw, x, y, &f) }},
				{"winograd/forward", func() { be.Conv(y, x, &fast) }},
				{"winograd/input", func() { be.ConvInput(dx, y, &fast) }},
				{"winograd/weight", func() { be.ConvWeight(dw, x, y, &fast) }},
			} {
				if strings.HasPrefix(k.name, "winograd") && !fast.Winograd {
					continue
				}
				b.Run(fmt.Sprintf("%s/%dto%ds%d/%s", be.Name(), s.in, s.out, s.stride, k.name), func(b *testing.B) {
					for b.Loop() {
						k.f()
					}
					b.ReportMetric(flop*float64(b.N)/1e9/b.Elapsed().Seconds(), "GFLOP/s")
				})
			}
		}
	}
}
