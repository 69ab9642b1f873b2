package padim

import (
	"math"

	"cull/padim/internal/kernel"
)

// Small linear algebra in float64 with every rounding written out, so that
// teaching gives the same bits on every CPU; gonum's assembly and the fused
// multiply-add of arm64 do not. Symmetric and lower-triangular matrices are
// packed by rows: element (i, j), j <= i, at tri(i)+j.

// tri returns where row i begins.
func tri(i int) int { return i * (i + 1) / 2 }

// A block is kernel.Cells symmetric matrices of order d that are decomposed at
// once, each in a lane of its own, the unit matrix where none was set.
type block struct {
	d          int
	l, inverse []float64
}

func newBlock(d int) *block {
	b := &block{d: d, l: make([]float64, tri(d)*kernel.Cells)}
	for c := range kernel.Cells {
		for j := range d {
			b.l[(tri(j)+j)*kernel.Cells+c] = 1
		}
	}
	return b
}

// set makes m the matrix in lane c.
func (b *block) set(c int, m []float64) {
	for k, v := range m {
		b.l[k*kernel.Cells+c] = v
	}
}

// decompose replaces every matrix by L, the matrix being L L^T.
func (b *block) decompose() { kernel.Cholesky(b.l, b.d) }

// definite reports whether the matrix that was in lane c is positive definite.
func (b *block) definite(c int) bool {
	for j := range b.d {
		if v := b.diagonal(c, j); !(v > 0) || math.IsInf(v, 1) {
			return false
		}
	}
	return true
}

// diagonal returns L[j][j] of lane c.
func (b *block) diagonal(c, j int) float64 { return b.l[(tri(j)+j)*kernel.Cells+c] }

// invert sets inverse to the inverses of the triangles L.
func (b *block) invert() {
	if b.inverse == nil {
		b.inverse = make([]float64, len(b.l))
	}
	kernel.Invert(b.inverse, b.l, b.d)
}

// solve overwrites x with the solution y of L y = x, L in lane c.
func (b *block) solve(c int, x []float64) {
	for i := range x {
		row := b.l[tri(i)*kernel.Cells+c:]
		v := x[i]
		for j, y := range x[:i] {
			v -= float64(row[j*kernel.Cells] * y)
		}
		x[i] = v / row[i*kernel.Cells]
	}
}

// dot returns the sum of a[i]*b[i] in four interleaved sums, added as
// (0+1) + (2+3).
func dot(a, b []float64) float64 {
	b = b[:len(a)]
	var s0, s1, s2, s3 float64
	i := 0
	for ; i+4 <= len(a); i += 4 {
		s0 += float64(a[i] * b[i])
		s1 += float64(a[i+1] * b[i+1])
		s2 += float64(a[i+2] * b[i+2])
		s3 += float64(a[i+3] * b[i+3])
	}
	for ; i < len(a); i++ {
		s0 += float64(a[i] * b[i])
	}
	return (s0 + s1) + (s2 + s3)
}

// axpy adds a*x to y.
func axpy(y []float64, a float64, x []float64) {
	x = x[:len(y)]
	for i := range y {
		y[i] += float64(a * x[i])
	}
}

// orthonormalise replaces the rows of q by orthonormal rows with the same span
// (modified Gram-Schmidt, twice: "twice is enough", Giraud et al., 2005). The
// rows must be independent.
func orthonormalise(q [][]float64) {
	for i, row := range q {
		for range 2 {
			for _, prev := range q[:i] {
				axpy(row, -dot(row, prev), prev)
			}
		}
		inv := 1 / math.Sqrt(dot(row, row))
		for c := range row {
			row[c] *= inv
		}
	}
}
