// Package kernel holds the inner loops of package padim.
//
// Each has one order of operations, which every implementation keeps, so that
// all give the same bits: the products and sums of a lane are rounded one by
// one (no fused multiply-add), lanes never mix before the last step.
//
// # Factors
//
// A whitening factor is a lower-triangular matrix W [d][d], row i the weights
// of z[i] = sum over j <= i of W[i][j]*y[j]. It is stored in panels of Lanes
// rows, the panels in groups of Group. In a group the columns ascend, and each
// column holds, panel after panel, Lanes values for every panel that reaches
// it (panel p reaches columns 0..min(Lanes*p+Lanes, d)-1). Values above the
// diagonal and in rows from d on are +0. Size gives the length.
//
// So a factor is read once, front to back, while the accumulators of a whole
// group stay in registers. Its values are little-endian bytes, as in the file,
// so that a mapped file serves as it is.
package kernel

//go:generate go run ./gen

import "unsafe"

// Pkg is the name under which the implementations are registered.
const Pkg = "padim/kernel"

// Sizes of the layout.
const (
	Lanes = 16 // rows of a panel: one 512-bit register of float32
	Group = 6  // panels of a group
)

// Padded returns d rounded up to whole panels: the length of vectors.
func Padded(d int) int { return (d + Lanes - 1) / Lanes * Lanes }

// Size returns the number of values of a packed factor of d rows.
func Size(d int) int {
	panels, n := Padded(d)/Lanes, 0
	for g := 0; g < panels; g += Group {
		k := min(Group, panels-g)
		n += k * g * Lanes // columns that reach all k
		tail := Lanes      // columns that reach the last one only
		if g+k == panels {
			tail = d - Lanes*(panels-1)
		}
		n += (k*(k+1)/2-1)*Lanes + tail
	}
	return n * Lanes
}

// walk calls f for each run of Lanes values in storage order: column j of panel p.
func walk(d int, f func(p, j int)) {
	panels := Padded(d) / Lanes
	for g := 0; g < panels; g += Group {
		end := min(g+Group, panels)
		for j := range min(Lanes*end, d) {
			for p := max(g, j/Lanes); p < end; p++ {
				f(p, j)
			}
		}
	}
}

// Order returns for each value of a packed factor its row and column, in
// storage order. row >= d or column > row marks a filler.
func Order(d int) (row, column []int32) {
	walk(d, func(p, j int) {
		for l := range Lanes {
			row = append(row, int32(Lanes*p+l))
			column = append(column, int32(j))
		}
	})
	return row, column
}

// Norm2Half returns |W (x - mean)|^2 for a packed factor of binary16 values.
//
//	y[j] = x[j] - mean[j]
//	z[i] = sum over j ascending of W[i][j]*y[j]
//	lane[l] = sum over i = l, l+16, ... ascending of z[i]*z[i]
//	result: lanes l and l+8 added, then l and l+4, l+2, l+1
//
// w has 2*Size(d) bytes; y is scratch; x, mean and y have Padded(d) elements,
// those of x and mean from d on zero. No value is infinite or not a number.
func Norm2Half(w []byte, mean, x, y []float32, d int) float32 {
	return apply(w, mean, x, y, d, true)
}

// Norm2Single is Norm2Half for binary32 values, 4*Size(d) bytes.
func Norm2Single(w []byte, mean, x, y []float32, d int) float32 {
	return apply(w, mean, x, y, d, false)
}

// A factor is the argument of the assembly; lane is its result.
type factor struct {
	w          *byte
	mean, x, y *float32
	d          int
	lane       [Lanes]float32
}

func apply(w []byte, mean, x, y []float32, d int, half bool) float32 {
	n, bytes := Padded(d), 4*Size(d)
	if half {
		bytes /= 2
	}
	w, mean, x, y = w[:bytes], mean[:n], x[:n], y[:n]
	set := fastest()
	if set == generic {
		return applyGeneric(w, mean, x, y, d, half)
	}
	f := factor{w: &w[0], mean: &mean[0], x: &x[0], y: &y[0], d: d}
	applyFactor(set, &f, half)
	return fold(&f.lane)
}

// A Projection is an integer matrix [n][c] packed for Project: panels of 16
// rows in groups of six, per group pairs of columns ascending, per pair and
// panel 16 pairs of values.
type Projection struct {
	n, pairs int
	w        []int16
}

// NewProjection packs w [n][c], 1 <= n, 1 <= c.
func NewProjection(w []int16, n, c int) Projection {
	p := Projection{n: n, pairs: (c + 1) / 2}
	panels := Padded(n) / Lanes
	for g := 0; g < panels; g += Group {
		for pair := range p.pairs {
			for i := g * Lanes; i < min(g+Group, panels)*Lanes; i++ {
				for k := 2 * pair; k < 2*pair+2; k++ {
					var v int16
					if i < n && k < c {
						v = w[i*c+k]
					}
					p.w = append(p.w, v)
				}
			}
		}
	}
	return p
}

// Outputs returns the length of Project's dst, n rounded up to whole panels.
func (p *Projection) Outputs() int { return Padded(p.n) }

// Inputs returns the length of Project's x, c rounded up to even.
func (p *Projection) Inputs() int { return 2 * p.pairs }

// A project is the argument of the assembly.
type project struct {
	w             *int16
	dst           *int32
	x             *int16
	panels, pairs int
}

// Project writes the matrix times x to dst, zeros behind row n. An input beyond
// column c counts for nothing. Integers: any order gives the same
// result, and the caller sees to it that no sum leaves int32.
func (p *Projection) Project(dst []int32, x []int16) {
	dst, x = dst[:p.Outputs()], x[:p.Inputs()]
	set := fastest()
	if set == generic {
		p.projectGeneric(dst, x)
		return
	}
	a := project{w: &p.w[0], dst: &dst[0], x: &x[0], panels: len(dst) / Lanes, pairs: p.pairs}
	applyProject(set, &a)
}

// A rows is the argument of the assembly: whole panels of numbers.
type rows struct {
	dst     unsafe.Pointer // []int32 or []float32
	a, b, c *int32
	f       *float32 // may be nil
	panels  int
}

// Sum3 writes dst = a + b + c. Lengths are equal.
func Sum3(dst, a, b, c []int32) {
	n := len(dst)
	a, b, c = a[:n], b[:n], c[:n]
	i := 0
	if set := fastest(); set != generic && n >= Lanes {
		i = n / Lanes * Lanes
		applySum3(set, &rows{unsafe.Pointer(&dst[0]), &a[0], &b[0], &c[0], nil, n / Lanes})
	}
	for ; i < n; i++ {
		dst[i] = a[i] + b[i] + c[i]
	}
}

// AddScaled3 adds float32(a+b+c) * f to dst, the product rounded. Lengths are equal.
func AddScaled3(dst []float32, a, b, c []int32, f []float32) {
	n := len(dst)
	a, b, c, f = a[:n], b[:n], c[:n], f[:n]
	i := 0
	if set := fastest(); set != generic && n >= Lanes {
		i = n / Lanes * Lanes
		applyScaled3(set, &rows{unsafe.Pointer(&dst[0]), &a[0], &b[0], &c[0], &f[0], n / Lanes})
	}
	for ; i < n; i++ {
		dst[i] += float32(float32(a[i]+b[i]+c[i]) * f[i])
	}
}

// Kernel names the instruction set in use.
func Kernel() string { return fastest().String() }

// A set is an instruction set.
type set uint8

const (
	generic set = iota
	avx2
	avx512
	neon
)

func (s set) String() string {
	return [...]string{"generic", "avx2", "avx512", "neon"}[s]
}
