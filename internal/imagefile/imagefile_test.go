package imagefile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"

	"cull/capture"
)

func write(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func encodePNG(t testing.TB, img image.Image) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := png.Encode(&buf, img); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func colours() *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, 5, 3))
	for i := range 15 {
		img.Set(i%5, i/5, color.RGBA{uint8(17 * i), uint8(255 - 9*i), uint8(3 * i), 255})
	}
	return img
}

func TestLosslessFormatsGiveTheSamePixels(t *testing.T) {
	img := colours()
	files := map[string]*bytes.Buffer{"a.png": {}, "a.bmp": {}, "a.tif": {}}
	if err := errors.Join(
		png.Encode(files["a.png"], img),
		bmp.Encode(files["a.bmp"], img),
		tiff.Encode(files["a.tif"], img, &tiff.Options{Compression: tiff.Deflate}),
	); err != nil {
		t.Fatal(err)
	}
	for name, data := range files {
		path := write(t, name, data.Bytes())
		f, err := Read(path)
		if err != nil {
			t.Fatal(err)
		}
		if f.Format != capture.RGB24 || f.Width != 5 || f.Height != 3 || f.Name != path {
			t.Fatalf("%s: %+v", name, f)
		}
		for i := range 15 {
			want := img.RGBAAt(i%5, i/5)
			if got := [3]byte(f.Pix[i/5*f.Stride+i%5*3:]); got != [3]byte{want.R, want.G, want.B} {
				t.Errorf("%s: pixel %d: %v, want %v", name, i, got, want)
			}
		}
	}
}

func TestGreySixteenBitsPaletteAndAlpha(t *testing.T) {
	r := image.Rect(0, 0, 2, 1)
	deep := image.NewGray16(r)
	deep.SetGray16(0, 0, color.Gray16{Y: 65535})
	deep.SetGray16(1, 0, color.Gray16{Y: 257*100 + 128})
	shallow := image.NewGray(r)
	shallow.Pix = []byte{7, 250}
	palette := image.NewPaletted(r, color.Palette{color.RGBA{1, 2, 3, 255}, color.RGBA{200, 100, 50, 255}})
	palette.Pix = []byte{1, 0}
	alpha := image.NewNRGBA(r)
	alpha.Pix = []byte{200, 100, 50, 128, 90, 90, 90, 0}
	for name, c := range map[string]struct {
		img    image.Image
		format capture.PixelFormat
		want   []byte
	}{
		"16 bits": {deep, capture.Grey, []byte{255, 100}},
		"8 bits":  {shallow, capture.Grey, []byte{7, 250}},
		"palette": {palette, capture.RGB24, []byte{200, 100, 50, 1, 2, 3}},
		"alpha":   {alpha, capture.RGB24, []byte{100, 50, 25, 0, 0, 0}},
	} {
		f, err := Decode(encodePNG(t, c.img))
		if err != nil {
			t.Fatal(err)
		}
		if f.Format != c.format || !bytes.Equal(f.Pix, c.want) {
			t.Errorf("%s: %v %v, want %v %v", name, f.Format, f.Pix, c.format, c.want)
		}
	}
}

