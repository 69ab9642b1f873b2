package imagefile

import (
	"errors"
	"fmt"
	"image/color"
)

// A Mask marks pixels, [Height][Width]: true where the file is not black.
type Mask struct {
	Width, Height int
	Pix           []bool
}

// ErrLossy reports a mask in a format that does not keep black black.
var ErrLossy = errors.New("a mask cannot be a JPEG: save it as PNG or BMP")

// ReadMask returns the mask in the file at path: ground truth of a data set, or
// the part of the picture to ignore.
func ReadMask(path string) (*Mask, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	m, err := decodeMask(data)
	if err != nil {
		return nil, fmt.Errorf("imagefile: mask %s: %w", path, err)
	}
	return m, nil
}

func decodeMask(data []byte) (*Mask, error) {
	_, format, err := config(data)
	if err != nil {
		return nil, err
	}
	if format == "jpeg" {
		return nil, ErrLossy
	}
	if err := checkTags(data, format); err != nil {
		return nil, err
	}
	img, err := decode(data)
	if err != nil {
		return nil, err
	}
	b := img.Bounds()
	m := &Mask{Width: b.Dx(), Height: b.Dy(), Pix: make([]bool, b.Dx()*b.Dy())}
	for y := range m.Height {
		for x := range m.Width {
			g := color.Gray16Model.Convert(img.At(b.Min.X+x, b.Min.Y+y)).(color.Gray16)
			m.Pix[y*m.Width+x] = g.Y != 0
		}
	}
	return m, nil
}
