// Package imagefile reads image files from outside as frames.
//
// PNG, BMP and TIFF become Grey or RGB24 frames: 16-bit samples are scaled to 8
// bits, palettes are looked up, alpha is composited on black (a transparent
// pixel sends no light). One of 16 bits that uses the lowest 12 alone is refused. A JPEG stays compressed, as an MJPEG frame: a picture
// saved from a camera then takes the very path it took on the line and gets the
// same score. A picture that is stored turned (EXIF) is refused, and a TIFF of several; colour profiles
// are ignored.
package imagefile

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	_ "image/jpeg" // register the format
	_ "image/png"  // register the format
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	_ "golang.org/x/image/bmp"  // register the format
	_ "golang.org/x/image/tiff" // register the format

	"cull/capture"
	"cull/internal/mjpeg"
	"cull/internal/regular"
)

// Limits on what is read, checked before anything is decompressed.
const (
	MaxBytes  = 1 << 28 // of a file
	MaxSide   = 1 << 15 // pixels
	MaxPixels = 1 << 26

	// MaxMemory is bytes of the decoded pixels. An interlaced PNG needs them twice, a progressive JPEG five times, a compressed
	// TIFF many times those of its largest strip.
	MaxMemory = 1 << 28
)

// ErrFormat reports a file that is none of the formats.
var ErrFormat = errors.New("not a PNG, JPEG, BMP or TIFF picture")

// ErrTooLarge reports a file or picture over the limits.
var ErrTooLarge = errors.New("picture is too large")

// ErrDim reports a picture of 16 bits a sample whose values are those of a camera of 12 bits or fewer: of its grey levels 16 at most
// would be left, and few defects.
var ErrDim = errors.New("picture of 16 bits that uses the lowest 12 alone")

var extensions = []string{".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff"}

// Is reports whether name ends like an image file this package reads.
func Is(name string) bool {
	return slices.Contains(extensions, strings.ToLower(filepath.Ext(name)))
}

// Read returns the picture in the file at path. Frame.Name is path.
func Read(path string) (*capture.Frame, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	f, err := Decode(data)
	if err != nil {
		return nil, fmt.Errorf("imagefile: %s: %w", path, err)
	}
	f.Name = path
	return f, nil
}