// Pictures of a 12-bit camera whose software had not scaled them were taught with 16 grey levels, and bad parts passed.
func TestSixteenBitsOfTwelveAreRefused(t *testing.T) {
	r := image.Rect(0, 0, 3, 1)
	grey := func(last uint16) image.Image {
		m := image.NewGray16(r)
		m.SetGray16(2, 0, color.Gray16{Y: last})
		return m
	}
	colour := func(last uint16) image.Image {
		m := image.NewRGBA64(r)
		for x := range 3 {
			m.SetRGBA64(x, 0, color.RGBA64{R: 1, G: 2, A: 65535})
		}
		m.SetRGBA64(2, 0, color.RGBA64{B: last, A: 65535})
		return m
	}
	clear := image.NewNRGBA64(r)
	clear.SetNRGBA64(1, 0, color.NRGBA64{R: 4095, A: 20000})
	tiny := image.NewGray(r)
	tiny.Pix[1] = 1
	for name, c := range map[string]struct {
		img  image.Image
		want error
	}{
		"grey": {grey(4095), ErrDim}, "grey, one more": {grey(4096), nil}, "black": {grey(0), nil},
		"colour": {colour(4095), ErrDim}, "colour, one more": {colour(4096), nil}, "half clear": {clear, ErrDim}, "8 bits": {tiny, nil},
	} {
		data := encodePNG(t, c.img)
		if _, err := Decode(data); !errors.Is(err, c.want) || c.want != nil && Remedy(err) == "" {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if _, err := decodeMask(data); err != nil { // a mask is what is not black
			t.Errorf("%s as a mask: %v", name, err)
		}
	}
}

func TestJPEGStaysCompressed(t *testing.T) {
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, colours(), nil); err != nil {
		t.Fatal(err)
	}
	f, err := Read(write(t, "a.jpg", buf.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if f.Format != capture.MJPEG || f.Width != 5 || f.Height != 3 || !bytes.Equal(f.Pix, buf.Bytes()) {
		t.Errorf("%v %dx%d", f.Format, f.Width, f.Height)
	}
	img, err := Image(f)
	if err != nil || img.Bounds() != image.Rect(0, 0, 5, 3) {
		t.Errorf("Image: %v, %v", img.Bounds(), err)
	}
}

func TestImageKeepsTheColours(t *testing.T) {
	want := colours()
	f, err := Decode(encodePNG(t, want))
	if err != nil {
		t.Fatal(err)
	}
	got, err := Image(f)
	if err != nil || !bytes.Equal(got.(*image.RGBA).Pix, want.Pix) {
		t.Errorf("%v, want %v; %v", got, want, err)
	}
}

// A frame that holds less than it says, as a crafted recording can, is an error and no panic.
func TestImageOfAShortFrame(t *testing.T) {
	for _, f := range []capture.Frame{
		{Pix: make([]byte, 4), Format: capture.Grey, Width: 200, Height: 200, Stride: 200},
		{Pix: make([]byte, 4), Format: capture.RGB24, Width: 200, Height: 200, Stride: 600},
		{Pix: make([]byte, 1000), Format: capture.RGB24, Width: 10, Height: 10, Stride: 10},
	} {
		f.Name = "part 7"
		if _, err := Image(&f); err == nil || !strings.Contains(err.Error(), "part 7") {
			t.Errorf("%v: %v", f.Format, err)
		}
	}
}

// A camera's JPEG without Huffman tables has a picture as any other.
func TestImageWithoutHuffmanTables(t *testing.T) {
	var whole bytes.Buffer
	grey := image.NewGray(image.Rect(0, 0, 16, 16))
	for i := range grey.Pix {
		grey.Pix[i] = byte(i)
	}
	if err := jpeg.Encode(&whole, grey, nil); err != nil {
		t.Fatal(err)
	}
	data := whole.Bytes()
	bare := bytes.Clone(data[:2])
	for at := 2; ; {
		if data[at+1] == 0xda { // start of scan
			bare = append(bare, data[at:]...)
			break
		}
		n := 2 + int(data[at+2])<<8 + int(data[at+3])
		if data[at+1] != 0xc4 { // Huffman tables
			bare = append(bare, data[at:at+n]...)
		}
		at += n
	}
	if len(bare) == len(data) {
		t.Fatal("there were no tables")
	}
	f := &capture.Frame{Pix: bare, Format: capture.MJPEG, Width: 16, Height: 16}
	got, err := Image(f)
	if err != nil {
		t.Fatal(err)
	}
	want, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("another picture, %v", err)
	}
}

func TestErrorsNameFileAndFault(t *testing.T) {
	whole := encodePNG(t, colours())
	huge := bytes.Clone(whole)
	binary.BigEndian.PutUint32(huge[16:], 1<<20) // width in IHDR
	fixCRC(huge)
	for _, c := range []struct {
		data []byte
		want error
		text string
	}{
		{nil, ErrFormat, "not a PNG"},
		{[]byte("GIF89a..........."), ErrFormat, "not a PNG"},
		{whole[:50], nil, "not enough pixel data"},
		{huge, ErrTooLarge, "1048576x3 pixels: picture is too large"},
		{header(8192, 8192, 16, 2, 0), ErrTooLarge, "8192x8192 pixels, 512 MiB in memory, at most 256: picture is too large"},
		{header(8192, 4096, 8, 6, 1), nil, "out of order"},
		{header(8192, 4104, 8, 6, 1), ErrTooLarge, "256 MiB in memory"},
		{withChunk(header(8192, 8192, 16, 0, 0), "tRNS", []byte{0, 7}), ErrTooLarge, "512 MiB in memory"},
		{header(8192, 8192, 8, 0, 1), nil, "out of order"},
	} {
		path := write(t, "part 7.png", c.data)
		_, err := Read(path)
		if err == nil || c.want != nil && !errors.Is(err, c.want) ||
			!strings.HasPrefix(err.Error(), "imagefile: "+path) || !strings.Contains(err.Error(), c.text) ||
			(c.want == ErrTooLarge) != (Remedy(err) != "") {
			t.Errorf("%d bytes: %v", len(c.data), err)
		}
	}
	if _, err := Read(filepath.Join(t.TempDir(), "none.png")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// header is a PNG of that size, depth, colour type and interlace method, without pixels: what is not refused for its size wants chunks.
func header(w, h uint32, depth, colour, interlace byte) []byte {
	data := binary.BigEndian.AppendUint32([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"), w)
	data = append(binary.BigEndian.AppendUint32(data, h), depth, colour, 0, 0, interlace, 0, 0, 0, 0)
	fixCRC(data)
	return append(data, "\x00\x00\x00\x00IEND\xaeB\x60\x82"...)
}

// A BMP of 32 bits whose writer left the fourth byte at 0 is no transparent picture, whatever its header.
func TestUnusedAlphaOfABMP(t *testing.T) {
	for _, size := range []uint32{108, 124} { // of the headers V4 and V5
		file := func(alpha ...byte) []byte {
			data := make([]byte, 14+size)
			le := binary.LittleEndian
			copy(data, "BM")
			le.PutUint32(data[10:], 14+size)
			le.PutUint32(data[14:], size)
			le.PutUint32(data[18:], uint32(len(alpha)))
			le.PutUint32(data[22:], 1)
			le.PutUint16(data[26:], 1)
			le.PutUint16(data[28:], 32)
			for _, a := range alpha {
				data = append(data, 50, 100, 200, a)
			}
			return data
		}
		for _, c := range []struct{ data, want []byte }{
			{file(0, 0), []byte{200, 100, 50, 200, 100, 50}},
			{file(0, 255), []byte{0, 0, 0, 200, 100, 50}},
		} {
			f, err := Decode(c.data)
			if err != nil || !bytes.Equal(f.Pix, c.want) {
				t.Errorf("header of %d bytes: %v, %v; want %v", size, f, err, c.want)
			}
		}
	}
}

// fixCRC makes the checksum of a PNG's first chunk right.
func fixCRC(data []byte) { binary.BigEndian.PutUint32(data[29:], crc(data[12:29])) }

func crc(p []byte) uint32 {
	c := ^uint32(0)
	for _, b := range p {
		c ^= uint32(b)
		for range 8 {
			c = c>>1 ^ 0xedb88320*(c&1)
		}
	}
	return ^c
}

func TestTruncatedAnywhereIsAnError(t *testing.T) {
	var b, ti bytes.Buffer
	if err := errors.Join(bmp.Encode(&b, colours()), tiff.Encode(&ti, colours(), nil)); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"png": encodePNG(t, colours()), "bmp": b.Bytes(), "tiff": ti.Bytes(),
	} {
		for n := range len(data) - 16 { // the tail of a PNG and of a TIFF holds no pixel
			if _, err := Decode(data[:n:n]); err == nil {
				t.Errorf("%s cut at %d of %d was read", name, n, len(data))
			}
		}
	}
}

func TestMask(t *testing.T) {
	g := image.NewGray(image.Rect(0, 0, 3, 2))
	g.Pix = []byte{0, 1, 255, 0, 0, 128}
	m, err := ReadMask(write(t, "m.png", encodePNG(t, g)))
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range g.Pix {
		if m.Pix[i] != (v != 0) {
			t.Errorf("pixel %d of value %d: %v", i, v, m.Pix[i])
		}
	}
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, g, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadMask(write(t, "m.jpg", buf.Bytes())); !errors.Is(err, ErrLossy) {
		t.Errorf("JPEG mask: %v", err)
	}
}

func TestIs(t *testing.T) {
	for name, want := range map[string]bool{"a.PNG": true, "b.jpeg": true, "c.gif": false, "png": false} {
		if Is(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}

// What programs leave behind is no picture: a file manager's ._x.png, a folder of what was thrown away.
func TestTreePassesOverHiddenFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), ".work")
	for _, name := range []string{"b/2.png", "b/._2.png", "a.JPG", "note.txt", ".trash/3.png", "b/.trash/4.png"} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	paths, err := Tree(dir)
	if want := []string{filepath.Join(dir, "a.JPG"), filepath.Join(dir, "b/2.png")}; err != nil || !slices.Equal(paths, want) {
		t.Errorf("%v, %v; want %v", paths, err, want)
	}
	if _, err := Tree(filepath.Join(dir, ".trash/..", "b", ".trash", "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	if _, err := Tree(t.TempDir()); !errors.Is(err, ErrNone) {
		t.Errorf("no picture: %v", err)
	}
}

// A link in place of the folder is the folder; what lies behind a link within would be missing without a word.
func TestTreeAndLinks(t *testing.T) {
	dir := t.TempDir()
	tree, link := filepath.Join(dir, "tree"), filepath.Join(dir, "link")
	if err := errors.Join(os.MkdirAll(tree, 0o700), os.WriteFile(filepath.Join(tree, "a.png"), nil, 0o600), os.Symlink(tree, link)); err != nil {
		t.Fatal(err)
	}
	if paths, err := Tree(link); err != nil || len(paths) != 1 || filepath.Base(paths[0]) != "a.png" {
		t.Errorf("%v, %v", paths, err)
	}
	if err := os.Symlink(dir, filepath.Join(tree, "more")); err != nil {
		t.Fatal(err)
	}
	if _, err := Tree(tree); !errors.Is(err, ErrLink) || !strings.Contains(err.Error(), "more") {
		t.Errorf("a link to a folder: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(encodePNG(f, colours()))
	var b, ti, j bytes.Buffer
	if err := errors.Join(bmp.Encode(&b, colours()), tiff.Encode(&ti, colours(), nil),
		jpeg.Encode(&j, colours(), nil)); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add(ti.Bytes())
	f.Add(j.Bytes())
	f.Add(withExif(j.Bytes(), directory(binary.LittleEndian, tagOrientation, 6)))
	f.Add(withChunk(encodePNG(f, colours()), "eXIf", directory(binary.BigEndian, tagOrientation, 6)))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, format := range []string{"jpeg", "png", "tiff"} {
			_ = checkTags(data, format)
		}
		if cfg, _, err := config(data); err != nil || cfg.Width*cfg.Height > 1<<16 {
			return // honest, but slow to fuzz
		}
		frame, err := Decode(data)
		if err != nil {
			return
		}
		if frame.Format != capture.MJPEG && len(frame.Pix) != frame.Height*frame.Stride {
			t.Fatalf("%d bytes for %dx%d", len(frame.Pix), frame.Width, frame.Height)
		}
		_, _ = Image(frame)
		_, _ = decodeMask(data)
	})
}
