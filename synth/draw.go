package synth

import (
	"math"

	"cull/internal/exact"
)

// A stream numbers the random numbers of one parameter. The numbers are part of what a
// seed means: append, never reorder.
type stream uint64

const (
	sPresent stream = iota + 1
	sMask
	sMode
	sEdge
	sEdgeValue
	sWeights
	sComponents
	sMean
	sOffsets
	sSpread
	sSigmaX
	sSigmaY
	sElongated
	sLongX
	sThinY
	sRotation
	sRotationJitter
	sRotationOffsets
	sWeightDraws
	sPerlin
	sPatch
	sScratch
	sAmplitude
	sOpacity
	sDark
	sGrey
	sColour
	sTexture
	sTextureShift
	sBlurRadius
	sContrastGain
	sWarp
	sShape
	sGround
	sObject
	sOther
	sGamma
	sBalance
	sGreyPicture
	sBlur
	sGain
	sLight
	sNoise
	sShift
	sTwinGain
	sTwinLight
	sTwinNoise
	sJitter
)

// draws are the random numbers of one sample: one stream for each parameter.
type draws struct{ seed uint64 }

func (d draws) rand(s stream) exact.Rand { return exact.NewRand(d.seed, uint64(s)) }

func (d draws) hit(s stream, share float64) bool {
	r := d.rand(s)
	return r.Float64() < share
}

func (d draws) in(s stream, in Range) float64 {
	r := d.rand(s)
	return r.Range(in.Min, in.Max)
}

func (d draws) logIn(s stream, in Range) float64 {
	r := d.rand(s)
	return r.LogRange(in.Min, in.Max)
}

func (d draws) wholeIn(s stream, in Range) int {
	r := d.rand(s)
	return wholeIn(&r, in)
}

func wholeIn(r *exact.Rand, in Range) int {
	return int(in.Min) + r.IntN(int(in.Max)-int(in.Min)+1)
}

func (d draws) pick(s stream, weights []float64) int {
	r := d.rand(s)
	return pick(&r, weights)
}

// pick returns i with probability weights[i] by their sum.
func pick(r *exact.Rand, weights []float64) int {
	sum := 0.0
	for _, w := range weights {
		sum += w
	}
	u := r.Float64() * sum
	last := 0
	for i, w := range weights {
		if w > 0 {
			last = i
			if u < w {
				return i
			}
		}
		u -= w
	}
	return last
}

// turn returns cos and sin of an angle in degrees.
func turn(deg float64) (c, s float64) {
	a := deg * (math.Pi / 180)
	return exact.Cos(a), exact.Sin(a)
}

// lerp is a + t(b-a).
func lerp(a, b, t float32) float32 { return a + float32(t*(b-a)) }

// clamp is written with comparisons: the built-in min and max take care of NaN and -0 at a cost.
func clamp(x, lo, hi float32) float32 {
	if x < lo {
		return lo
	}
	if x > hi {
		return hi
	}
	return x
}

// smooth is the smoothstep 3t^2 - 2t^3 of t clamped to [0, 1].
func smooth(t float32) float32 {
	t = clamp(t, 0, 1)
	return float32(float32(t*t) * (3 - float32(2*t)))
}

// byteOf is 255 x rounded, x clamped to [0, 1].
func byteOf(x float32) uint8 {
	x = float32(x*255) + 0.5
	if !(x > 0) {
		return 0
	}
	if x >= 255 {
		return 255
	}
	return uint8(int32(x))
}

// hypot is sqrt(x^2 + y^2).
func hypot(x, y float64) float64 { return math.Sqrt(float64(x*x) + float64(y*y)) }

func hypot32(x, y float32) float32 {
	return float32(math.Sqrt(float64(float32(x*x) + float32(y*y))))
}

// A box is the pixels x0 <= x < x1, y0 <= y < y1.
type box struct{ x0, y0, x1, y1 int }

func (b box) empty() bool { return b.x0 >= b.x1 || b.y0 >= b.y1 }

// around is the box of centre (x, y) and half sides rx, ry, cut to w x h.
func around(x, y, rx, ry float64, w, h int) box {
	return box{cut(x-rx, w), cut(y-ry, h), cut(x+rx+1, w), cut(y+ry+1, h)}
}

// cut is ceil(v) in 0..n.
func cut(v float64, n int) int {
	return int(math.Ceil(max(0, min(v, float64(n)))))
}

func (b box) union(c box) box {
	if b.empty() {
		return c
	}
	if c.empty() {
		return b
	}
	return box{min(b.x0, c.x0), min(b.y0, c.y0), max(b.x1, c.x1), max(b.y1, c.y1)}
}

// normals are the quantiles of the normal distribution at (i+1/2)/len.
var normals = normalTable()

func normalTable() (t [4096]float32) {
	const step, reach = 1. / 256, 5.
	var sum, total float64
	for x := -reach; x < reach; x += step {
		total += exact.Exp(float64(x*x) * -0.5)
	}
	i := 0
	for x := -reach; x < reach && i < len(t); x += step {
		p := exact.Exp(float64(x*x) * -0.5)
		for i < len(t) {
			want := float64((float64(i) + 0.5) / float64(len(t)) * total)
			if want > sum+p {
				break
			}
			t[i] = float32(x + float64(((want-sum)/p-0.5)*step))
			i++
		}
		sum += p
	}
	return t
}

// fillNormal fills dst with normal deviates of a 12-bit table, four to a draw.
func fillNormal(dst []float32, r *exact.Rand) {
	i := 0
	for ; i+4 <= len(dst); i += 4 {
		u := r.Uint64()
		dst[i] = normals[u&4095]
		dst[i+1] = normals[u>>16&4095]
		dst[i+2] = normals[u>>32&4095]
		dst[i+3] = normals[u>>48&4095]
	}
	for ; i < len(dst); i++ {
		dst[i] = normals[r.Uint64()&4095]
	}
}
