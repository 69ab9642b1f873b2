package commands

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"cull/infer/net"
	"cull/internal/control"
)

const testSide = 64

// bench is a folder with a network, good parts, a good and a bad test part.
type bench struct{ dir, net, parts, good, bad string }

func newBench(t *testing.T) *bench {
	t.Helper()
	dir := t.TempDir()
	b := &bench{
		dir: dir, net: filepath.Join(dir, "random.net"), parts: filepath.Join(dir, "parts"),
		good: filepath.Join(dir, "good.png"), bad: filepath.Join(dir, "bad.png"),
	}
	writeNetwork(t, b.net, 1)
	for i := range 20 {
		writePart(t, filepath.Join(b.parts, fmt.Sprintf("%02d.png", i)), uint64(i), false)
	}
	writePart(t, b.good, 500, false)
	writePart(t, b.bad, 501, true)
	return b
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

func writeNetwork(t *testing.T, path string, seed uint64) {
	t.Helper()
	conv := func(name string, in, out int) net.Node {
		return net.Node{
			Name: name, Op: net.Conv, In: []int{in}, Out: out,
			Kernel: 3, Stride: 2, Pad: 1, Groups: 1, Act: net.ActReLU,
		}
	}
	g := net.Graph{
		InputChannels: 3, Taps: []net.Tap{{Name: "s4", Node: 2}, {Name: "s8", Node: 3}},
		Nodes: []net.Node{{Name: "in", Op: net.Input}, conv("a", 0, 16), conv("b", 1, 16), conv("c", 2, 24)},
	}
	pic := make([]int8, testSide*testSide*3)
	rng := rand.New(rand.NewPCG(seed, 1))
	for i := range pic {
		pic[i] = int8(rng.IntN(80) - 60)
	}
	m, err := control.RandomWeights(g, seed, [][]int8{pic}, testSide, testSide)
	if err != nil {
		t.Fatal(err)
	}
	m.Meta.Input.Size = testSide
	if err := errors.Join(m.AddAnswers(testSide, testSide, 1), m.WriteFile(path)); err != nil {
		t.Fatal(err)
	}
}

// writePart draws a plate with a bright bar; a bad one has a dark hole in it.
func writePart(t *testing.T, path string, seed uint64, bad bool) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 2))
	img := image.NewGray(image.Rect(0, 0, testSide, testSide))
	for i := range img.Pix {
		x, y := i%testSide, i/testSide
		v := 80
		if y > 20 && y < 40 {
			v = 180
		}
		if bad && (x-30)*(x-30)+(y-30)*(y-30) < 30 {
			v = 20
		}
		img.Pix[i] = uint8(v + rng.IntN(11) - 5)
	}
	writePNG(t, path, img)
}

