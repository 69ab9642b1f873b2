package exact

import (
	"math"
	"math/bits"
)

// A Rand is a stream of random numbers: SplitMix64 (Steele, Lea and Flood, OOPSLA 2014),
// 64 bits of state, period 2^64. The zero value is the stream of seed 0, unmixed.
//
// math/rand/v2 has portable sources, but its IntN differs between 32- and 64-bit
// platforms and its NormFloat64 calls math.Log.
type Rand struct{ state uint64 }

const golden = 0x9e3779b97f4a7c15

// NewRand returns stream number stream of seed. Streams of one seed are independent.
func NewRand(seed, stream uint64) Rand {
	return Rand{Mix(seed ^ Mix(stream+golden))}
}

// Mix is the 64-bit finaliser of SplitMix64, a bijection.
func Mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// Uint64 returns 64 random bits.
func (r *Rand) Uint64() uint64 {
	r.state += golden
	return Mix(r.state)
}

// Float64 returns a uniform number in [0, 1), a multiple of 2^-53.
func (r *Rand) Float64() float64 { return float64(float64(r.Uint64()>>11) * 0x1p-53) }

// IntN returns a uniform integer in [0, n); n must be in 1..2^31. The bias is below n/2^64.
func (r *Rand) IntN(n int) int {
	hi, _ := bits.Mul64(r.Uint64(), uint64(n))
	return int(hi)
}

// Range returns a uniform number in [lo, hi).
func (r *Rand) Range(lo, hi float64) float64 { return lo + float64(r.Float64()*(hi-lo)) }

// LogRange returns a log-uniform number in [lo, hi), 0 < lo <= hi.
func (r *Rand) LogRange(lo, hi float64) float64 {
	u := r.Float64()
	if lo == hi {
		return lo
	}
	a := Log(lo)
	return Exp(a + float64(u*(Log(hi)-a)))
}

// Normal returns a normal deviate of mean 0 and variance 1 (Box and Muller, 1958).
func (r *Rand) Normal() float64 {
	u := 1 - r.Float64() // (0, 1]
	v := r.Float64()
	return math.Sqrt(-2*Log(u)) * Cos(float64(2*math.Pi*v))
}
