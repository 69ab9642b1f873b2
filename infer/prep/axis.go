package prep

import "cull/infer/internal/pixel"

// coefBits is the precision of resampling weights.
const coefBits = pixel.Bits

// An axis resamples one direction of one plane.
//
// The filter is a triangle as wide as one output pixel when shrinking and as
// one sample when enlarging: what PIL calls BILINEAR. Weights are ratios of
// integers, rounded to 1/2^22 and made to sum to 2^22 exactly, so that a
// constant picture keeps its value.
type axis struct {
	lo, hi int     // samples read at all
	first  []int32 // first sample of output i
	count  []int32 // how many samples output i reads
	coef   []int32 // weights, taps a row
	taps   int
}

// newAxis builds the table that scales pixels lo..hi onto out outputs. The plane
// holds one sample for every sub pixels, in their middle; n samples in all.
//
// With every length multiplied by 2*out, sample i sits at sub*(2i+1)*out, output
// x looks at 2*out*lo + (2x+1)*(hi-lo), and the triangle's half width is the
// larger of 2*(hi-lo) and 2*sub*out: integers, so no rounding before the last.
func newAxis(lo, hi, sub, n, out int) axis {
	a := axis{lo: lo / sub, hi: min(n, (hi+sub-1)/sub)}
	a.first = make([]int32, out)
	a.count = make([]int32, out)
	half := max(2*int64(hi-lo), 2*int64(sub)*int64(out))
	step := 2 * int64(sub) * int64(out)
	a.taps = int(2*half/step) + 2
	a.coef = make([]int32, out*a.taps)
	weights := make([]int64, a.taps)
	for x := range out {
		centre := 2*int64(out)*int64(lo) + (2*int64(x)+1)*int64(hi-lo)
		i := max(int64(a.lo), (centre-half)/step-1)
		for triangle(i, step, centre, half) <= 0 {
			i++
		}
		a.first[x] = int32(i)
		var sum int64
		k := 0
		for ; i < int64(a.hi); i++ {
			w := triangle(i, step, centre, half)
			if w <= 0 {
				break
			}
			weights[k] = w
			sum += w
			k++
		}
		a.count[x] = int32(k)
		normalise(a.coef[x*a.taps:][:k], weights[:k], sum)
	}
	return a
}

// triangle returns the weight of sample i, in the units of newAxis.
func triangle(i, step, centre, half int64) int64 {
	d := i*step + step/2 - centre
	return half - max(d, -d)
}

// normalise scales w to sum to 2^coefBits; what rounding leaves over goes to
// the largest weight.
func normalise(dst []int32, w []int64, sum int64) {
	left, largest := int32(1)<<coefBits, 0
	for i, v := range w {
		dst[i] = int32((v<<coefBits + sum/2) / sum)
		left -= dst[i]
		if v > w[largest] {
			largest = i
		}
	}
	dst[largest] += left
}
