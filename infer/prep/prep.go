package prep

import (
	"fmt"
	"image"

	"cull/capture"
)

// A Prep applies one plan. It keeps tables and buffers for the geometry of the
// last frame, so a stream of equal frames allocates nothing, except MJPEG
// frames, for which image/jpeg allocates the decoded picture every time.
// Not safe for concurrent use.
type Prep struct {
	plan Plan

	key      geometry
	src, dst image.Rectangle
	x, y     [2]axis    // of full planes and of chroma planes
	rows     []uint8    // one plane resampled horizontally, [rows][dst.Dx()]
	acc      []int32    // one output row
	out      [3][]uint8 // planes at the size of dst
}

// A geometry is what tables depend on.
type geometry struct {
	width, height int
	subX, subY    int // pixels per chroma sample; 1 where there is no chroma
}

// New returns a Prep for plan.
func New(plan Plan) (*Prep, error) {
	if err := plan.Validate(); err != nil {
		return nil, err
	}
	return &Prep{plan: plan}, nil
}

// Plan returns the plan.
func (p *Prep) Plan() Plan { return p.plan }

// Apply writes the input picture of f to dst, [Height][Width][3] int8 in
// -127..127, value pixel-128 clamped. It panics if dst has another length.
// It does not keep f.
func (p *Prep) Apply(dst []int8, f *capture.Frame) error {
	if len(dst) != p.plan.Width*p.plan.Height*3 {
		panic(fmt.Sprintf("prep: dst has %d values, want %d", len(dst), p.plan.Width*p.plan.Height*3))
	}
	var pic picture
	if err := pic.read(f); err != nil {
		return err
	}
	if err := p.adapt(&pic); err != nil {
		return frameError(f, "%w", err)
	}
	for i := range pic.planes[:pic.n] {
		p.resample(i, &pic)
	}
	if p.dst.Dx() != p.plan.Width || p.dst.Dy() != p.plan.Height {
		clear(dst)
	}
	p.colour(dst, pic.model)
	return nil
}

// adapt builds tables and buffers when the geometry is not that of the last frame.
func (p *Prep) adapt(pic *picture) error {
	if pic.geometry == p.key {
		return nil
	}
	src, dst, err := p.plan.window(pic.width, pic.height)
	if err != nil {
		return err
	}
	p.key = geometry{} // not valid until complete
	p.src, p.dst = src, dst
	w, h := dst.Dx(), dst.Dy()
	full, chroma := &pic.planes[0], &pic.planes[pic.n-1]
	p.x[0] = newAxis(src.Min.X, src.Max.X, 1, full.w, w)
	p.y[0] = newAxis(src.Min.Y, src.Max.Y, 1, full.h, h)
	p.x[1], p.y[1] = p.x[0], p.y[0]
	if pic.subX != 1 {
		p.x[1] = newAxis(src.Min.X, src.Max.X, pic.subX, chroma.w, w)
	}
	if pic.subY != 1 {
		p.y[1] = newAxis(src.Min.Y, src.Max.Y, pic.subY, chroma.h, h)
	}
	p.rows = make([]uint8, (p.y[0].hi-p.y[0].lo)*w)
	p.acc = make([]int32, w)
	for i := range p.out {
		p.out[i] = make([]uint8, w*h)
	}
	p.key = pic.geometry
	return nil
}

// resample scales plane i of pic to p.out[i], first along rows, then along
// columns, each pass rounded to 8 bits.
func (p *Prep) resample(i int, pic *picture) {
	pl := &pic.planes[i]
	x, y := &p.x[0], &p.y[0]
	if i > 0 {
		x, y = &p.x[1], &p.y[1]
	}
	w := p.dst.Dx()
	for r := y.lo; r < y.hi; r++ {
		x.gather(p.rows[(r-y.lo)*w:][:w], pl.pix[r*pl.stride:], pl.step)
	}
	const half = 1 << (coefBits - 1)
	for r := range p.dst.Dy() {
		for j := range p.acc {
			p.acc[j] = half
		}
		first := int(y.first[r]) - y.lo
		for k, c := range y.coef[r*y.taps:][:y.count[r]] {
			row := p.rows[(first+k)*w:][:len(p.acc)]
			for j, v := range row {
				p.acc[j] += c * int32(v)
			}
		}
		out := p.out[i][r*w:][:len(p.acc)]
		for j, v := range p.acc {
			out[j] = uint8(v >> coefBits)
		}
	}
}

// gather resamples one row of samples step bytes apart.
func (a *axis) gather(dst, src []uint8, step int) {
	const half = 1 << (coefBits - 1)
	for i := range dst {
		sum := int32(half)
		at := int(a.first[i]) * step
		for _, c := range a.coef[i*a.taps:][:a.count[i]] {
			sum += c * int32(src[at])
			at += step
		}
		dst[i] = uint8(sum >> coefBits)
	}
}
