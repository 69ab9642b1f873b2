package spoil

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cull/internal/dataset"
	"cull/internal/exact"
	"cull/internal/imagefile"
)

const side = 192

// surface is a noisy picture with a slope, so that what is copied or blurred differs.
func surface(seed uint64) []uint8 {
	rng := exact.NewRand(seed, 0)
	pic := make([]uint8, 3*side*side)
	for i := range pic {
		pic[i] = uint8(60 + i/3%side/3 + i/3/side/3 + rng.IntN(30))
	}
	return pic
}

func TestDefectsAreWhatTheyAreCalledAndWhereTheMaskSays(t *testing.T) {
	for _, kind := range Defects {
		t.Run(string(kind), func(t *testing.T) {
			var inside [3]float64 // sum of change
			for seed := range uint64(30) {
				pic := surface(seed)
				bad, mask := Draw(kind, pic, side, 1, seed)
				if again, _ := Draw(kind, pic, side, 1, seed); !slices.Equal(again, bad) {
					t.Fatal("drawn twice: two pictures")
				}
				var in, out, pixels, grey float64
				for i, m := range mask {
					var d float64
					for k := range 3 {
						c := float64(bad[3*i+k]) - float64(pic[3*i+k])
						d += max(c, -c)
						if m {
							inside[k] += c
							grey += c
						}
					}
					if m {
						in += d
						pixels++
						if y, x := i/side, i%side; min(y, x) == 0 || max(y, x) == side-1 {
							t.Fatalf("seed %d: the defect touches the border", seed)
						}
					} else {
						out += d
					}
				}
				if pixels == 0 || in == 0 || out > 0.6*in {
					t.Errorf("seed %d: %v of change on %v pixels of the mask, %v outside", seed, in, pixels, out)
				}
				if kind == Colour && max(grey, -grey) > in/10 {
					t.Errorf("seed %d: brightness changes by %v of %v", seed, grey, in)
				}
			}
			if s := inside[1]; kind == Pit && s >= 0 || kind == Speck && s <= 0 {
				t.Errorf("brightness changes by %v", s)
			}
		})
	}
}

