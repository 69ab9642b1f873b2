// Package prep turns a camera frame into the network's input picture: region,
// resize, colour, int8.
//
// Everything is integer arithmetic, so the same frame gives the same picture on
// every CPU. A frame is a set of planes (grey; R, G, B; or Y, Cb, Cr). Each
// plane is resampled on its own from its own resolution to the network's, and
// colour is converted afterwards, once per output pixel.
package prep

import (
	"errors"
	"fmt"
	"image"
)

// Limits of a plan and of a frame.
const (
	MinSide  = 8       // pixels, sides of the input picture
	MaxSide  = 4096    // pixels, sides of the input picture
	MaxFrame = 1 << 15 // pixels, sides of a frame
)

// A Fit says what happens where the region and the input picture differ in
// aspect ratio.
type Fit uint8

// The fits. Stretch is the default, and what PaDiM implementations that do not
// crop use.
const (
	Stretch   Fit = iota // both sides scaled on their own
	Letterbox            // whole region, centred; the bars are mid grey (0 in int8)
	Cover                // middle of the region in the picture's aspect ratio
)

var fitNames = [...]string{"stretch", "letterbox", "cover"}

// String returns the name used in files and on command lines.
func (f Fit) String() string {
	if int(f) < len(fitNames) {
		return fitNames[f]
	}
	return fmt.Sprintf("Fit(%d)", uint8(f))
}

// MarshalText returns the fit's name.
func (f Fit) MarshalText() ([]byte, error) {
	if int(f) >= len(fitNames) {
		return nil, fmt.Errorf("prep: fit %d: unknown", uint8(f))
	}
	return []byte(fitNames[f]), nil
}

// UnmarshalText reads a fit's name; the empty string is Stretch.
func (f *Fit) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*f = Stretch
		return nil
	}
	for i, name := range fitNames {
		if string(text) == name {
			*f = Fit(i)
			return nil
		}
	}
	return fmt.Errorf("prep: fit %q: not stretch, letterbox or cover", text)
}

// A Plan says how a frame becomes the input picture. It travels in .net and
// .product files as JSON.
type Plan struct {
	Width  int             `json:"width"`           // pixels of the input picture
	Height int             `json:"height"`          // pixels of the input picture
	Region image.Rectangle `json:"region,omitzero"` // part of the frame to look at; empty: all
	Fit    Fit             `json:"fit"`
}

// Validate reports the first field out of range.
func (p Plan) Validate() error {
	if p.Width < MinSide || p.Width > MaxSide || p.Height < MinSide || p.Height > MaxSide {
		return fmt.Errorf("prep: size %dx%d: sides must be %d to %d pixels",
			p.Width, p.Height, MinSide, MaxSide)
	}
	if p.Fit > Cover {
		return fmt.Errorf("prep: fit %d: unknown", uint8(p.Fit))
	}
	r := p.Region
	if r == (image.Rectangle{}) {
		return nil
	}
	if r.Min.X < 0 || r.Min.Y < 0 || r.Max.X > MaxFrame || r.Max.Y > MaxFrame || r.Empty() {
		return fmt.Errorf("prep: region %v: must be a non-empty rectangle within 0 to %d", r, MaxFrame)
	}
	return nil
}

// ErrRegion reports a region that reaches outside the frame.
var ErrRegion = errors.New("region reaches outside the frame")

// Window returns which pixels of a width x height frame become which pixels of
// the input picture: src of the frame is scaled onto dst of the picture.
func (p Plan) Window(width, height int) (src, dst image.Rectangle, err error) {
	if src, dst, err = p.window(width, height); err != nil {
		err = fmt.Errorf("prep: %w", err)
	}
	return src, dst, err
}

func (p Plan) window(width, height int) (src, dst image.Rectangle, err error) {
	frame := image.Rect(0, 0, width, height)
	src, dst = p.Region, image.Rect(0, 0, p.Width, p.Height)
	if src.Empty() {
		src = frame
	}
	if !src.In(frame) {
		return src, dst, fmt.Errorf("%v: %w", src, ErrRegion)
	}
	w, h := int64(src.Dx()), int64(src.Dy())
	pw, ph := int64(p.Width), int64(p.Height)
	wide := w*ph > h*pw // the region is wider than the picture
	switch {
	case p.Fit == Letterbox && wide:
		dst = centred(dst, p.Width, scaled(h, pw, w))
	case p.Fit == Letterbox:
		dst = centred(dst, scaled(w, ph, h), p.Height)
	case p.Fit == Cover && wide:
		src = centred(src, scaled(h, pw, ph), int(h))
	case p.Fit == Cover:
		src = centred(src, int(w), scaled(w, ph, pw))
	}
	return src, dst, nil
}

// scaled returns n*num/den rounded to nearest, at least 1.
func scaled(n, num, den int64) int { return int(max(1, (2*n*num+den)/(2*den))) }

// centred returns the w x h rectangle in the middle of r.
func centred(r image.Rectangle, w, h int) image.Rectangle {
	x := r.Min.X + (r.Dx()-w)/2
	y := r.Min.Y + (r.Dy()-h)/2
	return image.Rect(x, y, x+w, y+h)
}
