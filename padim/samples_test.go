package padim

import (
	"math"

	"cull/internal/exact"
)

// parts are synthetic good parts: every sample drawn from its own seed, so
// that any number costs no memory.
//
// Position p, channel c: mean(p, c) + the part's own factors times fixed
// loadings + white noise, in steps; rounded and clamped to int8. With jitter
// the mean's place moves from part to part.
type parts struct {
	n       int
	first   uint64 // seed of sample 0
	side    int    // input pixels
	strides []int
	c       int     // channels per stage
	flat    bool    // the mean does not depend on the position
	depth   float64 // amplitude of the mean
	jitter  int     // shift of the mean, +- input pixels, drawn
	shift   int     // and the same to the right for all, not drawn
	buf     []Map
}

func newParts(n, side, c int, strides ...int) *parts {
	return &parts{n: n, side: side, c: c, strides: strides, first: 1, depth: 40}
}

func (p *parts) from(seed uint64, n int) *parts {
	q := *p
	q.first, q.n, q.buf = seed, n, nil
	return &q
}

func (p *parts) Len() int { return p.n }

func (p *parts) Each(f func(int, []Map) error) error {
	for i := range p.n {
		if err := f(i, p.sample(i)); err != nil {
			return err
		}
	}
	return nil
}

// one returns sample i with maps of its own.
func (p *parts) one(i int) []Map {
	q := p.from(p.first, p.n)
	return q.sample(i)
}

// mean is a pattern over the picture, a the channel's frequency.
func (p *parts) mean(a float64, x, y int) float64 {
	u := exact.Sin(float64(0.02*a*float64(x)) + a)
	return p.depth * u * exact.Cos(0.015*a*float64(y))
}

func (p *parts) sample(i int) []Map {
	if p.buf == nil {
		for _, s := range p.strides {
			h := p.side / s
			m := Map{H: h, W: h, C: p.c, Stride: s, Data: make([]int8, h*h*p.c), Step: make([]float32, p.c)}
			for c := range m.Step {
				m.Step[c] = 0.01 * float32(1+c%5)
			}
			p.buf = append(p.buf, m)
		}
	}
	rng := exact.NewRand(p.first+uint64(i), 99)
	var factor [3]float64
	for k := range factor {
		factor[k] = 4 * rng.Normal()
	}
	dx, dy := p.shift, 0
	if p.jitter > 0 {
		dx, dy = dx+rng.IntN(2*p.jitter+1)-p.jitter, rng.IntN(2*p.jitter+1)-p.jitter
	}
	for s, m := range p.buf {
		for k := range m.H * m.W {
			y, x := k/m.W*m.Stride+dy, k%m.W*m.Stride+dx
			if p.flat {
				y, x = 0, 0
			}
			for c := range m.C {
				a := float64(c+1) * (1 + float64(s))
				v := p.mean(a, x, y)
				for q, u := range factor {
					v += float64(u * exact.Sin(a*float64(q+1)))
				}
				v += float64(6 * rng.Normal())
				m.Data[k*m.C+c] = int8(min(max(math.Round(v), -127), 127))
			}
		}
	}
	return p.buf
}