// readFile reads at most MaxBytes.
func readFile(path string) ([]byte, error) {
	file, size, err := regular.Open(path)
	if err != nil {
		return nil, fmt.Errorf("imagefile: %w", err)
	}
	defer file.Close()
	var buf bytes.Buffer
	buf.Grow(int(min(size, MaxBytes)) + bytes.MinRead)
	n, err := buf.ReadFrom(io.LimitReader(file, MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("imagefile: %w", err)
	}
	if n > MaxBytes {
		return nil, fmt.Errorf("imagefile: %s: more than %d bytes: %w", path, MaxBytes, ErrTooLarge)
	}
	return buf.Bytes(), nil
}

// Decode returns the picture in data. A JPEG's frame aliases data and has only
// its header checked.
func Decode(data []byte) (*capture.Frame, error) {
	cfg, format, err := config(data)
	if err != nil {
		return nil, err
	}
	if err := checkTags(data, format); err != nil {
		return nil, err
	}
	if format == "jpeg" {
		return &capture.Frame{
			Pix: data, Format: capture.MJPEG, Width: cfg.Width, Height: cfg.Height,
		}, nil
	}
	img, err := decode(data)
	if err != nil {
		return nil, err
	}
	if isDim(img) {
		return nil, ErrDim
	}
	if isGrey(cfg.ColorModel) {
		return greyFrame(img), nil
	}
	return rgbFrame(img), nil
}

// isDim reports a picture of 16 bits a sample none of which is 4096 or more. One that is all zeros is black.
func isDim(img image.Image) bool {
	var pix []byte
	opacity := -1 // its place among 8 bytes
	switch m := img.(type) {
	case *image.Gray16:
		pix = m.Pix
	case *image.RGBA64:
		pix, opacity = m.Pix, 6
	case *image.NRGBA64:
		pix, opacity = m.Pix, 6
	}
	some := false
	for i := 0; i < len(pix); i += 2 { // the high byte is first
		if i%8 == opacity {
			continue
		}
		if pix[i] >= 1<<4 {
			return false
		}
		some = some || pix[i] != 0 || pix[i+1] != 0
	}
	return some
}

// Image returns the picture in data with its colours, JPEG included: what
// overlays are drawn on.
func Image(f *capture.Frame) (image.Image, error) {
	switch f.Format {
	case capture.MJPEG:
		if _, _, err := config(f.Pix); err != nil {
			return nil, fmt.Errorf("imagefile: %s: %w", f.Name, err)
		}
		img, err := decode(mjpeg.WithTables(f.Pix))
		if err != nil {
			return nil, fmt.Errorf("imagefile: %s: %w", f.Name, err)
		}
		return img, nil
	case capture.Grey:
		if err := enough(f, 1); err != nil {
			return nil, err
		}
		return &image.Gray{Pix: f.Pix, Stride: f.Stride, Rect: image.Rect(0, 0, f.Width, f.Height)}, nil
	case capture.RGB24:
		if err := enough(f, 3); err != nil {
			return nil, err
		}
		img := image.NewRGBA(image.Rect(0, 0, f.Width, f.Height))
		for y := range f.Height {
			src, dst := f.Pix[y*f.Stride:], img.Pix[y*img.Stride:]
			for x := range f.Width {
				copy(dst[4*x:], src[3*x:3*x+3])
				dst[4*x+3] = 255
			}
		}
		return img, nil
	}
	return nil, fmt.Errorf("imagefile: %s: %v frames have no picture", f.Name, f.Format)
}

// enough checks that f holds as many pixels of n bytes as it says.
func enough(f *capture.Frame, n int) error {
	row := n * f.Width
	if f.Stride < row || int64(len(f.Pix)) < int64(f.Stride)*int64(f.Height-1)+int64(row) {
		return fmt.Errorf("imagefile: %s: %d bytes, %d a row, are no %dx%d %v picture",
			f.Name, len(f.Pix), f.Stride, f.Width, f.Height, f.Format)
	}
	return nil
}

// config reads the header of data and checks the size it promises.
func config(data []byte) (image.Config, string, error) {
	cfg, format, err := image.DecodeConfig(bytes.NewReader(data))
	if errors.Is(err, image.ErrFormat) {
		return cfg, "", ErrFormat
	}
	if err != nil {
		return cfg, "", err
	}
	if cfg.Width < 1 || cfg.Height < 1 {
		return cfg, "", fmt.Errorf("picture of %dx%d pixels", cfg.Width, cfg.Height)
	}
	if cfg.Width > MaxSide || cfg.Height > MaxSide || cfg.Width*cfg.Height > MaxPixels {
		return cfg, "", fmt.Errorf("%dx%d pixels: %w", cfg.Width, cfg.Height, ErrTooLarge)
	}
	if n := decodedBytes(data, format, cfg); n > MaxMemory {
		return cfg, "", fmt.Errorf("%dx%d pixels, %d MiB in memory, at most %d: %w",
			cfg.Width, cfg.Height, n>>20, MaxMemory>>20, ErrTooLarge)
	}
	return cfg, format, nil
}

// decodedBytes returns how much memory the pixels of data take when they are decoded.
func decodedBytes(data []byte, format string, cfg image.Config) int64 {
	n := int64(cfg.Width) * int64(cfg.Height)
	if format == "jpeg" {
		return n * jpegBytes(data, cfg.ColorModel)
	}
	switch cfg.ColorModel {
	case color.Gray16Model:
		n *= 2
	case color.RGBA64Model, color.NRGBA64Model:
		n *= 8
	case color.RGBAModel, color.NRGBAModel, color.CMYKModel:
		n *= 4
	} // grey and palettes: 1
	if format == "tiff" {
		return n + inflatedBytes(data, cfg)
	}
	if format != "png" {
		return n
	}
	if isGrey(cfg.ColorModel) && chunkOfPNG(data, "tRNS") != nil { // decoded as NRGBA
		n *= 4
	}
	if data[interlace] != 0 {
		n *= 2
	}
	return n
}

// jpegBytes returns how many bytes a pixel image/jpeg takes at most for a JPEG of that colour model.
func jpegBytes(data []byte, m color.Model) int64 {
	components, more := int64(3), int64(0)
	switch m {
	case color.GrayModel:
		components = 1
	case color.RGBAModel: // R, G, B, made one picture at the end
		more = 4
	case color.CMYKModel:
		components, more = 4, 4
	}
	if isProgressive(data) {
		more += 4 * components // coefficients
	}
	return components + more
}

// interlace is where a PNG's header says whether it is interlaced.
const interlace = 8 + 8 + 12

func decode(data []byte) (image.Image, error) {
	img, format, err := image.Decode(bytes.NewReader(data))
	if err != nil && (errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)) {
		return nil, fmt.Errorf("picture is truncated: %w", err)
	}
	if m, ok := img.(*image.NRGBA); ok && format == "bmp" {
		fill(m)
	}
	return img, err
}

