package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"cull/infer/quant"
	"cull/internal/impl/impltest"
)

const guard = 0x55

// newPlane returns a plane inside guard bytes; check reports whether they
// were touched. The slack behind the plane holds extreme values: kernels may
// read it, results must not depend on it.
func newPlane(h, w, c, border int) (p Plane, check func() error) {
	const room = 128
	p = Plane{H: h, W: w, C: c, Border: border}
	all := make([]int8, room+p.Size()+Slack+room)
	for i := range all {
		all[i] = guard
	}
	p.Data = all[room : room+p.Size()+Slack]
	for i := range p.Data {
		p.Data[i] = 0
	}
	for i := p.Size(); i < len(p.Data); i++ {
		p.Data[i] = -127
	}
	return p, func() error {
		for i, v := range all {
			if (i < room || i >= room+p.Size()+Slack) && v != guard {
				return fmt.Errorf("byte %d outside the plane was written", i-room)
			}
			if i >= room+p.Size() && i < room+p.Size()+Slack && v != -127 {
				return fmt.Errorf("slack byte %d was written", i-room-p.Size())
			}
		}
		return nil
	}
}

// fill gives every pixel a value in lo..127; extreme: only the bounds.
func fill(p *Plane, rng *rand.Rand, lo int, extreme bool) {
	for y := range p.H {
		row := p.Row(y)
		for i := range row {
			row[i] = int8(lo + rng.IntN(128-lo))
			if extreme {
				row[i] = int8([2]int{lo, 127}[rng.IntN(2)])
			}
		}
	}
}

type convCase struct {
	h, w, in, out, kernel, stride, pad, groups, border int

	signed, relu, extreme bool
}

// checkConv compares a convolution with the definition, and its guards.
func checkConv(t *testing.T, c convCase, rng *rand.Rand) {
	t.Helper()
	oh, ow := (c.h+2*c.pad-c.kernel)/c.stride+1, (c.w+2*c.pad-c.kernel)/c.stride+1
	in, checkIn := newPlane(c.h, c.w, c.in, c.border)
	out, checkOut := newPlane(oh, ow, c.out, rng.IntN(2))
	lo, low := 0, int8(0)
	if c.signed {
		lo = -127
	}
	if !c.relu {
		low = -127
	}
	fill(&in, rng, lo, c.extreme)
	window := c.kernel * c.kernel * c.in / c.groups
	spec := Conv{Kernel: c.kernel, Stride: c.stride, Pad: c.pad, Groups: c.groups, Signed: c.signed, Lo: low}
	for range c.out {
		sign := 1 - 2*rng.IntN(2)
		for range window {
			w := rng.IntN(255) - 127
			if c.extreme {
				w = 127 * sign
			}
			spec.Weights = append(spec.Weights, int8(w))
		}
		spec.Bias = append(spec.Bias, int32(rng.IntN(20001)-10000))
		spec.Scale = append(spec.Scale, (0.5+rng.Float32())/(40*float32(math.Sqrt(float64(window)))))
	}
	op := NewConv(spec, in, out)
	for y := 0; y < oh; { // in bands, as goroutines would
		n := 1 + rng.IntN(oh-y)
		op.Rows(y, y+n)
		y += n
	}
	for y := range oh {
		for x := range ow {
			for ch := range c.out {
				got, want := out.Row(y)[x*c.out+ch], spec.value(&in, &out, y, x, ch)
				if got != want {
					t.Fatalf("%+v: [%d][%d][%d] = %d, want %d", c, y, x, ch, got, want)
				}
			}
		}
	}
	if err := checkIn(); err != nil {
		t.Fatalf("%+v: input: %v", c, err)
	}
	if err := checkOut(); err != nil {
		t.Fatalf("%+v: output: %v", c, err)
	}
	for i := range out.Border * out.rowStride() {
		if out.Data[i] != 0 {
			t.Fatalf("%+v: border byte %d was written", c, i)
		}
	}
}

// value is the definition of one output value.
func (c *Conv) value(in, out *Plane, y, x, ch int) int8 {
	share, per := in.C/c.Groups, out.C/c.Groups
	sum, k := c.Bias[ch], ch*c.Kernel*c.Kernel*share
	for ky := range c.Kernel {
		for kx := range c.Kernel {
			yy, xx := y*c.Stride-c.Pad+ky, x*c.Stride-c.Pad+kx
			for ci := range share {
				if yy >= 0 && xx >= 0 && yy < in.H && xx < in.W {
					sum += int32(c.Weights[k]) * int32(in.Row(yy)[xx*in.C+ch/per*share+ci])
				}
				k++
			}
		}
	}
	return quant.Requantize(sum, c.Scale[ch], c.Lo)
}

