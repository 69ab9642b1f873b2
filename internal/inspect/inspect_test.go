package inspect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"cull/capture"
	"cull/infer"
	"cull/infer/net"
	"cull/infer/prep"
	"cull/internal/control"
	"cull/internal/imagefile"
	"cull/padim"
)

const side = 64

// parts is a Source of n noisy grey pictures; those in bad have a bright spot.
type parts struct {
	n, i int
	bad  map[int]bool
	fail error // after the last
}

func (p *parts) Next(ctx context.Context) (*capture.Frame, error) {
	if p.i == p.n {
		if p.fail != nil {
			return nil, p.fail
		}
		return nil, io.EOF
	}
	f := part(uint64(p.i), p.bad[p.i])
	p.i++
	return f, ctx.Err()
}

func (p *parts) Close() error { return nil }

// part is a picture of a plate with a ring, a little noise, and, if bad, a spot.
func part(seed uint64, bad bool) *capture.Frame {
	rng := rand.New(rand.NewPCG(seed, 99))
	pix := make([]byte, side*side)
	for i := range pix {
		x, y := i%side-side/2, i/side-side/2
		v := 90
		if r := x*x + y*y; r > 15*15 && r < 20*20 {
			v = 160
		}
		if bad && x*x+(y+8)*(y+8) < 12 {
			v = 230
		}
		pix[i] = byte(v + rng.IntN(13) - 6)
	}
	return &capture.Frame{
		Pix: pix, Format: capture.Grey, Width: side, Height: side, Stride: side,
		Name: fmt.Sprintf("part %d", seed),
	}
}

