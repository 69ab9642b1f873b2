package product

import (
	"bytes"
	"errors"
	"image"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"cull/infer/prep"
	"cull/internal/container"
	"cull/internal/exact"
	"cull/internal/light"
	"cull/internal/mirror"
	"cull/padim"
)

// samples are n parts of noise, one stage.
type samples int

func (n samples) Len() int { return int(n) }

func (n samples) Each(f func(int, []padim.Map) error) error {
	for i := range int(n) {
		rng := exact.NewRand(uint64(i), 0)
		m := padim.Map{H: 4, W: 4, C: 3, Stride: 8, Data: make([]int8, 48), Step: []float32{1, 2, 3}}
		for k := range m.Data {
			m.Data[k] = int8(rng.IntN(100) - 50)
		}
		if err := f(i, []padim.Map{m}); err != nil {
			return err
		}
	}
	return nil
}

func example(t testing.TB, o padim.Options) *Product {
	t.Helper()
	model, report, err := padim.Fit(samples(20), o)
	if err != nil {
		t.Fatal(err)
	}
	p := &Product{
		Net:     [32]byte{1, 2, 3},
		Frame:   image.Pt(640, 480),
		Plan:    prep.Plan{Width: 32, Height: 32, Fit: prep.Letterbox},
		Model:   model,
		Light:   &light.Reference{Stops: 1.5, Levels: []float32{4, 4.5, 5, 4, 4.5, 5, 4, 4.5, 5, 4, 4.5, 5}},
		Mirrors: []mirror.Mirror{mirror.LeftRight, mirror.HalfTurn},
		Report:  *report,
		Created: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC),
	}
	for i, score := range []float32{report.Threshold.Value, report.Threshold.Value * 1.5} {
		g := Golden{Name: []string{"good", "bad"}[i], Picture: make([]int8, 32*32*3), Score: score}
		for k := range g.Picture {
			g.Picture[k] = int8(k%254 - 127)
		}
		g.Verdict = p.Gate().Decide(padim.Result{Score: score})
		p.Goldens = append(p.Goldens, g)
	}
	return p
}

func encode(t testing.TB, p *Product) []byte {
	t.Helper()
	b, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestProductSurvivesItsFile(t *testing.T) {
	for _, o := range []padim.Options{{}, {Mode: padim.Texture, TargetFRR: 0.05}} {
		p := example(t, o)
		path := filepath.Join(t.TempDir(), "a.product")
		if err := p.WriteFile(path); err != nil {
			t.Fatal(err)
		}
		back, err := Open(path, p.Net)
		if err != nil {
			t.Fatal(err)
		}
		if back.Digest() != p.Digest() || back.Digest() == [32]byte{} {
			t.Errorf("digest %x, written %x", back.Digest(), p.Digest())
		}
		if !bytes.Equal(encode(t, back), encode(t, p)) {
			t.Error("bytes change on the way")
		}
		defer back.Close()
		a, b := p.Report, back.Report
		if a.Mode == padim.Texture { // nothing chosen: NaN equals nothing
			a.PartLogLik, a.TextureLogLik, b.PartLogLik, b.TextureLogLik = 0, 0, 0, 0
		}
		if !reflect.DeepEqual(a, b) {
			t.Errorf("report: got %+v, want %+v", b, a)
		}
		same := back.Plan == p.Plan && back.Created.Equal(p.Created) && slices.Equal(back.Mirrors, p.Mirrors)
		if !same || !reflect.DeepEqual(back.Goldens, p.Goldens) {
			t.Errorf("got %+v", back)
		}
	}
}

func TestOtherNetworkIsRefused(t *testing.T) {
	p := example(t, padim.Options{})
	path := filepath.Join(t.TempDir(), "a.product")
	if err := p.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	_, err := Open(path, [32]byte{9})
	if !errors.Is(err, ErrOtherNet) {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{"010203", "090000", "teach it again", path} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not name %s", err, want)
		}
	}
}

