package control

import "math"

// Statistics are the names of the grey statistics, in the order of Grey.
var Statistics = [4]string{"mean", "darkest", "brightest", "mean gradient"}

// Grey returns single numbers of a picture, [h][w][3] int8: mean, darkest and
// brightest luma and the mean length of its gradient, in grey levels. A data
// set on which one of them tells good from bad is partly trivial.
func Grey(pic []int8, h, w int) [4]float64 {
	luma := func(i int) float64 {
		return (float64(pic[3*i])+float64(pic[3*i+1])+float64(pic[3*i+2]))/3 + 128
	}
	var sum, gradient float64
	low, high := math.Inf(1), math.Inf(-1)
	for y := range h {
		for x := range w {
			i := y*w + x
			v := luma(i)
			sum += v
			low, high = min(low, v), max(high, v)
			if x+1 < w && y+1 < h {
				dx, dy := luma(i+1)-v, luma(i+w)-v
				gradient += math.Sqrt(float64(dx*dx) + float64(dy*dy))
			}
		}
	}
	n := float64(h * w)
	return [4]float64{sum / n, low, high, gradient / n}
}
