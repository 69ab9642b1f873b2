package padim

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"cull/padim/internal/kernel"
)

// Bounds that keep every intermediate of the scorer finite.
const (
	maxFeature  = 1 << 30
	maxTaps     = 1 << 10
	maxFeatures = 1 << 26 // numbers of all cells
	maxPixels   = 1 << 24 // of the score map
)

var errShort = errors.New("ends too early")

// Parse reads the bytes of one model. The model keeps and aliases data.
func Parse(data []byte) (*Model, error) {
	m, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("padim: model: %w", err)
	}
	return m, nil
}

func parse(data []byte) (*Model, error) {
	r := &reader{b: data}
	head := r.u32(8)
	if head == nil {
		return nil, errShort
	}
	flags := head[1]
	m := &Model{
		mode:    Mode(head[0]),
		proj:    &projector{d: int(head[2]), pool: flags&flagPool != 0},
		shared:  flags&flagShared != 0,
		nearest: flags&flagNearest != 0,
		single:  flags&flagSingle != 0,
		top:     int(head[4]),
		zoom:    int(head[5]),
	}
	m.proj.cell = int(head[3])
	if flags&^flagsKnown != 0 {
		return nil, fmt.Errorf("flags %#x: unknown", flags)
	}
	if err := m.checkHead(head); err != nil {
		return nil, err
	}
	for i := range head[7] {
		if err := m.readStage(r); err != nil {
			return nil, fmt.Errorf("stage %d: %w", i, err)
		}
	}
	if err := m.proj.complete(); err != nil {
		return nil, err
	}
	if m.taps = r.f32(int(head[6])); m.taps == nil {
		return nil, fmt.Errorf("filter: %w", errShort)
	}
	if err := m.readGaussians(r, flags&flagMask != 0); err != nil {
		return nil, err
	}
	if err := m.validate(); err != nil {
		return nil, err
	}
	m.finish()
	return m, nil
}

// checkHead bounds the sizes in the header before anything is allocated.
func (m *Model) checkHead(head []uint32) error {
	for _, f := range []struct {
		name   string
		v      uint32
		lo, hi uint32
	}{
		{"mode", head[0], uint32(Part), uint32(Stock)},
		{"dimensions", head[2], 1, maxDim},
		{"cell", head[3], 1, maxSide},
		{"zoom", head[5], 1, maxSide},
		{"filter length", head[6], 1, maxTaps},
		{"stages", head[7], 1, maxStages},
	} {
		if f.v < f.lo || f.v > f.hi {
			return fmt.Errorf("%s %d: want %d to %d", f.name, f.v, f.lo, f.hi)
		}
	}
	return nil
}

// readStage reads the next stage and its projection.
func (m *Model) readStage(r *reader) error {
	head := r.u32(8)
	if head == nil {
		return errShort
	}
	for _, v := range head {
		if v > 1<<16 {
			return fmt.Errorf("size %d is out of range", v)
		}
	}
	s := stage{h: int(head[0]), w: int(head[1]), c: int(head[2]), stride: int(head[3])}
	sp := stageProjection{lo: int(head[4]), hi: int(head[5])}
	if sp.lo > sp.hi || sp.hi > m.proj.d || head[6] > 1 || head[7] != 0 {
		return fmt.Errorf("dimensions %d to %d, kind %d, %d", sp.lo, sp.hi, head[6], head[7])
	}
	n := sp.hi - sp.lo
	if s.step = r.f32(s.c); s.step == nil {
		return errShort
	}
	if err := m.proj.place(&s); err != nil {
		return err
	}
	if sp.factor = r.f32(n); sp.factor == nil && n > 0 {
		return errShort
	}
	if head[6] == 0 {
		sp.pick = make([]int32, 0, n)
		for _, c := range r.u32(n) {
			if c >= uint32(s.c) {
				return fmt.Errorf("channel %d of %d", c, s.c)
			}
			sp.pick = append(sp.pick, int32(c))
		}
		if len(sp.pick) != n {
			return errShort
		}
	} else if err := sp.readWeights(r, s.c); err != nil {
		return err
	}
	m.proj.stages = append(m.proj.stages, s)
	m.proj.per = append(m.proj.per, sp)
	return nil
}

func (sp *stageProjection) readWeights(r *reader, c int) error {
	n := (sp.hi - sp.lo) * c
	raw := r.next(n)
	if raw == nil || !r.align(4) {
		return errShort
	}
	sp.weight = make([]int16, n)
	for k, v := range raw {
		if int8(v) == -128 {
			return fmt.Errorf("weight %d is -128", k)
		}
		sp.weight[k] = int16(int8(v))
	}
	if n := sp.hi - sp.lo; n > 0 {
		sp.packed = kernel.NewProjection(sp.weight, n, c)
	}
	return nil
}

// complete checks the projection as a whole.
func (p *projector) complete() error {
	at := make([]bool, p.d)
	var bound float64
	for i, sp := range p.per {
		for j := sp.lo; j < sp.hi; j++ {
			at[j] = true
		}
		high := 127 * p.divisor(i)
		if sp.pick == nil {
			high *= 127 * float64(p.stages[i].c)
		}
		worst := 0.0
		for _, f := range sp.factor {
			worst = max(worst, math.Abs(float64(f)))
		}
		bound += float64(high * worst)
	}
	for j, ok := range at {
		if !ok {
			return fmt.Errorf("dimension %d has no stage", j)
		}
	}
	if !(bound <= maxFeature) {
		return fmt.Errorf("features reach %g, at most %g can be scored", bound, float64(maxFeature))
	}
	return p.check()
}

