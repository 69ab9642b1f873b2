package padim

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"testing"

	"gonum.org/v1/gonum/mat"

	"cull/internal/exact"
	"cull/padim/internal/kernel"
)

// covarianceOf returns a covariance of order d with eigenvalues over several decades.
func covarianceOf(d int, seed uint64) (packed []float64, dense *mat.SymDense) {
	rng := exact.NewRand(seed, 5)
	packed, dense = make([]float64, tri(d)), mat.NewSymDense(d, nil)
	for k := range 3 * d {
		x := make([]float64, d)
		for j := range x {
			x[j] = rng.Normal() / float64(1+k%17)
		}
		for i := range d {
			axpy(packed[tri(i):][:i+1], x[i], x)
		}
	}
	for i := range d {
		packed[tri(i)+i] += 1e-3
		for j := range i + 1 {
			dense.SetSym(i, j, packed[tri(i)+j])
		}
	}
	return packed, dense
}

// lane returns matrix c of a block.
func lane(b []float64, c int) []float64 {
	var m []float64
	for k := c; k < len(b); k += kernel.Cells {
		m = append(m, b[k])
	}
	return m
}

func TestFactorsAgreeWithGonum(t *testing.T) {
	for _, d := range []int{1, 2, 3, 7, 16, 33, 96, 130} {
		a, dense := covarianceOf(d, uint64(d))
		var want mat.Cholesky
		if !want.Factorize(dense) {
			t.Fatalf("d=%d: gonum: not positive definite", d)
		}
		var l, inverse mat.TriDense
		want.LTo(&l)
		if err := inverse.InverseTri(&l); err != nil {
			t.Fatalf("d=%d: gonum: %v", d, err)
		}
		b := newBlock(d)
		b.set(3, a)
		b.decompose()
		b.invert()
		if !b.definite(3) {
			t.Fatalf("d=%d: not positive definite", d)
		}
		a, w := lane(b.l, 3), lane(b.inverse, 3)
		for i := range d {
			for j := range i + 1 {
				if got, want := a[tri(i)+j], l.At(i, j); math.Abs(got-want) > 1e-12*(1+math.Abs(want)) {
					t.Fatalf("d=%d: L[%d][%d]: got %v, want %v", d, i, j, got, want)
				}
				if got, want := w[tri(i)+j], inverse.At(i, j); math.Abs(got-want) > 1e-10*(1+math.Abs(want)) {
					t.Fatalf("d=%d: inverse[%d][%d]: got %v, want %v", d, i, j, got, want)
				}
			}
		}
	}
}

func TestCholeskyRefusesWhatIsNotPositiveDefinite(t *testing.T) {
	for name, a := range map[string][]float64{
		"zero":         {0},
		"negative":     {1, 0, -1},
		"singular":     {1, 1, 1},
		"not a number": {1, math.NaN(), 1},
		"infinite":     {math.Inf(1)},
	} {
		b := newBlock(len(a) - len(a)/3)
		b.set(0, a)
		if b.decompose(); b.definite(0) || !b.definite(1) {
			t.Errorf("%s: accepted", name)
		}
	}
}

// The rows are orthonormal and span what gonum's Q spans: the projectors agree.
func TestProjectionAgreesWithGonumQR(t *testing.T) {
	const d, n = 12, 40
	q := semiOrthogonal(d, n, 9)
	gaussian := mat.NewDense(n, d, nil)
	rng := exact.NewRand(9, 0)
	for i := range d {
		for c := range n {
			gaussian.Set(c, i, rng.Normal())
		}
	}
	var qr mat.QR
	qr.Factorize(gaussian)
	var want mat.Dense
	qr.QTo(&want)
	for a := range n {
		for b := range n {
			var ours, theirs float64
			for i := range d {
				ours += q[i][a] * q[i][b]
				theirs += want.At(a, i) * want.At(b, i)
			}
			if math.Abs(ours-theirs) > 1e-12 {
				t.Fatalf("projector (%d, %d): got %v, want %v", a, b, ours, theirs)
			}
		}
	}
	for i := range d {
		for k := range i + 1 {
			want := 0.0
			if i == k {
				want = 1
			}
			if got := dot(q[i], q[k]); math.Abs(got-want) > 1e-14 {
				t.Fatalf("rows %d and %d: product %v", i, k, got)
			}
		}
	}
}

// Why the linear algebra is ours: the same Cholesky decomposition by gonum has
// other bits on another CPU: with gonum 0.17 bf3d6fe8d3dc5121 on amd64, d4d69d245ac9a5a9 on arm64.
func TestFactorBitsAreTheSameEverywhere(t *testing.T) {
	a, dense := covarianceOf(96, 1)
	var theirs mat.Cholesky
	b := newBlock(96)
	b.set(7, a)
	if b.decompose(); !theirs.Factorize(dense) || !b.definite(7) {
		t.Fatal("not positive definite")
	}
	var l mat.TriDense
	theirs.LTo(&l)
	var flat []float64
	for i := range 96 {
		for j := range i + 1 {
			flat = append(flat, l.At(i, j))
		}
	}
	const want = "9bd6df73303b3ee1"
	t.Logf("gonum's L: %s", digest(t, flat))
	if got := digest(t, lane(b.l, 7)); got != want {
		t.Errorf("our L: got %s, want %s", got, want)
	}
}

func digest(t *testing.T, v []float64) string {
	t.Helper()
	h := sha256.New()
	if err := binary.Write(h, binary.LittleEndian, v); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}