func (c convCase) valid() bool {
	return c.h+2*c.pad >= c.kernel && c.w+2*c.pad >= c.kernel &&
		c.in%c.groups == 0 && c.out%c.groups == 0 && c.border >= c.pad
}

// Every channel tail, input and output, and every width up to past the widest tile.
func TestConvTails(t *testing.T) {
	impltest.Each(t, Pkg, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 1))
		for n := 1; n <= 70; n++ {
			flags := func(c convCase) convCase {
				c.signed, c.relu, c.extreme = rng.IntN(2) == 0, rng.IntN(2) == 0, rng.IntN(3) == 0
				return c
			}
			for _, k := range []int{1, 3} {
				p := k / 2
				checkConv(t, flags(convCase{1, 5, n, 16, k, 1, p, 1, p, false, false, false}), rng)
				checkConv(t, flags(convCase{1, 5, 16, n, k, 1, p, 1, p, false, false, false}), rng)
				checkConv(t, flags(convCase{1, n, 8, 33, k, 1, p, 1, p, false, false, false}), rng)
				checkConv(t, flags(convCase{3, n, 3, 17, k, 2, p, 1, p, false, false, false}), rng)
				checkConv(t, flags(convCase{3, 7, n, n, k, 1 + n%2, p, n, p, false, false, false}), rng)
				checkConv(t, flags(convCase{1, 5, 2 * n, 4 * n, k, 1, p, 2, p + n%2, false, false, false}), rng)
			}
		}
	})
}

func TestConvRandom(t *testing.T) {
	impltest.Each(t, Pkg, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(2, 2))
		for range 100 {
			checkConv(t, randomCase(rng), rng)
		}
	})
}

func randomCase(rng *rand.Rand) convCase {
	for {
		k := 1 + 2*rng.IntN(2)
		c := convCase{
			h: 1 + rng.IntN(5), w: 1 + rng.IntN(30), in: 1 + rng.IntN(80), out: 1 + rng.IntN(80),
			kernel: k, stride: 1 + rng.IntN(2), pad: rng.IntN(k/2 + 1), groups: 1 + rng.IntN(3)*rng.IntN(2),
			border: rng.IntN(2),
			signed: rng.IntN(2) == 0, relu: rng.IntN(2) == 0, extreme: rng.IntN(4) == 0,
		}
		if c.valid() {
			return c
		}
	}
}

func FuzzConv(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) {
		rng := rand.New(rand.NewPCG(seed, 3))
		checkConv(t, randomCase(rng), rng)
	})
}

// The products of extreme values sit at the edge of what 16-bit steps can hold.
func TestConvExtremes(t *testing.T) {
	impltest.Each(t, Pkg, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(3, 3))
		for _, in := range []int{1, 3, 64, 256} {
			for range 4 {
				c := convCase{3, 15, in, 40, 3, 1, 1, 1, 1, rng.IntN(2) == 0, false, true}
				checkConv(t, c, rng)
			}
		}
	})
}

func BenchmarkConv(b *testing.B) {
	for _, c := range []convCase{
		{56, 56, 64, 64, 3, 1, 1, 1, 1, false, true, false},
		{64, 64, 32, 32, 3, 1, 1, 1, 1, false, true, false},
		{32, 32, 64, 64, 3, 1, 1, 1, 1, false, true, false},
		{16, 16, 128, 128, 3, 1, 1, 1, 1, false, true, false},
		{56, 56, 64, 64, 3, 1, 1, 1, 1, true, true, false},
		{256, 256, 3, 32, 3, 2, 1, 1, 1, true, true, false},
		{32, 32, 64, 128, 1, 2, 0, 1, 0, false, true, false},
		{56, 56, 64, 64, 3, 1, 1, 64, 1, false, true, false},
	} {
		name := fmt.Sprintf("%dx%dx%d-%d/k%ds%dg%d/signed=%v",
			c.h, c.w, c.in, c.out, c.kernel, c.stride, c.groups, c.signed)
		b.Run(name, func(b *testing.B) {
			oh, ow := (c.h+2*c.pad-c.kernel)/c.stride+1, (c.w+2*c.pad-c.kernel)/c.stride+1
			in, _ := newPlane(c.h, c.w, c.in, c.border)
			out, _ := newPlane(oh, ow, c.out, 1)
			n := c.out * c.kernel * c.kernel * c.in / c.groups
			spec := Conv{
				Kernel: c.kernel, Stride: c.stride, Pad: c.pad, Groups: c.groups, Signed: c.signed,
				Weights: make([]int8, n), Bias: make([]int32, c.out), Scale: make([]float32, c.out),
			}
			op := NewConv(spec, in, out)
			best := time.Hour
			for b.Loop() {
				start := time.Now()
				op.Rows(0, oh)
				best = min(best, time.Since(start))
			}
			b.ReportMetric(2*float64(n)*float64(oh*ow)/best.Seconds()/1e9, "best-GOP/s")
		})
	}
}

