// Package capture is the vocabulary of pictures: what a frame is and what
// delivers one. It holds no driver.
package capture

import (
	"context"
	"errors"
	"time"
)

// ErrLost reports that the camera went away. The source is of no more use: close it and open another.
var ErrLost = errors.New("capture: camera lost")

// A PixelFormat says how the bytes of a frame become colours.
type PixelFormat uint8

// The formats a Frame can carry. Names are those of V4L2.
const (
	Grey  PixelFormat = iota + 1 // one luma byte a pixel
	RGB24                        // bytes R, G, B
	YUYV                         // 4:2:2 packed, bytes Y0 Cb Y1 Cr, BT.601 limited range
	NV12                         // 4:2:0, a plane of Y, then a plane of interleaved Cb Cr
	MJPEG                        // one JPEG picture, len(Pix) bytes; Stride is 0
)

// String returns V4L2's name of the format.
func (f PixelFormat) String() string {
	switch f {
	case Grey:
		return "GREY"
	case RGB24:
		return "RGB24"
	case YUYV:
		return "YUYV"
	case NV12:
		return "NV12"
	case MJPEG:
		return "MJPEG"
	}
	return "unknown"
}

// A Frame is one picture on loan from its Source.
type Frame struct {
	Pix           []byte // read-only, invalid after Release
	Format        PixelFormat
	Width, Height int           // pixels
	Stride        int           // bytes from one row to the next (NV12: of both planes)
	Seq           uint32        // the driver's counter; a gap means dropped frames
	Mono          time.Duration // start of exposure, CLOCK_MONOTONIC
	Name          string        // where it came from when that is a file; else empty

	release func()
}

// NewFrame returns f with a function that gives its buffer back. release may be nil.
func NewFrame(f Frame, release func()) *Frame {
	f.release = release
	return &f
}

// Release returns the buffer to the source. A second call does nothing.
func (f *Frame) Release() {
	if f.release != nil {
		f.release()
		f.release = nil
	}
}

// A Source delivers frames in capture order.
//
// Next blocks until a frame is ready or ctx ends. For a slow consumer a live source
// holds a few frames, in order; those it cannot hold are lost and show as a gap in Seq.
// So a frame may be old: what it shows is told by Mono, never by when it arrives. A
// finite source (folder, recording) ends with io.EOF. Other errors are ctx.Err, an
// error wrapping ErrLost, or fatal.
type Source interface {
	Next(ctx context.Context) (*Frame, error)
	Close() error
}
