package commands

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cull/capture"
	"cull/capture/check"
	"cull/capture/v4l2"
	"cull/infer/prep"
	"cull/internal/imagefile"
)

// A strip is a camera with so many frames, one each 100 ms.
type strip struct {
	frames []capture.Frame
	next   int
	open   int // frames on loan
}

func (s *strip) Next(context.Context) (*capture.Frame, error) {
	if s.next == len(s.frames) {
		return nil, io.ErrUnexpectedEOF
	}
	f := s.frames[s.next]
	f.Mono = time.Duration(s.next) * 100 * time.Millisecond
	s.next++
	s.open++
	return capture.NewFrame(f, func() { s.open-- }), nil
}

func (s *strip) Close() error { return nil }

func repeated(n int, f capture.Frame) []capture.Frame { return slices.Repeat([]capture.Frame{f}, n) }

func greyFrame(level byte) capture.Frame {
	pix := bytes.Repeat([]byte{level}, 16*16)
	for i := range pix {
		pix[i] += byte(i % 7)
	}
	return capture.Frame{Pix: pix, Format: capture.Grey, Width: 16, Height: 16, Stride: 16}
}

// cameraConfig writes a configuration that has a camera and nothing else.
func cameraConfig(t *testing.T, more string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "cull.toml")
	text := "[camera]\nkind = \"v4l2\"\ndevice = \"/dev/video9\"\nwidth = 16\nheight = 16\n" + more
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func captureInto(t *testing.T, dir, file string, s *strip, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	args = append([]string{"--config", file, "-o", dir}, args...)
	err := Capture(context.Background(), Env{Stdout: &out, Stderr: io.Discard}, args,
		func(c v4l2.Config) (capture.Source, error) {
			if c.Device != "/dev/video9" || c.Width != 16 {
				t.Errorf("camera %+v", c)
			}
			return s, nil
		})
	if s.open != 0 {
		t.Errorf("%d frames are not given back", s.open)
	}
	return out.String(), err
}

func TestCaptureKeepsAFrameEverySoOften(t *testing.T) {
	s := &strip{frames: repeated(40, greyFrame(90))}
	dir := filepath.Join(t.TempDir(), "good")
	out, err := captureInto(t, dir, cameraConfig(t, "check = false\n"), s, "--count", "4", "--every", "1s")
	if err != nil || !strings.HasPrefix(out, "4 pictures in ") {
		t.Fatalf("%q, %v", out, err)
	}
	paths, err := imagefile.List(dir)
	if err != nil || len(paths) != 4 || s.next != 31 {
		t.Fatalf("%v, %v, %d frames taken", paths, err, s.next)
	}
	f, err := imagefile.Read(paths[3])
	if err != nil || f.Format != capture.Grey || !bytes.Equal(f.Pix, s.frames[0].Pix) {
		t.Errorf("%v %+v", err, f)
	}
	if _, err := captureInto(t, dir, cameraConfig(t, ""), s); err == nil || !strings.Contains(err.Error(), "has pictures already") {
		t.Errorf("a folder with pictures: %v", err)
	}
}

