package fixed

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

// largest returns the largest of the eight.
func largest(v uint64) uint8 {
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
