package synth

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"testing"
)

// must returns a generator of procedural pictures with parameters set.
func must(tb testing.TB, o Options, set ...string) *Generator {
	tb.Helper()
	for i := 0; i < len(set); i += 2 {
		if err := o.Set(set[i], set[i+1]); err != nil {
			tb.Fatal(err)
		}
	}
	g, err := New(o, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return g
}

func render(tb testing.TB, g *Generator, seed uint64) *Sample {
	tb.Helper()
	s := new(Sample)
	if err := g.Render(s, seed); err != nil {
		tb.Fatal(err)
	}
	return s
}

func hashOf(samples []*Sample) string {
	h := sha256.New()
	for _, s := range samples {
		h.Write(s.Clean.Pix)
		h.Write(s.Image.Pix)
		h.Write(s.Twin.Pix)
		for _, m := range [][]float32{s.Mask, s.Score, s.Visible, s.Relative} {
			for _, v := range m {
				h.Write(binary.LittleEndian.AppendUint32(nil, math.Float32bits(v)))
			}
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

func newGenerators(tb testing.TB, n int, o Options, src Source) []*Generator {
	tb.Helper()
	gens := make([]*Generator, n)
	for i := range gens {
		var err error
		if gens[i], err = New(o, src); err != nil {
			tb.Fatal(err)
		}
	}
	return gens
}

func newSamples(n int) []*Sample {
	s := make([]*Sample, n)
	for i := range s {
		s[i] = new(Sample)
	}
	return s
}

// everything draws all masks, modes, families and real pictures.
func everything(w, h int) Options {
	o := Defaults(w, h)
	o.Mask = [nMasks]float64{0.4, 0.2, 0.2, 0.2}
	o.Weights = [nWeights]float64{1, 1, 1}
	o.DefectShare = 0.9
	return o
}

// TestASeedIsAPicture compares with a hash made on amd64, so it fails on a CPU, or after a
// change, that draws anything else: a change of the data set must be meant.
func TestASeedIsAPicture(t *testing.T) {
	const want = "ec619fbc6f9e6ca22062b46a654f2712b30bb09e1f4ee1670ff0b1068b89ef29"
	dst := newSamples(60)
	if err := RenderRange(newGenerators(t, 1, everything(48, 40), swatches(t)), dst, 1000); err != nil {
		t.Fatal(err)
	}
	if got := hashOf(dst); got != want {
		t.Errorf("hash %s, want %s", got, want)
	}
}

func TestAnyNumberOfGeneratorsGivesTheSameRange(t *testing.T) {
	o := everything(32, 32)
	one, five := newSamples(23), newSamples(23)
	src := swatches(t)
	if err := RenderRange(newGenerators(t, 1, o, src), one, 7); err != nil {
		t.Fatal(err)
	}
	if err := RenderRange(newGenerators(t, 5, o, src), five, 7); err != nil {
		t.Fatal(err)
	}
	if hashOf(one) != hashOf(five) {
		t.Error("five generators drew other pictures than one")
	}
	// And sample i of a range is seed base+i.
	alone := render(t, newGenerators(t, 1, o, src)[0], 7+11)
	if hashOf([]*Sample{alone}) != hashOf(one[11:12]) {
		t.Error("seed 18 alone differs from sample 11 of the range from 7")
	}
}

func TestADirtyGeneratorDrawsTheSamePicture(t *testing.T) {
	o := everything(40, 40)
	g := newGenerators(t, 1, o, swatches(t))[0]
	var s Sample
	for seed := range uint64(40) { // leaves scratch and s full of other pictures
		if err := g.Render(&s, seed); err != nil {
			t.Fatal(err)
		}
		fresh := newGenerators(t, 1, o, swatches(t))[0]
		if hashOf([]*Sample{&s}) != hashOf([]*Sample{render(t, fresh, seed)}) {
			t.Fatalf("seed %d depends on what was drawn before it", seed)
		}
	}
}

func TestSampleInvariants(t *testing.T) {
	for _, size := range [][2]int{{64, 64}, {48, 80}, {16, 16}} {
		g := newGenerators(t, 1, everything(size[0], size[1]), swatches(t))[0]
		var s Sample
		for seed := range uint64(250) {
			if err := g.Render(&s, seed); err != nil {
				t.Fatal(err)
			}
			checkSample(t, &s)
		}
	}
}

func checkSample(t *testing.T, s *Sample) {
	t.Helper()
	var peak float32
	for i, m := range s.Mask {
		peak = max(peak, m)
		for _, v := range [...]float32{m, s.Score[i], s.Visible[i], s.Relative[i]} {
			if !(v >= 0 && v <= 1) {
				t.Fatalf("seed %d pixel %d: a score of %v", s.Seed, i, v)
			}
		}
		a := float32(s.Params.Defect.Amplitude)
		if want := a * m; s.Score[i] != want {
			t.Fatalf("seed %d pixel %d: score %v, want a m = %v", s.Seed, i, s.Score[i], want)
		}
		if s.Score[i] == 0 {
			for c := 3 * i; c < 3*i+3; c++ {
				if s.Image.Pix[c] != s.Clean.Pix[c] {
					t.Fatalf("seed %d pixel %d: score 0, but the pixel changed", s.Seed, i)
				}
			}
			if s.Visible[i] != 0 || s.Relative[i] != 0 {
				t.Fatalf("seed %d pixel %d: visible without a mask", s.Seed, i)
			}
		}
	}
	if s.Params.Defect.Present != (peak == 1) {
		t.Fatalf("seed %d: present %v, peak of the mask %v", s.Seed, s.Params.Defect.Present, peak)
	}
}

func TestWithoutDefectImageIsClean(t *testing.T) {
	g := must(t, everything(32, 32), "defect-share", "0")
	for seed := range uint64(20) {
		s := render(t, g, seed)
		if string(s.Image.Pix) != string(s.Clean.Pix) || s.Params.Defect.Present {
			t.Fatalf("seed %d has a defect", seed)
		}
	}
}

// A hair that starts on the border and leaves the picture is no defect, and has no values.
func TestNoDefectHasNoValues(t *testing.T) {
	g := must(t, Defaults(16, 16), "mask", "scratch", "mean-x", "0", "scratch-length", "1", "scratch-width", "0.3")
	absent := 0
	for seed := range uint64(40) {
		d := render(t, g, seed).Params.Defect
		if d.Present {
			continue
		}
		absent++
		if d.Mask != "" || len(d.Components)+len(d.Shape) > 0 {
			t.Errorf("seed %d: %+v", seed, d)
		}
	}
	if absent == 0 {
		t.Error("every hair is in the picture")
	}
}

func TestAGreyPictureHasNoColour(t *testing.T) {
	g := newGenerators(t, 1, everything(48, 48), swatches(t))[0]
	g.o.GreyPicture = 1
	for seed := range uint64(60) {
		s := render(t, g, seed)
		for _, p := range [][]uint8{s.Clean.Pix, s.Image.Pix, s.Twin.Pix} {
			for i := 0; i < len(p); i += 3 {
				if p[i] != p[i+1] || p[i] != p[i+2] {
					t.Fatalf("seed %d: a grey picture with pixel %v", seed, p[i:i+3])
				}
			}
		}
	}
}

func TestTwinDiffersByNuisanceOnly(t *testing.T) {
	o := Defaults(64, 64)
	g := must(t, o, "noise", "0", "light", "0", "gain", "1", "shift", "0")
	s := render(t, g, 3)
	if string(s.Twin.Pix) != string(s.Clean.Pix) {
		t.Error("without nuisance the twin differs from the clean picture")
	}
	g = must(t, o, "noise", "0", "light", "0", "gain", "1", "shift", "1")
	s = render(t, g, 3)
	for y := 1; y < 64; y++ {
		for x := 3; x < 3*64; x++ {
			if s.Twin.Pix[y*3*64+x] != s.Clean.Pix[(y-1)*3*64+x-3] {
				t.Fatalf("row %d: the twin is not the clean picture moved by (1, 1)", y)
			}
		}
	}
	g = must(t, o)
	if s = render(t, g, 3); string(s.Twin.Pix) == string(s.Clean.Pix) {
		t.Error("with nuisance the twin equals the clean picture")
	}
}

func TestFixingAParameterKeepsTheOthers(t *testing.T) {
	a := render(t, must(t, Defaults(64, 64)), 5).Params
	for _, p := range Parameters() {
		switch p.Name {
		case "components", "elongated", "mask", "edge", "family", "weights", "scene", "source-share":
			continue // others of the mixture, or the surfaces, depend on these
		}
		o := Defaults(64, 64)
		values := p.Sweep(&o, 3)
		if err := o.Set(p.Name, values[len(values)-1]); err != nil {
			t.Fatal(err)
		}
		b := render(t, must(t, o), 5).Params
		if a.Normal.Ground.Name != b.Normal.Ground.Name {
			t.Errorf("%s changed the surface", p.Name)
		}
		if p.Name != "mode" && p.Name != "defect-share" && a.Defect.Mode != b.Defect.Mode {
			t.Errorf("%s changed the mode", p.Name)
		}
		if p.Name != "gain" && a.Camera.Gain != b.Camera.Gain {
			t.Errorf("%s changed the exposure", p.Name)
		}
		if p.Name != "sigma-y" && a.Defect.Components[0].SigmaY != b.Defect.Components[0].SigmaY &&
			p.Name != "thin-y" {
			t.Errorf("%s changed sigma y", p.Name)
		}
	}
}

func TestRenderDoesNotAllocate(t *testing.T) {
	g := newGenerators(t, 1, everything(64, 64), swatches(t))[0]
	var s Sample
	for seed := range uint64(200) { // buffers find their size
		if err := g.Render(&s, seed); err != nil {
			t.Fatal(err)
		}
	}
	seed := uint64(0)
	n := testing.AllocsPerRun(199, func() {
		if err := g.Render(&s, seed); err != nil {
			t.Fatal(err)
		}
		seed++
	})
	if n > 1 { // the object of a scene
		t.Errorf("%v allocations a sample", n)
	}
}

func TestEveryFamilyAndPartHasContrastAndVariety(t *testing.T) {
	for f := range Family(nFamilies) {
		g := must(t, Defaults(96, 96), "family", f.String(), "contrast", "1", "scene", "0", "noise", "0")
		a, b := render(t, g, 1), render(t, g, 2)
		if string(a.Clean.Pix) == string(b.Clean.Pix) {
			t.Errorf("%v: two seeds give one picture", f)
		}
		var sum, sum2 float64
		for _, v := range a.Clean.Pix {
			sum += float64(v)
			sum2 += float64(v) * float64(v)
		}
		n := float64(len(a.Clean.Pix))
		if sd := math.Sqrt(sum2/n - sum/n*sum/n); sd < 2 {
			t.Errorf("%v: standard deviation %.2f grey levels", f, sd)
		}
	}
}

func TestPartsOfALineAreAlike(t *testing.T) {
	for f := Washer; f <= Cap; f++ {
		g := must(t, Line(f, 128, 128, 0))
		a, b := render(t, g, 1), render(t, g, 2)
		var diff float64
		for i := range a.Clean.Pix {
			diff += math.Abs(float64(a.Clean.Pix[i]) - float64(b.Clean.Pix[i]))
		}
		if diff /= float64(len(a.Clean.Pix)); diff > 20 || diff < 0.5 {
			t.Errorf("%v: two parts differ by %.1f grey levels on average", f, diff)
		}
	}
}

func TestEveryFamilyAtOddSizes(t *testing.T) {
	for _, size := range [][2]int{{16, 16}, {16, 150}, {150, 17}} {
		for f := range Family(nFamilies) {
			o := everything(size[0], size[1])
			o.Normal = [nFamilies]float64{}
			o.Normal[f] = 1
			g := newGenerators(t, 1, o, nil)[0]
			for seed := range uint64(4) {
				checkSample(t, render(t, g, seed))
			}
		}
	}
}

// A defect on a given picture: without nuisance the clean picture is the given one to the byte.
func TestRenderOnKeepsThePicture(t *testing.T) {
	o := Defaults(64, 48)
	for _, set := range [][2]string{{"gain", "1"}, {"light", "0"}, {"noise", "0"}, {"shift", "0"}} {
		if err := o.Set(set[0], set[1]); err != nil {
			t.Fatal(err)
		}
	}
	g, err := New(o, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, grey := range []bool{false, true} {
		p := Picture{W: 64, H: 48, Pix: make([]uint8, 3*64*48)}
		for i := range p.Pix {
			p.Pix[i] = uint8(i * 7 / 3)
			if grey {
				p.Pix[i] = uint8(i / 3 * 5)
			}
		}
		var s Sample
		changed := false
		for seed := range uint64(4) {
			if err := g.RenderOn(&s, seed, p); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(s.Clean.Pix, p.Pix) || !bytes.Equal(s.Twin.Pix, p.Pix) {
				t.Fatalf("seed %d: the clean picture is not the given one", seed)
			}
			for i, v := range s.Image.Pix {
				changed = changed || v != p.Pix[i]
				if v != p.Pix[i] && s.Mask[i/3] == 0 {
					t.Fatalf("seed %d: pixel %d changed outside the mask", seed, i/3)
				}
			}
			if s.Params.Normal.Grey != grey {
				t.Errorf("grey %v", s.Params.Normal.Grey)
			}
		}
		if !changed {
			t.Error("no seed changed the picture")
		}
	}
	if err := g.RenderOn(new(Sample), 1, Picture{W: 64, H: 64, Pix: make([]uint8, 3*64*64)}); err == nil {
		t.Error("a picture of another size was taken")
	}
}
