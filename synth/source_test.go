package synth

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A shelf is a Source in memory.
type shelf []*Texture

func (s shelf) Len() int                        { return len(s) }
func (s shelf) Texture(i int) (*Texture, error) { return s[i], nil }

// swatches are three small pictures, one that tiles, one long, one larger than a crop.
func swatches(tb testing.TB) Source {
	tb.Helper()
	var s shelf
	for i, size := range [][2]int{{32, 32}, {90, 33}, {70, 130}} {
		p := Picture{W: size[0], H: size[1], Pix: make([]uint8, 3*size[0]*size[1])}
		r := draws{uint64(i)}.rand(9)
		for k := range p.Pix {
			p.Pix[k] = uint8(100 + 50*wave(float32(k%97)/97) + float32(r.IntN(40)))
		}
		s = append(s, NewTexture(p, "swatch", i == 0))
	}
	return s
}

func pngOf(tb testing.TB, w, h int) []byte {
	tb.Helper()
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := range img.Pix {
		img.Pix[i] = uint8(i * 7)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func put(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestOpenListsATree(t *testing.T) {
	dir := t.TempDir()
	grey := image.NewGray(image.Rect(0, 0, 40, 30))
	grey.SetGray(5, 6, color.Gray{200})
	var j bytes.Buffer
	if err := jpeg.Encode(&j, grey, nil); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "b", "Wood_012.png"), pngOf(t, 32, 32))
	put(t, filepath.Join(dir, "a.JPG"), j.Bytes())
	put(t, filepath.Join(dir, "c", "README.txt"), []byte("no picture"))
	put(t, filepath.Join(dir, "c", "._007.png"), []byte("a file manager's"))
	put(t, filepath.Join(dir, ".trash", "008.png"), pngOf(t, 32, 32))
	put(t, filepath.Join(dir, "c", "007.png"), pngOf(t, 1100, 1200))
	f, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := []struct {
		name, class string
		tiles       bool
		w, h        int
	}{{"a.JPG", "a", false, 40, 30}, {"b/Wood_012.png", "Wood", true, 32, 32}, {"c/007.png", "007", false, 550, 600}}
	if f.Len() != len(want) {
		t.Fatalf("%d pictures, want %d", f.Len(), len(want))
	}
	for i, w := range want {
		p, err := f.Texture(i)
		if err != nil {
			t.Fatal(err)
		}
		if f.Name(i) != w.name || f.Class(i) != w.class || p.Class != w.class || p.Tiles != w.tiles {
			t.Errorf("%s, class %q (%q), tiles %v; want %+v", f.Name(i), f.Class(i), p.Class, p.Tiles, w)
		}
		if q := p.levels[0]; q.W != w.w || q.H != w.h {
			t.Errorf("%s: %dx%d, want %dx%d", f.Name(i), q.W, q.H, w.w, w.h)
		}
		again, _ := f.Texture(i)
		if again != p {
			t.Errorf("%s is decoded twice", f.Name(i))
		}
	}
	if p, _ := f.Texture(0); p.levels[0].Pix[3*(6*40+5)] < 120 {
		t.Error("the grey picture lost its spot")
	}
}

func TestOpenRefuses(t *testing.T) {
	if _, err := Open(filepath.Join(t.TempDir(), "none")); err == nil || !strings.Contains(err.Error(), "none") {
		t.Errorf("a folder that is not there: %v", err)
	}
	dir := t.TempDir()
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("an empty folder: %v", err)
	}
	whole := pngOf(t, 40, 40)
	put(t, filepath.Join(dir, "a_cut.png"), whole[:len(whole)/2])
	put(t, filepath.Join(dir, "b_text.png"), []byte("not a picture"))
	put(t, filepath.Join(dir, "c_small.png"), pngOf(t, 15, 40))
	f, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i := range f.Len() {
		if _, err := f.Texture(i); err == nil || !strings.Contains(err.Error(), f.Name(i)) {
			t.Errorf("%s: %v, want an error with its name", f.Name(i), err)
		}
	}
	g := newGenerators(t, 1, Defaults(32, 32), f)[0]
	g.o.SourceShare = 1
	if err := g.Render(new(Sample), 1); err == nil || strings.Count(err.Error(), "synth:") != 1 {
		t.Errorf("rendering from a broken picture: %v", err)
	}
}

