package kernel

import "math"

// Cells is how many matrices Cholesky and Invert work on at once: element
// (i, j), j <= i, of packed lower triangle c is at (i*(i+1)/2 + j)*Cells + c.
// Lanes never mix, so each matrix gets the same bits wherever it lies.
const Cells = 8

// A triangles is the argument of the assembly.
type triangles struct {
	w, l *float64
	d    int
}

// Cholesky overwrites symmetric matrices of order d, a, with their factors L,
// a = L L^T:
//
//	L[i][j] = (a[i][j] - sum over k < j of L[i][k]*L[j][k]) / L[j][j]
//	L[i][i] = sqrt(a[i][i] - sum over k < i of L[i][k]^2)
//
// k ascending, one subtraction after the other, products rounded. A matrix
// that is not positive definite ends with a diagonal element that is not a
// positive number.
func Cholesky(a []float64, d int) {
	a = a[:d*(d+1)/2*Cells]
	if set := fastest(); set != generic {
		applyCholesky(set, &triangles{l: &a[0], d: d})
		return
	}
	choleskyGeneric(a, d)
}

// Invert writes the inverses of the lower triangles l to w:
//
//	W[i][j] = (0 - sum over k = j..i-1 of L[i][k]*W[k][j]) / L[i][i]
//	W[i][i] = 1 / L[i][i]
//
// k ascending, the sum beginning at 0, products rounded.
func Invert(w, l []float64, d int) {
	n := d * (d + 1) / 2 * Cells
	w, l = w[:n], l[:n]
	if set := fastest(); set != generic {
		applyInvert(set, &triangles{w: &w[0], l: &l[0], d: d})
		return
	}
	invertGeneric(w, l, d)
}

type lanes8 = [Cells]float64

// at returns the elements (i, j) of all matrices.
func at(a []float64, i, j int) *lanes8 {
	return (*lanes8)(a[(i*(i+1)/2+j)*Cells:])
}

func choleskyGeneric(a []float64, d int) {
	for i := range d {
		for j := range i + 1 {
			v := *at(a, i, j)
			for k := range j {
				p, q := at(a, i, k), at(a, j, k)
				for c := range v {
					v[c] -= float64(p[c] * q[c])
				}
			}
			diagonal := at(a, j, j)
			for c := range v {
				if i == j {
					v[c] = math.Sqrt(v[c])
				} else {
					v[c] /= diagonal[c]
				}
			}
			*at(a, i, j) = v
		}
	}
}

func invertGeneric(w, l []float64, d int) {
	for i := range d {
		diagonal := at(l, i, i)
		for j := range i {
			var v lanes8
			for k := j; k < i; k++ {
				p, q := at(l, i, k), at(w, k, j)
				for c := range v {
					v[c] += float64(p[c] * q[c])
				}
			}
			for c := range v {
				v[c] = (0 - v[c]) / diagonal[c]
			}
			*at(w, i, j) = v
		}
		for c, v := range diagonal {
			at(w, i, i)[c] = 1 / v
		}
	}
}
