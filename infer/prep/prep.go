package prep

import (
	"fmt"
	"image"

	"cull/capture"
	"cull/infer/internal/pixel"
)

// A Prep applies one plan. It keeps tables and buffers for the geometry of the
// last frame, so a stream of equal frames allocates nothing, except MJPEG
// frames, for which image/jpeg allocates the decoded picture every time.
// Not safe for concurrent use.
type Prep struct {
	plan Plan

	key      geometry
	format   capture.PixelFormat // of the last frame
	src, dst image.Rectangle
	x, y     [2]axis      // of full planes and of chroma planes
	along    [2]pixel.Row // x, as it is computed
	width    int          // dst.Dx() in whole blocks: the length of a row below
	samples  []uint8      // one row of a plane
	rows     []uint8      // one plane resampled along its rows, [rows][width]
	out      [3][]uint8   // planes at the size of dst, [dst.Dy()][width]
}

// A geometry is what tables depend on.
type geometry struct {
	width, height int
	subX, subY    int // pixels per chroma sample; 1 where there is no chroma
}

// Kernel returns the name of the implementation in use.
func Kernel() string { return pixel.Name() }

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
	p.format = f.Format
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
	span := 0
	for i := range p.x {
		p.along[i] = p.x[i].row()
		span = max(span, p.along[i].Span(p.x[i].hi))
	}
	p.width = pixel.Padded(w)
	p.samples = make([]uint8, span)
	p.rows = make([]uint8, (p.y[0].hi-p.y[0].lo)*p.width)
	for i := range p.out {
		p.out[i] = make([]uint8, p.width*h)
	}
	p.key = pic.geometry
	return nil
}

// resample scales plane i of pic to p.out[i], first along rows, then along
// columns, each pass rounded to 8 bits.
func (p *Prep) resample(i int, pic *picture) {
	pl := &pic.planes[i]
	x, y, along := &p.x[0], &p.y[0], &p.along[0]
	if i > 0 {
		x, y, along = &p.x[1], &p.y[1], &p.along[1]
	}
	for r := y.lo; r < y.hi; r++ {
		pixel.Pick(p.samples[x.lo:x.hi], pl.pix[r*pl.stride+x.lo*pl.step:], pl.step)
		along.Apply(p.rows[(r-y.lo)*p.width:][:p.width], p.samples)
	}
	for r := range p.dst.Dy() {
		coef := y.coef[r*y.taps:][:y.count[r]]
		pixel.Columns(p.out[i][r*p.width:][:p.width], p.rows[(int(y.first[r])-y.lo)*p.width:], p.width, coef)
	}
}

// row prepares the axis for resampling rows.
func (a *axis) row() pixel.Row { return pixel.NewRow(a.first, a.count, a.coef, a.taps) }
