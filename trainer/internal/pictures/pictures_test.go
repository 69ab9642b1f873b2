package pictures

import (
	"errors"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cull/internal/imagefile"
	"cull/synth"
)

var _ synth.Source = (*Set)(nil)

func put(t *testing.T, path string, w, h int) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := png.Encode(f, image.NewGray(image.Rect(0, 0, w, h))); err != nil {
		t.Fatal(err)
	}
}

func TestTheClassOfAPictureIsItsFolder(t *testing.T) {
	dir := t.TempDir()
	for _, p := range []string{"b/1.png", "a/2.png", "a/1.png", "a/._1.png", ".trash/3.png"} {
		put(t, filepath.Join(dir, p), 200, 160)
	}
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if s.Len() != 3 || s.Classes() != 2 || s.Class(0) != 0 || s.Class(1) != 0 || s.Class(2) != 1 {
		t.Errorf("%d pictures, %d classes: %d %d %d", s.Len(), s.Classes(), s.Class(0), s.Class(1), s.Class(2))
	}
	x, err := s.Texture(2)
	if err != nil {
		t.Fatal(err)
	}
	if x.Class != filepath.Join(dir, "b") || x.Tiles {
		t.Errorf("texture %q, tiles %v", x.Class, x.Tiles)
	}
	if y, _ := s.Texture(2); y != x {
		t.Error("a second call reads the picture again")
	}
}

func TestFaultsNameTheFile(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(dir); !errors.Is(err, imagefile.ErrNone) || !strings.Contains(err.Error(), dir) {
		t.Errorf("empty folder: %v", err)
	}
	put(t, filepath.Join(dir, "small.png"), 15, 40)
	if err := os.WriteFile(filepath.Join(dir, "text.png"), []byte("no picture"), 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"small.png", "text.png"} {
		if _, err := s.Texture(i); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