// readGaussians reads mask, means and factors.
func (m *Model) readGaussians(r *reader, mask bool) error {
	if mask {
		if m.ignore = r.mask(m.proj.cells()); m.ignore == nil {
			return fmt.Errorf("mask: %w", errShort)
		}
	}
	if !r.align(align) {
		return fmt.Errorf("means: %w", errShort)
	}
	m.size = m.factorSize()
	means := 4 * int64(m.means()) * int64(kernel.Padded(m.proj.d))
	if need := means + int64(m.factors())*int64(m.size); need > int64(len(r.b)-r.at) {
		return fmt.Errorf("means and factors: %w", errShort)
	}
	for p := range m.proj.cells() {
		if m.ignore == nil || !m.ignore[p] {
			m.cells = append(m.cells, p)
		}
	}
	if m.mean = r.f32(m.means() * kernel.Padded(m.proj.d)); m.mean == nil {
		return fmt.Errorf("means: %w", errShort)
	}
	if !r.align(align) {
		return fmt.Errorf("factors: %w", errShort)
	}
	if m.factor = r.next(m.factors() * m.size); m.factor == nil {
		return fmt.Errorf("factors: %w", errShort)
	}
	if len(r.b) != r.at {
		return fmt.Errorf("%d bytes behind the end", len(r.b)-r.at)
	}
	return nil
}

// validate checks what a scorer relies on. A fit checks its own result with it.
func (m *Model) validate() error {
	pixels := int64(m.proj.cells())
	if pixels*int64(kernel.Padded(m.proj.d)) > maxFeatures {
		return fmt.Errorf("%d cells of %d dimensions: at most %d numbers", pixels, m.proj.d, maxFeatures)
	}
	if m.mode == Stock {
		pixels *= int64(m.zoom) * int64(m.zoom)
	}
	switch {
	case len(m.cells) == 0:
		return errors.New("the mask ignores every cell")
	case m.mode == Texture && !m.shared, m.mode == Stock && m.shared, m.nearest && m.mode != Part:
		return fmt.Errorf("mode %v does not go with its flags", m.mode)
	case m.mode == Stock && (m.zoom != m.proj.cell || m.ignore != nil), m.mode != Stock && m.zoom != 1:
		return fmt.Errorf("score map %d times the grid in mode %v", m.zoom, m.mode)
	case pixels > maxPixels:
		return fmt.Errorf("score map of %d pixels: at most %d", pixels, maxPixels)
	case m.top < 1 || int64(m.top) > pixels:
		return fmt.Errorf("score from the highest %d of %d values", m.top, pixels)
	}
	for k, v := range m.taps {
		if !(v > 0 && v <= 1) {
			return fmt.Errorf("filter tap %d is %g", k, v)
		}
	}
	for k, v := range m.mean {
		if !(math.Abs(float64(v)) <= maxFeature) || k%kernel.Padded(m.proj.d) >= m.proj.d && v != 0 {
			return fmt.Errorf("mean, element %d is %g", k, v)
		}
	}
	return m.checkFactors()
}

// maxFactor bounds factors of d x d: a distance, the sum of d squares of d products of a factor and the
// difference of two features, d^3 factor^2 2^62, stays below 2^126.
func maxFactor(d int) float64 {
	return min(1<<20, (1<<32)/math.Sqrt(float64(d)*float64(d)*float64(d)))
}

// checkFactors checks that all values are in range and all fillers zero.
func (m *Model) checkFactors() error {
	row, column := kernel.Order(m.proj.d) // not before factor, of that order, was there
	d, most := int32(m.proj.d), maxFactor(m.proj.d)
	for i := range m.factors() {
		for k, r := range row {
			v := m.factorAt(i*len(row) + k)
			if filler := r >= d || column[k] > r; filler && math.Float32bits(v) != 0 ||
				!(math.Abs(float64(v)) <= most) {
				return fmt.Errorf("factor %d, row %d, column %d is %g", i, r, column[k], v)
			}
		}
	}
	return nil
}

func (m *Model) factorAt(k int) float32 {
	if m.single {
		return math.Float32frombits(binary.LittleEndian.Uint32(m.factor[4*k:]))
	}
	h := binary.LittleEndian.Uint16(m.factor[2*k:])
	if !kernel.Finite(h) {
		return float32(math.NaN())
	}
	return kernel.FromHalf(h)
}

// A reader takes values off b. Its results are nil where b is too short,
// nothing having been allocated.
type reader struct {
	b  []byte
	at int
}

func (r *reader) next(n int) []byte {
	if n < 0 || n > len(r.b)-r.at {
		return nil
	}
	r.at += n
	return r.b[r.at-n : r.at : r.at]
}

// align skips zeros up to a multiple of n.
func (r *reader) align(n int) bool {
	for r.at%n != 0 {
		if v := r.next(1); v == nil || v[0] != 0 {
			return false
		}
	}
	return true
}

func (r *reader) u32(n int) []uint32 {
	raw := r.next(4 * n)
	if raw == nil {
		return nil
	}
	v := make([]uint32, n)
	for k := range v {
		v[k] = binary.LittleEndian.Uint32(raw[4*k:])
	}
	return v
}

func (r *reader) f32(n int) []float32 {
	raw := r.next(4 * n)
	if raw == nil {
		return nil
	}
	v := make([]float32, n)
	for k := range v {
		v[k] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*k:]))
	}
	return v
}

func (r *reader) mask(n int) []bool {
	raw := r.next((n + 7) / 8)
	if raw == nil || !r.align(4) {
		return nil
	}
	v := make([]bool, n)
	for p := range v {
		v[p] = raw[p/8]>>(p%8)&1 != 0
	}
	for p := n; p < 8*len(raw); p++ {
		if raw[p/8]>>(p%8)&1 != 0 {
			return nil
		}
	}
	return v
}