// category writes one of n training and n good test pictures.
func category(t *testing.T, n int) dataset.Category {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "plate")
	for _, folder := range []string{"train/good", "test/good"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
		for i := range n {
			img := image.NewNRGBA(image.Rect(0, 0, side, side))
			for k, v := range surface(uint64(i)) {
				img.Pix[k/3*4+k%3] = v
				img.Pix[k/3*4+3] = 255
			}
			f, err := os.Create(filepath.Join(dir, folder, fmt.Sprint(i, ".png")))
			if err != nil {
				t.Fatal(err)
			}
			if err := png.Encode(f, img); err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	sets, err := dataset.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return sets[0]
}

func TestASetIsADataSet(t *testing.T) {
	c := category(t, 3)
	dir := filepath.Join(t.TempDir(), "plate")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Write(context.Background(), dir, c, Speck, Options{Size: side, Least: 5, Seed: 1}); err != nil {
		t.Fatal(err)
	}
	sets, err := dataset.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	got := sets[0]
	var good, bad int
	for _, it := range got.Test {
		if it.Good {
			good++
			continue
		}
		bad++
		if m, err := imagefile.ReadMask(it.Mask); err != nil || !slices.Contains(m.Pix, true) {
			t.Errorf("%s: %v", it.Mask, err)
		}
	}
	// Three good pictures twice each are five at least.
	if len(got.Train) != 3 || good != 3 || bad != 6 || !got.HasMasks() {
		t.Fatalf("%d to train, %d good, %d bad", len(got.Train), good, bad)
	}
	// Pictures of the right size are as they were.
	a, b := read(t, c.Train[1]), read(t, got.Train[1])
	for y := range side {
		for x := range side {
			if a.At(x, y) != b.At(x, y) && toRGB(a.At(x, y)) != toRGB(b.At(x, y)) {
				t.Fatalf("pixel %d, %d: %v, was %v", x, y, b.At(x, y), a.At(x, y))
			}
		}
	}
}

// A drift changes the whole picture in the same way, whichever it is.
func TestDriftsAreWhatTheyAreCalled(t *testing.T) {
	at := func(pic []uint8, y, x int) float64 { return float64(pic[(y*side+x)*3]) }
	for _, kind := range Drifts {
		pic := surface(1)
		out, mask := Draw(kind, pic, side, 1, 1)
		again, _ := Draw(kind, pic, side, 1, 1)
		if mask != nil || !slices.Equal(out, again) || slices.Equal(out, pic) {
			t.Errorf("%s: mask %v, or not the same twice, or nothing done", kind, mask != nil)
		}
		var before, after, near, far float64 // contrast of neighbours; change of brightness
		for y := 20; y < side-20; y++ {
			for x := 20; x < side-20; x++ {
				before += math.Abs(at(pic, y, x) - at(pic, y, x+1))
				after += math.Abs(at(out, y, x) - at(out, y, x+1))
				d := at(out, y, x) / at(pic, y, x)
				if dy, dx := y-side*6/10, x-side*4/10; dy*dy+dx*dx < 9 {
					near += d / 25
				} else if dy*dy+dx*dx > 50*50 {
					far = max(far, math.Abs(d-1))
				}
			}
		}
		switch moved := at(out, 100, 100) == at(pic, 94, 94) && at(out, 0, 0) == at(pic, 0, 0); { // 8 of 256 are 6 of 192
		case kind == Defocus && after > before/3,
			kind == Grain && after < 1.2*before,
			kind == Displaced && !moved,
			kind == Smear && (near > 0.75 || far > 0.02):
			t.Errorf("%s: contrast %.0f of %.0f, %.2f of the light in the spot, %.3f of it lost elsewhere", kind, after, before, near, far)
		}
	}
	c := category(t, 3)
	dir := filepath.Join(t.TempDir(), "plate")
	if err := errors.Join(os.Mkdir(dir, 0o755), Write(t.Context(), dir, c, Smear, Options{Size: side, Least: 40, Seed: 1})); err != nil {
		t.Fatal(err)
	}
	sets, err := dataset.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := sets[0]; len(got.Test) != 6 || got.HasMasks() {
		t.Errorf("%d test pictures, masks %t: want three good and three after the drift, without", len(got.Test), got.HasMasks())
	}
}

// What a defect leaves as it was is no bad picture: it is drawn again, or refused.
func TestBadPicturesDiffer(t *testing.T) {
	white, plain := bytes.Repeat([]uint8{255}, 3*side*side), bytes.Repeat([]uint8{128}, 3*side*side)
	o := Options{Size: side, Least: 20, Seed: 1}
	again := 0
	for k := range uint64(20) {
		first, _ := Draw(Stain, white, side, 1, 100*k)
		bad, mask, ok := drawSeen(Stain, white, o, func(a int) uint64 { return 100*k + uint64(a) })
		if bytes.Equal(first, white) { // brighter than white
			again++
		} else if !bytes.Equal(bad, first) {
			t.Errorf("stain %d is seen and was drawn again", k)
		}
		if !ok || !slices.Contains(mask, true) || bytes.Equal(bad, white) {
			t.Errorf("stain %d is not there", k)
		}
	}
	if again == 0 {
		t.Error("every stain is dark")
	}
	c := category(t, 1)
	if err := (writer{filepath.Dir(filepath.Dir(filepath.Dir(c.Test[0].Path))), side}).picture("test/good", "0", plain); err != nil {
		t.Fatal(err)
	}
	err := Write(context.Background(), t.TempDir(), c, Blur, o)
	if err == nil || !strings.Contains(err.Error(), c.Test[0].Path+": blur: none of 16 defects") {
		t.Errorf("a plain surface is blurred: %v", err)
	}
	if stream(Pit, "a", 1, 2, 0) == stream(Pit, "a", 1, 2, 1) {
		t.Error("the second attempt is the first")
	}
}

// The first attempt draws what it drew when there was no second.
func TestStreamsStay(t *testing.T) {
	if got, want := stream(Pit, "plate", 3, 1, 0), uint64(0xef9cc2528895de07); got != want {
		t.Errorf("%#x, want %#x", got, want)
	}
}

func toRGB(c color.Color) [3]uint32 { r, g, b, _ := c.RGBA(); return [3]uint32{r, g, b} }

func read(t *testing.T, path string) image.Image {
	t.Helper()
	f, err := imagefile.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	img, err := imagefile.Image(f)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func TestNothingToDrawOn(t *testing.T) {
	c := category(t, 1)
	c.Test = nil
	if err := Write(context.Background(), t.TempDir(), c, Pit, Options{Size: side}); err == nil {
		t.Error("no error")
	}
}
