package exact

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"testing"
)

// ulps returns |got - want| in units of the last place of want.
func ulps(got float64, want *big.Float) float64 {
	w, _ := want.Float64()
	if math.IsInf(w, 0) || math.IsInf(got, 0) {
		if got == w {
			return 0
		}
		return math.Inf(1)
	}
	_, e := math.Frexp(w)
	unit := math.Ldexp(1, max(e-53, -1074))
	d := new(big.Float).SetPrec(300).Sub(want, big.NewFloat(got))
	f, _ := d.Quo(d, big.NewFloat(unit)).Float64()
	return math.Abs(f)
}

const prec = 300

func bigOf(x float64) *big.Float { return new(big.Float).SetPrec(prec).SetFloat64(x) }

// bigExp halves x until it is small, sums the series and squares back.
func bigExp(x float64) *big.Float {
	const halvings = 30
	r := bigOf(x)
	r.SetMantExp(r, -halvings)
	sum, term := bigOf(1), bigOf(1)
	for n := 1; n < 30; n++ {
		term.Mul(term, r)
		term.Quo(term, bigOf(float64(n)))
		sum.Add(sum, term)
	}
	for range halvings {
		sum.Mul(sum, sum)
	}
	return sum
}

// bigLog is Newton's method on bigExp.
func bigLog(x float64) *big.Float {
	y := bigOf(math.Log(x))
	for range 3 {
		f, _ := y.Float64()
		rest := new(big.Float).SetPrec(prec).Sub(y, bigOf(f)) // exp(y) = exp(f)(1 + rest + ...)
		e := bigExp(f)
		c := bigOf(1)
		c.Add(c, rest)
		half := new(big.Float).SetPrec(prec).Mul(rest, rest)
		c.Add(c, half.Quo(half, bigOf(2)))
		e.Mul(e, c)
		d := new(big.Float).SetPrec(prec).Sub(bigOf(x), e)
		y.Add(y, d.Quo(d, e))
	}
	return y
}

// bigSin is the series at x, which 300 bits carry for |x| < 60 or so.
func bigSin(x *big.Float) *big.Float {
	x2 := new(big.Float).SetPrec(prec).Mul(x, x)
	term := new(big.Float).SetPrec(prec).Set(x)
	sum := new(big.Float).SetPrec(prec).Set(x)
	for n := 2; n < 400; n += 2 {
		term.Mul(term, x2)
		term.Quo(term, bigOf(-float64(n*(n+1))))
		sum.Add(sum, term)
	}
	return sum
}

var bigPi, _, _ = big.ParseFloat("3.141592653589793238462643383279502884197169399375105820974"+
	"944592307816406286208998628034825342117067982148086513282306647", 10, prec, big.ToNearestEven)

// reduced returns x - 2 pi k in 300 bits.
func reduced(x float64) *big.Float {
	k := math.Round(x / (2 * math.Pi))
	t := new(big.Float).SetPrec(prec).Mul(bigPi, bigOf(2*k))
	return t.Sub(bigOf(x), t)
}

func TestExpWithinOneUlp(t *testing.T) {
	r := NewRand(1, 0)
	for range 4000 {
		for _, x := range []float64{r.Range(-700, 709), r.Range(-1, 1), r.Range(-20, 20)} {
			if d := ulps(Exp(x), bigExp(x)); d >= 1 {
				t.Fatalf("Exp(%v) = %v: %.3f ulp off", x, Exp(x), d)
			}
		}
	}
}

func TestExpAtItsEnds(t *testing.T) {
	for _, c := range []struct{ x, want float64 }{
		{0, 1},
		{math.Copysign(0, -1), 1},
		{1e-300, 1},
		{-1e-300, 1},
		{710, math.Inf(1)},
		{-746, 0},
		{math.Inf(1), math.Inf(1)},
		{math.Inf(-1), 0},
	} {
		if got := Exp(c.x); got != c.want {
			t.Errorf("Exp(%v) = %v, want %v", c.x, got, c.want)
		}
	}
	if !math.IsNaN(Exp(math.NaN())) {
		t.Error("Exp(NaN) is a number")
	}
	for _, x := range []float64{-708.3, -720, -740, -745.1, 709.7} {
		if d := ulps(Exp(x), bigExp(x)); d > 1 {
			t.Errorf("Exp(%v) = %v: %.3f ulp off", x, Exp(x), d)
		}
	}
}

func TestLogWithinOneAndAHalfUlp(t *testing.T) {
	r := NewRand(2, 0)
	for range 1500 {
		for _, x := range []float64{r.Range(0.5, 2), r.Range(0.9, 1.1), math.Exp(r.Range(-700, 700))} {
			if d := ulps(Log(x), bigLog(x)); d >= 1.5 {
				t.Fatalf("Log(%v) = %v: %.3f ulp off", x, Log(x), d)
			}
		}
	}
	for _, x := range []float64{0, 1, -1, math.Inf(1), math.NaN()} {
		if g, w := Log(x), math.Log(x); g != w && !(g != g && w != w) {
			t.Errorf("Log(%v) = %v, want %v", x, g, w)
		}
	}
	if d := math.Abs(Log(5e-324) + 1074*math.Ln2); d > 2e-13 { // math.Log is wrong here on amd64
		t.Errorf("Log of the smallest number is %v off", d)
	}
}

