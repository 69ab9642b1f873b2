package evaluate

import (
	"context"
	"encoding/json"
	"errors"
	"image"
	"image/color"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"cull/capture"
	"cull/infer"
	"cull/infer/net"
	"cull/internal/control"
	"cull/internal/dataset"
	"cull/internal/inspect"
	"cull/padim"
)

const side = 64

// writePart writes a noisy plate, with a bright square at x, y if size > 0, and
// the square's mask.
func writePart(t *testing.T, path, mask string, seed uint64, x, y, size int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 7))
	img, truth := image.NewGray(image.Rect(0, 0, side, side)), image.NewGray(image.Rect(0, 0, side, side))
	square := image.Rect(x, y, x+size, y+size)
	for i := range img.Pix {
		p := image.Pt(i%side, i/side)
		v := 100 + p.X/2 + rng.IntN(11) - 5
		if p.In(square) {
			v = 220
			truth.SetGray(p.X, p.Y, color.Gray{Y: 255})
		}
		img.Pix[i] = uint8(v)
	}
	write(t, path, img)
	if mask != "" {
		write(t, mask, truth)
	}
}

func write(t *testing.T, path string, img image.Image) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := png.Encode(f, img); err != nil {
		t.Fatal(err)
	}
}

// plates writes a category in MVTec AD layout and opens it.
func plates(t *testing.T, masks bool) []dataset.Category {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "plate")
	for i := range 24 {
		writePart(t, filepath.Join(dir, "train/good", strconv.Itoa(i)+".png"), "", uint64(i), 0, 0, 0)
	}
	for i := range 8 {
		name := strconv.Itoa(i)
		mask := ""
		if masks {
			mask = filepath.Join(dir, "ground_truth/spot", name+"_mask.png")
		}
		writePart(t, filepath.Join(dir, "test/good", name+".png"), "", uint64(100+i), 0, 0, 0)
		writePart(t, filepath.Join(dir, "test/spot", name+".png"), mask, uint64(200+i), 5*i+4, 40-4*i, 9)
	}
	cs, err := dataset.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return cs
}

func options(t *testing.T, f Features) Options {
	return Options{
		Features: f, Size: side, Seed: 1, Threads: 1, SpoolDir: t.TempDir(),
		Fit: padim.Options{Mode: padim.Part, TargetFRR: 0.05},
	}
}

func TestControlsFindAPlainDefect(t *testing.T) {
	cs := plates(t, true)
	for _, f := range []Features{Handmade, Bank, Lines, Grey} {
		r, err := Run(context.Background(), cs, options(t, f))
		if err != nil {
			t.Fatal(err)
		}
		c := r.Categories[0]
		if c.TrainGood != 24 || c.TestGood != 8 || c.TestBad != 8 || c.Defects["spot"].N != 8 {
			t.Errorf("%s: counts %+v", f, c)
		}
		if c.ImageAUROC < 0.99 || c.Escapes.Count != 0 {
			t.Errorf("%s: image AUROC %v, %d escapes", f, c.ImageAUROC, c.Escapes.Count)
		}
		if s := c.Defects["spot"].Shift; s < 0.99 || c.Shift < 0.1 || c.Shift > 0.9 {
			t.Errorf("%s: against left-out good parts bad ones have %v, good ones %v", f, s, c.Shift)
		}
		switch noMap := f == Grey; {
		case noMap != math.IsNaN(float64(c.PixelAUROC)), noMap != math.IsNaN(float64(r.Mean.AUPRO30)):
			t.Errorf("%s: pixel AUROC %v", f, c.PixelAUROC)
		case !noMap && (c.PixelAUROC < 0.95 || c.AUPRO30 < 0.8):
			t.Errorf("%s: pixel AUROC %v, AUPRO %v", f, c.PixelAUROC, c.AUPRO30)
		}
	}
}

// A good part that is there twice is taught once, as cull teach does, and the report says so; every stage comes to its end.
func TestCopiesAreCounted(t *testing.T) {
	cs := plates(t, false)
	cs[0].Train = append(cs[0].Train, cs[0].Train[3], cs[0].Train[5])
	for _, f := range []Features{Handmade, Grey} {
		left := map[string]int{}
		o := options(t, f)
		o.Progress = func(_, stage string, done, of int) { left[stage] = of - done }
		r, err := Run(t.Context(), cs, o)
		if err != nil {
			t.Fatal(err)
		}
		if c := r.Categories[0]; c.TrainGood != 24 || c.Copies != 2 {
			t.Errorf("%s: taught %d, copies %d", f, c.TrainGood, c.Copies)
		}
		for stage, n := range left {
			if n != 0 {
				t.Errorf("%s: %s ends %d before its end", f, stage, n)
			}
		}
		cs := slices.Clone(cs)
		cs[0].Train = slices.Repeat(cs[0].Train[:2], 5)
		if _, err := Run(t.Context(), cs, o); !errors.Is(err, padim.ErrTooFew) || !strings.Contains(err.Error(), "8 of 10 pictures are copies") {
			t.Errorf("%s, of two parts: %v", f, err)
		}
	}
}