func writePNG(t *testing.T, path string, img image.Image) {
	t.Helper()
	var buf bytes.Buffer
	if err := errors.Join(png.Encode(&buf, img), os.MkdirAll(filepath.Dir(path), 0o700),
		os.WriteFile(path, buf.Bytes(), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// cull runs a command of the table.
func cull(t *testing.T, args ...string) (stdout string, err error) {
	t.Helper()
	run := map[string]Command{}
	for _, c := range []Command{teachCommand(), inspectCommand(), evalCommand(), bundleCommand()} {
		run[c.Name] = c
	}
	var out, log bytes.Buffer
	err = run[args[0]].Run(t.Context(), Env{Stdout: &out, Stderr: &log}, args[1:])
	if log.Len() > 0 {
		t.Errorf("cull %v wrote to stderr: %s", args, &log)
	}
	return out.String(), err
}

func mustCull(t *testing.T, args ...string) string {
	t.Helper()
	out, err := cull(t, args...)
	if err != nil {
		t.Fatalf("cull %v: %v", args, err)
	}
	return out
}

func TestTeachThenInspect(t *testing.T) {
	b := newBench(t)
	p := b.path("plate.product")
	out := mustCull(t, "teach", "--net", b.net, "--target-frr", "0.05", "--mode", "part", b.parts, "-o", p)
	for _, want := range []string{"20 good parts", "mode      part", "mirrored  left-right", "threshold ", "leave-one-out", "expect ", p} {
		if !strings.Contains(out, want) {
			t.Errorf("teach does not say %q:\n%s", want, out)
		}
	}
	if out := mustCull(t, "teach", "--net", b.net, "--no-mirrors", b.parts, "-o", b.path("upright.product")); strings.Contains(out, "mirrored") {
		t.Errorf("teach --no-mirrors:\n%s", out)
	}
	heat := b.path("heat")
	out = mustCull(t, "inspect", "--json", "--net", b.net, "--overlay", heat, p, b.good, b.bad, b.bad)
	var a inspectAnswer
	if err := json.Unmarshal([]byte(out), &a); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if len(a.Images) != 3 || len(a.NetSHA256) != 64 || !(a.Threshold > 0) {
		t.Fatalf("%+v", a)
	}
	good, bad := a.Images[0], a.Images[1]
	if good.Verdict != "PASS" || bad.Verdict != "REJECT" || good.Margin <= 0 || bad.Margin >= 0 {
		t.Errorf("good %+v, bad %+v", good, bad)
	}
	if a.Images[2].Score != bad.Score || a.Images[2].Overlay == bad.Overlay {
		t.Errorf("the same picture twice: %+v, %+v", bad, a.Images[2])
	}
	for _, one := range a.Images {
		f, err := os.Open(one.Overlay)
		if err != nil {
			t.Fatal(err)
		}
		img, err := png.Decode(f)
		f.Close()
		if err != nil || img.Bounds() != image.Rect(0, 0, testSide, testSide) {
			t.Errorf("%s: %v", one.Overlay, err)
		}
	}
	text := mustCull(t, "inspect", "--net", b.net, p, b.bad)
	if !strings.HasPrefix(text, "REJECT score ") || strings.Count(text, "\n") != 1 || !strings.Contains(text, b.bad) {
		t.Errorf("inspect prints %q", text)
	}
}

func TestTeachSaysWhatFewPartsCanPromise(t *testing.T) {
	b := newBench(t)
	out := mustCull(t, "teach", "--net", b.net, b.parts, "-o", b.path("p"))
	if !strings.Contains(out, "extrapolated") || !strings.Contains(out, "20 parts alone can promise 4.8 % at best") ||
		!strings.Contains(out, "99 parts") || !strings.Contains(out, "explains left-out good parts better") {
		t.Errorf("%s", out)
	}
}

func TestTeachOnARegionAndWithAMask(t *testing.T) {
	b := newBench(t)
	mask := image.NewGray(image.Rect(0, 0, testSide, testSide))
	for i := range mask.Pix {
		if i/testSide >= 8 && i/testSide < 56 {
			mask.Pix[i] = 255
		}
	}
	writePNG(t, b.path("mask.png"), mask)
	p := b.path("p")
	const hidden = "48 of 64 cells, behind the mask"
	said := mustCull(t, "teach", "--net", b.net, "--mask", b.path("mask.png"), "--mode", "part", b.parts, "-o", p)
	if shown := mustCull(t, "bundle", "show", p); !strings.Contains(said, hidden) || !strings.Contains(shown, hidden) {
		t.Errorf("no %q in\n%s\n%s", hidden, said, shown)
	}
	if out := mustCull(t, "inspect", "--net", b.net, p, b.bad); !strings.HasPrefix(out, "PASS") {
		t.Errorf("the hole is masked: %s", out)
	}
	taught := mustCull(t, "teach", "--net", b.net, "--roi", "0,40,64,24", "--size", "32", "--mode", "part", b.parts, "-o", p)
	for _, want := range []string{"64x64 pixels, 64x24 of them scaled to 32x32\n", "one pixel here is 2 x 0.75 of the camera's"} {
		if !strings.Contains(taught, want) {
			t.Errorf("no %q in\n%s", want, taught)
		}
	}
	if out := mustCull(t, "inspect", "--net", b.net, p, b.bad); !strings.HasPrefix(out, "PASS") {
		t.Errorf("the hole is outside the region: %s", out)
	}
}

// A picture that is stored turned is no picture of this camera: the remedy is its own.
func TestTurnedPicturesHaveARemedy(t *testing.T) {
	b := newBench(t)
	p := b.path("plate.product")
	mustCull(t, "teach", "--net", b.net, b.parts, "-o", p)
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, image.NewGray(image.Rect(0, 0, testSide, testSide)), nil); err != nil {
		t.Fatal(err)
	}
	exif := "\xff\xe1\x00\x22Exif\x00\x00II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00\x00\x00\x00\x00"
	turned := filepath.Join(b.parts, "turned.jpg")
	if err := os.WriteFile(turned, slices.Concat(buf.Bytes()[:2], []byte(exif), buf.Bytes()[2:]), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"inspect", "--net", b.net, p, turned},
		{"teach", "--net", b.net, b.parts, "-o", p},
	} {
		_, err := cull(t, args...)
		if err == nil || !strings.Contains(err.Error(), "turned.jpg: picture is stored turned (EXIF orientation 6)") ||
			!strings.Contains(HintOf(err), "auto-orient") {
			t.Errorf("cull %v: %v, hint %s", args, err, HintOf(err))
		}
	}
}

// TestBadInput: one line that says what and where, a remedy, and nothing written.
func TestBadInput(t *testing.T) {
	b := newBench(t)
	p := b.path("plate.product")
	mustCull(t, "teach", "--net", b.net, b.parts, "-o", p)
	other := b.path("other.net")
	writeNetwork(t, other, 2)
	file := func(name string, data []byte) string {
		path := b.path(name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	read := func(path string) []byte {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	flipped := func(path string) []byte {
		data := read(path)
		data[len(data)/2] ^= 4
		return data
	}
	netData, productData := read(b.net), read(p)
	empty, few := b.path("empty"), b.path("few")
	writePart(t, filepath.Join(few, "1.png"), 1, false)
	writePart(t, filepath.Join(few, "2.png"), 2, false)
	set := b.path("set")
	writePart(t, filepath.Join(set, "train/good/1.png"), 1, false)
	broken := b.path("broken")
	writePart(t, filepath.Join(broken, "1.png"), 1, false)
	if err := errors.Join(os.Mkdir(empty, 0o700), os.WriteFile(filepath.Join(broken, "2.png"), []byte("?"), 0o600)); err != nil {
		t.Fatal(err)
	}
	writePNG(t, b.path("small.png"), image.NewGray(image.Rect(0, 0, 9, 9)))
	writePNG(t, b.path("black.png"), image.NewGray(image.Rect(0, 0, testSide, testSide)))
	mixed := b.path("mixed")
	writePart(t, filepath.Join(mixed, "1.png"), 1, false)
	writePNG(t, filepath.Join(mixed, "2.png"), image.NewGray(image.Rect(0, 0, 64, 48)))
	roi := b.path("roi.product")
	mustCull(t, "teach", "--net", b.net, "--roi", "30,30,30,30", b.parts, "-o", roi)
	out := b.path("new.product")

	for _, c := range []struct {
		args  []string
		want  string
		usage bool
	}{
		{[]string{"teach", "--net", file("cut.net", netData[:len(netData)-9]), b.parts, "-o", out}, "cut.net", false},
		{[]string{"teach", "--net", file("flip.net", flipped(b.net)), b.parts, "-o", out}, "flip.net", false},
		{[]string{"teach", "--net", b.good, b.parts, "-o", out}, "not a cull file", false},
		{[]string{"teach", "--net", b.path("none.net"), b.parts, "-o", out}, "none.net", false},
		{[]string{"teach", "--net", b.net, empty, "-o", out}, empty, false},
		{[]string{"teach", "--net", b.net, set, "-o", out}, set, false},
		{[]string{"teach", "--net", b.net, b.path("nowhere"), "-o", out}, "nowhere", false},
		{[]string{"teach", "--net", b.net, few, "-o", out}, "2 good parts, at least 4 needed", false},
		{[]string{"teach", "--net", b.net, broken, "-o", out}, "2.png", false},
		{[]string{"teach", "--net", b.net, mixed, "-o", out}, "2.png: 64x48, good parts 64x64", false},
		{[]string{"teach", "--net", b.net, "--roi", "40,40,40,40", b.parts, "-o", out}, "region", false},
		{[]string{"teach", "--net", b.net, "--mask", b.path("small.png"), b.parts, "-o", out}, "mask 9x9", false},
		{[]string{"teach", "--net", b.net, "--mask", b.path("black.png"), b.parts, "-o", out}, "the mask ignores nothing", false},
		{[]string{"teach", "--net", b.net, b.parts, "-o", b.path("no/such/folder.product")}, "no/such", false},
		{[]string{"teach", "--net", b.net, b.parts, "-o", b.parts}, "parts", false},
		{[]string{"teach", "--net", b.net, b.parts}, "-o PRODUCT", true},
		{[]string{"teach", "--roi", "1,2,3", b.parts, "-o", out}, "--roi", true},
		{[]string{"teach", "--roi", "1,2,3,4,5", b.parts, "-o", out}, "--roi", true},
		{[]string{"teach", "--roi", "0,0,40,1", b.parts, "-o", out}, "at least 16 wide and high", true},
		{[]string{"teach", "--size", "100", b.parts, "-o", out}, "--size 100", true},
		{[]string{"teach", "--mode", "best", b.parts, "-o", out}, "--mode", true},
		{[]string{"teach", "--target-frr", "2", b.parts, "-o", out}, "--target-frr", true},
		{[]string{"teach", "--frr", "2", b.parts, "-o", out}, "frr", true},
		{[]string{"inspect", "--net", b.net, p}, "at least one picture", true},
		{[]string{"inspect", "--net", other, p, b.good}, "taught on another network", false},
		{[]string{"inspect", "--net", b.net, file("cut.product", productData[:999]), b.good}, "cut.product", false},
		{[]string{"inspect", "--net", b.net, file("flip.product", flipped(p)), b.good}, "flip.product", false},
		{[]string{"inspect", "--net", b.net, b.net, b.good}, "random.net", false},
		{[]string{"inspect", "--net", b.net, b.path("none.product"), b.good}, "none.product", false},
		{[]string{"inspect", "--net", b.net, p, b.path("none.png")}, "none.png", false},
		{[]string{"inspect", "--net", b.net, p, filepath.Join(broken, "2.png")}, "2.png", false},
		{[]string{"inspect", "--net", b.net, p, b.parts}, "parts", false},
		{[]string{"inspect", "--net", b.net, roi, b.path("small.png")}, "small.png: 9x9, good parts 64x64", false},
		{[]string{"inspect", "--net", b.net, p, filepath.Join(mixed, "2.png")}, "2.png: 64x48, good parts 64x64", false},
		{[]string{"inspect", "--net", b.net, "--overlay", b.good, p, b.bad}, "good.png", false},
		{[]string{"teach", "--light", "-1", b.parts, "-o", out}, "--light -1", true},
		{[]string{"eval", "--features", "magic", set}, "magic", true},
		{[]string{"eval", "--relit", "4", set}, "--relit 4", true},
		{[]string{"eval", "--light", "NaN", set}, "--light NaN", true},
		{[]string{"eval", "--features", "net,net", set}, "net twice", true},
		{[]string{"eval", "--json", b.parts, set}, "it is a folder", false},
		{[]string{"eval"}, "one data set", true},
		{[]string{"eval", "--features", "handmade", empty}, "train/good", false},
		{[]string{"eval", "--features", "handmade", set}, "test", false},
	} {
		stdout, err := cull(t, c.args...)
		if err == nil {
			t.Errorf("cull %v: no error:\n%s", c.args, stdout)
			continue
		}
		if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("cull %v: %v; want %q in one line", c.args, err, c.want)
		}
		if HintOf(err) == "" {
			t.Errorf("cull %v: %v: no hint", c.args, err)
		}
		if errors.Is(err, ErrUsage) != c.usage {
			t.Errorf("cull %v: %v: usage error %v", c.args, err, !c.usage)
		}
		if _, err := os.Stat(out); err == nil {
			t.Errorf("cull %v left %s", c.args, out)
		}
	}
	left, err := filepath.Glob(filepath.Join(b.dir, ".*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestEvalWritesTableJSONAndOverlays(t *testing.T) {
	b := newBench(t)
	set := b.path("plate")
	if err := errors.Join(os.MkdirAll(filepath.Join(set, "train"), 0o700),
		os.Rename(b.parts, filepath.Join(set, "train", "good"))); err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		writePart(t, filepath.Join(set, "test", "good", fmt.Sprint(i, ".png")), uint64(600+i), false)
		writePart(t, filepath.Join(set, "test", "hole", fmt.Sprint(i, ".png")), uint64(700+i), true)
	}
	file := b.path("out.json")
	table := mustCull(t, "eval", "--net", b.net, "--size", "64", "--controls", "--train", "16",
		"--json", file, "--overlay", b.path("heat"), b.dir)
	for _, want := range []string{"features net", "features taps", "features random", "features grey", "plate", "image AUROC", "plate: no pixel figures, for there are no masks of hole"} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in\n%s", want, table)
		}
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var rows []struct {
		Protocol   struct{ Features string }
		Categories []struct {
			Name       string
			TrainGood  int      `json:"train_good"`
			ImageAUROC float64  `json:"image_auroc"`
			PixelAUROC *float64 `json:"pixel_auroc"`
		}
	}
	if err := json.Unmarshal(data, &rows); err != nil || len(rows) != 7 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for _, r := range rows {
		if c := r.Categories[0]; c.Name != "plate" || c.TrainGood != 16 || c.ImageAUROC < 0.9 || c.PixelAUROC != nil {
			t.Errorf("%s: %+v", r.Protocol.Features, c)
		}
	}
	if _, err := os.Stat(b.path("heat/plate/hole/3.png")); err != nil {
		t.Error(err)
	}
	one := mustCull(t, "eval", "--features", "grey", "--size", "64", "--json", file, set)
	if data, err = os.ReadFile(file); err != nil || !bytes.HasPrefix(data, []byte("{")) || one == "" {
		t.Errorf("a single row is one object: %v %.20s", err, data)
	}
}

func TestVisionHelp(t *testing.T) {
	for _, name := range []string{"teach", "inspect", "eval"} {
		out, err := cull(t, name, "--help")
		if !errors.Is(err, flag.ErrHelp) || !strings.HasPrefix(out, "usage: cull "+name) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// A bad part among the good ones sets the threshold: teach and bundle show must name it.
func TestTeachNamesAnOddGoodPart(t *testing.T) {
	b := newBench(t)
	odd, p := filepath.Join(b.parts, "odd.png"), b.path("plate.product")
	writePart(t, odd, 99, true)
	out := mustCull(t, "teach", "--net", b.net, "--mode", "part", b.parts, "-o", p)
	if strings.Count(out, "suspect") != 1 || !strings.Contains(out, "suspect   "+odd) {
		t.Errorf("teach:\n%s", out)
	}
	parts, err := os.ReadDir(b.parts)
	if err != nil {
		t.Fatal(err)
	}
	number := 1 + slices.IndexFunc(parts, func(e os.DirEntry) bool { return e.Name() == "odd.png" })
	if out := mustCull(t, "bundle", "show", p); !strings.Contains(out, fmt.Sprintf("good part %d, score", number)) {
		t.Errorf("bundle show, part %d:\n%s", number, out)
	}
}

func TestOverlaysDoNotReplaceEachOther(t *testing.T) {
	n := overlayNames{dir: "heat"}
	seen := map[string]bool{}
	for _, path := range []string{"x/a.png", "y/a.png", "z/a-2.png", "z/a-2.jpg", "a.bmp"} {
		if name := n.of(path); seen[name] {
			t.Errorf("%s is named %s, which another is", path, name)
		} else {
			seen[name] = true
		}
	}
}

// A picture that cannot be judged does not take the verdicts before it with it, as JSON or as text.
func TestInspectKeepsTheVerdictsBeforeAnError(t *testing.T) {
	b := newBench(t)
	p := b.path("plate.product")
	mustCull(t, "teach", "--net", b.net, b.parts, "-o", p)
	for _, args := range [][]string{{"--json"}, nil} {
		args = append(append([]string{"inspect"}, args...), "--net", b.net, p, b.good, b.path("none.png"), b.bad)
		out, err := cull(t, args...)
		if err == nil || !strings.Contains(err.Error(), "none.png") || !strings.Contains(out, b.good) || strings.Contains(out, b.bad) {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
}

// A verdict that cannot be written is no verdict.
func TestInspectSaysThatItsAnswerIsLost(t *testing.T) {
	b := newBench(t)
	p := b.path("plate.product")
	mustCull(t, "teach", "--net", b.net, b.parts, "-o", p)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	err = Inspect(t.Context(), Env{Stdout: full, Stderr: io.Discard}, []string{"--net", b.net, p, b.good})
	if err == nil || !strings.Contains(err.Error(), b.good) {
		t.Errorf("%v", err)
	}
	fifo := b.path("f.png")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	err = Inspect(t.Context(), Env{Stdout: io.Discard, Stderr: io.Discard}, []string{"--net", b.net, p, fifo})
	if err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a FIFO: %v", err)
	}
}

// Heat maps do not take the place of the pictures they are of.
func TestOverlaySparesThePictures(t *testing.T) {
	dir := t.TempDir()
	for _, args := range [][]string{{dir, filepath.Join(dir, "1.png")}, {filepath.Join(dir, "."), dir + "/../" + filepath.Base(dir) + "/1.png"}} {
		if err := sparesPictures(args[0], args[1:]); !errors.Is(err, ErrUsage) || HintOf(err) == "" {
			t.Errorf("%q: %v", args, err)
		}
	}
	for _, overlays := range []string{"", filepath.Join(dir, "new"), t.TempDir()} {
		if err := sparesPictures(overlays, []string{filepath.Join(dir, "1.png")}); err != nil {
			t.Errorf("%q: %v", overlays, err)
		}
	}
}

// What is no heat map is never replaced: neither a photograph in the folder, nor the one that a link among the pictures
// leads to. A second run replaces the heat maps of the first.
func TestOverlayReplacesHeatMapsAlone(t *testing.T) {
	b := newBench(t)
	p, heat := b.path("plate.product"), b.path("heat")
	mustCull(t, "teach", "--net", b.net, b.parts, "-o", p)
	for range 2 {
		mustCull(t, "inspect", "--net", b.net, "--overlay", heat, p, b.good)
	}
	bad, err := os.ReadFile(b.bad)
	if err != nil {
		t.Fatal(err)
	}
	photo, link := filepath.Join(heat, "photo.png"), b.path("photo.png")
	if err := errors.Join(os.WriteFile(photo, bad, 0o600), os.Symlink(photo, link)); err != nil {
		t.Fatal(err)
	}
	first := filepath.Join(heat, "bad.png")
	writePart(t, b.path("other/photo.png"), 700, false)
	for _, picture := range []string{link, b.path("other/photo.png")} {
		out, err := cull(t, "inspect", "--net", b.net, "--overlay", heat, p, b.bad, picture)
		if err == nil || !strings.Contains(err.Error(), photo) || HintOf(err) == "" || out != "" {
			t.Errorf("%s: %v\n%s", picture, err, out)
		}
		if _, err := os.Stat(first); err == nil {
			t.Errorf("%s was written", first)
		}
	}
	if now, err := os.ReadFile(photo); err != nil || !bytes.Equal(now, bad) {
		t.Errorf("the photograph was replaced, %v", err)
	}

	set := b.path("set")
	writePart(t, filepath.Join(set, "test", "good", "1.png"), 800, false)
	writePart(t, filepath.Join(set, "test", "hole", "1.png"), 801, true)
	if err := errors.Join(os.MkdirAll(filepath.Join(set, "train"), 0o700),
		os.Rename(b.parts, filepath.Join(set, "train", "good"))); err != nil {
		t.Fatal(err)
	}
	eval := []string{"eval", "--net", b.net, "--size", "64", "--overlay", heat, "--features", "net,taps", set}
	for range 2 {
		mustCull(t, eval...)
	}
	photo = filepath.Join(heat, "set", "hole", "1-2.png") // of the second row
	if err := os.WriteFile(photo, bad, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := cull(t, eval...); err == nil || !strings.Contains(err.Error(), photo) || out != "" {
		t.Errorf("eval: %v\n%s", err, out)
	}
}

// A slip of -o costs no picture, no recording and no network; a product is replaced, and what is left of one.
func TestTeachReplacesProductsAlone(t *testing.T) {
	b := newBench(t)
	p := b.path("plate.product")
	teach := func(out string) error {
		_, err := cull(t, "teach", "--net", b.net, b.parts, "-o", out)
		return err
	}
	link := b.path("link.product")
	if err := errors.Join(os.WriteFile(p, nil, 0o600), os.Symlink(b.good, link), teach(p), teach(p)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Truncate(p, 999), teach(p)); err != nil {
		t.Error(err)
	}
	for _, path := range []string{filepath.Join(b.parts, "00.png"), b.net, link} {
		before, _ := os.ReadFile(path)
		err := teach(path)
		if err == nil || !strings.Contains(err.Error(), path) || HintOf(err) == "" {
			t.Errorf("%s: %v", path, err)
		}
		if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, before) {
			t.Errorf("%s was replaced, %v", path, err)
		}
	}
}

// A copied picture is taught once, and told.
func TestTeachCopies(t *testing.T) {
	b := newBench(t)
	teach := func(folder string) string {
		var out bytes.Buffer
		if err := Teach(t.Context(), Env{&out, &bytes.Buffer{}}, []string{"--net", b.net, folder, "-o", b.path("p.product")}); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	folder := b.path("twice")
	for i := range 5 {
		writePart(t, filepath.Join(folder, fmt.Sprint(i, ".png")), uint64(i), false)
	}
	once := teach(folder)
	writePart(t, filepath.Join(folder, "1_copy.png"), 1, false)
	writePart(t, filepath.Join(folder, "z.png"), 3, false)
	told := fmt.Sprintf("twice     2 pictures are copies, such as %s of %s, and are not taught again\n",
		filepath.Join(folder, "1_copy.png"), filepath.Join(folder, "1.png"))
	if twice := teach(folder); !strings.Contains(twice, told) || strings.Replace(twice, told, "", 1) != once {
		t.Errorf("%s\nwithout the copies:\n%s", twice, once)
	}
}

// A remedy is one for what is wrong with the path, not for what may be wrong with a file.
func TestRemediesOfPaths(t *testing.T) {
	b := newBench(t)
	p := b.path("p.product")
	if _, err := cull(t, "teach", "--net", b.net, b.parts, "-o", p); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"inspect", "--net", b.net, p, b.parts}, "name the pictures in it: " + b.parts + "/*"},
		{[]string{"bundle", "verify", b.parts}, "cull teach writes .product files"},
		{[]string{"bundle", "show", b.path("none")}, fromHere},
	} {
		if _, err := cull(t, c.args...); err == nil || !strings.Contains(HintOf(err), c.want) {
			t.Errorf("cull %v: %v (hint %q)", c.args, err, HintOf(err))
		}
	}
	forbidden := &fs.PathError{Op: "open", Path: "x", Err: syscall.EACCES}
	for _, hint := range []string{pathHint(forbidden, "?"), HintOf(bundleHint("x", forbidden)), HintOf(sourceHint(forbidden, "x"))} {
		if !strings.Contains(hint, "make it readable") {
			t.Errorf("what may not be read: %q", hint)
		}
	}
}

// Of parts with a rough surface, one rougher than the next, a picture of one colour is a good one: teach says so. Of parts with
// a bar it is not.
func TestTeachTellsOfABlankPictureThatPasses(t *testing.T) {
	b := newBench(t)
	rough := b.path("rough")
	for i := range 20 {
		rng := rand.New(rand.NewPCG(uint64(i), 3))
		img := image.NewGray(image.Rect(0, 0, testSide, testSide))
		for k := range img.Pix {
			img.Pix[k] = uint8(128 + rng.IntN(4+4*i) - 2 - 2*i)
		}
		writePNG(t, filepath.Join(rough, fmt.Sprint(i, ".png")), img)
	}
	blank := image.NewGray(image.Rect(0, 0, testSide, testSide))
	for i := range blank.Pix {
		blank.Pix[i] = 128
	}
	writePNG(t, b.path("blank.png"), blank)
	for parts, passes := range map[string]bool{rough: true, b.parts: false} {
		p := b.path("p.product")
		out, err := cull(t, "teach", "--net", b.net, parts, "-o", p)
		if err != nil {
			t.Fatal(err)
		}
		if told := strings.Contains(out, "\nblank     a picture of one colour passes, score "); told != passes {
			t.Errorf("%s: told %v, want %v:\n%s", parts, told, passes, out)
		}
		if out, err = cull(t, "inspect", "--net", b.net, p, b.path("blank.png")); err != nil || strings.HasPrefix(out, "PASS") != passes {
			t.Errorf("%s: a picture of one colour: %q, %v", parts, out, err)
		}
	}
}
