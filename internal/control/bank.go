package control

import "cull/internal/exact"

// BankStages is the number of maps of the bank: strides 4, 8 and 16.
const BankStages = 3

// BankChannels is the number of channels of each map.
var BankChannels = [BankStages]int{18, 34, 64}

// A Bank computes features defined by formulas alone: brightness, colour opponents,
// a difference of Gaussians, oriented energies at four scales
//
//	E_k(s) = sqrt((cos a Gx + sin a Gy)^2 + (cos^2 a Gxx + sin^2 a Gyy + 2 cos a sin a Gxy)^2 + 1e-8)
//
// a = k pi/4, with Gaussian derivatives of standard deviation s normalised by s and s^2, and the
// oriented energies of those energies (second order, as in a scattering transform).
// Energies are averaged to the map's stride and given as log(E + offset).
//
// Every product is rounded before it is summed, so all CPUs give the same bits.
// A Bank keeps buffers and is used by one goroutine at a time.
type Bank struct {
	filters map[float32]derivatives
	flat    derivatives            // of Lines
	terms   [lineAngles][]lineTerm // of Lines
	free    [][]float32
	pad     []float32
}

// derivatives are a Gaussian and its first two derivatives: taps 0..r of filters that
// are even (g, e) or odd (d) about tap 0.
type derivatives struct{ g, d, e []float32 }

// Offset is the usual offset of the logarithm, energies being of pictures within 0..1. A smaller
// one tells faint energies apart and makes noise louder.
const Offset = 0.01

// NewBank returns a bank.
func NewBank() *Bank {
	b := &Bank{filters: map[float32]derivatives{}}
	for _, s := range []float64{1, 1.5, 2, 3} {
		b.filters[float32(s)] = gaussian(s)
	}
	b.flat = flatten(gaussian(lineSigma))
	for k := range b.terms {
		b.terms[k] = lineTerms(k)
	}
	return b
}

// gaussian samples radius 3 s.
func gaussian(s float64) derivatives {
	r := int(float64(3*s) + 0.5)
	g := make([]float64, r+1)
	var sum float64
	for t := range g {
		g[t] = exact.Exp(-float64(t*t) / 2 / s / s)
		sum += g[t]
		if t > 0 {
			sum += g[t]
		}
	}
	f := derivatives{make([]float32, r+1), make([]float32, r+1), make([]float32, r+1)}
	for t := range g {
		v, u := g[t]/sum, float64(t)/s
		f.g[t] = float32(v)
		f.d[t] = float32(u * v)
		f.e[t] = float32((float64(u*u) - 1) * v)
	}
	return f
}

// A plane is one channel [h][w].
type plane struct {
	h, w int
	v    []float32
}

func (p plane) row(y int) []float32 { return p.v[y*p.w:][:p.w] }

func (b *Bank) plane(h, w int) plane {
	for i, f := range b.free {
		if len(f) == h*w {
			b.free[i] = b.free[len(b.free)-1]
			b.free = b.free[:len(b.free)-1]
			return plane{h, w, f}
		}
	}
	return plane{h, w, make([]float32, h*w)}
}

func (b *Bank) drop(ps ...plane) {
	for _, p := range ps {
		b.free = append(b.free, p.v)
	}
}

// Maps computes the features of a picture of h x w pixels, bytes R, G, B, with the usual offset: map
// s is [h/stride][w/stride][BankChannels[s]]. The caller owns the maps. Sides are multiples of 16.
func (b *Bank) Maps(rgb []uint8, h, w int) [BankStages][]float32 {
	return b.MapsAt(rgb, h, w, Offset)[0]
}

// MapsAt computes Maps with each of some positive offsets; the picture is filtered once.
func (b *Bank) MapsAt(rgb []uint8, h, w int, offsets ...float64) [][BankStages][]float32 {
	energies := b.stacks(rgb, h, w)
	all := make([][BankStages][]float32, len(offsets))
	for i, offset := range offsets {
		for s := range energies {
			all[i][s] = energies[s].values(offset)
		}
	}
	return all
}