// twoTaps returns a network of three convolutions, weights drawn at random, and a picture that it has seen.
func twoTaps(t *testing.T) (*infer.Model, []int8) {
	t.Helper()
	conv := func(name string, in int) net.Node {
		return net.Node{
			Name: name, Op: net.Conv, In: []int{in}, Out: 16,
			Kernel: 3, Stride: 2, Pad: 1, Groups: 1, Act: net.ActReLU,
		}
	}
	g := net.Graph{
		InputChannels: 3, Taps: []net.Tap{{Name: "a", Node: 2}, {Name: "b", Node: 3}},
		Nodes: []net.Node{{Name: "in", Op: net.Input}, conv("1", 0), conv("2", 1), conv("3", 2)},
	}
	pic := make([]int8, side*side*3)
	for i := range pic {
		pic[i] = int8(i*7%200 - 100)
	}
	m, err := control.RandomWeights(g, 5, [][]int8{pic}, side, side)
	if err != nil {
		t.Fatal(err)
	}
	return m, pic
}

func TestRandomWeightsOfANetwork(t *testing.T) {
	o := options(t, Random)
	o.Model, _ = twoTaps(t)
	r, err := Run(context.Background(), plates(t, true), o)
	if err != nil {
		t.Fatal(err)
	}
	if c := r.Categories[0]; c.ImageAUROC < 0.9 || r.Protocol.Arithmetic != "int8" {
		t.Errorf("image AUROC %v, %+v", c.ImageAUROC, r.Protocol)
	}
}

