package prep

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"

	"cull/capture"
	"cull/internal/mjpeg"
)

// maxJPEG is the largest picture, in pixels, that is decompressed.
const maxJPEG = 1 << 26

// A colourModel says what the planes of a picture mean.
type colourModel uint8

const (
	grey      colourModel = iota // one plane
	rgb                          // R, G, B
	limited                      // Y 16..235, Cb and Cr 16..240, BT.601
	fullRange                    // Y, Cb, Cr 0..255, BT.601: JPEG
)

// A plane is one component of a picture: sample (x, y) is pix[y*stride+x*step].
type plane struct {
	pix          []uint8
	w, h         int // samples
	stride, step int // bytes
}

// A picture is a frame taken apart.
type picture struct {
	geometry
	model  colourModel
	planes [3]plane
	n      int // planes in use
}

// read takes f apart and checks that every sample it will read is there.
func (pic *picture) read(f *capture.Frame) error {
	if f.Width < 1 || f.Height < 1 || f.Width > MaxFrame || f.Height > MaxFrame {
		return frameError(f, "sides must be 1 to %d pixels", MaxFrame)
	}
	pic.geometry = geometry{f.Width, f.Height, 1, 1}
	switch f.Format {
	case capture.Grey:
		return pic.packed(f, grey, 1)
	case capture.RGB24:
		return pic.packed(f, rgb, 3)
	case capture.YUYV:
		return pic.yuyv(f)
	case capture.NV12:
		return pic.nv12(f)
	case capture.MJPEG:
		return pic.mjpeg(f)
	}
	return frameError(f, "pixel format %d is not known", f.Format)
}

func frameError(f *capture.Frame, format string, args ...any) error {
	what := fmt.Sprintf("%dx%d %v frame", f.Width, f.Height, f.Format)
	if f.Name != "" {
		what = f.Name + ": " + what
	}
	return fmt.Errorf("prep: %s: %w", what, fmt.Errorf(format, args...))
}

// enough checks that rows rows of used bytes fit in f.
func enough(f *capture.Frame, used, rows int) error {
	if f.Stride < used {
		return frameError(f, "stride of %d bytes is shorter than a row of %d", f.Stride, used)
	}
	if want := int64(f.Stride)*int64(rows-1) + int64(used); int64(len(f.Pix)) < want {
		return frameError(f, "%d bytes, want %d", len(f.Pix), want)
	}
	return nil
}

// packed reads n interleaved bytes a pixel.
func (pic *picture) packed(f *capture.Frame, m colourModel, n int) error {
	if err := enough(f, n*f.Width, f.Height); err != nil {
		return err
	}
	pic.model, pic.n = m, n
	for i := range n {
		pic.planes[i] = plane{f.Pix[i:], f.Width, f.Height, f.Stride, n}
	}
	return nil
}

func (pic *picture) yuyv(f *capture.Frame) error {
	if f.Width%2 != 0 {
		return frameError(f, "width must be even")
	}
	if err := enough(f, 2*f.Width, f.Height); err != nil {
		return err
	}
	pic.model, pic.n, pic.subX = limited, 3, 2
	pic.planes = [3]plane{
		{f.Pix, f.Width, f.Height, f.Stride, 2},
		{f.Pix[1:], f.Width / 2, f.Height, f.Stride, 4},
		{f.Pix[3:], f.Width / 2, f.Height, f.Stride, 4},
	}
	return nil
}

func (pic *picture) nv12(f *capture.Frame) error {
	if f.Width%2 != 0 || f.Height%2 != 0 {
		return frameError(f, "width and height must be even")
	}
	if err := enough(f, f.Width, f.Height/2*3); err != nil {
		return err
	}
	chroma := f.Pix[f.Stride*f.Height:]
	pic.model, pic.n, pic.subX, pic.subY = limited, 3, 2, 2
	pic.planes = [3]plane{
		{f.Pix, f.Width, f.Height, f.Stride, 1},
		{chroma, f.Width / 2, f.Height / 2, f.Stride, 2},
		{chroma[1:], f.Width / 2, f.Height / 2, f.Stride, 2},
	}
	return nil
}

// mjpeg decompresses f, after comparing the size in its header with the frame's.
func (pic *picture) mjpeg(f *capture.Frame) error {
	data := mjpeg.WithTables(f.Pix)
	cfg, err := jpeg.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return frameError(f, "%w", err)
	}
	if cfg.Width != f.Width || cfg.Height != f.Height {
		return frameError(f, "the JPEG inside is %dx%d", cfg.Width, cfg.Height)
	}
	if int64(cfg.Width)*int64(cfg.Height) > maxJPEG {
		return frameError(f, "more than %d pixels", maxJPEG)
	}
	img, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		return frameError(f, "%w", err)
	}
	switch img := img.(type) {
	case *image.Gray:
		pic.model, pic.n = grey, 1
		pic.planes[0] = plane{img.Pix, f.Width, f.Height, img.Stride, 1}
	case *image.YCbCr:
		pic.ycbcr(img)
	case *image.RGBA: // JPEG with R, G, B components
		pic.model, pic.n = rgb, 3
		for i := range 3 {
			pic.planes[i] = plane{img.Pix[i:], f.Width, f.Height, img.Stride, 4}
		}
	default:
		return frameError(f, "JPEG with four components is not supported")
	}
	return nil
}

func (pic *picture) ycbcr(img *image.YCbCr) {
	switch img.SubsampleRatio {
	case image.YCbCrSubsampleRatio422:
		pic.subX, pic.subY = 2, 1
	case image.YCbCrSubsampleRatio420:
		pic.subX, pic.subY = 2, 2
	case image.YCbCrSubsampleRatio440:
		pic.subX, pic.subY = 1, 2
	case image.YCbCrSubsampleRatio411:
		pic.subX, pic.subY = 4, 1
	case image.YCbCrSubsampleRatio410:
		pic.subX, pic.subY = 4, 2
	}
	w := (pic.width + pic.subX - 1) / pic.subX
	h := (pic.height + pic.subY - 1) / pic.subY
	pic.model, pic.n = fullRange, 3
	pic.planes = [3]plane{
		{img.Y, pic.width, pic.height, img.YStride, 1},
		{img.Cb, w, h, img.CStride, 1},
		{img.Cr, w, h, img.CStride, 1},
	}
}
