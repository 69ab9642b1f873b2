package exact

import "math"

// pi/2 in three parts of 33 significant bits (products with |k| < 2^20 are exact) and a rest.
const (
	pio2A = 0x1.921fb544p0
	pio2B = 0x1.0b4611a6p-34
	pio2C = 0x1.3198a2ep-69
	pio2D = 0x1.b839a252049c1p-104
	twoPi = 0x1.45f306dc9c883p-1 // 2/pi
)

// MaxAngle bounds |x| of Sin and Cos, in radians.
const MaxAngle = 1 << 20

// Sin returns the sine of x radians with an error below 1 ulp, NaN for |x| > MaxAngle.
func Sin(x float64) float64 {
	q, r, e := reduce(x)
	return quadrant(q, r, e)
}

// Cos returns the cosine of x radians with an error below 1 ulp, NaN for |x| > MaxAngle.
func Cos(x float64) float64 {
	q, r, e := reduce(x)
	return quadrant(q+1, r, e)
}

// quadrant returns sin(q pi/2 + r + e).
func quadrant(q int, r, e float64) float64 {
	var y float64
	if q&1 == 0 {
		y = sin(r, e)
	} else {
		y = cos(r, e)
	}
	if q&2 != 0 {
		return -y
	}
	return y
}

// reduce returns q mod 4 and r + e with x = q pi/2 + r + e, |r| <= pi/4, |e| below an ulp of r.
func reduce(x float64) (q int, r, e float64) {
	if !(x >= -MaxAngle && x <= MaxAngle) {
		return 0, math.NaN(), 0
	}
	k := math.RoundToEven(float64(x * twoPi))
	a := x - float64(k*pio2A) // exact
	b, be := diff(a, float64(k*pio2B))
	c, ce := diff(b, float64(k*pio2C))
	e = (be + ce) - float64(k*pio2D)
	r = c + e
	e = (c - r) + e
	return int(k) & 3, r, e
}

// diff returns s + e = a - b exactly (Knuth's two-sum).
func diff(a, b float64) (s, e float64) {
	s = a - b
	t := s - a
	return s, (a - (s - t)) - (b + t)
}

// sin is r - r^3/3! + ... - r^17/17! plus the first-order effect of e.
func sin(r, e float64) float64 {
	z := float64(r * r)
	p := horner(z, 1./355687428096000, -1./1307674368000, 1./6227020800, -1./39916800,
		1./362880, -1./5040)
	p = float64(p*z) + 1./120
	p = float64(p*z) - 1./6
	return r + (float64(float64(r*z)*p) + float64(e*(1-float64(z/2))))
}

// cos is 1 - r^2/2! + ... + r^18/18! minus the first-order effect of e.
func cos(r, e float64) float64 {
	z := float64(r * r)
	h := float64(z / 2)
	p := horner(z, -1./6402373705728000, 1./20922789888000, -1./87178291200, 1./479001600,
		-1./3628800, 1./40320)
	p = float64(p*z) - 1./720
	p = float64(p*z) + 1./24
	w := 1 - h
	return w + (((1 - w) - h) + (float64(float64(z*z)*p) - float64(r*e)))
}

// Atan2 returns the angle of (x, y) in [-pi, pi] with an error below 4 ulp.
// Atan2(0, 0) is 0; infinities and signed zeros are not told apart.
func Atan2(y, x float64) float64 {
	ax, ay := math.Abs(x), math.Abs(y)
	if ax == 0 && ay == 0 {
		return 0
	}
	var a float64
	if ay <= ax {
		a = atan(ay / ax)
	} else {
		a = math.Pi/2 - atan(ax/ay)
	}
	if x < 0 {
		a = math.Pi - a
	}
	if y < 0 {
		return -a
	}
	return a
}

// atan is the arc tangent of t in [0, 1]: atan(t) = atan(c) + atan((t-c)/(1+tc)), |argument| <= 1/4.
func atan(t float64) float64 {
	const atanHalf = 0x1.dac670561bb4fp-2
	base := 0.0
	switch {
	case t > 0.75:
		base, t = math.Pi/4, (t-1)/(t+1)
	case t > 0.25:
		base, t = atanHalf, (t-0.5)/(1+float64(t/2))
	}
	z := float64(t * t)
	p := horner(z, 1./25, -1./23, 1./21, -1./19, 1./17, -1./15)
	p = float64(p*z) + 1./13
	p = float64(p*z) - 1./11
	p = float64(p*z) + 1./9
	p = float64(p*z) - 1./7
	p = float64(p*z) + 1./5
	p = float64(p*z) - 1./3
	return base + (t + float64(float64(t*z)*p))
}
