// Package check says whether a frame can be judged at all: a frame that is black,
// saturated, blurred or the same as before says nothing about its part.
package check

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"image"
	"image/jpeg"
	"sync/atomic"

	"cull/capture"
	"cull/internal/mjpeg"
)

// Reasons why a frame cannot be judged.
var (
	ErrBlack     = errors.New("black: look for the lamp, the lens cap and the exposure")
	ErrSaturated = errors.New("saturated: lower the exposure or the gain")
	ErrBlurred   = errors.New("blurred: look at the focus and for dirt on the lens")
	ErrFrozen    = errors.New("frozen: the camera repeats a frame")
)

// Limits of what can be judged. Zero fields take the value in brackets.
type Limits struct {
	Black     uint8   // 99 of 100 pixels are not brighter: black [24]
	White     uint8   // pixels at least so bright are saturated [250]
	Saturated float64 // largest share of saturated pixels [0.9]
	Sharpness float64 // smallest Measure.Sharpness [no limit]; half of the good parts' least is a good one
	Frozen    int     // so many equal frames in a row are frozen [3]; -1: never
}

// A Measure is what was measured of a frame's luma.
type Measure struct {
	Bright    uint8   // 99 of 100 pixels are not brighter
	Saturated float64 // share of saturated pixels
	// Sharpness is Brenner's focus measure over the variance, so that neither contrast nor
	// brightness changes it: sum of (I(x+2,y)-I(x,y))^2 over N times the variance of I.
	// White noise has 2, a smooth picture is near 0; a uniform one has 0.
	Sharpness float64
}

// A Checker checks the frames of one camera, in order. It is not safe for concurrent use, but for Change.
type Checker struct {
	l    atomic.Pointer[Limits]
	seed maphash.Seed
	last uint64
	same int // equal frames in a row
}

// New returns a Checker. It has seen no frame.
func New(l Limits) (*Checker, error) {
	c := &Checker{seed: maphash.MakeSeed()}
	if err := c.Change(l); err != nil {
		return nil, err
	}
	return c, nil
}

// Change gives other limits, or returns an error and leaves them. What was seen of the camera stays: one that is frozen is so still.
func (c *Checker) Change(l Limits) error {
	if l.Black == 0 {
		l.Black = 24
	}
	if l.White == 0 {
		l.White = 250
	}
	if l.Saturated == 0 {
		l.Saturated = 0.9
	}
	if l.Frozen == 0 {
		l.Frozen = 3
	}
	if !(l.Saturated > 0 && l.Saturated <= 1) || !(l.Sharpness >= 0) || l.Frozen < -1 || l.Frozen == 1 {
		return fmt.Errorf("check: saturated %v must be in (0,1], sharpness %v not negative, frozen %d at least 2 or -1",
			l.Saturated, l.Sharpness, l.Frozen)
	}
	c.l.Store(&l)
	return nil
}

// Check measures f. The error wraps the reason when f cannot be judged.
func (c *Checker) Check(f *capture.Frame) (Measure, error) {
	l := c.l.Load()
	frozen := c.frozen(f.Pix, l.Frozen)
	p, err := lumaOf(f)
	if err != nil {
		return Measure{}, fmt.Errorf("check: frame %d: %w", f.Seq, err)
	}
	m := p.measure(l.White)
	switch {
	case frozen:
		err = fmt.Errorf("%w (%d equal)", ErrFrozen, c.same)
	case m.Bright <= l.Black:
		err = fmt.Errorf("%w (99 %% of the pixels are at most %d)", ErrBlack, m.Bright)
	case m.Saturated > l.Saturated:
		err = fmt.Errorf("%w (%.0f %% of the pixels)", ErrSaturated, 100*m.Saturated)
	case m.Sharpness < l.Sharpness:
		err = fmt.Errorf("%w (sharpness %.4f, least %.4f)", ErrBlurred, m.Sharpness, l.Sharpness)
	}
	if err != nil {
		return m, fmt.Errorf("check: frame %d is %w", f.Seq, err)
	}
	return m, nil
}

