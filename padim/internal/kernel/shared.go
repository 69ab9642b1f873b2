package kernel

import (
	"encoding/binary"
	"math"
)

// block is the most vectors that an implementation of Shared.Norm2 takes at once.
const block = 6

// A Shared is one whitening factor and one mean for many vectors: their distances are a matrix product.
//
// It is stored apart from the file, in binary32, which binary16 becomes without a change: panels of Lanes rows, panel
// p with columns 0..Lanes*(p+1)-1, each Lanes values. What is above the diagonal or from d on is 0.
type Shared struct {
	w, mean []float32
	d       int
}

// NewShared returns the packed factor w of d rows, binary16 values where half, binary32 otherwise, with mean,
// Padded(d) elements.
func NewShared(w []byte, mean []float32, d int, half bool) *Shared {
	panels := Padded(d) / Lanes
	s := &Shared{w: make([]float32, Lanes*Lanes*panels*(panels+1)/2), mean: mean[:Padded(d)], d: d}
	k := 0
	walk(d, func(p, j int) {
		dst := s.w[Lanes*(Lanes*p*(p+1)/2+j):][:Lanes]
		for l := range dst {
			if half {
				dst[l] = FromHalf(binary.LittleEndian.Uint16(w[2*k:]))
			} else {
				dst[l] = math.Float32frombits(binary.LittleEndian.Uint32(w[4*k:]))
			}
			k++
		}
	})
	return s
}

// Scratch returns the elements of y that Norm2 needs for vectors of d dimensions.
func Scratch(d int) int { return block * Padded(d) }

// Norm2 writes to dst[c] what Norm2Half or Norm2Single returns for vector c of x, [len(dst)][Padded(d)], its elements
// from d on zero. The factor is read once for several vectors, whose sums keep their order. y is scratch.
func (s *Shared) Norm2(dst, x, y []float32) {
	pad := len(s.mean)
	x, y = x[:len(dst)*pad], y[:Scratch(s.d)]
	set := fastest()
	if set == generic {
		for c := range dst {
			dst[c] = s.norm2Generic(x[c*pad:][:pad], y[:pad])
		}
		return
	}
	for c := 0; c < len(dst); {
		n := min(set.vectors(), len(dst)-c)
		a := shared{w: &s.w[0], mean: &s.mean[0], x: &x[c*pad], y: &y[0], panels: pad / Lanes, n: n}
		applyShared(set, &a)
		for i := range n {
			dst[c+i] = fold(&a.lane[i])
		}
		c += n
	}
}

// A shared is the argument of the assembly; lane is its result, that of vector n and beyond without a meaning.
type shared struct {
	w, mean, x, y *float32
	panels, n     int // 1 <= n <= set.vectors
	lane          [block][Lanes]float32
}

// vectors returns how many an implementation takes at once: as many as have their sums in registers.
func (s set) vectors() int {
	if s == neon {
		return 4
	}
	return block
}

func (s *Shared) norm2Generic(x, y []float32) float32 {
	subtract(y, x, s.mean)
	w := s.w
	var lane [Lanes]float32
	for end := Lanes; end <= len(y); end += Lanes {
		var z [Lanes]float32
		for _, v := range y[:end] {
			row := w[:Lanes]
			w = w[Lanes:]
			for i := range z {
				z[i] += float32(row[i] * v)
			}
		}
		square(&lane, z[:])
	}
	return fold(&lane)
}
