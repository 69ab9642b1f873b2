package kernel

// Orientations is the number of directions of a line.
const Orientations = 8

// Near is how many places around it a second derivative is computed from, in a row and in a column.
const Near = 5

// Column sets every number of dst to the sum of those of five rows of pixels of 0 to 254, weighted 1 4 6 4 1.
func Column(dst []uint16, rows *[Near][]uint8) {
	n := len(dst)
	r0, r1, r2, r3, r4 := rows[0][:n], rows[1][:n], rows[2][:n], rows[3][:n], rows[4][:n]
	k := blocks(n, wordBlock)
	if k > 0 {
		applyColumn(&column{
			dst: &dst[0], rows: [Near]*uint8{&r0[0], &r1[0], &r2[0], &r3[0], &r4[0]}, blocks: k,
		})
	}
	for i := k * wordBlock; i < n; i++ {
		dst[i] = uint16(r0[i]) + uint16(r4[i]) + 4*(uint16(r1[i])+uint16(r3[i])) + 6*uint16(r2[i])
	}
}

// Row sets every number of dst to an eighth of the sum of five neighbours of src, of up to 4064, weighted 1 4 6 4 1; the first of the
// five stands at the number's own place. src is four longer.
func Row(dst, src []uint16) {
	n := len(dst)
	src = src[:n+Near-1]
	k := blocks(n, wordBlock)
	if k > 0 {
		applyRow(&row{dst: &dst[0], src: &src[0], blocks: k})
	}
	for i := k * wordBlock; i < n; i++ {
		s := src[i:][:Near]
		dst[i] = (s[0] + s[4] + 4*(s[1]+s[3]) + 6*s[2]) >> 3
	}
}

// A Curvature is the second derivatives of a row of pixels: in direction phi they are Sum + cos(2 phi) Difference + sin(2 phi) Mixed,
// in units of 1/256 grey level a pixel squared. Of any picture the three, and each turned one, are less than 1<<15.
type Curvature struct{ Sum, Difference, Mixed []int16 }

// Curve sets the second derivatives of a row of smoothed pixels; rows are the five around it from two pixels to the left of the
// first on, four longer. It adds to energy, of pairs of pixels, an eighth of the mean of the square over all directions, of
// quarters rounded down.
func Curve(c Curvature, energy []uint32, rows *[Near][]uint16) {
	n := len(c.Sum)
	sum, difference, mixed, energy := c.Sum[:n], c.Difference[:n], c.Mixed[:n], energy[:n/2]
	var r [Near][]uint16
	for k := range r {
		r[k] = rows[k][:n+Near-1]
	}
	k := blocks(n, wordBlock)
	if k > 0 {
		a := curve{sum: &sum[0], difference: &difference[0], mixed: &mixed[0], energy: &energy[0], blocks: k}
		for i := range r {
			a.rows[i] = &r[i][0]
		}
		applyCurve(&a)
	}
	for i := k * wordBlock; i < n; i++ {
		at := func(y, x int) int16 { return int16(r[2+y][i+2+x]) }
		xx := at(0, -2) + at(0, 2) - 2*at(0, 0)
		yy := at(-2, 0) + at(2, 0) - 2*at(0, 0)
		xy := at(-1, -1) + at(1, 1) - at(-1, 1) - at(1, -1)
		sum[i], difference[i], mixed[i] = xx+yy, xx-yy, 2*xy
		square := func(v int16) uint32 { return uint32(int32(v>>2) * int32(v>>2)) }
		energy[i/2] += 2*square(xx+yy) + square(xx-yy) + square(2*xy)
	}
}

// half is 1/√2 in fractions of 1<<15.
const half = 23170

// times is a times b in fractions of 1<<15, rounded half up.
func times(a, b int16) int16 { return int16((int32(a)*int32(b) + 1<<14) >> 15) }

// Strengths sets how much of a line runs through each of a row of pixels, in eight orientations from a row's own on clockwise by 22.5
// degrees: the second derivative across it times gain, in fractions of 1<<15, 0 to 255. Orientation k stands k step after the first,
// len(gain) numbers each.
func Strengths(dst []uint8, step int, c Curvature, gain []int16) {
	n := len(gain)
	a, b, m := c.Sum[:n], c.Difference[:n], c.Mixed[:n]
	dst = dst[:(Orientations-1)*step+n]
	k := blocks(n, wordBlock)
	if k > 0 {
		applyStrengths(&strengths{
			dst: &dst[0], step: step, sum: &a[0], difference: &b[0], mixed: &m[0], gain: &gain[0], blocks: k,
		})
	}
	for i := k * wordBlock; i < n; i++ {
		s, d, x := a[i], b[i], m[i]
		more, less := times(d+x, half), times(x-d, half)
		for k, v := range [Orientations]int16{s - d, s - more, s - x, s - less, s + d, s + more, s + x, s + less} {
			dst[k*step+i] = uint8(min(max(times(v, gain[i]), 0), 255))
		}
	}
}

// Mean sets every number of dst to the mean of those of four others: the mean of the means of a and b and of c and d, each
// rounded half up.
func Mean(dst, a, b, c, d []uint8) {
	n := len(dst)
	a, b, c, d = a[:n], b[:n], c[:n], d[:n]
	k := blocks(n, block)
	if k > 0 {
		applyMean(&mean{dst: &dst[0], from: [4]*uint8{&a[0], &b[0], &c[0], &d[0]}, blocks: k})
	}
	for i := k * block; i < n; i += Lane {
		store(dst[i:], middle(middle(load(a[i:]), load(b[i:])), middle(load(c[i:]), load(d[i:]))))
	}
}

// RaiseToExcess sets every number of dst, of 0 to 127, to half of what the largest of those of from is above their mean, where
// that is larger. The mean is, in pairs and each time rounded half up, that of opposites, of these a quarter turn apart, and of these.
func RaiseToExcess(dst []uint8, from *[Orientations][]uint8) {
	n := len(dst)
	k := blocks(n, block)
	if k > 0 {
		a := excess{dst: &dst[0], blocks: k}
		for i := range from {
			a.from[i] = &from[i][:n][0]
		}
		applyExcess(&a)
	}
	for i := k * block; i < n; i += Lane {
		var w [Orientations]uint64
		for k := range w {
			w[k] = load(from[k][i:])
		}
		mean := middle(
			middle(middle(w[0], w[4]), middle(w[2], w[6])),
			middle(middle(w[1], w[5]), middle(w[3], w[7])))
		most := largerOf(
			largerOf(largerOf(w[0], w[4]), largerOf(w[2], w[6])),
			largerOf(largerOf(w[1], w[5]), largerOf(w[3], w[7])))
		store(dst[i:], larger(load(dst[i:]), (most-mean)>>1&sevens)) // most is nowhere less than mean
	}
}

// The arguments of the assembly.
type (
	column struct {
		dst    *uint16
		rows   [Near]*uint8
		blocks int // of wordBlock
	}
	row struct {
		dst, src *uint16
		blocks   int // of wordBlock
	}
	curve struct {
		sum, difference, mixed *int16
		energy                 *uint32
		rows                   [Near]*uint16
		blocks                 int // of wordBlock
	}
	strengths struct {
		dst                          *uint8
		step                         int
		sum, difference, mixed, gain *int16
		blocks                       int // of wordBlock
	}
	mean struct {
		dst    *uint8
		from   [4]*uint8
		blocks int // of block
	}
	excess struct {
		dst    *uint8
		from   [Orientations]*uint8
		blocks int // of block
	}
)
