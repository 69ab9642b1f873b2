package padim

import (
	"fmt"
	"math"
	"slices"

	"cull/internal/exact"
	"cull/padim/internal/kernel"
)

// A projector brings the maps of one picture to x [cells][Padded(d)] float32.
//
// Per stage: the down x down positions of a cell are summed, the sums projected
// to integers, repeated over up x up cells and, with pool, summed over the 3x3
// neighbouring cells, the border repeated outwards. All that is exact in
// integers; every divisor is in the factors:
//
//	x[j] = ((float32(s1)*f1[j] + float32(s2)*f2[j]) + ...)
//
// one product per stage that takes part in dimension j, in stage order, each
// rounded.
type projector struct {
	layout
	d    int
	pool bool
	per  []stageProjection
}

// A stageProjection takes a stage to dimensions lo..hi-1.
type stageProjection struct {
	lo, hi int
	pick   []int32 // the channel of each dimension, or
	weight []int16 // [hi-lo][c], -127..127
	packed kernel.Projection
	factor []float32 // [hi-lo]
}

// width returns the integers a position's sums take: with weights whole panels.
func (sp *stageProjection) width() int {
	if sp.pick == nil {
		return sp.packed.Outputs()
	}
	return len(sp.pick)
}

// divisor returns what the integer sums of stage i must be divided by.
func (p *projector) divisor(i int) float64 {
	n := p.stages[i].down * p.stages[i].down
	if p.pool {
		n *= 9
	}
	return float64(n)
}

// newPicks returns the projector that takes channels, ascending indices into
// the concatenated stages, as dimensions. unit is the real value of one step of
// each channel.
func newPicks(l layout, pool bool, channels []int, unit [][]float64) *projector {
	p := &projector{layout: l, d: len(channels), pool: pool}
	j, first := 0, 0
	for i, s := range l.stages {
		sp := stageProjection{lo: j}
		for ; j < len(channels) && channels[j] < first+s.c; j++ {
			c := channels[j] - first
			sp.pick = append(sp.pick, int32(c))
			sp.factor = append(sp.factor, float32(unit[i][c]/p.divisor(i)))
		}
		sp.hi = j
		first += s.c
		p.per = append(p.per, sp)
	}
	return p
}

// newDense returns the projector with the rows of matrix [d][channels], which
// apply to values in units of unit, in int8 with one scale per row and stage.
func newDense(l layout, pool bool, matrix [][]float64, unit [][]float64) *projector {
	p := &projector{layout: l, d: len(matrix), pool: pool}
	first := 0
	for i, s := range l.stages {
		sp := stageProjection{hi: p.d, weight: make([]int16, p.d*s.c), factor: make([]float32, p.d)}
		row := make([]float64, s.c)
		for j := range matrix {
			for c := range row {
				row[c] = matrix[j][first+c] * unit[i][c]
			}
			scale := quantise(sp.weight[j*s.c:][:s.c], row)
			sp.factor[j] = float32(scale / p.divisor(i))
		}
		sp.packed = kernel.NewProjection(sp.weight, p.d, s.c)
		first += s.c
		p.per = append(p.per, sp)
	}
	return p
}

// quantise writes row in multiples of the returned scale, -127..127.
func quantise(q []int16, row []float64) (scale float64) {
	for _, v := range row {
		scale = max(scale, math.Abs(v)/127)
	}
	if scale == 0 {
		return 0
	}
	for c, v := range row {
		q[c] = int16(min(max(math.RoundToEven(v/scale), -127), 127))
	}
	return scale
}

// check reports sums that could leave int32 and factors that are no numbers.
func (p *projector) check() error {
	for i, sp := range p.per {
		bound := 127 * int64(p.divisor(i))
		if sp.pick == nil {
			bound *= 127 * int64(p.stages[i].c)
		}
		if bound > math.MaxInt32 {
			return fmt.Errorf("stage %d: %d channels over %.0f positions overflow the sums",
				i, p.stages[i].c, p.divisor(i))
		}
		for _, f := range sp.factor {
			if !(math.Abs(float64(f)) <= math.MaxFloat32) {
				return fmt.Errorf("stage %d: factor %g is not a number", i, f)
			}
		}
	}
	return nil
}

// noise returns the variance that rounding to int8 gives each dimension,
// 1/12 of a squared step, averaged over the positions of a cell. (The 3x3 mean
// would make it smaller still.)
func (p *projector) noise() []float64 {
	v := make([]float64, p.d)
	for i, sp := range p.per {
		s := p.stages[i]
		n := float64(s.down * s.down)
		for j := sp.lo; j < sp.hi; j++ {
			squares := 1.0
			if sp.pick == nil {
				squares = 0
				for _, w := range sp.weight[(j-sp.lo)*s.c:][:s.c] {
					squares += float64(int(w) * int(w))
				}
			}
			unit := float64(sp.factor[j-sp.lo]) * p.divisor(i)
			v[j] += float64(squares*float64(unit*unit)) / float64(12*n)
		}
	}
	return v
}