// A link in place of the folder is the folder; what lies behind a link within would be missing without a word.
func TestOpenAndLinks(t *testing.T) {
	dir := t.TempDir()
	tree, link := filepath.Join(dir, "tree"), filepath.Join(dir, "link")
	put(t, filepath.Join(tree, "a.png"), pngOf(t, 32, 32))
	put(t, filepath.Join(dir, "more", "b.png"), pngOf(t, 32, 32))
	if err := os.Symlink(tree, link); err != nil {
		t.Fatal(err)
	}
	if f, err := Open(link); err != nil || f.Len() != 1 || f.Name(0) != "a.png" {
		t.Errorf("%+v, %v", f, err)
	}
	if err := os.Symlink(filepath.Join(dir, "more", "b.png"), filepath.Join(tree, "b.png")); err != nil {
		t.Fatal(err)
	}
	if f, err := Open(link); err != nil || f.Len() != 2 {
		t.Errorf("a link to a picture: %+v, %v", f, err)
	}
	if err := os.Symlink(filepath.Join(dir, "more"), filepath.Join(tree, "more")); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(tree); err == nil || !strings.Contains(err.Error(), "more: a link to a folder") {
		t.Errorf("a link to a folder: %v", err)
	}
	fifo := filepath.Join(dir, "more", "c.png")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(filepath.Dir(fifo)); err == nil || !strings.Contains(err.Error(), "c.png: not a regular file") {
		t.Errorf("a FIFO: %v", err)
	}
}

func TestAHugePictureIsRefusedBeforeItIsDecoded(t *testing.T) {
	huge := image.NewPaletted(image.Rect(0, 0, 70000, 1000), color.Palette{color.Black})
	var buf bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&buf, huge); err != nil {
		t.Fatal(err)
	}
	head := buf.Bytes()[:100] // enough for the header, nothing to decode
	if _, err := decode(bytes.NewReader(head)); err == nil || !strings.Contains(err.Error(), "70000x1000") {
		t.Errorf("70 megapixels: %v", err)
	}
	if _, err := decode(bytes.NewReader(pngOf(t, 16, 16))); err != nil {
		t.Errorf("16 x 16: %v", err)
	}
}

func TestEveryTruncationIsAnError(t *testing.T) {
	b := pngOf(t, 20, 18)
	end := bytes.LastIndex(b, []byte("IEND")) - 4 // a decoder may stop before the end chunk
	for n := range end {
		if _, err := decode(bytes.NewReader(b[:n])); err == nil {
			t.Fatalf("%d of %d bytes decode", n, len(b))
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(pngOf(f, 20, 18))
	var j bytes.Buffer
	if err := jpeg.Encode(&j, image.NewGray(image.Rect(0, 0, 24, 24)), nil); err != nil {
		f.Fatal(err)
	}
	f.Add(j.Bytes())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, _, err := image.DecodeConfig(bytes.NewReader(b)); err == nil && c.Width*c.Height > 1<<20 {
			t.Skip() // allowed, but slow
		}
		p, err := decode(bytes.NewReader(b))
		if err != nil {
			return
		}
		if p.W < minSide || p.H < minSide || len(p.Pix) != 3*p.W*p.H {
			t.Fatalf("%dx%d pixels in %d bytes", p.W, p.H, len(p.Pix))
		}
		NewTexture(p, "", false)
	})
}

func TestACropOfAMirroredTextureStaysInIt(t *testing.T) {
	g := must(t, Defaults(64, 64))
	p := Picture{W: 40, H: 100, Pix: make([]uint8, 3*40*100)}
	for i := range p.Pix {
		p.Pix[i] = uint8(50 + i%3)
	}
	for _, tiles := range []bool{true, false} {
		tex := NewTexture(p, "", tiles)
		r := draws{1}.rand(1)
		for range 50 {
			g.crop(&g.scene, tex, &r, new(Surface))
			for c := range 3 {
				for _, v := range g.scene[c] {
					if want := float32(50+c) / 255; abs32(v-want) > 1e-6 {
						t.Fatalf("channel %d: %v, want %v", c, v, want)
					}
				}
			}
		}
	}
}

// TestRealTextures renders from the pictures that pre-training uses.
func TestRealTextures(t *testing.T) {
	dir := filepath.Join("..", "..", "shared", "data", "textures")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no pictures: %v", err)
	}
	f, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if f.Len() < 1000 {
		t.Errorf("%d pictures", f.Len())
	}
	g := newGenerators(t, 1, Defaults(96, 96), f)[0]
	var s Sample
	for seed := range uint64(20) {
		if err := g.Render(&s, seed); err != nil {
			t.Fatal(err)
		}
		checkSample(t, &s)
	}
}
