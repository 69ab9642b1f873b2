package check

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"math/rand/v2"
	"testing"

	"cull/capture"
)

const side = 64

// texture draws blocks of n pixels a side with values from lo to hi.
func texture(seed uint64, n, lo, hi int) *image.Gray {
	r := rand.New(rand.NewPCG(seed, 1))
	img := image.NewGray(image.Rect(0, 0, side, side))
	for y := 0; y < side; y += n {
		for x := 0; x < side; x += n {
			v := uint8(lo + r.IntN(hi-lo+1))
			for i := range n * n {
				img.SetGray(x+i%n, y+i/n, color.Gray{Y: v})
			}
		}
	}
	return img
}

// in packs a grey picture into a format, with 8 bytes of padding a line.
func in(t *testing.T, f capture.PixelFormat, img *image.Gray) *capture.Frame {
	t.Helper()
	step := map[capture.PixelFormat]int{capture.Grey: 1, capture.NV12: 1, capture.YUYV: 2, capture.RGB24: 3}[f]
	if f == capture.MJPEG {
		var b bytes.Buffer
		if err := jpeg.Encode(&b, img, nil); err != nil {
			t.Fatal(err)
		}
		return &capture.Frame{Pix: b.Bytes(), Format: f, Width: side, Height: side}
	}
	stride := side*step + 8
	pix := make([]byte, stride*side*3/2)
	for y := range side {
		for x := range side {
			at := y*stride + x*step
			if f == capture.RGB24 {
				at++
			}
			pix[at] = img.GrayAt(x, y).Y
		}
	}
	return &capture.Frame{Pix: pix, Format: f, Width: side, Height: side, Stride: stride}
}

var formats = []capture.PixelFormat{capture.Grey, capture.RGB24, capture.YUYV, capture.NV12, capture.MJPEG}

func TestFaultsInEveryFormat(t *testing.T) {
	for _, f := range formats {
		for name, tc := range map[string]struct {
			img  *image.Gray
			want error
		}{
			"good":      {texture(1, 2, 40, 200), nil},
			"black":     {texture(2, 2, 0, 9), ErrBlack},
			"saturated": {texture(3, 2, 255, 255), ErrSaturated},
			"blurred":   {texture(4, 32, 40, 200), ErrBlurred},
		} {
			c, err := New(Limits{Sharpness: 0.5})
			if err != nil {
				t.Fatal(err)
			}
			m, err := c.Check(in(t, f, tc.img))
			if !errors.Is(err, tc.want) {
				t.Errorf("%v %s: %v, %+v", f, name, err, m)
			}
		}
	}
}

// In YUYV and NV12 white is 235 and black 16.
func TestLimitedRange(t *testing.T) {
	for f, want := range map[capture.PixelFormat]error{capture.Grey: nil, capture.RGB24: nil, capture.YUYV: ErrSaturated, capture.NV12: ErrSaturated} {
		c, err := New(Limits{Frozen: -1})
		if err != nil {
			t.Fatal(err)
		}
		if m, err := c.Check(in(t, f, texture(5, 2, 235, 235))); !errors.Is(err, want) {
			t.Errorf("%v: %v, %+v", f, err, m)
		}
		if m, err := c.Check(in(t, f, texture(6, 2, 26, 30))); errors.Is(err, ErrBlack) != (want != nil) {
			t.Errorf("%v, dark: %v, %+v", f, err, m)
		}
	}
}

func TestFrozen(t *testing.T) {
	c, err := New(Limits{})
	if err != nil {
		t.Fatal(err)
	}
	a, b := in(t, capture.Grey, texture(1, 2, 40, 200)), in(t, capture.Grey, texture(2, 2, 40, 200))
	for i, f := range []*capture.Frame{a, a, b, a, a, a, a, b} {
		_, err := c.Check(f)
		if want := i == 5 || i == 6; errors.Is(err, ErrFrozen) != want {
			t.Errorf("frame %d: %v", i, err)
		}
	}
}

// Other limits do not unfreeze a camera, and faulty ones change nothing.
func TestChangeOfAFrozenCamera(t *testing.T) {
	c, err := New(Limits{Frozen: 5})
	if err != nil {
		t.Fatal(err)
	}
	a := in(t, capture.Grey, texture(1, 2, 40, 200))
	for i, want := range []bool{false, false, false, true, true} {
		if i == 3 && c.Change(Limits{Frozen: 4}) != nil {
			t.Error("refused")
		}
		if i == 4 && c.Change(Limits{Frozen: 1}) == nil {
			t.Error("a frame is frozen by itself")
		}
		if _, err := c.Check(a); errors.Is(err, ErrFrozen) != want {
			t.Errorf("frame %d: %v", i, err)
		}
	}
}

func TestSharpnessIgnoresContrast(t *testing.T) {
	c, _ := New(Limits{Sharpness: 1e-9})
	dim, _ := c.Check(in(t, capture.Grey, texture(1, 4, 40, 60)))
	full, _ := c.Check(in(t, capture.Grey, texture(1, 4, 40, 200)))
	if r := dim.Sharpness / full.Sharpness; r < 0.8 || r > 1.25 {
		t.Errorf("sharpness %v and %v", dim.Sharpness, full.Sharpness)
	}
}

func TestBrokenFramesAreErrors(t *testing.T) {
	c, _ := New(Limits{})
	for _, f := range []capture.Frame{
		{},
		{Format: capture.Grey, Width: 4, Height: 4, Stride: 4, Pix: make([]byte, 15)},
		{Format: capture.RGB24, Width: 4, Height: 4, Stride: 11, Pix: make([]byte, 99)},
		{Format: capture.MJPEG, Pix: []byte{0xff, 0xd8}},
		{Format: capture.MJPEG},
	} {
		if _, err := c.Check(&f); err == nil {
			t.Errorf("%+v accepted", f)
		}
	}
}

func TestNewChecksLimits(t *testing.T) {
	for _, l := range []Limits{{Saturated: 2}, {Saturated: -1}, {Sharpness: -1}, {Frozen: 1}, {Frozen: -2}} {
		if _, err := New(l); err == nil {
			t.Errorf("%+v accepted", l)
		}
	}
}
