package inspect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"slices"

	"cull/capture"
	"cull/infer/prep"
	"cull/internal/imagefile"
	"cull/internal/light"
	"cull/internal/mirror"
	"cull/padim"
)

// Options are the choices of Learn.
type Options struct {
	Plan prep.Plan

	// Mask, where not nil, marks the pixels of the frame to ignore. A grid cell is ignored when
	// a marked pixel has a share in any of its own, or when more than half of it is outside the
	// frame (the bars of a letterbox). What is there never reaches the features.
	Mask *imagefile.Mask

	Fit padim.Options // Mask and Copies are filled in by Learn

	// Light, in stops, is how much the light of the line may change. What differs from the light of
	// the good parts is taken off every picture, up to so far (light.Normaliser), and each good part
	// is taught LightCopies times more, in light drawn up to so far from the picture's own, so that
	// what is left of it in the features counts as normal; the threshold still comes from the
	// pictures as they are. 0: none. Not in Stock mode.
	Light float64

	// NoMirrors teaches no mirrored copies of few good parts (see mirrors.go). In Stock mode there are none either.
	NoMirrors bool

	SpoolDir string // of the temporary files, 0.3 MB a part at 256 pixels, 0.5 MB with Light, 0.8 MB with mirrors

	// Progress, where not nil, is called after every picture in StagePictures, copies too, and after every part in each
	// stage behind it; the model's stage walks over the parts up to four times, twice that with mirrors.
	Progress func(stage string, done int)

	// Taken, where not nil, hears of every picture: its name and, if it is the same as an earlier one to the bit and so not taught
	// again, the name of that.
	Taken func(name, twin string)

	marked []bool           // the input picture's pixels that Mask's have a share in; nil: none. Filled in by Learn
	keep   func(pic []int8) // where not nil, gets the input picture of every part
}

// Light is the change of light, in stops, that commands expect unless they are told.
const Light = 2

// Stages of Learn, as Progress names them.
const (
	StagePictures = "pictures"
	StageFeatures = "features"
	StageModel    = "model"
)

// LightCopies is how many copies in other light Learn makes of each part.
const LightCopies = 2

// Taught is what Learn made of good parts.
type Taught struct {
	Model   *padim.Model
	Report  *padim.Report
	Light   *light.Reference // nil: pictures are taken as they are
	Mirrors []mirror.Mirror  // in which good parts were taught too
}

// Learn teaches a model from the frames of src, all of them good parts: it collects their pictures and
// the mean of their light, then extracts features, then fits, and where mirrored good parts pass, fits once more
// with them. Memory does not depend on their number, but for a digest and a name of each.
func Learn(ctx context.Context, src capture.Source, e Extractor, o Options) (*Taught, error) {
	if o.Fit.Mode == padim.Stock {
		if o.Mask != nil {
			return nil, ErrMaskStock
		}
		o.Light = 0
	}
	pictures, err := newSpool(o.SpoolDir, ctx.Err)
	if err != nil {
		return nil, err
	}
	defer pictures.close()
	features, err := newSpool(o.SpoolDir, ctx.Err)
	if err != nil {
		return nil, err
	}
	defer features.close()
	frame, ref, err := collect(ctx, pictures, src, &o)
	if err != nil {
		return nil, err
	}
	tried, err := extract(features, pictures, frame, ref, e, &o)
	if err != nil {
		return nil, err
	}
	features.each = o.after(StageModel, len(o.Fit.Copies)+1)
	model, report, err := padim.Fit(features, o.Fit)
	if err != nil {
		return nil, err
	}
	mirrors := passing(tried, report, o.Fit.Copies)
	if mirrors != nil {
		if model, report, err = padim.Fit(features, o.Fit); err != nil {
			return nil, err
		}
	}
	if !(report.Threshold.Value > equal) { // but for what is ignored
		return nil, fmt.Errorf("inspect: %d pictures: %w", pictures.Len(), ErrSame)
	}
	report.Tried = nil
	return &Taught{model, report, ref, mirrors}, nil
}

// equal is a score that only parts without any difference have.
const equal = 1e-6

// after returns what tells Progress how many samples are done, so many of them a part.
func (o *Options) after(stage string, samples int) func(done int) {
	return func(done int) {
		if o.Progress != nil && done%samples == 0 {
			o.Progress(stage, done/samples)
		}
	}
}

// collect prepares every frame of src into pictures. It returns the size of the first frame and the mean
// light, nil where it is not to be told.
func collect(ctx context.Context, pictures *spool, src capture.Source, o *Options) (image.Point, *light.Reference, error) {
	var frame image.Point
	w, h := o.Plan.Width, o.Plan.Height
	p, err := prep.New(o.Plan)
	if err != nil {
		return frame, nil, err
	}
	pic, meter, after := make([]int8, h*w*3), light.NewMeter(w, h), o.after(StagePictures, 1)
	var seen Repeats
	var chroma image.Point // of the frame last marked
	done := 1
	for ; ; done++ {
		f, err := src.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return frame, nil, err
		}
		if done == 1 {
			frame = image.Pt(f.Width, f.Height)
		}
		if err = checkMask(o.Mask, f); err == nil {
			err = p.Apply(pic, f)
		}
		if err == nil && o.Mask != nil && p.Chroma() != chroma {
			chroma = p.Chroma()
			o.mark(p.Marked(o.Mask.Pix))
		}
		name := f.Name
		f.Release()
		if err != nil {
			return frame, nil, err
		}
		name = cmp.Or(name, fmt.Sprintf("good part %d", done))
		first, again := seen.Add(pic, name)
		if o.Taken != nil {
			o.Taken(name, first)
		}
		if after(done); again {
			continue
		}
		if o.keep != nil {
			o.keep(pic)
		}
		if o.Light > 0 {
			meter.Add(pic)
		}
		if err := pictures.add([]padim.Map{{H: h, W: w, C: 3, Stride: 1, Data: pic}}); err != nil {
			return frame, nil, err
		}
	}
	if err := Enough(pictures.Len(), done-1); err != nil {
		return frame, nil, fmt.Errorf("inspect: %w", err)
	}
	if o.Light == 0 {
		return frame, nil, nil
	}
	return frame, meter.Reference(o.Light), nil
}

