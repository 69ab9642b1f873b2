// Package light is what the light of a line does to input pictures: a Relighter draws it, for
// teaching, and a Normaliser takes it off a picture, so that a part is judged as if it lay in the
// light in which it was taught.
//
// A light is exposure, a slope across, a slope down and a balance of red, green and blue. A camera
// codes values by a gamma of 2.2, so each of them is a factor of a coded value, a stop is
// 2^(1/2.2), and a logarithm makes them sums. What a part is, and what is wrong with it, stands in
// few places or changes within them; light changes all of the picture in one way. So it is told
// by robust regression over the whole picture, to which a stain is an outlier.
package light

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"unsafe"

	"cull/internal/exact"
)

const (
	// Block is the side of the squares whose mean levels are compared, pixels.
	Block = 16

	// MaxStops is the largest change of light that can be asked for.
	MaxStops = 3

	stop    = 0.31506689024588 // log 2 / 2.2: a stop, as the logarithm of a coded value
	balance = 0.1              // of a stop of exposure: how far the channels may part
	dark    = 6                // added to values before the logarithm: what is darker is noise
	full    = 252              // values above are at full scale or were scaled from it
	rounds  = 8                // of reweighting
	columns = 4                // pixels across that share a factor
)

// A Reference is the light that good parts were taught in: the mean over them of what a Normaliser
// compares.
type Reference struct {
	Stops  float64   // how much light may change; what is more is not taken off
	Levels []float32 // [h/Block][w/Block][3]: logarithm of a block's mean value plus 6
}

// Levels returns how many numbers a Reference has for pictures of w x h.
func Levels(w, h int) int { return w / Block * (h / Block) * 3 }

// Check reports what makes r no reference for pictures of w x h.
func (r *Reference) Check(w, h int) error {
	if !(r.Stops > 0 && r.Stops <= MaxStops) {
		return fmt.Errorf("light of %g stops: must be above 0, at most %d", r.Stops, MaxStops)
	}
	if want := Levels(w, h); len(r.Levels) != want {
		return fmt.Errorf("light: %d levels, a picture of %dx%d has %d", len(r.Levels), w, h, want)
	}
	for i, v := range r.Levels {
		if !(v >= 0 && v <= 6) { // log 6 to log 261
			return fmt.Errorf("light: level %d is %g", i, v)
		}
	}
	return nil
}

// A Meter takes the mean light of pictures of one size.
type Meter struct {
	blocks blocks
	sum    []float64
	n      int
}

// NewMeter returns a Meter of pictures of width w and height h.
func NewMeter(w, h int) *Meter {
	return &Meter{blocks: newBlocks(w, h), sum: make([]float64, Levels(w, h))}
}

// Add takes in pic, [h][w][3].
func (m *Meter) Add(pic []int8) {
	m.blocks.measure(pic)
	for i, v := range m.blocks.level {
		m.sum[i] += v
	}
	m.n++
}

// Reference returns the mean light of the pictures added, at least one, which may change by so many stops.
func (m *Meter) Reference(stops float64) *Reference {
	r := &Reference{Stops: stops, Levels: make([]float32, len(m.sum))}
	for i, v := range m.sum {
		r.Levels[i] = float32(v / float64(m.n))
	}
	return r
}

// blocks are the levels of a picture.
type blocks struct {
	w, h, stride int
	level        []float64 // [h][w][3], logarithm of the mean plus dark
	clipped      []bool    // [h][w]: a pixel is at full scale
}

func newBlocks(w, h int) blocks {
	bw, bh := w/Block, h/Block
	return blocks{
		w: bw, h: bh, stride: 3 * w,
		level: make([]float64, Levels(w, h)), clipped: make([]bool, bw*bh),
	}
}