// fill makes a BMP opaque all of whose pixels are transparent: its writer left their fourth byte unused.
func fill(m *image.NRGBA) {
	for i := 3; i < len(m.Pix); i += 4 {
		if m.Pix[i] != 0 {
			return
		}
	}
	for i := 3; i < len(m.Pix); i += 4 {
		m.Pix[i] = 255
	}
}

func isGrey(m color.Model) bool { return m == color.GrayModel || m == color.Gray16Model }

// to8 scales a 16-bit sample to 8 bits, rounded to nearest.
func to8(v uint32) uint8 { return uint8((v*255 + 32767) / 65535) }

func greyFrame(img image.Image) *capture.Frame {
	b := img.Bounds()
	f := &capture.Frame{
		Pix: make([]byte, b.Dx()*b.Dy()), Format: capture.Grey,
		Width: b.Dx(), Height: b.Dy(), Stride: b.Dx(),
	}
	for y := range f.Height {
		row := f.Pix[y*f.Stride:][:f.Width]
		if g, ok := img.(*image.Gray); ok {
			copy(row, g.Pix[y*g.Stride:])
			continue
		}
		for x := range row {
			v, _, _, _ := img.At(b.Min.X+x, b.Min.Y+y).RGBA()
			row[x] = to8(v)
		}
	}
	return f
}

func rgbFrame(img image.Image) *capture.Frame {
	b := img.Bounds()
	f := &capture.Frame{
		Pix: make([]byte, b.Dx()*b.Dy()*3), Format: capture.RGB24,
		Width: b.Dx(), Height: b.Dy(), Stride: 3 * b.Dx(),
	}
	for y := range f.Height {
		row := f.Pix[y*f.Stride:][:3*f.Width]
		if m, ok := img.(*image.RGBA); ok { // premultiplied: on black already
			for x := range f.Width {
				copy(row[3*x:], m.Pix[y*m.Stride+4*x:][:3])
			}
			continue
		}
		for x := range f.Width {
			r, g, b, _ := img.At(b.Min.X+x, b.Min.Y+y).RGBA()
			row[3*x], row[3*x+1], row[3*x+2] = to8(r), to8(g), to8(b)
		}
	}
	return f
}

// ErrNone reports a folder without image files.
var ErrNone = errors.New("no pictures (PNG, JPEG, BMP or TIFF)")

// List returns the image files in dir by name; not those in folders below it,
// nor hidden ones.
func List(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("imagefile: %w", err)
	}
	var paths []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") && Is(e.Name()) {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("imagefile: %s: %w", dir, ErrNone)
	}
	return paths, nil
}

// ErrLink reports a symbolic link to a folder in a tree of pictures.
var ErrLink = errors.New("a link to a folder is not followed: move the folder here")

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// Tree returns the image files in dir and in the folders below it by path, passing over hidden files and folders as
// List does. dir may be a symbolic link; one to a folder below it is an error, for what it holds would be missing.
func Tree(dir string) ([]string, error) {
	root, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, fmt.Errorf("imagefile: %w", err)
	}
	var paths []string
	err = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path != root && strings.HasPrefix(e.Name(), "."):
			if e.IsDir() {
				return fs.SkipDir
			}
		case e.Type()&fs.ModeSymlink != 0 && isFolder(path):
			return fmt.Errorf("%s: %w", path, ErrLink)
		case !e.IsDir() && Is(path):
			paths = append(paths, path)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("imagefile: %w", err)
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("imagefile: %s: %w", dir, ErrNone)
	}
	return paths, nil
}
