package inspect

import (
	"context"
	"errors"
	"fmt"
	"image"

	"cull/capture"
	"cull/infer/prep"
)

// ErrFormat reports a frame in which a part would lie otherwise than in the good parts' frames.
var ErrFormat = errors.New("another format than the good parts': set the camera to theirs, or teach again")

// CheckFormat returns an error unless a frame of size got shows a part as one of size taught does: of the
// same size or, where plan looks at the whole frame, of its aspect ratio to 2 %.
func CheckFormat(plan prep.Plan, taught, got image.Point) error {
	if got == taught {
		return nil
	}
	if plan.Region.Empty() && SameShape(taught, got) {
		return nil
	}
	return fmt.Errorf("%dx%d, good parts %dx%d: %w", got.X, got.Y, taught.X, taught.Y, ErrFormat)
}

// SameShape reports whether the aspect ratios of two sizes are the same to 2 %.
func SameShape(a, b image.Point) bool {
	across, down := int64(a.X)*int64(b.Y), int64(a.Y)*int64(b.X)
	return 50*max(across-down, down-across) <= across
}

// alike is a source whose frames must have one format.
type alike struct {
	capture.Source
	plan  prep.Plan
	frame image.Point // of the first
}

// Next implements capture.Source.
func (a *alike) Next(ctx context.Context) (*capture.Frame, error) {
	f, err := a.Source.Next(ctx)
	if err != nil {
		return nil, err
	}
	size := image.Pt(f.Width, f.Height)
	if a.frame == (image.Point{}) {
		a.frame = size
	}
	if err := CheckFormat(a.plan, a.frame, size); err != nil {
		err = fmt.Errorf("inspect: %s: %w", f.Name, err)
		f.Release()
		return nil, err
	}
	return f, nil
}
