package light

import "cull/internal/exact"

// A Relighter makes copies of input pictures in other light, so that a product
// taught in one hour's light knows what the sun of another does to its features
// (inspect.Options.Light). The bits are the same on every CPU.
type Relighter struct {
	w, h  int
	stops float64
	seed  uint64
	col   []float64 // factors of the columns
	pic   []int8    // the copy
}

// NewRelighter returns a relighter of pictures of width w and height h.
func NewRelighter(w, h int, stops float64, seed uint64) *Relighter {
	return &Relighter{w: w, h: h, stops: stops, seed: seed, col: make([]float64, w), pic: make([]int8, h*w*3)}
}

// Copy returns pic, [h][w][3], in the light that is drawn for this number:
//
//   - exposure up to stops stops more or less,
//   - as much from edge to edge, across and down, nothing in the middle,
//   - red up to a tenth of that more and blue less, or the reverse; but not in a picture
//     without colour, for a camera without colour took it,
//   - stray light that lifts the dark by up to 0.02 of full scale a stop.
//
// Values are coded as a camera codes them, by a gamma of 2.2, so a stop is a factor of
// 2^(1/2.2); what is brighter than full scale is cut off, as a camera does. The picture
// returned is the Relighter's until its next Copy.
func (r *Relighter) Copy(pic []int8, number int) []int8 {
	rng := exact.NewRand(r.seed, exact.Mix(uint64(number)^0x6c69676874)) // "light"
	draw := func(most float64) float64 { return float64(rng.Range(-most, most) * float64(r.stops*stop)) }
	gain, across, down, part := draw(1), draw(1), draw(1), draw(balance)
	lift := float64(rng.Range(0, 0.02) * r.stops)
	if grey(pic) {
		part = 0
	}
	channel := [3]float64{exact.Exp(gain + part), exact.Exp(gain), exact.Exp(gain - part)}
	for x := range r.col {
		r.col[x] = exact.Exp(float64(across * (float64(x)/float64(r.w) - 0.5)))
	}
	for y := range r.h {
		row := (1 - lift) * exact.Exp(float64(down*(float64(y)/float64(r.h)-0.5)))
		k := [3]float64{row * channel[0], row * channel[1], row * channel[2]}
		in, out := pic[3*y*r.w:3*(y+1)*r.w], r.pic[3*y*r.w:3*(y+1)*r.w]
		for x, c := range r.col {
			for i, f := range k {
				v := float64(255*lift) + float64(float64(int(in[3*x+i])+128)*float64(f*c)) + 0.5
				out[3*x+i] = int8(max(int(min(v, 255))-128, -127))
			}
		}
	}
	return r.pic
}

// grey reports whether every pixel's channels are equal.
func grey(pic []int8) bool {
	for ; len(pic) > 0; pic = pic[3:] {
		if pic[0] != pic[1] || pic[0] != pic[2] {
			return false
		}
	}
	return true
}