// measure takes the levels of pic. 16 pixels are six words of eight bytes, and every third word has its channels
// in the same places: words are added up as they come, the even and the odd bytes of each of the three kinds
// in four sums of 16 bits, at most 32 * 255.
func (b *blocks) measure(pic []int8) {
	const (
		even = 0x00ff00ff00ff00ff
		high = 0x8080808080808080
	)
	bytes := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(pic))), len(pic))
	for at := range b.clipped {
		x, y := at%b.w, at/b.w
		var sums [3][2]uint64
		var clipped uint64
		for i := range Block {
			row := bytes[(y*Block+i)*b.stride+3*x*Block:][:3*Block]
			for k := range sums {
				p := binary.LittleEndian.Uint64(row[8*k:]) ^ high // 0 to 255
				q := binary.LittleEndian.Uint64(row[8*k+24:]) ^ high
				sums[k][0] += p&even + q&even
				sums[k][1] += p>>8&even + q>>8&even
				clipped |= p&(p&^high+(255-full)*(high>>7)) | q&(q&^high+(255-full)*(high>>7))
			}
		}
		var channel [3]uint64
		for i := range 24 {
			channel[i%3] += sums[i/8][i%2] >> (i % 8 / 2 * 16) & 0xffff
		}
		for k, c := range channel {
			b.level[3*at+k] = exact.Log(float64(float64(c)/(Block*Block)) + dark)
		}
		b.clipped[at] = clipped&high != 0
	}
}

// grey reports whether the channels are equal in all blocks.
func (b *blocks) grey() bool {
	for l := b.level; len(l) > 0; l = l[3:] {
		if l[0] != l[1] || l[0] != l[2] {
			return false
		}
	}
	return true
}

// A Normaliser brings pictures of one size into the light of a Reference. Its bits are the same on
// every CPU. Not safe for concurrent use.
type Normaliser struct {
	ref    *Reference
	w, h   int
	blocks blocks
	use    []bool       // blocks to compare: no pixel of them is ignored
	at     [][3]float64 // the regressors of a block: 1, x, y from -0.5 to 0.5

	diff, weight, rest []float64 // of the blocks: to the reference, brightness
	col                []int64   // factors of the columns, 1 is 1<<16
}

// NewNormaliser returns a Normaliser of pictures of width w and height h. ignore, where not nil,
// marks cells of that many pixels in which a picture tells nothing.
func NewNormaliser(ref *Reference, w, h int, ignore []bool, cell int) *Normaliser {
	n := &Normaliser{ref: ref, w: w, h: h, blocks: newBlocks(w, h), col: make([]int64, (w+columns-1)/columns)}
	count := n.blocks.w * n.blocks.h
	n.use, n.at = make([]bool, count), make([][3]float64, count)
	n.diff, n.weight, n.rest = make([]float64, count), make([]float64, count), make([]float64, 0, count)
	for i := range n.use {
		x, y := i%n.blocks.w, i/n.blocks.w
		n.use[i] = true
		n.at[i] = [3]float64{1, centre(x, Block, w), centre(y, Block, h)}
	}
	for i, ignored := range ignore {
		if !ignored {
			continue
		}
		x, y := i%(w/cell)*cell, i/(w/cell)*cell
		for by := y / Block; by <= (y+cell-1)/Block && by < n.blocks.h; by++ {
			for bx := x / Block; bx <= (x+cell-1)/Block && bx < n.blocks.w; bx++ {
				n.use[by*n.blocks.w+bx] = false
			}
		}
	}
	return n
}

// centre returns where the middle of the i-th stretch of n lies in all of them: -0.5 to 0.5.
func centre(i, n, all int) float64 { return (float64(i)+0.5)*float64(n)/float64(all) - 0.5 }

// Normalise takes off pic, [h][w][3], by how much its light differs from the reference.
func (n *Normaliser) Normalise(pic []int8) {
	n.blocks.measure(pic)
	if !n.weigh() {
		return
	}
	surface := n.surface()
	n.take(pic, surface, n.balance())
}

// weigh sets the differences of brightness and first weights: 1 where a block counts. Blocks at
// full scale do not, unless nearly all are. It reports whether any does.
func (n *Normaliser) weigh() bool {
	used, clear := 0, 0
	for i, use := range n.use {
		sum := 0.
		for k := range 3 {
			sum += n.blocks.level[3*i+k] - float64(n.ref.Levels[3*i+k])
		}
		n.diff[i], n.weight[i] = sum/3, 0
		if use {
			used++
			if !n.blocks.clipped[i] {
				clear++
				n.weight[i] = 1
			}
		}
	}
	if 8*clear < used {
		for i, use := range n.use {
			if use {
				n.weight[i] = 1
			}
		}
	}
	return used > 0
}