// mark adds what a mask's pixels have a share in, in frames of one format.
func (o *Options) mark(marked []bool) {
	if o.marked == nil {
		o.marked = marked
		return
	}
	for i, m := range marked {
		o.marked[i] = o.marked[i] || m
	}
}

// extract runs every picture, with ref its copies in other light, and then mirrored copies to try, through e into
// features. It sets the mask and the copies of o.Fit and returns the mirrors tried.
func extract(
	features, pictures *spool, frame image.Point, ref *light.Reference, e Extractor, o *Options,
) (tried []mirror.Mirror, err error) {
	w, h := o.Plan.Width, o.Plan.Height
	pic, turned := make([]int8, h*w*3), make([]int8, h*w*3)
	var look *view
	see := func(from []int8) error {
		copy(pic, from)
		look.see(pic)
		return features.add(e.Maps(pic))
	}
	relit := light.NewRelighter(w, h, o.Light, o.Fit.Seed)
	copies := 0
	if ref != nil {
		copies = LightCopies
	}
	pictures.each = o.after(StageFeatures, 1)
	err = pictures.Each(func(i int, maps []padim.Map) (err error) {
		from := maps[0].Data
		if look == nil {
			var grid []padim.Map
			if o.Fit.Mode == padim.Stock {
				grid = e.Maps(from)
			}
			if o.Fit.Mask, err = cellMask(o, frame); err != nil {
				return err
			}
			cell := gridCell(&o.Fit, grid)
			look = newView(ref, o.Plan, o.Fit.Mask, cell)
			tried = candidates(o, pictures.Len(), w/cell)
			o.Fit.Copies = slices.Concat(slices.Repeat([]bool{true}, copies), make([]bool, len(tried)))
		}
		if err := see(from); err != nil {
			return err
		}
		for k := range copies {
			if err := see(relit.Copy(from, i*(1+copies)+1+k)); err != nil {
				return err
			}
		}
		for _, m := range tried {
			m.Picture(turned, from, w)
			if err := see(turned); err != nil {
				return err
			}
		}
		return nil
	})
	return tried, err
}

// ErrMaskSize reports a mask that was drawn on pictures of another size.
var ErrMaskSize = errors.New("mask and pictures differ in size")

// ErrMaskEmpty reports a mask that covers no cell of what is looked at.
var ErrMaskEmpty = errors.New("the mask ignores nothing")

// ErrMaskStock reports a mask for stock mode, which looks at whole pictures.
var ErrMaskStock = errors.New("inspect: stock mode knows no mask")

// ErrSame reports good parts whose pictures are one and the same.
var ErrSame = errors.New("all pictures are the same")

func checkMask(m *imagefile.Mask, f *capture.Frame) error {
	if m == nil || m.Width == f.Width && m.Height == f.Height {
		return nil
	}
	return fmt.Errorf("inspect: %s: picture is %dx%d, mask %dx%d: %w",
		f.Name, f.Width, f.Height, m.Width, m.Height, ErrMaskSize)
}

// cellMask returns which cells of the grid to ignore, nil for none, in frames of that size.
func cellMask(o *Options, frame image.Point) ([]bool, error) {
	_, dst, err := o.Plan.Window(frame.X, frame.Y)
	if err != nil {
		return nil, err
	}
	whole := dst.Dx() == o.Plan.Width && dst.Dy() == o.Plan.Height
	if o.Mask == nil && whole || o.Fit.Mode == padim.Stock {
		return nil, nil
	}
	cell := gridCell(&o.Fit, nil)
	h, w := o.Plan.Height/cell, o.Plan.Width/cell
	mask, any := make([]bool, h*w), false
	marks := o.Mask == nil // a cell of what is looked at
	for i := range mask {
		outside, marked := 0, false
		for y := i / w * cell; y < (i/w+1)*cell; y++ {
			for x := i % w * cell; x < (i%w+1)*cell; x++ {
				if !image.Pt(x, y).In(dst) {
					outside++
				}
				marked = marked || o.marked != nil && o.marked[y*o.Plan.Width+x]
			}
		}
		mask[i] = marked || 2*outside > cell*cell
		any = any || mask[i]
		marks = marks || marked
	}
	switch {
	case !marks:
		return nil, ErrMaskEmpty
	case !any:
		return nil, nil
	}
	return mask, nil
}

// gridCell returns the side of a grid cell in pixels, and fixes it where padim
// would choose. Only Stock mode looks at maps.
func gridCell(o *padim.Options, maps []padim.Map) int {
	if o.Mode != padim.Stock {
		if o.Cell == 0 {
			o.Cell = 8
		}
		return o.Cell
	}
	cell := maps[0].Stride
	for _, m := range maps {
		cell = min(cell, m.Stride)
	}
	return cell
}