func TestSinAndCosWithinOneUlp(t *testing.T) {
	r := NewRand(3, 0)
	xs := []float64{0, MaxAngle, -MaxAngle, 1e-9}
	for range 400 {
		near := math.RoundToEven(r.Range(-600000, 600000)) * (math.Pi / 2) // close to the zeros
		xs = append(xs, r.Range(-8, 8), r.Range(-MaxAngle, MaxAngle), near, near+r.Range(-1e-6, 1e-6))
	}
	half := new(big.Float).SetPrec(prec).Quo(bigPi, bigOf(2))
	for _, x := range xs {
		s := reduced(x)
		if d := ulps(Sin(x), bigSin(s)); d >= 1 {
			t.Fatalf("Sin(%v) = %v: %.3f ulp off", x, Sin(x), d)
		}
		c := new(big.Float).SetPrec(prec).Add(s, half)
		if d := ulps(Cos(x), bigSin(c)); d >= 1 {
			t.Fatalf("Cos(%v) = %v: %.3f ulp off", x, Cos(x), d)
		}
	}
	if !math.IsNaN(Sin(2*MaxAngle)) || !math.IsNaN(Cos(math.Inf(1))) || !math.IsNaN(Sin(math.NaN())) {
		t.Error("an angle out of range gave a number")
	}
}

func TestAtan2AndPowAgreeWithMath(t *testing.T) {
	r := NewRand(4, 0)
	for range 20000 {
		y, x := r.Range(-2, 2), r.Range(-2, 2)
		if d := ulps(Atan2(y, x), bigOf(math.Atan2(y, x))); d > 4 {
			t.Fatalf("Atan2(%v, %v) = %v: %v ulp from math", y, x, Atan2(y, x), d)
		}
		b, e := r.Range(0, 3), r.Range(-4, 4)
		want := math.Pow(b, e)
		if d := ulps(Pow(b, e), bigOf(want)); d > 3+4*math.Abs(e*math.Log(b)) {
			t.Fatalf("Pow(%v, %v) = %v: %v ulp from math", b, e, Pow(b, e), d)
		}
	}
	for _, c := range [][3]float64{{0, 0, 0}, {0, -1, math.Pi}, {1, 0, math.Pi / 2}, {-1, 0, -math.Pi / 2}} {
		if got := Atan2(c[0], c[1]); got != c[2] {
			t.Errorf("Atan2(%v, %v) = %v, want %v", c[0], c[1], got, c[2])
		}
	}
	if Pow(0, 2) != 0 || Pow(0, 0) != 1 || !math.IsInf(Pow(0, -1), 1) || !math.IsNaN(Pow(-1, .5)) {
		t.Error("Pow at its edges")
	}
}

func TestRandMoments(t *testing.T) {
	r := NewRand(5, 6)
	const n = 200000
	var sum, sum2, sum4, uni float64
	var count [7]int
	for range n {
		x := r.Normal()
		sum, sum2, sum4 = sum+x, sum2+x*x, sum4+x*x*x*x
		uni += r.Float64()
		count[r.IntN(7)]++
	}
	if m := sum / n; math.Abs(m) > 0.01 {
		t.Errorf("normal mean %v", m)
	}
	if v := sum2 / n; math.Abs(v-1) > 0.015 {
		t.Errorf("normal variance %v", v)
	}
	if k := sum4 / n; math.Abs(k-3) > 0.1 {
		t.Errorf("normal fourth moment %v", k)
	}
	if u := uni / n; math.Abs(u-0.5) > 0.004 {
		t.Errorf("uniform mean %v", u)
	}
	for i, c := range count {
		if math.Abs(float64(c)-n/7.) > 800 {
			t.Errorf("IntN: %d came %d times of %d", i, c, n)
		}
	}
	for range 1000 {
		if x := r.LogRange(2, 8); x < 2 || x > 8.000001 {
			t.Fatalf("LogRange(2, 8) = %v", x)
		}
	}
	if r.LogRange(3, 3) != 3 {
		t.Error("LogRange of one value does not return it")
	}
}

// TestBitsAreTheSameOnEveryCPU compares with a hash made on amd64.
func TestBitsAreTheSameOnEveryCPU(t *testing.T) {
	h := sha256.New()
	put := func(x float64) { h.Write(binary.LittleEndian.AppendUint64(nil, math.Float64bits(x))) }
	r := NewRand(7, 8)
	for range 20000 {
		x := r.Range(-30, 30)
		put(Exp(x))
		put(Log(math.Abs(x)))
		put(Sin(float64(x * 1000)))
		put(Cos(float64(x * 1000)))
		put(Pow(math.Abs(x), 0.45))
		put(Atan2(x, r.Range(-30, 30)))
		put(r.Normal())
		put(r.LogRange(0.5, 18))
		put(float64(r.IntN(1000)))
	}
	const want = "4357c16a9623213c87418e7ed9c6dfe94faf97110e8165a91633adac79bba4ce"
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		t.Errorf("hash %s, want %s", got, want)
	}
}

func ExampleExp() {
	fmt.Println(Exp(1), Log(Exp(2)))
	// Output: 2.718281828459045 2
}

func BenchmarkExp(b *testing.B) {
	x, s := 0.1, 0.0
	for b.Loop() {
		s += Exp(-x)
		x += 1e-9
	}
	_ = s
}

func BenchmarkNormal(b *testing.B) {
	r := NewRand(1, 1)
	s := 0.0
	for b.Loop() {
		s += r.Normal()
	}
	_ = s
}
