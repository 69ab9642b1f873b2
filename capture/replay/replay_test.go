package replay

import (
	"errors"
	"image"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"testing"

	"cull/capture"
	"cull/capture/capturetest"
	"cull/internal/imagefile"
)

// folder writes one picture a name, of that grey value, and returns the folder.
func folder(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i, n := range names {
		img := image.NewGray(image.Rect(0, 0, 3, 2))
		img.Pix[0] = uint8(i)
		f, err := os.Create(filepath.Join(dir, n))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(png.Encode(f, img), f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFilesConform(t *testing.T) {
	dir := folder(t, "a.png", "b.png", "c.png")
	capturetest.Conform(t, func(t *testing.T) capture.Source {
		s, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}, 3, true)
}

func TestFilesComeByName(t *testing.T) {
	s, err := Open(folder(t, "b.png", "a.png"))
	if err != nil || s.Len() != 2 {
		t.Fatalf("%v, %d files", err, s.Len())
	}
	f, err := s.Next(t.Context())
	if err != nil || f.Pix[0] != 1 || filepath.Base(f.Name) != "a.png" {
		t.Errorf("%+v, %v", f, err)
	}
}

func TestUnreadableFileIsAnErrorOnce(t *testing.T) {
	dir := folder(t, "a.png", "c.png")
	if err := os.WriteFile(filepath.Join(dir, "b.png"), []byte("?"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	var errs, frames int
	for {
		_, err := s.Next(t.Context())
		if errors.Is(err, io.EOF) {
			break
		}
		if errors.Is(err, imagefile.ErrFormat) {
			errs++
		} else if err == nil {
			frames++
		}
	}
	if errs != 1 || frames != 2 {
		t.Errorf("%d errors, %d frames", errs, frames)
	}
	if _, err := Open(t.TempDir()); !errors.Is(err, imagefile.ErrNone) {
		t.Errorf("empty folder: %v", err)
	}
}