func TestFilesThatAreNoProduct(t *testing.T) {
	dir := t.TempDir()
	if _, err := Read(filepath.Join(dir, "absent")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent: got %v", err)
	}
	if _, err := Read(dir); err == nil {
		t.Error("a folder was read")
	}
	path := filepath.Join(dir, "text")
	if err := os.WriteFile(path, []byte("not a product at all, but long enough for a header"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path); !errors.Is(err, container.ErrForeign) {
		t.Errorf("text: got %v", err)
	}
}

// A mirror is a name; encoding/json would take a list of small numbers from base64 too.
func TestUnknownMirrorIsRefused(t *testing.T) {
	for _, mirrors := range []string{`["sideways"]`, `"Bw=="`, `["half-turn", "left-right"]`} {
		p := example(t, padim.Options{})
		f, err := container.Parse(encode(t, p), Kind, Version)
		if err != nil {
			t.Fatal(err)
		}
		sections := f.Sections()
		i := slices.IndexFunc(sections, func(s container.Section) bool { return s.Name == "meta" })
		old := regexp.MustCompile(`"mirrors": \[[^]]*\]`)
		if !old.Match(sections[i].Data) {
			t.Fatalf("no mirrors in %s", sections[i].Data)
		}
		sections[i].Data = old.ReplaceAll(sections[i].Data, []byte(`"mirrors": `+mirrors))
		b, err := container.Encode(Kind, Version, sections)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(b); err == nil || !strings.Contains(err.Error(), "mirror") {
			t.Errorf("%s: %v", mirrors, err)
		}
	}
}

func TestInconsistentProductIsNotWritten(t *testing.T) {
	for name, spoil := range map[string]func(*Product){
		"no model":          func(p *Product) { p.Model = nil },
		"size":              func(p *Product) { p.Plan.Width = 40 },
		"mode":              func(p *Product) { p.Report.Mode = padim.Stock },
		"scores":            func(p *Product) { p.Report.Scores = p.Report.Scores[1:] },
		"rank":              func(p *Product) { p.Report.Threshold.Rank = 0 },
		"threshold":         func(p *Product) { p.Report.Threshold.Value = -1 },
		"golden's size":     func(p *Product) { p.Goldens[0].Picture = p.Goldens[0].Picture[1:] },
		"golden's verdict":  func(p *Product) { p.Goldens[1].Verdict = padim.Pass },
		"golden's name":     func(p *Product) { p.Goldens[1].Name = "" },
		"mirrors":           func(p *Product) { slices.Reverse(p.Mirrors) },
		"unknown mirror":    func(p *Product) { p.Mirrors[1] = 7 },
		"mirror twice":      func(p *Product) { p.Mirrors[1] = p.Mirrors[0] },
		"golden out of int": func(p *Product) { p.Goldens[1].Picture[5] = -128 },
	} {
		p := example(t, padim.Options{})
		spoil(p)
		if _, err := p.Encode(); err == nil {
			t.Errorf("%s: written", name)
		}
	}
}

func TestTruncatedProductIsRefused(t *testing.T) {
	b := encode(t, example(t, padim.Options{}))
	for n := range b {
		if _, err := Parse(b[:n:n]); err == nil {
			t.Fatalf("%d of %d bytes were accepted", n, len(b))
		}
	}
}

func TestFlippedBitsAreRefused(t *testing.T) {
	b := encode(t, example(t, padim.Options{}))
	for i := 0; i < 8*len(b); i += 1 + i/1000 {
		b[i/8] ^= 1 << (i % 8)
		if _, err := Parse(b); err == nil {
			t.Fatalf("bit %d of byte %d flipped: accepted", i%8, i/8)
		}
		b[i/8] ^= 1 << (i % 8)
	}
}

// Behind valid digests too, no section does harm: each is cut and flipped, and
// the container made anew around it.
func TestSpoiltSectionsDoNoHarm(t *testing.T) {
	f, err := container.Parse(encode(t, example(t, padim.Options{})), Kind, Version)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range f.Sections() {
		for n := 0; n < len(s.Data); n += 1 + n/30 {
			spoilt := bytes.Clone(s.Data)
			spoilt[n] ^= 1 << (n % 8)
			rebuild(t, f, i, spoilt)
			if rebuild(t, f, i, s.Data[:n]) == nil {
				t.Errorf("section %s: %d of %d bytes were accepted", s.Name, n, len(s.Data))
			}
		}
	}
}

// rebuild parses f with the bytes of section i replaced.
func rebuild(t testing.TB, f *container.File, i int, data []byte) error {
	sections := f.Sections()
	sections[i].Data = data
	b, err := container.Encode(Kind, Version, sections)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Parse(b)
	return err
}

// As many bytes as a picture of 1024 x 1024 has, which do not compress: what they can stand for is no number of 32 bits.
func TestLargePictureComesBack(t *testing.T) {
	pic, v := make([]int8, 1024*1024*3), uint32(1)
	for i := range pic {
		v = v*1664525 + 1013904223
		pic[i] = max(int8(v>>24), -127)
	}
	b, err := pack(pic)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := unpack(b, len(pic)); err != nil || !slices.Equal(got, pic) {
		t.Error(err)
	}
}

// FuzzParse replaces one section at a time: behind digests, bytes from a fuzzer
// would never get past the container.
func FuzzParse(f *testing.F) {
	file, err := container.Parse(encode(f, example(f, padim.Options{})), Kind, Version)
	if err != nil {
		f.Fatal(err)
	}
	for i, s := range file.Sections() {
		f.Add(uint8(i), s.Data)
	}
	f.Fuzz(func(t *testing.T, i uint8, data []byte) {
		_ = rebuild(t, file, int(i)%len(file.Sections()), data)
	})
}

func TestFramesAreChecked(t *testing.T) {
	for _, f := range []image.Point{{}, {640, 0}, {-1, 480}, {1 << 15, 1<<15 + 1}} {
		p := example(t, padim.Options{})
		p.Frame = f
		if _, err := p.Encode(); err == nil {
			t.Errorf("frames of %v: no error", f)
		}
	}
	p := example(t, padim.Options{})
	p.Plan.Region = image.Rect(0, 0, 641, 480)
	if _, err := p.Encode(); !errors.Is(err, prep.ErrRegion) {
		t.Errorf("region outside the frame: %v", err)
	}
}

func TestOlderProductsAreToBeTaughtAgain(t *testing.T) {
	f, err := container.Parse(encode(t, example(t, padim.Options{})), Kind, Version)
	if err != nil {
		t.Fatal(err)
	}
	b, err := container.Encode(Kind, Version-1, f.Sections())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Parse(b); !errors.Is(err, ErrOlder) || !strings.Contains(err.Error(), "teach it again") {
		t.Errorf("version %d: %v", Version-1, err)
	}
}
