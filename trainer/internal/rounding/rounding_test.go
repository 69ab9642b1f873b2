package rounding

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"cull/infer"
	"cull/internal/dataset"
	"cull/trainer/internal/grad"
	"cull/trainer/internal/quantise"
	"cull/trainer/internal/trunk"
	"cull/weights"
)

const side = 64

// plates are noisy pictures, bad ones with a faint square, some too faint to be found.
func plates(t *testing.T) []dataset.Category {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "plate")
	for _, part := range []struct {
		folder string
		n      int
	}{{"train/good", 16}, {"test/good", 12}, {"test/spot", 12}} {
		folder := filepath.Join(dir, part.folder)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		for i := range part.n {
			rng := rand.New(rand.NewPCG(uint64(i), uint64(len(part.folder))))
			img := image.NewGray(image.Rect(0, 0, side, side))
			for k := range img.Pix {
				img.Pix[k] = uint8(100 + rng.IntN(20))
			}
			for k := 0; part.folder == "test/spot" && k < 100; k++ {
				img.SetGray(20+k%10, 20+k/10, color.Gray{Y: uint8(110 + 3*i)})
			}
			var b bytes.Buffer
			if err := png.Encode(&b, img); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(folder, strconv.Itoa(i)+".png"), b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	sets, err := dataset.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return sets
}

// The shipped network beside its float trunk: little is lost. Beside the float trunk of other
// weights: the figures are those of two different networks.
func TestTheParentIsMeasuredOnItsOwnFeatures(t *testing.T) {
	m, err := infer.Parse(weights.Cull())
	if err != nil {
		t.Fatal(err)
	}
	tr, _, err := quantise.Trunk(m)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Size: side, Seeds: 2, Threads: 1, SpoolDir: t.TempDir()}
	measured := func(tr *trunk.Trunk) Cost {
		t.Helper()
		n := quantise.FromTrunk(tr)
		for k, p := range quantise.Projections(m) {
			n.Project(k, p.W, p.Bias)
		}
		costs, err := Compare(context.Background(), plates(t), m, Parent{n, m}, o)
		if err != nil {
			t.Fatal(err)
		}
		return costs[0]
	}
	c := measured(tr)
	d := float64(c.Int8.ImageAUROC - c.Float.ImageAUROC)
	if c.Category != "plate" || c.Good != 12 || c.Bad != 12 || !(d > -0.1 && d < 0.1 && c.Low <= d && d <= c.High) {
		t.Errorf("%+v", c)
	}
	blind := trunk.New(tr.Shape, rand.New(rand.NewPCG(1, 1)))
	blind.Stem[0].Filter = grad.NewFilter(3, tr.Shape.Width, 3, 2, 1) // sees nothing: the fixed maps are left
	if b := measured(blind); b.Int8.ImageAUROC != c.Int8.ImageAUROC || math.Abs(float64(b.Float.ImageAUROC)-266./288) > 1e-8 {
		t.Errorf("%+v beside a blind parent, %+v", b, c)
	}
	var text bytes.Buffer
	if err := Print(&text, []Cost{c}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), "plate") || !strings.Contains(text.String(), "..") {
		t.Errorf("%s", text.String())
	}
}