// stacks filters the picture.
func (b *Bank) stacks(rgb []uint8, h, w int) [BankStages]stack {
	light, rg, by := b.colours(rgb, h, w)
	var out [BankStages]stack
	for s := range out {
		k := 4 << s
		out[s] = stack{h: h / k, w: w / k, n: BankChannels[s]}
		out[s].v = make([]float32, out[s].h*out[s].w*out[s].n)
	}

	l4 := b.mean(light, 4)
	out[0].add(l4)
	for _, p := range []plane{b.mean(rg, 4), b.mean(by, 4), b.spot(light)} {
		out[0].add(p)
		b.drop(p)
	}
	a1, a2 := b.energies4(light, 1), b.energies4(light, 2)
	out[0].addLog(a1[:]...)
	out[0].addLog(a2[:]...)
	for _, p := range []plane{rg, by} {
		e := b.energies4(p, 1.5)
		m := b.meanOf(e)
		out[0].addLog(m)
		b.drop(m)
	}
	u4, u8 := b.energies(l4, 1), b.energies(l4, 2)
	out[0].addLog(u4[:]...)

	b.middle(&out[1], light, l4, a1, a2, u4, u8)
	b.coarse(&out[2], a1, a2, u4, u8)
	b.drop(light, rg, by, l4)
	for _, e := range [][4]plane{a1, a2, u4, u8} {
		b.drop(e[:]...)
	}
	return out
}

// colours are the brightness, 0..1, and the opponents red-green and blue-yellow.
func (b *Bank) colours(rgb []uint8, h, w int) (light, rg, by plane) {
	light, rg, by = b.plane(h, w), b.plane(h, w), b.plane(h, w)
	for i := range light.v {
		r, g, l := float32(rgb[3*i])/255, float32(rgb[3*i+1])/255, float32(rgb[3*i+2])/255
		light.v[i] = (r + g + l) / 3
		rg.v[i] = r - g
		by.v[i] = float32((r+g)/2) - l
	}
	return light, rg, by
}

// middle fills stride 8: brightness and its deviation, the energies, and the
// second order of the finest.
func (b *Bank) middle(out *stack, light, l4 plane, a1, a2, u4, u8 [4]plane) {
	l8 := b.mean(l4, 2)
	out.add(l8)
	square := b.plane(light.h, light.w)
	for i, v := range light.v {
		square.v[i] = v * v
	}
	q4 := b.mean(square, 4)
	q8 := b.mean(q4, 2)
	for i, v := range q8.v {
		q8.v[i] = sqrt(max(0, v-float32(l8.v[i]*l8.v[i])))
	}
	out.addLog(q8)
	b.drop(l8, square, q4, q8)
	for _, e := range [][4]plane{a1, a2, u4, u8} {
		b.addMeans(out, e, 2)
	}
	b.secondOrder(out, a1, 1, 1, 2)
}

// coarse fills stride 16: the energies and four second orders.
func (b *Bank) coarse(out *stack, a1, a2, u4, u8 [4]plane) {
	for _, e := range [][4]plane{a1, a2, u4, u8} {
		b.addMeans(out, e, 4)
	}
	b.secondOrder(out, a2, 1, 1, 4)
	b.secondOrder(out, u4, 2, 1, 4)
	b.secondOrder(out, a1, 2, 2, 2)
}

func (b *Bank) addMeans(out *stack, e [4]plane, k int) {
	for _, p := range e {
		m := b.mean(p, k)
		out.addLog(m)
		b.drop(m)
	}
}

// secondOrder adds the oriented energies, at deviation s, of energies averaged by
// before, themselves averaged by after: orientation of the second order outermost.
func (b *Bank) secondOrder(out *stack, e [4]plane, s float32, before, after int) {
	var all [4][4]plane
	for i, p := range e {
		if before > 1 {
			p = b.mean(p, before)
		}
		fine := b.energies(p, s)
		for k, f := range fine {
			all[k][i] = b.mean(f, after)
		}
		b.drop(fine[:]...)
		if before > 1 {
			b.drop(p)
		}
	}
	for _, ps := range all {
		out.addLog(ps[:]...)
		b.drop(ps[:]...)
	}
}

// energies4 are the oriented energies averaged to stride 4.
func (b *Bank) energies4(p plane, s float32) (a [4]plane) {
	e := b.energies(p, s)
	for k := range e {
		a[k] = b.mean(e[k], 4)
	}
	b.drop(e[:]...)
	return a
}

// meanOf averages four planes and drops them.
func (b *Bank) meanOf(e [4]plane) plane {
	m := b.plane(e[0].h, e[0].w)
	for i := range m.v {
		m.v[i] = (e[0].v[i] + e[1].v[i] + e[2].v[i] + e[3].v[i]) / 4
	}
	b.drop(e[:]...)
	return m
}

// energies are the oriented energies of p at deviation s, orientations 0, 45, 90, 135 degrees.
func (b *Bank) energies(p plane, s float32) (out [4]plane) {
	f := b.filters[s]
	hg, hd, he := b.rows(p, f.g, even), b.rows(p, f.d, odd), b.rows(p, f.e, even)
	gx, xx := b.columns(hd, f.g, even), b.columns(he, f.g, even)
	gy, yy, xy := b.columns(hg, f.d, odd), b.columns(hg, f.e, even), b.columns(hd, f.d, odd)
	b.drop(hg, hd, he)
	o := orientation{x: gx.v, y: gy.v, xx: xx.v, yy: yy.v, xy: xy.v}
	for k := range out {
		out[k] = b.plane(p.h, p.w)
		o.e[k] = out[k].v
	}
	o.apply()
	b.drop(gx, gy, xx, yy, xy)
	return out
}

