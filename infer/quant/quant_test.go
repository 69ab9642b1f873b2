package quant_test

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"cull/infer/quant"
)

func ExampleRequantize() {
	fmt.Println(quant.Requantize(5, 0.5, -127), quant.Requantize(7, 0.5, -127))
	fmt.Println(quant.Requantize(-5, 0.5, -127), quant.Requantize(-5, 0.5, 0))
	fmt.Println(quant.Requantize(1000, 0.5, 0), quant.Requantize(-1000, 0.5, -127))
	// Output:
	// 2 4
	// -2 0
	// 127 -127
}

// exact computes rne(x) for a float32 x in rational arithmetic and clamps.
func exact(x float32, lo int8) int8 {
	r := new(big.Rat).SetFloat64(float64(x))
	twice := new(big.Rat).Mul(r, big.NewRat(2, 1))
	floor := new(big.Int).Div(r.Num(), r.Denom()) // Euclidean: floor, as Denom > 0
	rest := new(big.Rat).Sub(twice, new(big.Rat).SetInt(new(big.Int).Lsh(floor, 1)))
	if c := rest.Cmp(big.NewRat(1, 1)); c > 0 || c == 0 && floor.Bit(0) == 1 {
		floor.Add(floor, big.NewInt(1))
	}
	if floor.Cmp(big.NewInt(int64(lo))) < 0 {
		return lo
	}
	if floor.Cmp(big.NewInt(127)) > 0 {
		return 127
	}
	return int8(floor.Int64())
}

func TestRequantizeTiesGoToEven(t *testing.T) {
	for acc := int32(-600); acc <= 600; acc++ {
		for _, scale := range []float32{0.5, 0.25, 0.125, 1, 1.5} {
			for _, lo := range []int8{0, -127} {
				got, want := quant.Requantize(acc, scale, lo), exact(float32(acc)*scale, lo)
				if got != want {
					t.Fatalf("Requantize(%d, %g, %d) = %d, want %d", acc, scale, lo, got, want)
				}
			}
		}
	}
}

func TestRequantizeExtremes(t *testing.T) {
	tiny := float32(0x1p-126)
	for _, c := range []struct {
		acc   int32
		scale float32
		lo    int8
		want  int8
	}{
		{math.MaxInt32, 1, 0, 127},
		{math.MinInt32, 1, 0, 0},
		{math.MinInt32, 1, -127, -127},
		{math.MaxInt32, tiny, -127, 0},
		{math.MinInt32, tiny, -127, 0},
		{1, 1 << 29, -127, 127},
		{-1, 1 << 29, -127, -127},
		{math.MaxInt32, math.MaxFloat32, 0, 127}, // infinity: refused at load, still not NaN
		{0, math.MaxFloat32, -127, 0},
		{255, 0.5, 0, 127}, // 127.5
		{-255, 0.5, -127, -127},
	} {
		if got := quant.Requantize(c.acc, c.scale, c.lo); got != c.want {
			t.Errorf("Requantize(%d, %g, %d) = %d, want %d", c.acc, c.scale, c.lo, got, c.want)
		}
	}
}

// Every pair of activations, products not fused with the sum.
func TestAddRequantizeEveryPair(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 4 {
		sa, sb := 2*rng.Float32(), 2*rng.Float32()
		for a := -127; a <= 127; a++ {
			for b := -127; b <= 127; b++ {
				pa, pb := float64(float32(float64(a)*float64(sa))), float64(float32(float64(b)*float64(sb)))
				want := exact(float32(pa+pb), -127)
				if got := quant.AddRequantize(int8(a), int8(b), sa, sb, -127); got != want {
					t.Fatalf("AddRequantize(%d, %d, %g, %g) = %d, want %d", a, b, sa, sb, got, want)
				}
			}
		}
	}
}

func TestCheckScale(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, s := range []float32{0, -1, nan, inf, -inf, 0x1p-127, 5.4e8} {
		if quant.CheckScale(s, 1) == nil {
			t.Errorf("scale %g passed", s)
		}
	}
	for _, s := range []float32{0x1p-126, 1, 1 << 29} {
		if err := quant.CheckScale(s, 1); err != nil {
			t.Error(err)
		}
	}
	const bound = 576 * 127 * 127
	if s := quant.MaxScale(bound); float64(s)*bound >= 1<<30 {
		t.Errorf("MaxScale(%d) = %g lets a product reach 2^30", bound, s)
	}
}

func FuzzRequantize(f *testing.F) {
	f.Add(int32(-3), uint32(0x3f000000), true)
	f.Fuzz(func(t *testing.T, acc int32, bits uint32, relu bool) {
		scale := math.Float32frombits(bits)
		if quant.CheckScale(scale, math.MaxInt32) != nil {
			t.Skip()
		}
		lo := int8(-127)
		if relu {
			lo = 0
		}
		if got, want := quant.Requantize(acc, scale, lo), exact(float32(acc)*scale, lo); got != want {
			t.Errorf("Requantize(%d, %g, %d) = %d, want %d", acc, scale, lo, got, want)
		}
	})
}

func BenchmarkRequantize(b *testing.B) {
	var sum int8
	for i := range b.N {
		sum += quant.Requantize(int32(i), 0.001, 0)
	}
	_ = sum
}