// A projection is a projector with buffers of its own. It works in two phases,
// each split over rows that may be computed in any order or at once.
type projection struct {
	*projector
	maps []Map
	sums [][]int32 // per stage [h/down][w/down][width]
	x    []float32 // [cells][Padded(d)]
}

func newProjection(p *projector) *projection {
	b := &projection{projector: p, x: make([]float32, p.cells()*kernel.Padded(p.d))}
	for i, s := range p.stages {
		sp := &p.per[i]
		b.sums = append(b.sums, make([]int32, s.h/s.down*(s.w/s.down)*sp.width()))
	}
	return b
}

// scratch returns room for the channels of any stage, a pair at a time.
func (p *projector) scratch() []int16 {
	n := 0
	for _, s := range p.stages {
		n = max(n, s.c+s.c%2)
	}
	return make([]int16, n)
}

// sum computes rows lo..hi-1 of stage i's integer sums. pooled is scratch.
func (b *projection) sum(i, lo, hi int, pooled []int16) {
	s, sp := &b.stages[i], &b.per[i]
	n, w := sp.width(), s.w/s.down
	if n == 0 {
		return
	}
	for r := lo; r < hi; r++ {
		for c := range w {
			dst := b.sums[i][(r*w+c)*n:][:n]
			s.pool(pooled, b.maps[i].Data, r*s.down, c*s.down)
			if sp.pick == nil {
				sp.packed.Project(dst, pooled)
				continue
			}
			for k, ch := range sp.pick {
				dst[k] = int32(pooled[ch])
			}
		}
	}
}

// pool writes the channel sums over the down x down positions from (r, c).
func (s *stage) pool(dst []int16, data []int8, r, c int) {
	first := data[(r*s.w+c)*s.c:][:s.c]
	dst = dst[:s.c]
	for k, v := range first {
		dst[k] = int16(v)
	}
	for a := range s.down {
		for b := range s.down {
			if a == 0 && b == 0 {
				continue
			}
			for k, v := range data[((r+a)*s.w+c+b)*s.c:][:s.c] {
				dst[k] += int16(v)
			}
		}
	}
}

// gather computes rows lo..hi-1 of x from the sums of all stages. column has
// room for 3*Padded(d) numbers.
func (b *projection) gather(lo, hi int, column []int32) {
	n := b.w * kernel.Padded(b.d)
	for r := lo; r < hi; r++ {
		row := b.x[r*n:][:n]
		clear(row)
		for i := range b.per {
			b.add(row, i, r, column)
		}
	}
}

// add adds stage i's share of row r.
func (b *projection) add(row []float32, i, r int, column []int32) {
	s, sp := &b.stages[i], &b.per[i]
	width, n, pad := sp.width(), sp.hi-sp.lo, kernel.Padded(b.d)
	if n == 0 {
		return
	}
	sums, w := b.sums[i], s.w/s.down*width
	here := sums[r/s.up*w:][:w]
	if !b.pool {
		for c := range b.w {
			addScaled(row[c*pad+sp.lo:][:n], here[c/s.up*width:][:n], sp.factor)
		}
		return
	}
	// Rows r-1, r, r+1 of the grid; the three columns are their sums in grid
	// columns c-1, c, c+1.
	above, below := sums[max(r-1, 0)/s.up*w:][:w], sums[min(r+1, b.h-1)/s.up*w:][:w]
	left, middle, right := column[:n], column[n:2*n], column[2*n:3*n]
	kernel.Sum3(middle, above[:n], here[:n], below[:n])
	copy(left, middle)
	for c := range b.w {
		k := min(c+1, b.w-1) / s.up * width
		kernel.Sum3(right, above[k:k+n], here[k:k+n], below[k:k+n])
		kernel.AddScaled3(row[c*pad+sp.lo:][:n], left, middle, right, sp.factor)
		left, middle, right = middle, right, left
	}
}

func addScaled(x []float32, s []int32, f []float32) {
	for j := range x {
		x[j] += float32(float32(s[j]) * f[j])
	}
}

// semiOrthogonal returns d rows of n columns: the transposed Q of the QR
// decomposition of a Gaussian matrix [n][d] (Kim et al., "Semi-orthogonal
// embedding for efficient unsupervised anomaly segmentation", 2021).
func semiOrthogonal(d, n int, seed uint64) [][]float64 {
	rng := exact.NewRand(seed, 0)
	q := make([][]float64, d)
	for i := range q {
		q[i] = make([]float64, n)
		for c := range q[i] {
			q[i][c] = rng.Normal()
		}
	}
	orthonormalise(q)
	return q
}

// choose returns d of n channels, ascending (the first d of a Fisher-Yates shuffle).
func choose(d, n int, seed uint64) []int {
	rng := exact.NewRand(seed, 0)
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	for i := range d {
		k := i + rng.IntN(n-i)
		all[i], all[k] = all[k], all[i]
	}
	slices.Sort(all[:d])
	return all[:d]
}
