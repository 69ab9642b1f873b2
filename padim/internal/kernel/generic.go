package kernel

import (
	"encoding/binary"
	"math"
)

func subtract(y, x, mean []float32) {
	x, mean = x[:len(y)], mean[:len(y)]
	for i := range y {
		y[i] = x[i] - mean[i]
	}
}

// fold adds the lanes pairwise: 8, 4, 2, 1.
func fold(lane *[Lanes]float32) float32 {
	for h := Lanes / 2; h > 0; h /= 2 {
		for l := range h {
			lane[l] += lane[l+h]
		}
	}
	return lane[0]
}

// A groupSums holds z of one group of panels.
type groupSums [Group * Lanes]float32

func square(lane *[Lanes]float32, z []float32) {
	for i := 0; i < len(z); i += Lanes {
		for l := range lane {
			lane[l] += float32(z[i+l] * z[i+l])
		}
	}
}

func applyGeneric(w []byte, mean, x, y []float32, d int, half bool) float32 {
	subtract(y, x, mean)
	var sums groupSums
	var lane [Lanes]float32
	for g := 0; g < d; g += len(sums) {
		n := min(len(sums), Padded(d)-g)
		if half {
			w = groupHalf(sums[:n], w, y, g, d)
		} else {
			w = groupSingle(sums[:n], w, y, g, d)
		}
		square(&lane, sums[:n])
	}
	return fold(&lane)
}

// groupSingle computes z of the group whose first row is g and returns the rest of w.
func groupSingle(z []float32, w []byte, y []float32, g, d int) []byte {
	clear(z)
	for j := range min(g+len(z), d) {
		part := z[max(0, j/Lanes*Lanes-g):]
		row := w[:4*len(part)]
		w = w[len(row):]
		v := y[j]
		for i := range part {
			a := math.Float32frombits(binary.LittleEndian.Uint32(row[4*i:]))
			part[i] += float32(a * v)
		}
	}
	return w
}

// groupHalf is groupSingle for binary16.
func groupHalf(z []float32, w []byte, y []float32, g, d int) []byte {
	clear(z)
	for j := range min(g+len(z), d) {
		part := z[max(0, j/Lanes*Lanes-g):]
		row := w[:2*len(part)]
		w = w[len(row):]
		v := y[j]
		for i := range part {
			part[i] += float32(FromHalf(binary.LittleEndian.Uint16(row[2*i:])) * v)
		}
	}
	return w
}

func (p *Projection) projectGeneric(dst []int32, x []int16) {
	w := p.w
	for g := 0; g < len(dst); g += Group * Lanes {
		out := dst[g:min(g+Group*Lanes, len(dst))]
		clear(out)
		for k := 0; k < len(x); k += 2 {
			a, b := int32(x[k]), int32(x[k+1])
			row := w[:2*len(out)]
			w = w[len(row):]
			for i := range out {
				out[i] += a*int32(row[2*i]) + b*int32(row[2*i+1])
			}
		}
	}
}
