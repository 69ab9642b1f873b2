package exact

import "math"

// Log returns the natural logarithm with an error below 1.5 ulp.
//
// x = 2^k (1+f), 1+f in [sqrt(1/2), sqrt(2)); with s = f/(2+f)
//
//	ln(1+f) = 2 atanh(s) = f - s(f - R),  R = sum over n >= 1 of 2/(2n+1) s^2n
func Log(x float64) float64 {
	switch {
	case x != x || x > math.MaxFloat64:
		return x
	case x < 0:
		return math.NaN()
	case x == 0:
		return math.Inf(-1)
	}
	k := 0
	if x < 0x1p-1022 {
		x *= 0x1p54
		k = -54
	}
	b := math.Float64bits(x)
	k += int(b>>52) - 1023
	m := math.Float64frombits(b&(1<<52-1) | 1023<<52)
	if m > math.Sqrt2 {
		m /= 2
		k++
	}
	f := m - 1
	s := f / (2 + f)
	s2 := float64(s * s)
	tail := horner(s2, 2./23, 2./21, 2./19, 2./17, 2./15, 2./13)
	tail = float64(tail*s2) + 2./11
	tail = float64(tail*s2) + 2./9
	tail = float64(tail*s2) + 2./7
	tail = float64(tail*s2) + 2./5
	tail = float64(tail*s2) + 2./3
	h := float64(float64(f*f) / 2) // f - sf = f - h + sh: the large term h keeps its own rounding
	y := float64(s * (h + float64(s2*tail)))
	if k == 0 {
		return f - (h - y)
	}
	d := float64(k)
	return float64(d*ln2Hi) - ((h - (y + float64(d*ln2Lo))) - f)
}

// Pow returns x^y for x >= 0 as Exp(y*Log(x)): an error below 3 + 4|y ln x| ulp.
// Pow(0, y) is 0 for y > 0, 1 for y = 0, +Inf below; negative x gives NaN.
func Pow(x, y float64) float64 {
	if y == 0 || x == 1 {
		return 1
	}
	return Exp(float64(y * Log(x)))
}
