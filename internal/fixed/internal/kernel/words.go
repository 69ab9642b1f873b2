package kernel

import "encoding/binary"

// Eight numbers of 0 to 127 in a word, one a byte.
const (
	highs  = 0x8080808080808080
	sevens = 0x7f7f7f7f7f7f7f7f
)

func load(b []uint8) uint64     { return binary.LittleEndian.Uint64(b) }
func store(b []uint8, v uint64) { binary.LittleEndian.PutUint64(b, v) }

// notLess has 127 in every byte where a >= b, else 0.
func notLess(a, b uint64) uint64 {
	t := ((a | highs) - b) & highs
	return t - t>>7
}

func larger(a, b uint64) uint64  { return b ^ (a^b)&notLess(a, b) }
func smaller(a, b uint64) uint64 { return a ^ (a^b)&notLess(a, b) }

// The next two take numbers of 0 to 255.

// middle is the mean of two, rounded half up.
func middle(a, b uint64) uint64 { return (a | b) - (a^b)>>1&sevens }

func largerOf(a, b uint64) uint64 {
	low := (a | highs) - b&^highs    // a bit set where the seven low bits of a are not less
	t := (a&^b | ^(a^b)&low) & highs // set where a >= b
	return b ^ (a^b)&(t-t>>7|t)
}

// LargestOf returns the largest of the eight numbers of 0 to 127 that p begins with.
func LargestOf(p []uint8) uint8 {
	v := load(p)
	v = larger(v, v>>32)
	v = larger(v, v>>16)
	return uint8(larger(v, v>>8))
}

// Four numbers in a word, two bytes each.
const (
	bytes  = 0x00ff00ff00ff00ff
	eleven = 0x07ff07ff07ff07ff // bits
	nine   = 0x01ff01ff01ff01ff
	tops   = 0x8000800080008000
)

// sobelWord is Sobel of eight pixels, those of the directions from i on.
func sobelWord(to *[Directions][]uint8, i int, up, mid, down []uint8) {
	nw, n, ne := load(up), load(up[1:]), load(up[2:])
	w, e := load(mid), load(mid[2:])
	sw, s, se := load(down), load(down[1:]), load(down[2:])
	even := sobelOf(nw&bytes, n&bytes, ne&bytes, w&bytes, e&bytes, sw&bytes, s&bytes, se&bytes)
	odd := sobelOf(nw>>8&bytes, n>>8&bytes, ne>>8&bytes, w>>8&bytes, e>>8&bytes, sw>>8&bytes, s>>8&bytes, se>>8&bytes)
	for k := range to {
		store(to[k][i:], even[k]|odd[k]<<8)
	}
}

// sobelOf returns the rises in the eight directions from the eight neighbours, of four pixels.
func sobelOf(nw, n, ne, w, e, sw, s, se uint64) (r [Directions]uint64) {
	west, east := nw+2*w+sw, ne+2*e+se
	north, south := nw+2*n+ne, sw+2*s+se
	r[0], r[4] = along(east, west)
	r[1], r[5] = across(east+south, west+north)
	r[2], r[6] = along(south, north)
	r[3], r[7] = across(south+west, north+east)
	return r
}

// differences returns a - b and b - a where they are positive, else 0, of numbers of up to fifteen bits.
func differences(a, b uint64) (more, less uint64) {
	t := ((a | tops) - b) & tops // set where a >= b
	m := t - t>>15               // 0x7fff there
	d := (a ^ b) & m
	return (b ^ d) - b, (b ^ d) - a
}

// along returns a - b and b - a in half grey levels, of sums of Sobel's operator.
func along(a, b uint64) (more, less uint64) {
	more, less = differences(a, b)
	return halves(more), halves(less)
}

// across is along for a diagonal, whose sums are √2 times as large: 23/32 is nearly 1/√2.
func across(a, b uint64) (more, less uint64) {
	more, less = differences(a, b)
	return halves(more * 23 >> 5 & eleven), halves(less * 23 >> 5 & eleven)
}

// halves divides by 4 and clamps to 127, of numbers of up to eleven bits.
func halves(v uint64) uint64 {
	v = v >> 2 & nine
	t := (v + 0x7f80*(tops>>15)) & tops // set from 128 on
	return (v | (t>>8 - t>>15)) & (sevens & bytes)
}

// Halve sets every number of dst to the mean of a square of four of the rows up and down, two more numbers of each for every one of
// dst: of the means of its columns, each rounded half up. Lengths of dst are multiples of Lane/2.
func Halve(dst, up, down []uint8) {
	const pairs, ones = 0x0000ffff0000ffff, 0x0001000100010001
	for i := 0; i < len(dst); i += Lane / 2 {
		v := middle(load(up[2*i:]), load(down[2*i:]))
		v = (v&bytes + v>>8&bytes + ones) >> 1 & bytes
		v = (v | v>>8) & pairs
		binary.LittleEndian.PutUint32(dst[i:], uint32(v|v>>16))
	}
}
