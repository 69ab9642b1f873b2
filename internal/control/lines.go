package control

import (
	"math"

	"cull/internal/exact"
)

// LineChannels is the number of channels of each of Lines' maps: two scales, dark and bright,
// eight orientations.
const LineChannels = 2 * 2 * lineAngles

const (
	lineAngles = 8
	lineSigma  = 1.5   // pixels, across
	lineWindow = 12    // radius in pixels of the window that contrast is relative to
	lineFloor  = 0.001 // of that contrast, brightness being 0..1
	lineMost   = 4     // relative contrast beyond which a line is not stronger
	lineSpread = 8     // pixels, standard deviation of the sum along the line
	lineReach  = 20    // pixels, where that sum ends on either side
	lineStep   = 2     // pixels between its terms
)

// Lines computes how much of a line runs through each cell, whatever its contrast. With L_k the second
// derivative of brightness across orientation k pi/8 (Gaussian of 1.5 pixels),
//
//	z_k = L_k / sqrt(mean over a window of 25 x 25 pixels and over k of L_k^2 + 0.001^2)
//	s_k = sum along the orientation of clip(z_k, 0, 4), and of clip(-z_k, 0, 4)
//
// The map holds the maxima over a cell of s_k less the mean of s over k: dark lines, then bright ones;
// of the picture, then of the picture at half its size. The division makes a faint scratch on a smooth
// surface count as much as a strong one (divisive normalisation, Heeger 1992), the sum sets what is long
// apart from grain, which has no direction that it keeps.
//
// Map s is [h/stride][w/stride][LineChannels], strides 4, 8, 16. Sides are multiples of 16.
func (b *Bank) Lines(rgb []uint8, h, w int) [BankStages][]float32 {
	light, rg, by := b.colours(rgb, h, w)
	b.drop(rg, by)
	half := b.mean(light, 2)
	octaves := [2][]plane{b.lines(light), b.lines(half)}
	var out [BankStages][]float32
	for s := range out {
		k := 4 << s
		out[s] = make([]float32, h/k*(w/k)*LineChannels)
		for o, planes := range octaves {
			for c, p := range planes {
				maxima(out[s][o*len(planes)+c:], p, k>>o)
			}
		}
	}
	b.drop(light, half)
	b.drop(octaves[0]...)
	b.drop(octaves[1]...)
	return out
}

// maxima writes those of k x k blocks of p to every LineChannels-th element.
func maxima(out []float32, p plane, k int) {
	for y := range p.h / k {
		for x := range p.w / k {
			m := p.v[y*k*p.w+x*k]
			for j := range k {
				for _, v := range p.row(y*k + j)[x*k:][:k] {
					m = max(m, v)
				}
			}
			out[(y*(p.w/k)+x)*LineChannels] = m
		}
	}
}

// lines are s_k less their mean over k, dark, then bright.
func (b *Bank) lines(p plane) []plane {
	across := b.across(p)
	inv := b.contrast(across)
	var out []plane
	for _, sign := range []float32{1, -1} {
		mean := b.plane(p.h, p.w)
		clear(mean.v)
		sums := make([]plane, lineAngles)
		for k := range sums {
			z := b.plane(p.h, p.w)
			for i, v := range across[k].v {
				z.v[i] = min(max(float32(float32(sign*v)*inv.v[i]), 0), lineMost)
			}
			sums[k] = b.along(z, k)
			b.drop(z)
			for i, v := range sums[k].v {
				mean.v[i] += float32(v / lineAngles)
			}
		}
		for _, s := range sums {
			for i, m := range mean.v {
				s.v[i] -= m
			}
		}
		b.drop(mean)
		out = append(out, sums...)
	}
	b.drop(inv)
	b.drop(across[:]...)
	return out
}

// across are the second derivatives across the orientations.
func (b *Bank) across(p plane) (out [lineAngles]plane) {
	f := b.flat
	hg, hd, he := b.rows(p, f.g, even), b.rows(p, f.d, odd), b.rows(p, f.e, even)
	xx, yy, xy := b.columns(he, f.g, even), b.columns(hg, f.e, even), b.columns(hd, f.d, odd)
	for k := range out {
		cs, sn := lineDirection(k)
		wxx, wyy, wxy := float32(sn*sn), float32(cs*cs), float32(-2*sn*cs)
		out[k] = b.plane(p.h, p.w)
		for i := range out[k].v {
			out[k].v[i] = float32(wxx*xx.v[i]) + float32(wyy*yy.v[i]) + float32(wxy*xy.v[i])
		}
	}
	b.drop(hg, hd, he, xx, yy, xy)
	return out
}

func lineDirection(k int) (cs, sn float64) {
	a := float64(float64(k)*math.Pi) / lineAngles
	return exact.Cos(a), exact.Sin(a)
}

// flatten takes the answer to a constant out of the second derivative, which the cut at 3 s leaves.
func flatten(f derivatives) derivatives {
	var sum float32
	for t, v := range f.e {
		sum += v
		if t > 0 {
			sum += v
		}
	}
	e := make([]float32, len(f.e))
	for t, v := range f.e {
		e[t] = v - float32(sum*f.g[t]) // the taps of g add up to 1
	}
	return derivatives{f.g, f.d, e}
}

// contrast is 1/sqrt(mean square of all orientations in a window + floor^2).
func (b *Bank) contrast(across [lineAngles]plane) plane {
	square := b.plane(across[0].h, across[0].w)
	clear(square.v)
	for _, p := range across {
		for i, v := range p.v {
			square.v[i] += float32(float32(v*v) / lineAngles)
		}
	}
	var box [lineWindow + 1]float32
	for t := range box {
		box[t] = 1. / (2*lineWindow + 1)
	}
	h := b.rows(square, box[:], even)
	m := b.columns(h, box[:], even)
	for i, v := range m.v {
		m.v[i] = 1 / sqrt(v+lineFloor*lineFloor)
	}
	b.drop(square, h)
	return m
}

// along is the weighted mean of z along orientation k, at whole pixels.
func (b *Bank) along(z plane, k int) plane {
	const r = lineReach
	pw := z.w + 2*r
	pad := b.border((z.h + 2*r) * pw)
	for y := range z.h + 2*r {
		extend(pad[y*pw:][:pw], z.row(reflect(y-r, z.h, r)), r)
	}
	out := b.plane(z.h, z.w)
	for y := range z.h {
		dst := out.row(y)
		clear(dst)
		for _, t := range b.terms[k] {
			src := pad[(y+r+t.dy)*pw+r+t.dx:][:len(dst)]
			for x := range dst {
				dst[x] += float32(t.weight * src[x])
			}
		}
	}
	return out
}

type lineTerm struct {
	dx, dy int
	weight float32
}

func lineTerms(k int) (terms []lineTerm) {
	cs, sn := lineDirection(k)
	var sum float64
	for t := -lineReach; t <= lineReach; t += lineStep {
		w := exact.Exp(-float64(t*t) / (2 * lineSpread * lineSpread))
		sum += w
		terms = append(terms, lineTerm{int(math.Round(float64(t) * cs)), int(math.Round(float64(t) * sn)), float32(w)})
	}
	for i := range terms {
		terms[i].weight /= float32(sum)
	}
	return terms
}
