package padim

import "cull/internal/exact"

// gaussian returns the taps of a Gaussian filter, centre first, cut off at
// four sigma as scipy.ndimage does, normalised. sigma <= 0 gives the identity.
func gaussian(sigma float64) []float32 {
	radius := int(float64(4*sigma) + 0.5)
	if sigma <= 0 || radius < 1 {
		return []float32{1}
	}
	w := make([]float64, radius+1)
	total := 0.0
	for k := range w {
		t := float64(k) / sigma
		w[k] = exact.Exp(-0.5 * float64(t*t))
		total += w[k]
		if k > 0 {
			total += w[k]
		}
	}
	taps := make([]float32, len(w))
	for k := range w {
		taps[k] = float32(w[k] / total)
	}
	return taps
}

// smooth filters data [h][w] in place, down the columns, then along the rows,
// the picture mirrored at its edges (d c b a | a b c d | d c b a). tmp has as
// many elements as data.
//
// Per element: taps[r]*(left+right) from the farthest pair to the nearest,
// then the centre; one rounding an operation.
func smooth(data, tmp []float32, h, w int, taps []float32) {
	if len(taps) == 1 {
		return
	}
	r := len(taps) - 1
	for i := range h {
		row := tmp[i*w:][:w]
		clear(row)
		for k := r; k > 0; k-- {
			above, below := data[mirror(i-k, h)*w:][:w], data[mirror(i+k, h)*w:][:w]
			for j := range row {
				row[j] += float32(taps[k] * (above[j] + below[j]))
			}
		}
		here := data[i*w:][:w]
		for j := range row {
			row[j] += float32(taps[0] * here[j])
		}
	}
	for i := range h {
		row := tmp[i*w:][:w]
		for j := range w {
			var v float32
			for k := r; k > 0; k-- {
				v += float32(taps[k] * (row[mirror(j-k, w)] + row[mirror(j+k, w)]))
			}
			data[i*w+j] = v + float32(taps[0]*row[j])
		}
	}
}

// mirror returns the index of 0..n-1 that i stands for, the edge repeated.
func mirror(i, n int) int {
	for i < 0 || i >= n {
		if i < 0 {
			i = -1 - i
		} else {
			i = 2*n - 1 - i
		}
	}
	return i
}

// Resize writes m at h x w pixels to dst [h][w], bilinear between the centres
// of its cells, the edge continued outwards (align_corners false).
func (m ScoreMap) Resize(dst []float32, h, w int) {
	dst = dst[:h*w]
	sy, sx := float32(m.H)/float32(h), float32(m.W)/float32(w)
	for i := range h {
		a, b, fy := between(i, sy, m.H)
		ra, rb := m.Data[a*m.W:][:m.W], m.Data[b*m.W:][:m.W]
		row := dst[i*w:][:w]
		for j := range row {
			c, d, fx := between(j, sx, m.W)
			gx := 1 - fx
			top := float32(gx*ra[c]) + float32(fx*ra[d])
			bottom := float32(gx*rb[c]) + float32(fx*rb[d])
			row[j] = float32((1-fy)*top) + float32(fy*bottom)
		}
	}
}

// between returns the two of n cells that pixel i lies between and the weight of the second.
func between(i int, scale float32, n int) (a, b int, f float32) {
	x := max(float32((float32(i)+0.5)*scale)-0.5, 0)
	a = min(int(x), n-1)
	return a, min(a+1, n-1), x - float32(a)
}
