// Package kernel holds the inner loops of package padim.
//
// Each has one order of operations, which every implementation keeps, so that
// all give the same bits: the products and sums of a lane are rounded one by
// one (no fused multiply-add), lanes never mix before the last step.
//
// # Factors
//
// A whitening factor is a lower-triangular matrix W [d][d], row i the weights
// of z[i] = sum over j <= i of W[i][j]*y[j]. It is stored in panels of Lanes
// rows, the panels in groups of Group. In a group the columns ascend, and each
// column holds, panel after panel, Lanes values for every panel that reaches
// it (panel p reaches columns 0..min(Lanes*p+Lanes, d)-1). Values above the
// diagonal and in rows from d on are +0. Size gives the length.
//
// So a factor is read once, front to back, while the accumulators of a whole
// group stay in registers. Its values are little-endian bytes, as in the file,
// so that a mapped file serves as it is.
package kernel

// Sizes of the layout.
const (
	Lanes = 16 // rows of a panel: one 512-bit register of float32
	Group = 6  // panels of a group
)

// Padded returns d rounded up to whole panels: the length of vectors.
func Padded(d int) int { return (d + Lanes - 1) / Lanes * Lanes }

// Size returns the number of values of a packed factor of d rows.
func Size(d int) int {
	n := 0
	walk(d, func(_, _ int) { n += Lanes })
	return n
}

// walk calls f for each run of Lanes values in storage order: column j of panel p.
func walk(d int, f func(p, j int)) {
	panels := Padded(d) / Lanes
	for g := 0; g < panels; g += Group {
		end := min(g+Group, panels)
		for j := range min(Lanes*end, d) {
			for p := max(g, j/Lanes); p < end; p++ {
				f(p, j)
			}
		}
	}
}

// Order returns for each value of a packed factor its row and column, in
// storage order. row >= d or column > row marks a filler.
func Order(d int) (row, column []int32) {
	walk(d, func(p, j int) {
		for l := range Lanes {
			row = append(row, int32(Lanes*p+l))
			column = append(column, int32(j))
		}
	})
	return row, column
}

// Norm2Half returns |W (x - mean)|^2 for a packed factor of binary16 values.
//
//	y[j] = x[j] - mean[j]
//	z[i] = sum over j ascending of W[i][j]*y[j]
//	lane[l] = sum over i = l, l+16, ... ascending of z[i]*z[i]
//	result: lanes l and l+8 added, then l and l+4, l+2, l+1
//
// y is scratch, x, mean and y have Padded(d) elements, those from d on zero.
// No value is infinite or not a number.
func Norm2Half(w []byte, mean, x, y []float32, d int) float32 {
	subtract(y, x, mean)
	return norm2Half(w, y, d)
}

// Norm2Single is Norm2Half for binary32 values.
func Norm2Single(w []byte, mean, x, y []float32, d int) float32 {
	subtract(y, x, mean)
	return norm2Single(w, y, d)
}

// WhitenHalf writes z = W (x - mean), Padded(d) elements.
func WhitenHalf(z []float32, w []byte, mean, x, y []float32, d int) {
	subtract(y, x, mean)
	whitenHalf(z, w, y, d)
}

// WhitenSingle is WhitenHalf for binary32 values.
func WhitenSingle(z []float32, w []byte, mean, x, y []float32, d int) {
	subtract(y, x, mean)
	whitenSingle(z, w, y, d)
}

// Distance2 returns |a - b|^2, lanes as in Norm2Half. Lengths are equal and a
// multiple of Lanes.
func Distance2(a, b []float32) float32 {
	b = b[:len(a)]
	var lane [Lanes]float32
	for i := 0; i < len(a); i += Lanes {
		for l := range lane {
			v := a[i+l] - b[i+l]
			lane[l] += float32(v * v)
		}
	}
	return fold(&lane)
}

// Project writes n sums of products of x with the rows of w [n][len(x)].
// Integers: any order gives the same result, and the caller sees to it that
// none overflows.
func Project(dst []int32, x, w []int16) {
	n := len(x)
	for j := range dst {
		row := w[j*n:][:n]
		var s int32
		for c, v := range x {
			s += int32(v) * int32(row[c])
		}
		dst[j] = s
	}
}