// Half of the good parts' least sharpness is a good limit for camera.check_sharpness: capture is where it can be read. A frame
// that is not kept does not count.
func TestCaptureSaysHowSharpPicturesAre(t *testing.T) {
	smooth := greyFrame(90)
	smooth.Pix = bytes.Clone(smooth.Pix)
	for i := range smooth.Pix {
		smooth.Pix[i] = 90 + byte(i%16)
	}
	dark := greyFrame(0)
	clear(dark.Pix)
	m, err := check.New(check.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	least, err := m.Check(&smooth)
	if err != nil {
		t.Fatal(err)
	}
	s := &strip{frames: []capture.Frame{greyFrame(90), dark, smooth, greyFrame(120)}}
	out, err := captureInto(t, t.TempDir(), cameraConfig(t, ""), s, "--count", "3")
	want := fmt.Sprintf("sharpness is %.4g or more: camera.check_sharpness = %.2g ", least.Sharpness, least.Sharpness/2)
	if err != nil || !strings.Contains(out, want) {
		t.Errorf("%v, no %q in %q", err, want, out)
	}
}

// What teach sees of a YUYV frame in a file is what the line sees of it, at the frame's own size.
func TestCaptureKeepsTheColours(t *testing.T) {
	pix := make([]byte, 16*16*2)
	for i := range pix {
		pix[i] = byte(20 + i*37%200)
	}
	yuyv := capture.Frame{Pix: pix, Format: capture.YUYV, Width: 16, Height: 16, Stride: 32}
	dir := t.TempDir()
	if _, err := captureInto(t, dir, cameraConfig(t, "check = false\n"), &strip{frames: repeated(1, yuyv)}, "--count", "1"); err != nil {
		t.Fatal(err)
	}
	saved, err := imagefile.Read(filepath.Join(dir, "000001.png"))
	if err != nil {
		t.Fatal(err)
	}
	var seen [2][16 * 16 * 3]int8
	for i, f := range []*capture.Frame{&yuyv, saved} {
		p, err := prep.New(prep.Plan{Width: 16, Height: 16})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Apply(seen[i][:], f); err != nil {
			t.Fatal(err)
		}
	}
	if seen[0] != seen[1] {
		t.Error("the file has other colours than the frame")
	}
	jpeg := capture.Frame{Pix: []byte("a picture"), Format: capture.MJPEG, Width: 16, Height: 16}
	dir = t.TempDir()
	if _, err := captureInto(t, dir, cameraConfig(t, "check = false\n"), &strip{frames: repeated(1, jpeg)}, "--count", "1"); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(filepath.Join(dir, "000001.jpg")); err != nil || string(data) != "a picture" {
		t.Errorf("%q, %v", data, err)
	}
}

// Others read a kept JPEG that the camera made without Huffman tables.
func TestKeptJPEGHasTables(t *testing.T) {
	path := filepath.Join(t.TempDir(), "1")
	bare := &capture.Frame{Pix: []byte{0xff, 0xd8, 0xff, 0xda, 0, 2}, Format: capture.MJPEG}
	if err := keepPicture(path, bare); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(path + ".jpg"); err != nil || !bytes.Contains(data, []byte{0xff, 0xc4}) {
		t.Errorf("% x, %v", data, err)
	}
}

// A picture larger than prep makes is put together from pieces, none of them smaller or larger than it makes.
func TestPictureOfALargeFrame(t *testing.T) {
	const w, h, part = prep.MaxSide + 2, 16, 64
	large := &capture.Frame{Pix: make([]byte, 2*w*h), Format: capture.YUYV, Width: w, Height: h, Stride: 2 * w}
	for i := range large.Pix {
		large.Pix[i] = 128 // no colour, which would blur over the edges of a part
		if i%2 == 0 {
			large.Pix[i] = byte(i * 7 % 251)
		}
	}
	got, err := pictureOf(large)
	if err != nil {
		t.Fatal(err)
	}
	for n := prep.MinSide; n < 5*prep.MaxSide; n++ {
		at := pieces(n)
		for i := range len(at) - 1 {
			if side := at[i+1] - at[i]; side < prep.MinSide || side > prep.MaxSide || at[i]%2 != 0 {
				t.Fatalf("%d pixels in pieces at %d", n, at)
			}
		}
	}
	for _, x0 := range []int{0, w/2 - 32, w - part} {
		small := *large
		small.Pix, small.Width = large.Pix[2*x0:], part
		want, err := pictureOf(&small)
		if err != nil {
			t.Fatal(err)
		}
		for i := range part * h {
			if x, y := i%part, i/part; got.At(x0+x, y) != want.At(x, y) {
				t.Fatalf("column %d, row %d is %v, want %v", x0+x, y, got.At(x0+x, y), want.At(x, y))
			}
		}
	}
}

func TestCaptureSaysWhatIsMissing(t *testing.T) {
	dark := greyFrame(0)
	clear(dark.Pix)
	frames := append(repeated(3, dark), greyFrame(90), greyFrame(120))
	dir := t.TempDir()
	_, err := captureInto(t, dir, cameraConfig(t, ""), &strip{frames: frames})
	if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "2 of 50 pictures in "+dir) {
		t.Errorf("dark frames, then the camera ends: %v", err)
	}
	dir = t.TempDir()
	covered := append([]capture.Frame{greyFrame(90)}, repeated(2*patience, dark)...)
	_, err = captureInto(t, dir, cameraConfig(t, ""), &strip{frames: covered})
	if err == nil || !strings.Contains(err.Error(), "1 of 50 pictures in "+dir+": 100 frames in a row are unfit") {
		t.Errorf("a covered lens: %v", err)
	}
	for _, c := range []struct{ args, config, want string }{
		{"--count 0", "", "--count 0"},
		{"--every -1s", "", "--every -1s"},
		{"", "kind = \"folder\"\n", "folder"},
	} {
		file := cameraConfig(t, "")
		if c.config != "" {
			if err := os.WriteFile(file, []byte("[camera]\n"+c.config+"folder = \"x\"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		_, err := captureInto(t, t.TempDir(), file, &strip{}, strings.Fields(c.args)...)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: %v", c.args, c.config, err)
		}
	}
}
