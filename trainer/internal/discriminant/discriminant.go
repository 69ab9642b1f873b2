// Package discriminant finds the directions of a feature map in which defects stand out from
// how normal surfaces vary (Fisher 1936). They become a 1x1 convolution behind a tap, so
// that a detector looks at few channels, and at those.
package discriminant

import (
	"errors"
	"math"

	"gonum.org/v1/gonum/mat"
)

// A Discriminant is of one tap with some number of channels. With S the covariance of normal
// cells about what is expected of them and y = S^-1/2 d the whitened change d that a defect makes in a cell, the
// directions are the eigenvectors of the sum of y y' / (|y|^2 + channels) with the largest eigenvalues. The
// division lets every defect count about alike, however bright.
//
// Normal, Factor, Change, Directions are called in this order.
type Discriminant struct {
	channels int
	within   []float64    // [channels][channels], lower triangle: sum of products of deviations
	variance []float64    // [channels]
	whiten   mat.TriDense // S^-1/2, lower triangular
	between  []float64    // [channels][channels], lower triangle
}

// New returns the discriminant of a tap.
func New(channels int) *Discriminant {
	return &Discriminant{
		channels: channels, within: make([]float64, channels*channels), between: make([]float64, channels*channels),
	}
}

// Normal adds normal cells: dev [cells][channels] are their deviations.
func (d *Discriminant) Normal(dev []float64, weight float64) {
	for c := 0; c < len(dev); c += d.channels {
		outer(d.within, dev[c:][:d.channels], weight)
	}
}

// outer adds weight * v v' to the lower triangle of s.
func outer(s, v []float64, weight float64) {
	for i, a := range v {
		a *= weight
		row := s[i*len(v):][:i+1]
		for j := range row {
			row[j] += a * v[j]
		}
	}
}

// ridge is added to the covariance's diagonal, as a share of each variance; a channel
// that hardly varies counts as one with the share least of the largest variance.
const (
	ridge = 0.01
	least = 1e-6
)

// Errors of what was shown.
var (
	ErrConstant = errors.New("features of normal surfaces do not vary")
	ErrNoDefect = errors.New("no visible defect")
)

// rounding is the share of the features' mean square below which their variance is that of rounded sums.
const rounding = 1e-12

// Factor ends the covariance, the sum of Normal's products divided by n. square is the mean square of the features
// whose deviations they were, 0 where Normal was given none that are rounding alone.
func (d *Discriminant) Factor(n, square float64) error {
	s := symmetric(d.within, d.channels, 1/n)
	var most float64
	for i := range d.channels {
		most = max(most, s.At(i, i))
	}
	for i := range d.channels {
		v := max(s.At(i, i), least*most)
		d.variance = append(d.variance, v)
		s.SetSym(i, i, (1+ridge)*v)
	}
	var chol mat.Cholesky
	if !(most > rounding*square) || !chol.Factorize(s) {
		return ErrConstant
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

// Seen is the least score at which a cell counts as changed by a defect.
const Seen = 0.1

// Change adds what a defect changed, by [cells][channels], where it is seen: label is the
// anomaly score of each cell, 0 to 1.
func (d *Discriminant) Change(by []float64, label []float32) {
	y := mat.NewVecDense(d.channels, nil)
	for cell, score := range label {
		if score < Seen {
			continue
		}
		y.MulVec(&d.whiten, mat.NewVecDense(d.channels, by[cell*d.channels:][:d.channels]))
		square := mat.Dot(y, y)
		outer(d.between, y.RawVector().Data, float64(score)/(square+float64(d.channels)))
	}
}

// Directions returns k of them as a map [channels][k] and the deviations of normal cells along them. A
// direction has length 1 in channels of deviation 1: what varies little on normal surfaces stays
// small, so that the detector's ridge holds it down as it did before. Without a change that was seen any direction would
// do as well: that is ErrNoDefect.
func (d *Discriminant) Directions(k int) (w, deviation []float32, err error) {
	var trace float64
	for i := range d.channels {
		trace += d.between[i*d.channels+i]
	}
	if trace == 0 {
		return nil, nil, ErrNoDefect
	}
	var eigen mat.EigenSym
	if !eigen.Factorize(symmetric(d.between, d.channels, 1), true) {
		return nil, nil, errors.New("no eigenvectors")
	}
	var v, p mat.Dense
	eigen.VectorsTo(&v)                                                    // ascending
	p.Mul(v.Slice(0, d.channels, d.channels-k, d.channels).T(), &d.whiten) // [k][channels]
	w, deviation = make([]float32, d.channels*k), make([]float32, k)
	for o := range k {
		var length float64
		for c := range d.channels {
			length += p.At(o, c) * p.At(o, c) * d.variance[c]
		}
		length = math.Sqrt(length)
		for c := range d.channels {
			w[c*k+o] = float32(p.At(o, c) / length)
		}
		deviation[o] = float32(1 / length)
	}
	return w, deviation, nil
}

// Bias returns the bias that brings the mean [channels] to 0 behind the map w [channels][k].
func Bias(w []float32, mean []float64) []float32 {
	k := len(w) / len(mean)
	bias := make([]float32, k)
	for o := range k {
		var b float64
		for c, m := range mean {
			b -= float64(w[c*k+o]) * m
		}
		bias[o] = float32(b)
	}
	return bias
}

// Smooth averages a map [h][w][c] over 3x3 cells, as the detector does, into dst.
func Smooth(dst, v []float64, h, w, c int) {
	for y := range h {
		for x := range w {
			o := dst[(y*w+x)*c:][:c]
			clear(o)
			n := 0.0
			for j := max(0, y-1); j <= min(h-1, y+1); j++ {
				for i := max(0, x-1); i <= min(w-1, x+1); i++ {
					n++
					for k, v := range v[(j*w+i)*c:][:c] {
						o[k] += v
					}
				}
			}
			for k := range o {
				o[k] /= n
			}
		}
	}
}
