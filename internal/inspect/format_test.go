package inspect

import (
	"context"
	"errors"
	"image"
	"slices"
	"testing"
	"time"

	"cull/capture"
	"cull/infer/prep"
)

func TestFormats(t *testing.T) {
	whole, region := prep.Plan{}, prep.Plan{Region: image.Rect(10, 10, 90, 90)}
	for _, c := range []struct {
		plan        prep.Plan
		taught, got image.Point
		ok          bool
	}{
		{whole, image.Pt(640, 480), image.Pt(640, 480), true},
		{whole, image.Pt(640, 480), image.Pt(1280, 960), true},
		{whole, image.Pt(500, 1240), image.Pt(500, 1260), true}, // 1.6 %
		{whole, image.Pt(500, 1240), image.Pt(500, 1270), false},
		{whole, image.Pt(640, 480), image.Pt(480, 640), false},
		{whole, image.Pt(9504, 6336), image.Pt(6336, 9504), false},
		{whole, image.Pt(1280, 720), image.Pt(1280, 800), false},
		{whole, image.Pt(1280, 1024), image.Pt(1280, 960), false},
		{region, image.Pt(640, 480), image.Pt(640, 480), true},
		{region, image.Pt(640, 480), image.Pt(1280, 960), false},
	} {
		err := CheckFormat(c.plan, c.taught, c.got)
		if (err == nil) != c.ok || err != nil && !errors.Is(err, ErrFormat) {
			t.Errorf("%v: taught %v, got %v: %v", c.plan.Region, c.taught, c.got, err)
		}
	}
}

// cropped is a source whose frames from the n-th on lack rows at the bottom.
type cropped struct {
	capture.Source
	n, rows int
}

func (c *cropped) Next(ctx context.Context) (*capture.Frame, error) {
	f, err := c.Source.Next(ctx)
	if err != nil {
		return nil, err
	}
	if c.n--; c.n <= 0 {
		f.Height -= c.rows
	}
	return f, nil
}

// A camera that was set otherwise would show parts distorted, and scores would mean nothing: neither
// teaching nor the line takes its frames.
func TestFramesOfAnotherFormatAreRefused(t *testing.T) {
	m := network(t)
	if _, err := Teach(t.Context(), &cropped{&parts{n: 9}, 5, 10}, m, options(t), time.Now()); !errors.Is(err, ErrFormat) {
		t.Errorf("teaching: %v", err)
	}
	p, err := Teach(t.Context(), &parts{n: 9}, m, options(t), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	in, err := Open(p, m, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	f := part(1, false)
	if p.Frame != image.Pt(f.Width, f.Height) {
		t.Errorf("frames of %v, taught on %dx%d", p.Frame, f.Width, f.Height)
	}
	if _, err := in.Inspect(f); err != nil {
		t.Errorf("a frame as taught: %v", err)
	}
	before := slices.Clone(in.Picture())
	f.Height -= 10
	if _, err := in.Inspect(f); !errors.Is(err, ErrFormat) {
		t.Errorf("a lower frame: %v", err)
	}
	if !slices.Equal(before, in.Picture()) {
		t.Error("the picture changed")
	}
}
