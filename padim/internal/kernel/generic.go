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

func norm2SingleGeneric(w []byte, y []float32, d int) float32 {
	var z groupSums
	var lane [Lanes]float32
	for g := 0; g < d; g += len(z) {
		n := min(len(z), Padded(d)-g)
		w = groupSingle(z[:n], w, y, g, d)
		square(&lane, z[:n])
	}
	return fold(&lane)
}

func norm2HalfGeneric(w []byte, y []float32, d int) float32 {
	var z groupSums
	var lane [Lanes]float32
	for g := 0; g < d; g += len(z) {
		n := min(len(z), Padded(d)-g)
		w = groupHalf(z[:n], w, y, g, d)
		square(&lane, z[:n])
	}
	return fold(&lane)
}

func whitenSingle(z []float32, w []byte, y []float32, d int) {
	for g := 0; g < d; g += Group * Lanes {
		w = groupSingle(z[g:min(g+Group*Lanes, len(z))], w, y, g, d)
	}
}

func whitenHalf(z []float32, w []byte, y []float32, d int) {
	for g := 0; g < d; g += Group * Lanes {
		w = groupHalf(z[g:min(g+Group*Lanes, len(z))], w, y, g, d)
	}
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
