package loss

import (
	"math"

	"cull/trainer/internal/grad"
)

// Indirect is L_indirect: the distance in feature space between a picture with its
// defect and its clean twin, which has another nuisance draw, is the anomaly score.
// Per stage, with f the features of the images, f' those of the twins, C channels,
// sd the deviation of f' per channel (no gradient):
//
//	d(u) = sqrt(mean_c ((f(u) - f'(u))_c / sd_c)^2 + 1e-6)
//	L = mean_u huber(1 - exp(-d/Tau) - S(u), 0.2)
//	  + Rank  mean over pairs with S_i > S_j + 0.1 of max(0, 0.1 (S_i - S_j) - (d_i - d_j))
//	  + Hinge mean_c max(0, 1 - std_c(f and f'))
//	  + Decorrelate mean over all c, c' of offdiag(corr(f'))^2
//
// Pixels whose score is 0 say: nuisance makes no distance. The last two terms keep
// the features from collapsing (VICReg, arXiv 2105.04906). The pairs of Rank are
// pixels of one picture at three fixed offsets along the raster.
type Indirect struct {
	Tau, Rank, Hinge, Decorrelate float64

	z, gz *grad.Tensor
}

// Name is "indirect".
func (l *Indirect) Name() string { return "indirect" }

// Pairs is true.
func (l *Indirect) Pairs() bool { return true }

// Params is empty: there is no head.
func (l *Indirect) Params() []grad.Param { return nil }

// State is empty.
func (l *Indirect) State() [][]float32 { return nil }

// stdEps keeps deviations from zero.
const stdEps = 1e-3

// Apply see Term.
func (l *Indirect) Apply(be grad.Backend, b *Batch, taps, gtaps []*grad.Tensor, weight float64) float64 {
	var total float64
	for s, f := range taps {
		twin := moments(be, f.Images(0, b.N))
		total += l.distance(be, b, f, gtaps[s], b.Label[s], twin, weight)
		total += l.hinge(be, f, gtaps[s], weight)
		total += l.decorrelate(be, f.Images(0, b.N), gtaps[s].Images(0, b.N), twin, weight)
	}
	return total
}

// stats are per channel, over count values.
type stats struct {
	mean, std []float32 // std with count - 1
	count     float64
}

func moments(be grad.Backend, t *grad.Tensor) stats {
	sum, sq := make([]float64, t.C), make([]float64, t.C)
	be.Moments(sum, sq, t)
	s := stats{make([]float32, t.C), make([]float32, t.C), float64(t.N * t.H * t.W)}
	for c := range sum {
		m := sum[c] / s.count
		s.mean[c] = float32(m)
		s.std[c] = float32(math.Sqrt(max(0, sq[c]-m*sum[c]) / (s.count - 1)))
	}
	return s
}

// distance is the first two terms.
func (l *Indirect) distance(be grad.Backend, b *Batch, f, g *grad.Tensor, label []float32,
	twin stats, weight float64,
) float64 {
	inv := make([]float32, f.C) // 1/(sd^2 C)
	for c, sd := range twin.std {
		inv[c] = 1 / ((sd + stdEps) * (sd + stdEps) * float32(f.C))
	}
	grid := f.H * f.W
	values := make([]float64, b.N)
	pairs := make([]int, b.N)
	be.Each(b.N, func(n int) { pairs[n] = countPairs(label[n*grid:][:grid]) })
	ranked := 0
	for _, p := range pairs {
		ranked += p
	}
	be.Each(b.N, func(n int) {
		d := make([]float32, grid)
		for i := range d {
			y, x := i/f.W, i%f.W
			p, q := f.Data[f.At(b.N+n, y, x):][:f.C], f.Data[f.At(n, y, x):][:f.C]
			var m float32
			for c, k := range inv {
				e := p[c] - q[c]
				m += e * e * k
			}
			d[i] = float32(math.Sqrt(float64(m) + 1e-6))
		}
		gd := make([]float32, grid)
		values[n] = l.scores(d, gd, label[n*grid:][:grid], float64(b.N*grid), float64(max(1, ranked)))
		for i, v := range gd {
			v *= float32(weight) / d[i] // d d / d f = (f - f') inv / d
			y, x := i/f.W, i%f.W
			po, qo := f.At(b.N+n, y, x), f.At(n, y, x)
			p, q := f.Data[po:][:f.C], f.Data[qo:][:f.C]
			gp, gq := g.Data[po:][:f.C], g.Data[qo:][:f.C]
			for c, k := range inv {
				e := v * (p[c] - q[c]) * k
				gp[c] += e
				gq[c] -= e
			}
		}
	})
	return sum(values)
}