// spot is the difference of Gaussians 1.5 and 3, averaged to stride 4.
func (b *Bank) spot(p plane) plane {
	var g [2]plane
	for i, s := range []float32{1.5, 3} {
		h := b.rows(p, b.filters[s].g, even)
		g[i] = b.columns(h, b.filters[s].g, even)
		b.drop(h)
	}
	for i, v := range g[1].v {
		g[0].v[i] -= v
	}
	m := b.mean(g[0], 4)
	b.drop(g[:]...)
	return m
}

// Parity of a filter about its centre.
const (
	even = 1
	odd  = -1
)

// rows correlates every row with a filter given by taps 0..r:
// out[x] = f[0] p[x] + sum over t of f[t] (p[x+t] + parity p[x-t]). Off the edge p is
// reflected about the last pixel, or repeats it where the row is not longer than r.
func (b *Bank) rows(p plane, f []float32, parity float32) plane {
	out := b.plane(p.h, p.w)
	r := len(f) - 1
	pad := b.border(p.w + 2*r)
	for y := range p.h {
		row := p.row(y)
		extend(pad, row, r)
		c := correlation{dst: out.row(y), src: pad, stride: 1, f: f, parity: parity}
		c.apply()
	}
	return out
}

// extend writes row to dst with a border of r values on either side.
func extend(dst, row []float32, r int) {
	copy(dst[r:], row)
	n := len(row)
	for t := 1; t <= r; t++ {
		dst[r-t] = row[reflect(-t, n, r)]
		dst[r+n-1+t] = row[reflect(n-1+t, n, r)]
	}
}

// columns is rows along the other axis.
func (b *Bank) columns(p plane, f []float32, parity float32) plane {
	out := b.plane(p.h, p.w)
	r := len(f) - 1
	pad := b.border((p.h + 2*r) * p.w)
	copy(pad[r*p.w:], p.v)
	for t := 1; t <= r; t++ {
		copy(pad[(r-t)*p.w:], p.row(reflect(-t, p.h, r)))
		copy(pad[(r+p.h-1+t)*p.w:], p.row(reflect(p.h-1+t, p.h, r)))
	}
	c := correlation{dst: out.v, src: pad, stride: p.w, f: f, parity: parity}
	c.apply()
	return out
}

// border returns the buffer for a picture with its border, of n values.
func (b *Bank) border(n int) []float32 {
	if len(b.pad) < n {
		b.pad = make([]float32, n)
	}
	return b.pad[:n]
}

func reflect(i, n, r int) int {
	if r >= n {
		return min(max(i, 0), n-1)
	}
	if i < 0 {
		return -i
	}
	if i >= n {
		return 2*n - 2 - i
	}
	return i
}

// mean averages k x k blocks.
func (b *Bank) mean(p plane, k int) plane {
	out := b.plane(p.h/k, p.w/k)
	scale := 1 / float32(k*k)
	for y := range out.h {
		dst := out.v[y*out.w:][:out.w]
		clear(dst)
		for j := range k {
			row := p.v[(y*k+j)*p.w:][:out.w*k]
			for x, sum := range dst {
				for _, v := range row[x*k : x*k+k] {
					sum += v
				}
				dst[x] = sum
			}
		}
		for x := range dst {
			dst[x] *= scale
		}
	}
	return out
}

// A stack gathers planes as the channels of a map [h][w][n], those that are energies before
// their logarithm.
type stack struct {
	h, w, n int
	energy  []bool // of the channels so far
	v       []float32
}

func (s *stack) add(p plane) { s.append(p, false) }

// addLog adds energies.
func (s *stack) addLog(ps ...plane) {
	for _, p := range ps {
		s.append(p, true)
	}
}

func (s *stack) append(p plane, energy bool) {
	if p.h != s.h || p.w != s.w {
		panic("control: bank: sides must be multiples of 16")
	}
	c := len(s.energy)
	for i, v := range p.v {
		s.v[i*s.n+c] = v
	}
	s.energy = append(s.energy, energy)
}

// values returns the map with log(E + offset) of its energies.
func (s *stack) values(offset float64) []float32 {
	out := make([]float32, len(s.v))
	for i := 0; i < len(out); i += s.n {
		cell, energies := out[i:][:s.n], s.v[i:][:s.n]
		for c, e := range energies {
			if s.energy[c] {
				e = float32(exact.Log(float64(e) + offset))
			}
			cell[c] = e
		}
	}
	return out
}