// network returns a small random network with taps at strides 4 and 8.
func network(t testing.TB) *infer.Model {
	t.Helper()
	conv := func(name string, in, out, stride int) net.Node {
		return net.Node{
			Name: name, Op: net.Conv, In: []int{in}, Out: out,
			Kernel: 3, Stride: stride, Pad: 1, Groups: 1, Act: net.ActReLU,
		}
	}
	g := net.Graph{
		InputChannels: 3,
		Nodes: []net.Node{
			{Name: "in", Op: net.Input},
			conv("a", 0, 8, 2), conv("b", 1, 16, 2), conv("c", 2, 24, 2),
		},
		Taps: []net.Tap{{Name: "stride4", Node: 2}, {Name: "stride8", Node: 3}},
	}
	p, err := prep.New(plan())
	if err != nil {
		t.Fatal(err)
	}
	pic := make([]int8, side*side*3)
	if err := p.Apply(pic, part(1, false)); err != nil {
		t.Fatal(err)
	}
	m, err := control.RandomWeights(g, 1, [][]int8{pic}, side, side)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func plan() prep.Plan { return prep.Plan{Width: side, Height: side} }

func options(t testing.TB) Options {
	return Options{Plan: plan(), SpoolDir: t.TempDir(), Fit: padim.Options{Mode: padim.Part, Dim: 24, Threads: 1}}
}

func learn(t testing.TB, o Options) (*Inspector, *padim.Report) {
	t.Helper()
	in, taught := teach(t, o)
	return in, taught.Report
}

func teach(t testing.TB, o Options) (*Inspector, *Taught) {
	t.Helper()
	e, err := NewNetwork(network(t), side, side, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return teachOn(t, &parts{n: 24}, e, o)
}

// teachOn is teach with good parts and an extractor of the test's own.
func teachOn(t testing.TB, good capture.Source, e Extractor, o Options) (*Inspector, *Taught) {
	t.Helper()
	taught, err := Learn(t.Context(), good, e, o)
	if err != nil {
		t.Fatal(err)
	}
	in, err := New(o.Plan, e, taught, 1)
	if err != nil {
		t.Fatal(err)
	}
	return in, taught
}

func TestLearnThenInspectTellsGoodFromBad(t *testing.T) {
	o := options(t)
	done, calls := map[string]int{}, map[string]int{}
	o.Progress = func(stage string, n int) { done[stage] = n; calls[stage]++ }
	in, report := learn(t, o)
	for _, stage := range []string{StagePictures, StageFeatures, StageModel} {
		if done[stage] != 24 || report.Parts != 24 {
			t.Errorf("%s: progress says %d at the end, %d parts", stage, done[stage], report.Parts)
		}
	}
	if calls[StagePictures] != 24 || calls[StageFeatures] != 24 {
		t.Errorf("progress %v times, 24 parts", calls)
	}
	for seed := range uint64(12) {
		bad := seed%2 == 1
		r, err := in.Inspect(part(1000+seed, bad))
		if err != nil {
			t.Fatal(err)
		}
		if bad && (r.Verdict != padim.Reject || r.Margin() >= 0) {
			t.Errorf("part %d, bad %v: %v, score %v, threshold %v", seed, bad, r.Verdict, r.Score, r.Threshold)
		}
		if bad {
			best := 0
			for i, v := range r.Map.Data {
				if v > r.Map.Data[best] {
					best = i
				}
			}
			x, y := (best%r.Map.W)*side/r.Map.W-side/2, (best/r.Map.W)*side/r.Map.H-side/2
			if x*x+(y+8)*(y+8) > 12*12 {
				t.Errorf("part %d: highest cell at %d,%d, spot at 0,-8", seed, x, y)
			}
		}
	}
}

func TestLearnIsRepeatable(t *testing.T) {
	a, ra := learn(t, options(t))
	b, rb := learn(t, options(t))
	if ra.Threshold != rb.Threshold {
		t.Errorf("thresholds %v and %v", ra.Threshold, rb.Threshold)
	}
	x, _ := a.Inspect(part(7, true))
	y, _ := b.Inspect(part(7, true))
	if x.Score != y.Score {
		t.Errorf("scores %v and %v", x.Score, y.Score)
	}
}

// TestScoresAreTheSameOnEveryCPU pins threshold and scores to the bit.
func TestScoresAreTheSameOnEveryCPU(t *testing.T) {
	in, report := learn(t, options(t))
	got := []uint32{math.Float32bits(report.Threshold.Value)}
	for seed := range uint64(4) {
		r, err := in.Inspect(part(3000+seed, seed%2 == 1))
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, math.Float32bits(r.Score))
	}
	want := []uint32{0x40b9f6bc, 0x404f0119, 0x4257cad3, 0x4026bb93, 0x425aaf60}
	if !slices.Equal(got, want) {
		t.Errorf("threshold and scores %#x, want %#x", got, want)
	}
}

func TestMaskHidesADefect(t *testing.T) {
	o := options(t)
	o.Mask = &imagefile.Mask{Width: side, Height: side, Pix: make([]bool, side*side)}
	for i := range o.Mask.Pix {
		o.Mask.Pix[i] = i/side < side/2
	}
	in, _ := learn(t, o)
	r, err := in.Inspect(part(2000, true))
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range r.Map.Data {
		if masked := i/r.Map.W < r.Map.H/2; masked && v != 0 {
			t.Fatalf("masked cell %d scores %v", i, v)
		}
	}
	// The two differ under the mask alone, by what reaches far: nothing of it does.
	if good, err := in.Inspect(part(2000, false)); err != nil || good.Score != r.Score {
		t.Errorf("score %v with the defect masked, %v without one, %v", r.Score, good.Score, err)
	}
	open, _ := learn(t, options(t))
	if seen, _ := open.Inspect(part(2000, true)); r.Score >= seen.Score {
		t.Errorf("score %v with the defect masked, %v without", r.Score, seen.Score)
	}
}

// Whatever a mask marks, one pixel or many, wherever the grid's cells lie and however frames are scaled: the score does not
// depend on it.
func TestMarkedPixelsNeverReachTheScore(t *testing.T) {
	e, err := NewNetwork(network(t), side, side, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for _, c := range []struct {
		w, h   int
		region image.Rectangle
		fit    prep.Fit
		hole   image.Rectangle
	}{
		{64, 64, image.Rectangle{}, prep.Stretch, image.Rect(24, 24, 25, 25)},
		{64, 64, image.Rectangle{}, prep.Stretch, image.Rect(20, 21, 28, 29)},
		{64, 64, image.Rectangle{}, prep.Stretch, image.Rect(31, 7, 39, 16)},
		{150, 130, image.Rectangle{}, prep.Stretch, image.Rect(64, 40, 83, 58)},
		{40, 48, image.Rectangle{}, prep.Stretch, image.Rect(11, 13, 18, 17)},
		{96, 80, image.Rect(9, 11, 87, 73), prep.Stretch, image.Rect(37, 30, 46, 43)},
		{120, 70, image.Rectangle{}, prep.Letterbox, image.Rect(50, 0, 62, 3)},
		{120, 70, image.Rectangle{}, prep.Cover, image.Rect(50, 33, 55, 39)},
	} {
		o := options(t)
		o.Plan.Region, o.Plan.Fit, o.Light = c.region, c.fit, Light
		o.Mask = &imagefile.Mask{Width: c.w, Height: c.h, Pix: make([]bool, c.w*c.h)}
		for i := range o.Mask.Pix {
			o.Mask.Pix[i] = image.Pt(i%c.w, i/c.w).In(c.hole)
		}
		var src frames
		for i := range uint64(5) {
			src = append(src, noise(i, c.w, c.h))
		}
		in, _ := teachOn(t, &src, e, o)
		var scores []float32
		for _, v := range []byte{0, 255} {
			f := noise(99, c.w, c.h)
			for i, m := range o.Mask.Pix {
				if m {
					f.Pix[i] = v
				}
			}
			r, err := in.Inspect(f)
			if err != nil {
				t.Fatal(err)
			}
			scores = append(scores, r.Score)
		}
		if scores[0] != scores[1] {
			t.Errorf("%dx%d, region %v, %v: what is behind %v changes the score from %v to %v", c.w, c.h, c.region, c.fit, c.hole, scores[0], scores[1])
		}
	}
}

// A mask holds for frames of every format that good parts come in, not for the first one's alone, and is exact where all
// are grey.
func TestMaskHoldsForEveryFormat(t *testing.T) {
	e, err := NewNetwork(network(t), side, side, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	grey := func(seed uint64) *capture.Frame { return noise(seed, side, side) }
	rgb := func(seed uint64) *capture.Frame {
		f := grey(seed)
		return &capture.Frame{Pix: slices.Repeat(f.Pix, 3), Format: capture.RGB24, Width: side, Height: side, Stride: 3 * side}
	}
	nv12 := func(seed uint64) *capture.Frame {
		f := grey(seed)
		f.Pix, f.Format = append(f.Pix, f.Pix[:side*side/2]...), capture.NV12
		return f
	}
	compressed := func(img image.Image) *capture.Frame {
		var buf bytes.Buffer
		if err := jpeg.Encode(&buf, img, nil); err != nil {
			t.Fatal(err)
		}
		return &capture.Frame{Pix: buf.Bytes(), Format: capture.MJPEG, Width: side, Height: side}
	}
	greyJPEG := func(seed uint64) *capture.Frame {
		return compressed(&image.Gray{Pix: grey(seed).Pix, Stride: side, Rect: image.Rect(0, 0, side, side)})
	}
	colourJPEG := func(seed uint64) *capture.Frame { // 4:2:0
		return compressed(&image.RGBA{Pix: slices.Repeat(grey(seed).Pix, 4), Stride: 4 * side, Rect: image.Rect(0, 0, side, side)})
	}
	type format = func(seed uint64) *capture.Frame
	for i, c := range []struct {
		first, others format
		want          int // cells
	}{
		{grey, grey, 1},
		{rgb, rgb, 4},
		{grey, rgb, 4},
		{nv12, nv12, 4},
		{nv12, grey, 4},
		{grey, nv12, 4},
		{greyJPEG, greyJPEG, 4},
		{greyJPEG, colourJPEG, 4},
		{colourJPEG, greyJPEG, 4},
		{grey, colourJPEG, 4},
	} {
		o := options(t)
		o.Mask = &imagefile.Mask{Width: side, Height: side, Pix: make([]bool, side*side)}
		o.Mask.Pix[7*side+7] = true // the last of its cell
		src := frames{c.first(0)}
		for seed := range uint64(5) {
			src = append(src, c.others(1+seed))
		}
		taught, err := Learn(t.Context(), &src, e, o)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, ignored := range taught.Model.Ignored() {
			if ignored {
				n++
			}
		}
		if n != c.want {
			t.Errorf("case %d: %d cells are ignored, want %d", i, n, c.want)
		}
	}
}

// The pictures that good parts of a YUYV camera are kept as have a colour for every pixel, the line's frames for every second: those
// of what is masked reach farther there, and were seen to bring a score from 6.5 to 11.7.
func TestMaskOfKeptPicturesHoldsForTheFrames(t *testing.T) {
	e, err := NewNetwork(network(t), side, side, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	yuyv := func(seed uint64) *capture.Frame {
		f := noise(seed, 2*side, side)
		f.Format, f.Width, f.Stride = capture.YUYV, side, 2*side
		return f
	}
	kept := func(f *capture.Frame) *capture.Frame {
		p, err := prep.New(prep.Plan{Width: side, Height: side})
		if err != nil {
			t.Fatal(err)
		}
		pic, pix := make([]int8, 3*side*side), make([]byte, 3*side*side)
		if err := p.Apply(pic, f); err != nil {
			t.Fatal(err)
		}
		for i, v := range pic {
			pix[i] = uint8(int(v) + 128)
		}
		return &capture.Frame{Pix: pix, Format: capture.RGB24, Width: side, Height: side, Stride: 3 * side}
	}
	o := options(t)
	o.Mask = &imagefile.Mask{Width: side, Height: side, Pix: make([]bool, side*side)}
	for i := range o.Mask.Pix {
		o.Mask.Pix[i] = i%side < 16
	}
	var src frames
	for seed := range uint64(8) {
		src = append(src, kept(yuyv(seed)))
	}
	in, _ := teachOn(t, &src, e, o)
	f := yuyv(100)
	var scores []float32
	for _, v := range []byte{20, 240} {
		for y := range side {
			for x := range 16 {
				f.Pix[y*f.Stride+2*x+1] = v // Cb and Cr in turn
			}
		}
		r, err := in.Inspect(f)
		if err != nil {
			t.Fatal(err)
		}
		scores = append(scores, r.Score)
	}
	if scores[0] != scores[1] {
		t.Errorf("colours of what is masked change the score from %v to %v", scores[0], scores[1])
	}
}

// noise is a picture of grain.
func noise(seed uint64, w, h int) *capture.Frame {
	rng := rand.New(rand.NewPCG(seed, 7))
	f := &capture.Frame{Pix: make([]byte, w*h), Format: capture.Grey, Width: w, Height: h, Stride: w}
	for i := range f.Pix {
		f.Pix[i] = byte(80 + rng.IntN(60))
	}
	return f
}

func TestMaskOfAnotherSizeIsRefused(t *testing.T) {
	o := options(t)
	o.Mask = &imagefile.Mask{Width: 10, Height: 10, Pix: make([]bool, 100)}
	e, err := NewNetwork(network(t), side, side, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if _, err := Learn(context.Background(), &parts{n: 5}, e, o); !errors.Is(err, ErrMaskSize) {
		t.Error(err)
	}
}

// What a mask cannot do is said: it covers no cell, or the mode knows none.
func TestMaskThatDoesNothingIsRefused(t *testing.T) {
	e, err := NewNetwork(network(t), side, side, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	o := options(t)
	o.Mask = &imagefile.Mask{Width: side, Height: side, Pix: make([]bool, side*side)}
	if _, err := Learn(context.Background(), &parts{n: 5}, e, o); !errors.Is(err, ErrMaskEmpty) {
		t.Errorf("black: %v", err)
	}
	for i := range o.Mask.Pix {
		o.Mask.Pix[i] = i%side < 3
	}
	o.Plan.Region = image.Rect(3, 0, side, side)
	if _, err := Learn(context.Background(), &parts{n: 5}, e, o); !errors.Is(err, ErrMaskEmpty) {
		t.Errorf("three columns beside the region: %v", err)
	}
	o.Plan.Region = image.Rectangle{}
	for i := range o.Mask.Pix {
		o.Mask.Pix[i] = i%side < side/2
	}
	o.Fit.Mode = padim.Stock
	if _, err := Learn(context.Background(), &parts{n: 5}, e, o); !errors.Is(err, ErrMaskStock) {
		t.Errorf("stock mode: %v", err)
	}
}

// A camera that hangs teaches nothing.
func TestOnePictureIsNoTeaching(t *testing.T) {
	e, err := NewNetwork(network(t), side, side, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if _, err := Learn(context.Background(), &frozen{n: 9}, e, options(t)); !errors.Is(err, ErrSame) {
		t.Error(err)
	}
	o := options(t)
	o.Mask = &imagefile.Mask{Width: side, Height: side, Pix: make([]bool, side*side)}
	for i := range o.Mask.Pix {
		o.Mask.Pix[i] = i/side < 8
	}
	if _, err := Learn(context.Background(), &frozen{n: 9, clock: true}, e, o); !errors.Is(err, ErrSame) {
		t.Errorf("but for a clock behind the mask: %v", err)
	}
}

// Who brought twenty pictures is told why two are left.
func TestTooFewForCopies(t *testing.T) {
	e, err := NewNetwork(network(t), side, side, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	var src frames
	for i := range uint64(20) {
		src = append(src, part(i%2, false))
	}
	_, err = Learn(t.Context(), &src, e, options(t))
	const want = "18 of 20 pictures are copies: 2 good parts, at least 4 needed"
	if !errors.Is(err, padim.ErrTooFew) || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
}

// A part that is there twice would leave its twin in the model when it is left out, and the threshold would hold for copies
// alone.
func TestCopiesAreTaughtOnce(t *testing.T) {
	e, err := NewNetwork(network(t), side, side, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	var once, twice frames
	for i := range uint64(9) {
		once = append(once, part(i, false))
		twice = append(twice, part(i, false))
		if i%3 == 1 { // next to its twin
			twice = append(twice, part(i, false))
		}
	}
	last := part(3, false) // far from it
	last.Name = "copy of 3"
	twice = append(twice, last)
	want, err := Learn(t.Context(), &once, e, options(t))
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	o := options(t)
	o.Taken = func(name, twin string) {
		if twin != "" {
			told = append(told, name+" is "+twin)
		}
	}
	got, err := Learn(t.Context(), &twice, e, o)
	if err != nil {
		t.Fatal(err)
	}
	if got.Report.Threshold != want.Report.Threshold || !slices.Equal(got.Report.Scores, want.Report.Scores) {
		t.Errorf("threshold %+v, without the copies %+v", got.Report.Threshold, want.Report.Threshold)
	}
	if len(told) != 4 || !strings.HasPrefix(told[3], "copy of 3 is ") {
		t.Errorf("told %q", told)
	}
}

// frozen gives one part again and again.
type frozen struct {
	n, given int
	clock    bool // the first pixel differs
}

func (s *frozen) Next(context.Context) (*capture.Frame, error) {
	if s.given == s.n {
		return nil, io.EOF
	}
	s.given++
	f := part(1, false)
	if s.clock {
		f.Pix[0] = byte(s.given)
	}
	return f, nil
}

func (s *frozen) Close() error { return nil }

func TestMarginAtThresholdZero(t *testing.T) {
	if m := (&Result{Score: 1, Verdict: padim.Reject}).Margin(); m != -1 {
		t.Errorf("margin of a reject is %v", m)
	}
	if m := (&Result{Verdict: padim.Pass}).Margin(); m != 0 {
		t.Errorf("margin of a pass is %v", m)
	}
}

// TestLearnLeavesNothingBehind, neither after success nor after any error.
func TestLearnLeavesNothingBehind(t *testing.T) {
	e, err := NewNetwork(network(t), side, side, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	camera := errors.New("camera on fire")
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	for _, c := range []struct {
		ctx  context.Context
		src  *parts
		want error
	}{
		{context.Background(), &parts{n: 24}, nil},
		{context.Background(), &parts{n: 2}, padim.ErrTooFew},
		{context.Background(), &parts{n: 0}, padim.ErrTooFew},
		{context.Background(), &parts{n: 9, fail: camera}, camera},
		{cancelled, &parts{n: 9}, context.Canceled},
	} {
		o := options(t)
		_, err := Learn(c.ctx, c.src, e, o)
		if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("error %v, want %v", err, c.want)
		}
		left, err := os.ReadDir(o.SpoolDir)
		if err != nil || len(left) != 0 {
			t.Errorf("%v left behind, %v", left, err)
		}
	}
	o := options(t)
	o.SpoolDir = "/nowhere/at/all"
	if _, err := Learn(context.Background(), &parts{n: 9}, e, o); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("unwritable folder: %v", err)
	}
}

// Once all parts are seen the source is not asked again, but teaching still ends.
func TestLearnEndsWhenInterruptedDuringTheFit(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	const n = 24
	o := options(t)
	o.Progress = func(stage string, done int) {
		if stage == StageFeatures && done == n {
			cancel()
		}
	}
	e, err := NewNetwork(network(t), side, side, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Learn(ctx, &parts{n: n}, e, o); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestLetterboxBarsAreIgnored(t *testing.T) {
	o := Options{Plan: prep.Plan{Width: 64, Height: 64, Fit: prep.Letterbox}}
	mask, err := cellMask(&o, image.Pt(200, 100))
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range mask {
		if row := i / 8; m != (row < 2 || row >= 6) {
			t.Errorf("cell %d,%d: %v", i%8, row, m)
		}
	}
	o.Fit.Mode = padim.Stock // which knows no mask
	if mask, err := cellMask(&o, image.Pt(200, 100)); mask != nil || err != nil {
		t.Errorf("stock mode: %v, %v", mask, err)
	}
	o.Fit.Mode = padim.Auto
	if mask, err := cellMask(&o, image.Pt(100, 100)); mask != nil || err != nil {
		t.Errorf("square frame: %v, %v", mask, err)
	}
}

func TestInspectorRefusesOtherFeatures(t *testing.T) {
	_, taught := teach(t, options(t))
	e, err := control.NewHandmade(side, side)
	if err != nil {
		t.Fatal(err)
	}
	pic := make([]int8, side*side*3)
	e.Observe(pic)
	e.Observe(pic)
	if err := e.Calibrate(); err != nil {
		t.Fatal(err)
	}
	if _, err := New(plan(), e, taught, 1); err == nil {
		t.Error("a model was used on features it was not taught with")
	}
}

func TestInspectDoesNotAllocate(t *testing.T) {
	in, _ := learn(t, options(t))
	f := part(5, false)
	if n := testing.AllocsPerRun(5, func() {
		if _, err := in.Inspect(f); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a frame", n)
	}
}

func TestOverlayScaleIsRelativeToTheThreshold(t *testing.T) {
	img := image.NewGray(image.Rect(0, 0, 40, 20))
	r := Result{Threshold: 2, Map: padim.ScoreMap{H: 1, W: 4, Data: []float32{0.9, 2, 4, 50}}}
	out, err := Overlay(img, prep.Plan{Width: 64, Height: 32}, r)
	if err != nil {
		t.Fatal(err)
	}
	if c := out.RGBAAt(5, 10); c.R != 0 || c.G != 0 {
		t.Errorf("below half the threshold: %v", c)
	}
	if c := out.RGBAAt(15, 10); c.R < 75 || c.G < 75 {
		t.Errorf("at the threshold: %v, want yellow", c)
	}
	if a, b := out.RGBAAt(25, 10), out.RGBAAt(38, 10); b.R < 160 || b.G != 0 || a.R < 150 {
		t.Errorf("twice the threshold and far above: %v, %v, want red", a, b)
	}
	// A region with letterbox: only the region is painted.
	r.Map.Data = []float32{9, 9, 9, 9}
	out, err = Overlay(img, prep.Plan{Width: 64, Height: 64, Region: image.Rect(10, 5, 30, 15), Fit: prep.Letterbox}, r)
	if err != nil {
		t.Fatal(err)
	}
	for y := range 20 {
		for x := range 40 {
			in := image.Pt(x, y).In(image.Rect(10, 5, 30, 15))
			if painted := out.RGBAAt(x, y).R != 0; painted != in {
				t.Fatalf("pixel %d,%d: painted %v", x, y, painted)
			}
		}
	}
}

func BenchmarkInspect(b *testing.B) {
	in, _ := learn(b, options(b))
	f := part(5, false)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := in.Inspect(f); err != nil {
			b.Fatal(err)
		}
	}
}