func (c *Checker) frozen(pix []byte, most int) bool {
	h := maphash.Bytes(c.seed, pix)
	if h != c.last || c.same == 0 {
		c.same = 0
	}
	c.last = h
	c.same++
	return most > 0 && c.same >= most
}

// luma is the brightness of a picture: of RGB its green.
type luma struct {
	pix           []byte
	width, height int
	stride, step  int
	offset        int
	limited       bool // 16 is black and 235 white (BT.601), as in YUYV and NV12
}

// grey returns the grey level, 0 to 255, of a value of the plane.
func (p luma) grey(v int) uint8 {
	if !p.limited {
		return uint8(v)
	}
	return uint8(min(max((v-16)*255+109, 0)/219, 255))
}

func lumaOf(f *capture.Frame) (luma, error) {
	p := luma{pix: f.Pix, width: f.Width, height: f.Height, stride: f.Stride, step: 1, limited: f.Format == capture.YUYV || f.Format == capture.NV12}
	switch f.Format {
	case capture.Grey, capture.NV12:
	case capture.YUYV:
		p.step = 2
	case capture.RGB24:
		p.step, p.offset = 3, 1
	case capture.MJPEG:
		return decode(f)
	default:
		return p, fmt.Errorf("unknown pixel format %d", f.Format)
	}
	if p.width < 1 || p.height < 1 || p.stride < p.width*p.step || len(p.pix) < p.stride*(p.height-1)+p.width*p.step {
		return p, fmt.Errorf("%d bytes are no %v picture of %dx%d, %d bytes a line",
			len(p.pix), f.Format, p.width, p.height, p.stride)
	}
	return p, nil
}

// decode reads a JPEG picture if it has the frame's size: a damaged header asks for no memory.
func decode(f *capture.Frame) (luma, error) {
	data := mjpeg.WithTables(f.Pix)
	size, err := jpeg.DecodeConfig(bytes.NewReader(data))
	if err == nil && (size.Width != f.Width || size.Height != f.Height) {
		err = fmt.Errorf("is %dx%d, the frame %dx%d", size.Width, size.Height, f.Width, f.Height)
	}
	var img image.Image
	if err == nil {
		img, err = jpeg.Decode(bytes.NewReader(data))
	}
	if err != nil {
		return luma{}, fmt.Errorf("picture: %w", err)
	}
	return planeOf(img)
}

func planeOf(img image.Image) (luma, error) {
	size := img.Bounds().Size()
	switch img := img.(type) {
	case *image.YCbCr:
		return luma{pix: img.Y, width: size.X, height: size.Y, stride: img.YStride, step: 1}, nil
	case *image.Gray:
		return luma{pix: img.Pix, width: size.X, height: size.Y, stride: img.Stride, step: 1}, nil
	}
	return luma{}, fmt.Errorf("picture: colour model of %T is not for cameras", img)
}

// measure sums in integers: a picture of 16384 x 16384 does not overflow them.
func (p luma) measure(white uint8) Measure {
	var hist [256]int
	var gradient uint64
	for y := range p.height {
		row := p.pix[y*p.stride+p.offset:]
		for x := range p.width {
			v := row[x*p.step]
			hist[v]++
			if x >= 2 {
				d := int(v) - int(row[(x-2)*p.step])
				gradient += uint64(d * d)
			}
		}
	}
	n := p.width * p.height
	var sum, squares uint64
	var saturated int
	for v, count := range hist {
		n := uint64(count)
		sum += uint64(v) * n
		squares += uint64(v*v) * n
		if p.grey(v) >= white {
			saturated += count
		}
	}
	bright := p.grey(int(quantile(&hist, n-n/100)))
	m := Measure{Bright: bright, Saturated: float64(saturated) / float64(n)}
	mean := float64(sum) / float64(n)
	if variance := float64(squares)/float64(n) - float64(mean*mean); variance > 1e-9 {
		m.Sharpness = float64(gradient) / float64(n) / variance
	}
	return m
}

// quantile returns the smallest value that at least n pixels do not exceed.
func quantile(hist *[256]int, n int) uint8 {
	below := 0
	for v, count := range hist {
		if below += count; below >= n {
			return uint8(v)
		}
	}
	return 255
}