// surface fits exposure and slopes to the differences of brightness: least squares, weighted again
// and again by how well a block agrees (Cauchy's weights, at twice the median residual). Each is
// held to the reference's stops.
func (n *Normaliser) surface() [3]float64 {
	s := n.solve()
	for range rounds - 1 {
		n.rest = n.rest[:0]
		for i, w := range n.weight {
			if w > 0 {
				n.rest = append(n.rest, math.Abs(n.residual(i, s)))
			}
		}
		slices.Sort(n.rest)
		scale := max(2*n.rest[len(n.rest)/2], 0.01)
		for i, w := range n.weight {
			if w > 0 {
				r := n.residual(i, s) / scale
				n.weight[i] = 1 / (1 + float64(r*r))
			}
		}
		s = n.solve()
	}
	most := n.ref.Stops * stop
	for i := range s {
		s[i] = max(-most, min(s[i], most))
	}
	return s
}

func (n *Normaliser) residual(i int, s [3]float64) float64 {
	a := &n.at[i]
	return n.diff[i] - s[0] - float64(s[1]*a[1]) - float64(s[2]*a[2])
}

// solve returns the weighted least squares fit. A small ridge stands for blocks that are missing.
func (n *Normaliser) solve() [3]float64 {
	const ridge = 1e-3
	var m [3][4]float64 // normal equations, the right side last
	for i, w := range n.weight {
		if w == 0 {
			continue
		}
		a := &n.at[i]
		for j := range 3 {
			wa := float64(w * a[j])
			for k := range 3 {
				m[j][k] += float64(wa * a[k])
			}
			m[j][3] += float64(wa * n.diff[i])
		}
	}
	for j := range 3 { // Gauss and Jordan; positive definite, so no pivoting
		m[j][j] += ridge
	}
	for j := range 3 {
		for k := range 3 {
			if k == j {
				continue
			}
			f := m[k][j] / m[j][j]
			for l := j; l < 4; l++ {
				m[k][l] -= float64(f * m[j][l])
			}
		}
	}
	return [3]float64{m[0][3] / m[0][0], m[1][3] / m[1][1], m[2][3] / m[2][2]}
}

// balance returns by how much red, green and blue part, by the surface's weights; nothing in a
// picture without colour, for a camera without colour took it.
func (n *Normaliser) balance() [3]float64 {
	var s [3]float64
	if n.blocks.grey() {
		return s
	}
	sum := 0.
	for i, w := range n.weight {
		sum += w
		for k := range s {
			s[k] += float64(w * (n.blocks.level[3*i+k] - float64(n.ref.Levels[3*i+k]) - n.diff[i]))
		}
	}
	most := n.ref.Stops * stop * balance
	for k := range s {
		s[k] = max(-most, min(s[k]/sum, most))
	}
	return s
}

// take divides the light out, in integers of 16 fractional bits, products of two of them in 64. A slope across is the same over
// columns pixels.
func (n *Normaliser) take(pic []int8, surface, balance [3]float64) {
	const one = 1 << 16
	for x := range n.col {
		n.col[x] = int64(float64(one*exact.Exp(-float64(surface[1]*centre(x, columns, n.w)))) + 0.5)
	}
	for y := range n.h {
		var f [3]int64
		for k := range f {
			f[k] = int64(float64(one*exact.Exp(-surface[0]-float64(surface[2]*centre(y, 1, n.h))-balance[k])) + 0.5)
		}
		row := pic[3*y*n.w:][:3*n.w]
		for _, c := range n.col {
			red, green, blue := int(c*f[0]>>16), int(c*f[1]>>16), int(c*f[2]>>16)
			p := row[:min(3*columns, len(row))]
			row = row[len(p):]
			for ; len(p) >= 3; p = p[3:] {
				p[0], p[1], p[2] = scaled(p[0], red), scaled(p[1], green), scaled(p[2], blue)
			}
		}
	}
}

func scaled(v int8, factor int) int8 {
	const one = 1 << 16
	return int8(max(-127, min(((int(v)+128+dark)*factor+one/2)>>16-dark-128, 127)))
}
