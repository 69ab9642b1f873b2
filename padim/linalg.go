package padim

import "math"

// Small linear algebra in float64 with every rounding written out, so that
// teaching gives the same bits on every CPU; gonum's assembly and the fused
// multiply-add of arm64 do not. Symmetric and lower-triangular matrices are
// packed by rows: element (i, j), j <= i, at tri(i)+j.

// tri returns where row i begins.
func tri(i int) int { return i * (i + 1) / 2 }

// cholesky overwrites the lower triangle a of a symmetric matrix of order d
// with L, a = L L^T. It reports whether a is positive definite.
func cholesky(a []float64, d int) bool {
	for i := range d {
		ri := a[tri(i):][:i+1]
		for j := range i {
			rj := a[tri(j):][:j+1]
			ri[j] = (ri[j] - dot(ri[:j], rj[:j])) / rj[j]
		}
		v := ri[i] - dot(ri[:i], ri[:i])
		if !(v > 0) || math.IsInf(v, 1) {
			return false
		}
		ri[i] = math.Sqrt(v)
	}
	return true
}

// invertLower writes the inverse of the lower triangle l to w.
//
// Row i of L W = I: W[i] = (e[i] - sum over k < i of L[i][k]*W[k]) / L[i][i].
func invertLower(w, l []float64, d int) {
	for i := range d {
		li, wi := l[tri(i):][:i+1], w[tri(i):][:i+1]
		clear(wi)
		for k := range i {
			axpy(wi[:k+1], -li[k], w[tri(k):][:k+1])
		}
		inv := 1 / li[i]
		for j := range i {
			wi[j] *= inv
		}
		wi[i] = inv
	}
}

// solveLower overwrites b with x, L x = b.
func solveLower(l, b []float64) {
	for i := range b {
		row := l[tri(i):][:i+1]
		b[i] = (b[i] - dot(row[:i], b[:i])) / row[i]
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