// scores returns one picture's share of the loss in its distances and adds the slope
// to gd; the means are over count pixels and ranked pairs.
func (l *Indirect) scores(d, gd, label []float32, count, ranked float64) (value float64) {
	for i, v := range d {
		e := math.Exp(-float64(v) / l.Tau)
		h, slope := huber(float32(1-e-float64(label[i])), 0.2)
		value += float64(h) / count
		gd[i] += float32(float64(slope) * e / l.Tau / count)
	}
	if l.Rank == 0 {
		return value
	}
	k := float32(l.Rank / ranked)
	eachPair(label, func(i, j int) { // S_i > S_j + 0.1
		if m := 0.1*(label[i]-label[j]) - (d[i] - d[j]); m > 0 {
			value += float64(m * k)
			gd[i] -= k
			gd[j] += k
		}
	})
	return value
}

func countPairs(label []float32) (n int) {
	eachPair(label, func(int, int) { n++ })
	return n
}

// eachPair calls f(i, j) for the pairs of pixels with label i above label j by more than 0.1.
func eachPair(label []float32, f func(i, j int)) {
	n := len(label)
	for _, offset := range [...]int{n / 2, n / 3, n / 7} {
		for i := range n {
			j := i + offset
			if j >= n {
				j -= n
			}
			switch {
			case label[i] > label[j]+0.1:
				f(i, j)
			case label[j] > label[i]+0.1:
				f(j, i)
			}
		}
	}
}

// hinge keeps the deviation of every channel at 1 or above.
func (l *Indirect) hinge(be grad.Backend, f, g *grad.Tensor, weight float64) (value float64) {
	if l.Hinge == 0 {
		return 0
	}
	s := moments(be, f)
	a, b, c := make([]float32, f.C), make([]float32, f.C), make([]float32, f.C)
	for i, sd := range s.std {
		a[i] = 1
		if sd >= 1 {
			continue
		}
		value += l.Hinge * (1 - float64(sd)) / float64(f.C)
		if sd == 0 { // all alike: no way leads up
			continue
		}
		k := -weight * l.Hinge / float64(f.C) / ((s.count - 1) * float64(sd))
		b[i], c[i] = float32(k), float32(-k*float64(s.mean[i]))
	}
	be.NormBack(g, g, f, a, b, c)
	return value
}

// decorrelate penalises correlation between channels.
func (l *Indirect) decorrelate(be grad.Backend, f, g *grad.Tensor, s stats, weight float64) (value float64) {
	if l.Decorrelate == 0 {
		return 0
	}
	n := f.C
	l.z, l.gz = grad.Like(l.z, f), grad.Like(l.gz, f)
	a, b, c := make([]float32, n), make([]float32, n), make([]float32, n)
	for i, sd := range s.std {
		a[i] = 1 / (sd + stdEps)
		b[i] = -s.mean[i] * a[i]
	}
	be.Norm(l.z, f, a, b, false)
	w := grad.NewFilter(n, n, 1, 1, 1)
	be.ConvWeight(w.W, l.z, l.z, &w) // count times the correlation
	scale := 4 * weight * l.Decorrelate / float64(n*n) / s.count
	for i := range w.W {
		if i/n == i%n {
			w.W[i] = 0
			continue
		}
		r := float64(w.W[i]) / s.count
		value += l.Decorrelate * r * r / float64(n*n)
		w.W[i] = float32(scale * r)
	}
	be.Conv(l.gz, l.z, &w)
	s0, s1 := make([]float64, n), make([]float64, n)
	be.Sums(s0, s1, l.gz, f, nil, s.mean)
	for i, sd := range s.std { // through mean and deviation: a is 1/(sd + eps)
		k := -s1[i] * float64(a[i]) * float64(a[i]) / ((s.count - 1) * max(1e-12, float64(sd)))
		b[i] = float32(k)
		c[i] = float32(-s0[i]*float64(a[i])/s.count - k*float64(s.mean[i]))
	}
	be.NormBack(l.gz, l.gz, f, a, b, c)
	be.Add(g, l.gz)
	return value
}