func TestTapsLeaveTheFixedMapsOut(t *testing.T) {
	o := options(t, Net)
	var pic []int8
	o.Model, pic = twoTaps(t)
	maps := map[Features][]padim.Map{}
	for _, o.Features = range []Features{Net, Taps} {
		r := run{Options: o}
		e, err := r.extractor(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		maps[o.Features] = e.Maps(pic)
	}
	own := maps[Taps]
	if len(own) != 2 || len(maps[Net]) != 2+3 {
		t.Fatalf("%d taps, %d maps", len(own), len(maps[Net]))
	}
	for i := range own {
		if !slices.Equal(own[i].Data, maps[Net][i].Data) {
			t.Errorf("map %d is not the network's", i)
		}
	}
}

// TestJSONFormat holds the keys that programs read, and their types.
func TestJSONFormat(t *testing.T) {
	r, err := Run(context.Background(), plates(t, false), options(t, Handmade))
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var top map[string]json.RawMessage
	var protocol, category, mean map[string]any
	var categories []map[string]any
	if err := errors.Join(
		json.Unmarshal(data, &top), json.Unmarshal(top["protocol"], &protocol),
		json.Unmarshal(top["categories"], &categories), json.Unmarshal(top["mean"], &mean),
	); err != nil {
		t.Fatal(err)
	}
	category = categories[0]
	for what, keys := range map[string]string{
		"protocol": "size crop mode seed net_sha256 arithmetic kernel no_mirrors",
		"category": "name train_good test_good test_bad image_auroc pixel_auroc aupro30 f1_max threshold " +
			"target_frr frr escape_rate frr_at_zero_escapes mode ms_per_image_p50 ms_per_image_p99 defects",
		"mean": "image_auroc pixel_auroc aupro30",
	} {
		object := map[string]map[string]any{"protocol": protocol, "category": category, "mean": mean}[what]
		for _, k := range strings.Fields(keys) {
			if _, ok := object[k]; !ok {
				t.Errorf("%s has no %q: %s", what, k, data)
			}
		}
	}
	if category["pixel_auroc"] != nil || category["aupro30"] != nil || mean["pixel_auroc"] != nil {
		t.Errorf("pixel figures without masks: %v", category)
	}
	spot := category["defects"].(map[string]any)["spot"].(map[string]any)
	if spot["n"] != 8.0 || spot["image_auroc"] == nil {
		t.Errorf("defects: %v", spot)
	}
	var back Report
	if err := json.Unmarshal(data, &back); err != nil || !math.IsNaN(float64(back.Mean.PixelAUROC)) {
		t.Errorf("read back: %v, %+v", err, back.Mean)
	}
}

func TestSameSeedSameFigures(t *testing.T) {
	cs := plates(t, true)
	o := options(t, Handmade)
	o.Train = 12
	var threshold [2]Figure
	for i := range threshold {
		r, err := Run(context.Background(), cs, o)
		if err != nil {
			t.Fatal(err)
		}
		threshold[i] = r.Categories[0].Threshold
		if r.Categories[0].TrainGood != 12 || r.Categories[0].TrainAvailable != 24 {
			t.Errorf("%+v", r.Categories[0])
		}
	}
	if threshold[0] != threshold[1] {
		t.Errorf("thresholds %v", threshold)
	}
}

func TestRunStopsOnErrorsAndNamesTheCategory(t *testing.T) {
	cs := plates(t, true)
	stop := errors.New("disk full")
	o := options(t, Handmade)
	o.Overlay = func(string, dataset.Item, *capture.Frame, inspect.Result) error { return stop }
	if _, err := Run(context.Background(), cs, o); !errors.Is(err, stop) || !strings.Contains(err.Error(), "plate") {
		t.Errorf("overlay: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, f := range []Features{Handmade, Grey} {
		if _, err := Run(ctx, cs, options(t, f)); !errors.Is(err, context.Canceled) {
			t.Errorf("%s, cancelled: %v", f, err)
		}
	}
	if err := os.WriteFile(cs[0].Train[3], []byte("no picture"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(context.Background(), cs, options(t, Handmade)); err == nil || !strings.Contains(err.Error(), cs[0].Train[3]) {
		t.Errorf("bad picture: %v", err)
	}
	cs[0].Train = cs[0].Train[:3]
	for _, f := range []Features{Handmade, Grey} {
		if _, err := Run(context.Background(), cs, options(t, f)); !errors.Is(err, padim.ErrTooFew) {
			t.Errorf("%s, three pictures: %v", f, err)
		}
	}
}

// A mask of another shape belongs to another picture; one of another resolution does not.
func TestMaskOfAnotherShape(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mask.png")
	for _, c := range []struct {
		w, h int
		fine bool
	}{{32, 32, true}, {32, 16, false}} {
		f, err := os.Create(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(png.Encode(f, image.NewGray(image.Rect(0, 0, c.w, c.h))), f.Close()); err != nil {
			t.Fatal(err)
		}
		p := pixels{on: true}
		err = p.add(&capture.Frame{Width: 64, Height: 64}, dataset.Item{Mask: file}, padim.ScoreMap{H: 2, W: 2, Data: make([]float32, 4)})
		if (err == nil) != c.fine {
			t.Errorf("%dx%d: %v", c.w, c.h, err)
		}
	}
}

// Light that is changed is changed for every row, and what a row is not taught is not reported.
func TestChangedLightReachesEveryRow(t *testing.T) {
	cs := plates(t, false)
	for _, f := range []Features{Handmade, Grey} {
		o := options(t, f)
		o.Light = 1
		scores := map[float64][]float64{}
		for _, o.Relit = range []float64{0, 2} {
			o.Scored = func(_ string, _ dataset.Item, v float64) { scores[o.Relit] = append(scores[o.Relit], v) }
			r, err := Run(t.Context(), cs, o)
			if err != nil {
				t.Fatal(err)
			}
			want := Figure(1)
			if f == Grey {
				want = 0
			}
			if r.Protocol.Light != want || float64(r.Protocol.Relit) != o.Relit {
				t.Errorf("%s: %+v", f, r.Protocol)
			}
		}
		if slices.Equal(scores[0], scores[2]) {
			t.Errorf("%s: the light changes no score", f)
		}
	}
	stock := options(t, Handmade)
	stock.Light, stock.Fit.Mode = 1, padim.Stock
	if p := protocol(stock); p.Light != 0 {
		t.Errorf("stock mode: %+v", p)
	}
}

// The threads of a network end with its category.
func TestNetworksAreClosed(t *testing.T) {
	cs := plates(t, false)
	o := options(t, Net)
	o.Model, _ = twoTaps(t)
	o.Threads = 2
	before := runtime.NumGoroutine()
	for _, o.Features = range []Features{Net, Taps, Random} {
		if _, err := Run(t.Context(), cs, o); err != nil {
			t.Fatal(err)
		}
	}
	stop := errors.New("disk full")
	o.Overlay = func(string, dataset.Item, *capture.Frame, inspect.Result) error { return stop }
	if _, err := Run(t.Context(), cs, o); !errors.Is(err, stop) {
		t.Fatal(err)
	}
	if now := runtime.NumGoroutine(); now >= before+4 { // one a run; the last may be about to end
		t.Errorf("%d goroutines after 4 runs, %d before", now, before)
	}
}
