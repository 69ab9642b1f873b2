package kernel

import "math"

// FromHalf returns the value of a finite binary16.
//
// The exponent and fraction, moved into place, are the value times 2^-112;
// a product by a power of two is exact, subnormal halves included. VCVTPH2PS
// and FCVTL give the same bits.
func FromHalf(h uint16) float32 {
	v := math.Float32frombits(uint32(h&0x7fff)<<13) * 0x1p112
	return math.Float32frombits(math.Float32bits(v) | uint32(h&0x8000)<<16)
}

// ToHalf returns the binary16 nearest to v, ties to even. |v| must round to at
// most 65504, the largest finite binary16.
func ToHalf(v float32) uint16 {
	b := math.Float32bits(v)
	sign, b := uint16(b>>16&0x8000), b&^(1<<31)
	if b < 113<<23 { // below 2^-14: a multiple of 2^-24
		// Next to 1/2 the unit in the last place of a float32 is 2^-24.
		return sign | uint16(math.Float32bits(math.Float32frombits(b)+0.5)-math.Float32bits(0.5))
	}
	b += 0xfff + b>>13&1
	return sign | uint16((b-112<<23)>>13)
}

// Finite reports whether h is neither infinite nor not a number.
func Finite(h uint16) bool { return h&0x7c00 != 0x7c00 }
