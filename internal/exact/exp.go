package exact

import "math"

// ln2Hi has 32 significant bits, so k*ln2Hi is exact for |k| < 2^21; ln2Hi + ln2Lo is ln 2 to 86 bits.
const (
	ln2Hi = 0x1.62e42feep-1
	ln2Lo = 0x1.a39ef35793c76p-33
	log2e = 0x1.71547652b82fep0
)

// Exp returns e^x with an error below 1 ulp for normal results.
//
// x = k ln2 + r, |r| <= ln2/2; e^r is its Taylor polynomial of degree 13, summed
// as 1 + (r + r^2 q(r)).
func Exp(x float64) float64 {
	switch {
	case x != x:
		return x
	case x > 0x1.62e42fefa39efp9: // ln of the largest float64
		return math.Inf(1)
	case x < -0x1.74910d52d3051p9: // ln of half the smallest
		return 0
	}
	k := math.RoundToEven(float64(x * log2e))
	hi := x - float64(k*ln2Hi)
	lo := float64(k * ln2Lo)
	r := hi - lo
	lo = (hi - r) - lo // what the subtraction lost
	// q(r) = 1/2! + r/3! + ... + r^11/13!, even and odd powers apart.
	r2 := float64(r * r)
	even := horner(r2, 1./479001600, 1./3628800, 1./40320, 1./720, 1./24, 1./2)
	odd := horner(r2, 1./6227020800, 1./39916800, 1./362880, 1./5040, 1./120, 1./6)
	q := even + float64(r*odd)
	y := 1 + (r + (float64(r2*q) + float64(lo*(1+r))))
	return scale(y, int(k))
}

// horner evaluates a polynomial, highest coefficient first.
func horner(x, a, b, c, d, e, f float64) float64 {
	y := float64(a*x) + b
	y = float64(y*x) + c
	y = float64(y*x) + d
	y = float64(y*x) + e
	return float64(y*x) + f
}

// scale returns y * 2^k for y in [0.5, 2), -1076 < k < 1026.
func scale(y float64, k int) float64 {
	switch {
	case k > 1023:
		return float64(y*2) * pow2(k-1)
	case k < -1021:
		return float64(y*pow2(k+60)) * 0x1p-60
	}
	return y * pow2(k)
}

// pow2 returns 2^k for -1022 <= k <= 1023.
func pow2(k int) float64 { return math.Float64frombits(uint64(k+1023) << 52) }
