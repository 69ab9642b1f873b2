package inspect

import (
	"context"
	"errors"
	"fmt"
	"io"

	"cull/capture"
	"cull/infer/prep"
	"cull/internal/imagefile"
	"cull/padim"
)

// Options are the choices of Learn.
type Options struct {
	Plan prep.Plan

	// Mask, where not nil, marks the pixels of the frame to ignore. A grid cell
	// is ignored when more than half of its pixels are marked or outside the
	// frame (the bars of a letterbox). What is there never reaches the features.
	Mask *imagefile.Mask

	Fit padim.Options // Mask and Copies are filled in by Learn

	// Light, in stops, is how much the light of the line may change. Each good part is
	// taught LightCopies times more, in light drawn up to so far from the picture's
	// own, so that what light does to the features counts as normal; the threshold still comes
	// from the pictures as they are. 0: none. Not in Stock mode.
	Light float64

	SpoolDir string // of the temporary file, 0.1 MB a part at 256 pixels, three times that with Light

	// Progress, where not nil, is called after every part.
	Progress func(done int)

	keep func(pic []int8) // where not nil, gets the input picture of every part
}

// Light is the change of light, in stops, that commands expect unless they are told.
const Light = 0.7

// LightCopies is how many copies in other light Learn makes of each part.
const LightCopies = 2

// Learn teaches a model from the frames of src, all of them good parts. Memory
// does not depend on their number.
func Learn(
	ctx context.Context, src capture.Source, e Extractor, o Options,
) (*padim.Model, *padim.Report, error) {
	s, err := newSpool(o.SpoolDir, ctx.Err)
	if err != nil {
		return nil, nil, err
	}
	defer s.close()
	if o.Light > 0 && o.Fit.Mode != padim.Stock {
		o.Fit.Copies = LightCopies
	}
	if err := fill(ctx, s, src, e, &o); err != nil {
		return nil, nil, err
	}
	return padim.Fit(s, o.Fit)
}

// fill runs every frame of src through e into s, and sets the mask of o.Fit.
func fill(ctx context.Context, s *spool, src capture.Source, e Extractor, o *Options) error {
	p, err := prep.New(o.Plan)
	if err != nil {
		return err
	}
	pic, cell := make([]int8, o.Plan.Height*o.Plan.Width*3), 0
	light := NewRelighter(o.Plan.Width, o.Plan.Height, o.Light, o.Fit.Seed)
	for done := 1; ; done++ {
		f, err := src.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		width, height := f.Width, f.Height
		if err := checkMask(o.Mask, f); err != nil {
			f.Release()
			return err
		}
		err = p.Apply(pic, f)
		f.Release()
		if err != nil {
			return err
		}
		if o.keep != nil {
			o.keep(pic)
		}
		hide(pic, o.Plan.Width, cell, o.Fit.Mask) // not the first, whose maps tell the grid
		maps := e.Maps(pic)
		if done == 1 {
			if o.Fit.Mask, err = cellMask(o, width, height, maps); err != nil {
				return err
			}
			if o.Fit.Mask != nil {
				cell = gridCell(&o.Fit, maps)
				hide(pic, o.Plan.Width, cell, o.Fit.Mask)
				maps = e.Maps(pic)
			}
		}
		if err := s.add(maps); err != nil {
			return err
		}
		for range o.Fit.Copies {
			copied := light.Copy(pic, s.Len())
			hide(copied, o.Plan.Width, cell, o.Fit.Mask)
			if err := s.add(e.Maps(copied)); err != nil {
				return err
			}
		}
		if o.Progress != nil {
			o.Progress(done)
		}
	}
}

// ErrMaskSize reports a mask that was drawn on pictures of another size.
var ErrMaskSize = errors.New("mask and pictures differ in size")

func checkMask(m *imagefile.Mask, f *capture.Frame) error {
	if m == nil || m.Width == f.Width && m.Height == f.Height {
		return nil
	}
	return fmt.Errorf("inspect: %s: picture is %dx%d, mask %dx%d: %w",
		f.Name, f.Width, f.Height, m.Width, m.Height, ErrMaskSize)
}

// cellMask returns which cells of the grid to ignore, nil for none. Frames are
// width x height.
func cellMask(o *Options, width, height int, maps []padim.Map) ([]bool, error) {
	src, dst, err := o.Plan.Window(width, height)
	if err != nil {
		return nil, err
	}
	whole := dst.Dx() == o.Plan.Width && dst.Dy() == o.Plan.Height
	if o.Mask == nil && whole {
		return nil, nil
	}
	cell := gridCell(&o.Fit, maps)
	h, w := o.Plan.Height/cell, o.Plan.Width/cell
	mask, any := make([]bool, h*w), false
	for i := range mask {
		marked := 0
		for y := i / w * cell; y < (i/w+1)*cell; y++ {
			for x := i % w * cell; x < (i%w+1)*cell; x++ {
				if x < dst.Min.X || x >= dst.Max.X || y < dst.Min.Y || y >= dst.Max.Y {
					marked++
					continue
				}
				// the frame's pixel under the middle of the picture's
				fx := src.Min.X + (2*(x-dst.Min.X)+1)*src.Dx()/(2*dst.Dx())
				fy := src.Min.Y + (2*(y-dst.Min.Y)+1)*src.Dy()/(2*dst.Dy())
				if o.Mask != nil && o.Mask.Pix[fy*o.Mask.Width+fx] {
					marked++
				}
			}
		}
		mask[i] = 2*marked > cell*cell
		any = any || mask[i]
	}
	if !any {
		return nil, nil
	}
	return mask, nil
}

// hide makes the cells of a picture that mask ignores grey, all of them alike: what changes there, a label or a hole, would
// reach the features of the cells around it.
func hide(pic []int8, width, cell int, mask []bool) {
	for i, ignored := range mask {
		if !ignored {
			continue
		}
		across := width / cell
		for y := range cell {
			clear(pic[3*((i/across*cell+y)*width+i%across*cell):][:3*cell])
		}
	}
}

// gridCell returns the side of a grid cell in pixels, and fixes it where padim
// would choose.
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