func BenchmarkPeak(b *testing.B) {
	best := 0.0
	for b.Loop() {
		start := time.Now()
		n := Peak(1 << 20)
		best = max(best, 2*float64(n)/time.Since(start).Seconds()/1e9)
	}
	b.ReportMetric(best, "best-GOP/s")
}

// The layers without sums over channels against their definitions, with guards.
func TestSimpleLayers(t *testing.T) {
	impltest.Each(t, Pkg, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(4, 4))
		for n := range 200 {
			h, w, c := 1+rng.IntN(9), 1+rng.IntN(12), 1+n%50
			k := 1 + rng.IntN(7)
			stride, pad := 1+rng.IntN(min(k, 3)), rng.IntN(k/2+1)%k
			oh, ow := (h+2*pad-k)/stride+1, (w+2*pad-k)/stride+1
			if h+2*pad >= k && w+2*pad >= k {
				checkPools(t, rng, h, w, c, oh, ow, k, stride, pad)
			}
			checkPointwise(t, rng, h, w, c)
		}
	})
}

func checkPools(t *testing.T, rng *rand.Rand, h, w, c, oh, ow, k, stride, pad int) {
	t.Helper()
	in, checkIn := newPlane(h, w, c, pad)
	fill(&in, rng, -127, rng.IntN(2) == 0)
	best, checkBest := newPlane(oh, ow, c, rng.IntN(2))
	mean, checkMean := newPlane(oh, ow, c, rng.IntN(2))
	scale := (0.5 + rng.Float32()) / float32(k)
	name := fmt.Sprintf("%dx%dx%d k%d s%d p%d", h, w, c, k, stride, pad)
	NewMaxPool(in, best, k, stride, pad).Rows(0, oh)
	NewAvgPool(in, mean, k, stride, pad, scale, -127).Rows(0, oh)
	for y := range oh {
		for x := range ow {
			for ch := range c {
				most, sum := int8(-128), int32(0)
				for v := max(0, y*stride-pad); v < min(h, y*stride-pad+k); v++ {
					for u := max(0, x*stride-pad); u < min(w, x*stride-pad+k); u++ {
						a := in.Row(v)[u*c+ch]
						most, sum = max(most, a), sum+int32(a)
					}
				}
				if got := best.Row(y)[x*c+ch]; got != most {
					t.Fatalf("max %s: [%d][%d][%d] = %d, want %d", name, y, x, ch, got, most)
				}
				want := quant.Requantize(sum, scale, -127)
				if got := mean.Row(y)[x*c+ch]; got != want {
					t.Fatalf("mean %s: [%d][%d][%d] = %d, want %d", name, y, x, ch, got, want)
				}
			}
		}
	}
	for _, check := range []func() error{checkIn, checkBest, checkMean} {
		if err := check(); err != nil {
			t.Fatal(err)
		}
	}
}

func checkPointwise(t *testing.T, rng *rand.Rand, h, w, c int) {
	t.Helper()
	a, checkA := newPlane(h, w, c, rng.IntN(2))
	b, checkB := newPlane(h, w, c, rng.IntN(2))
	sum, checkSum := newPlane(h, w, c, rng.IntN(2))
	pos, checkPos := newPlane(h, w, c, rng.IntN(2))
	fill(&a, rng, -127, rng.IntN(2) == 0)
	fill(&b, rng, -127, rng.IntN(2) == 0)
	var sa, sb []float32
	for range c {
		sa, sb = append(sa, rng.Float32()), append(sb, rng.Float32())
	}
	lo := int8(-127 * rng.IntN(2))
	NewAdd(a, b, sum, sa, sb, lo).Rows(0, h)
	NewReLU(a, pos).Rows(0, h)
	for y := range h {
		for i, v := range a.Row(y) {
			want := quant.AddRequantize(v, b.Row(y)[i], sa[i%c], sb[i%c], lo)
			if got := sum.Row(y)[i]; got != want {
				t.Fatalf("add %dx%dx%d: row %d, value %d = %d, want %d", h, w, c, y, i, got, want)
			}
			if got := pos.Row(y)[i]; got != max(v, 0) {
				t.Fatalf("relu %dx%dx%d: row %d, value %d = %d of %d", h, w, c, y, i, got, v)
			}
		}
	}
	for _, check := range []func() error{checkA, checkB, checkSum, checkPos} {
		if err := check(); err != nil {
			t.Fatal(err)
		}
	}
}
