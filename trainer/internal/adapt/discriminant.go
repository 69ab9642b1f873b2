package adapt

import (
	"errors"
	"math"

	"gonum.org/v1/gonum/mat"

	"cull/internal/inspect"
	"cull/padim"
)

// A discriminant finds, for one tap, the directions in which defects stand out from how good parts vary
// (Fisher 1936): with S the covariance of good parts' features about their position's mean and y = S^-1/2 d
// the whitened change d that a defect makes in a cell, the eigenvectors of the sum of y y' / (|y|^2 + C) with the
// largest eigenvalues. The division lets every defect count about alike, however bright.
type discriminant struct {
	cells, channels int
	mean            []float64 // [cells][channels] of good parts
	within          []float64 // [channels][channels], sum over parts and cells
	n               int
	variance        []float64    // [channels]
	whiten          mat.TriDense // S^-1/2, lower triangular
	between         []float64    // [channels][channels]
}

func newDiscriminant(m padim.Map) *discriminant {
	c := m.C
	return &discriminant{
		cells: m.H * m.W, channels: c, mean: make([]float64, m.H*m.W*c),
		within: make([]float64, c*c), between: make([]float64, c*c),
	}
}

// smoothed are the real values of a map, averaged over 3x3 cells as the detector does.
func smoothed(m padim.Map) []float64 {
	out := make([]float64, m.H*m.W*m.C)
	for y := range m.H {
		for x := range m.W {
			o := out[(y*m.W+x)*m.C:][:m.C]
			n := 0.0
			for j := max(0, y-1); j <= min(m.H-1, y+1); j++ {
				for i := max(0, x-1); i <= min(m.W-1, x+1); i++ {
					n++
					for c, v := range m.Data[(j*m.W+i)*m.C:][:m.C] {
						o[c] += float64(v)
					}
				}
			}
			for c := range o {
				o[c] *= float64(m.Step[c]) / n
			}
		}
	}
	return out
}

// center adds a good part's share, 1/parts, to the means.
func (d *discriminant) center(v []float64, parts int) {
	for i, x := range v {
		d.mean[i] += x / float64(parts)
	}
}

// spread adds a good part to the covariance.
func (d *discriminant) spread(v []float64) {
	dev := make([]float64, d.channels)
	for cell := range d.cells {
		at := cell * d.channels
		for c := range dev {
			dev[c] = v[at+c] - d.mean[at+c]
		}
		outer(d.within, dev, 1)
	}
	d.n++
}

// outer adds weight v v' to the lower triangle of s.
func outer(s, v []float64, weight float64) {
	for i, a := range v {
		a *= weight
		row := s[i*len(v):][:i+1]
		for j := range row {
			row[j] += a * v[j]
		}
	}
}

// ridge is added to the covariance's diagonal, as a share of each variance.
const ridge = 0.01

var errSingular = errors.New("features of good parts do not vary")

// factor ends the covariance.
func (d *discriminant) factor() error {
	c := d.channels
	s := symmetric(d.within, c, 1/float64(max(1, d.n-1)*d.cells))
	for i := range c {
		d.variance = append(d.variance, s.At(i, i))
		s.SetSym(i, i, (1+ridge)*s.At(i, i))
	}
	var chol mat.Cholesky
	if !chol.Factorize(s) {
		return errSingular
	}
	var l mat.TriDense
	chol.LTo(&l)
	return d.whiten.InverseTri(&l)
}

func symmetric(lower []float64, n int, scale float64) *mat.SymDense {
	s := mat.NewSymDense(n, nil)
	for i := range n {
		for j := range i + 1 {
			s.SetSym(i, j, lower[i*n+j]*scale)
		}
	}
	return s
}

// damage adds what a defect changed in the cells where it is seen.
func (d *discriminant) damage(clean, image []float64, label []float32) {
	dev, y := mat.NewVecDense(d.channels, nil), mat.NewVecDense(d.channels, nil)
	for cell := range d.cells {
		if label[cell] < 0.1 {
			continue
		}
		at := cell * d.channels
		for c := range d.channels {
			dev.SetVec(c, image[at+c]-clean[at+c])
		}
		y.MulVec(&d.whiten, dev)
		square := mat.Dot(y, y)
		outer(d.between, y.RawVector().Data, float64(label[cell])/(square+float64(d.channels)))
	}
}

// directions returns k of them as a map [channels][k], the bias that brings good parts' mean to 0, and the deviations of
// good parts then. A direction has length 1 in channels of deviation 1: what varies little on good parts stays
// small, so that the detector's ridge holds it down as it did before.
func (d *discriminant) directions(k int) (w, bias, deviation []float32, err error) {
	var eigen mat.EigenSym
	if !eigen.Factorize(symmetric(d.between, d.channels, 1), true) {
		return nil, nil, nil, errors.New("no eigenvectors")
	}
	var v mat.Dense
	eigen.VectorsTo(&v) // ascending
	var p mat.Dense
	p.Mul(v.Slice(0, d.channels, d.channels-k, d.channels).T(), &d.whiten) // [k][channels]
	mean := make([]float64, d.channels)
	for i, x := range d.mean {
		mean[i%d.channels] += x / float64(d.cells)
	}
	w, bias, deviation = make([]float32, d.channels*k), make([]float32, k), make([]float32, k)
	for o := range k {
		var length, b float64
		for c := range d.channels {
			length += p.At(o, c) * p.At(o, c) * d.variance[c]
		}
		length = math.Sqrt(length)
		for c := range d.channels {
			v := p.At(o, c) / length
			w[c*k+o] = float32(v)
			b -= v * mean[c]
		}
		bias[o], deviation[o] = float32(b), float32(1/length)
	}
	return w, bias, deviation, nil
}

// features runs a network and smooths its taps.
func features(e inspect.Extractor, rgb []uint8, pic []int8) (all [][]float64) {
	for i, p := range rgb {
		pic[i] = int8(max(int(p)-128, -127))
	}
	for _, m := range e.Maps(pic) {
		all = append(all, smoothed(m))
	}
	return all
}
