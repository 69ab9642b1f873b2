package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cull/capture"
	"cull/capture/replay"
	"cull/device/internal/line"
	"cull/reject"
	"cull/synth"
)

const ms = time.Millisecond

// supply brings n parts whose one pixel says whether they are bad: every fifth.
func supply(ctx context.Context, n int) <-chan Part {
	out := make(chan Part)
	go func() {
		defer close(out)
		for i := range n {
			bad := i%5 == 3
			pix := []byte{0}
			if bad {
				pix[0] = 1
			}
			f := capture.NewFrame(capture.Frame{Pix: pix, Format: capture.Grey, Width: 1, Height: 1, Stride: 1}, nil)
			select {
			case out <- Part{f, bad}:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

// eye is an inspector that takes its time.
type eye struct{ takes time.Duration }

func (e eye) Inspect(f *capture.Frame) (line.Finding, error) {
	time.Sleep(e.takes)
	return line.Finding{Reject: f.Pix[0] == 1}, nil
}

// book is a Recorder that tells the belt.
type book struct {
	belt  *Belt
	parts []line.Part
}

func (b *book) Ready() error               { return nil }
func (b *book) Begin(uint64, line.Trigger) {}
func (b *book) Append(p line.Part) {
	b.belt.Verdict(p.ID, p.Verdict)
	b.parts = append(b.parts, p)
}

// run runs n parts over a line in a synctest bubble and returns what became of them.
func run(t *testing.T, n int, o Options, change func(*line.Options)) (Truth, line.Counts, []line.Part) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var l *line.Line
	o.Parts = n
	belt, err := New(o, supply(ctx, n), func() { l.Reset() })
	if err != nil {
		t.Fatal(err)
	}
	epoch := time.Now()
	rec := &book{belt: belt}
	lo := line.Options{
		Camera:   func(context.Context) (capture.Source, error) { return belt.Camera(epoch), nil },
		Triggers: belt.Triggers(), Encoder: belt, Inspector: eye{50 * ms}, Recorder: rec,
		Rejecter: func(report func(reject.Outcome)) (line.Rejecter, error) {
			return reject.NewQueue(belt.Rejecter(), reject.Options{Width: 40 * ms, Report: report})
		},
		Outputs: line.Outputs{Ready: belt.Ready(), OK: belt.OK()},
		Epoch:   epoch, Travel: line.Travel{Counts: belt.Travel(40 * ms)},
	}
	if change != nil {
		change(&lo)
	}
	if l, err = line.New(lo); err != nil {
		t.Fatal(err)
	}
	go belt.Run(ctx)
	if err := l.Run(ctx); err != nil {
		t.Error(err)
	}
	c, truth := l.Counts(), belt.Truth()
	if c.Parts != c.Pass+c.Reject+c.Stop || int(c.Parts) != len(rec.parts) {
		t.Errorf("parts unaccounted for: %+v, %d records", c, len(rec.parts))
	}
	if truth.Bad != truth.Removed+truth.Escaped {
		t.Errorf("bad parts unaccounted for: %+v", truth)
	}
	return truth, c, rec.parts
}

func TestEveryPulseHitsThePartItWasMeantFor(t *testing.T) {
	for name, o := range map[string]Options{
		"steady":        {},
		"restless":      {Jitter: 0.3},
		"stop and go":   {Jitter: 0.1, StopEach: 4, StopFor: 700 * ms},
		"fast and long": {Speed: 900, Nozzle: 4000, Jitter: 0.05}, // 33 parts under way
		"close":         {Pitch: 70, Jitter: 0.05},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o.Seed = 7
				truth, c, _ := run(t, 150, o, nil)
				want := Truth{Parts: 150, Bad: 30, Removed: 30, OnTarget: 30, Pulses: 30}
				if truth != want {
					t.Errorf("truth %+v, want %+v", truth, want)
				}
				if c.Pass != 120 || c.Reject != 30 || c.Uninspected != 0 {
					t.Errorf("counts %+v", c)
				}
			})
		})
	}
}

func TestFaultsNeverLetABadPartEscape(t *testing.T) {
	for name, tc := range map[string]struct {
		o      Options
		change func(*line.Options)
		check  func(Truth, line.Counts) bool
	}{
		"lost frames": {Options{FrameLoss: 0.1, Jitter: 0.1}, nil, func(tr Truth, c line.Counts) bool {
			return c.Uninspected > 8 && tr.Lost > 5 && tr.Astray == 0
		}},
		"a sensor that bounces": {Options{Bounce: 0.1}, nil, func(_ Truth, c line.Counts) bool {
			return c.Parts > 158 && c.Parts == 150+c.Uninspected
		}},
		"a sensor that bounces, debounced": {
			Options{Bounce: 0.1, Debounce: 10 * ms},
			func(o *line.Options) { o.Debounce = 10 * ms },
			func(tr Truth, c line.Counts) bool {
				return c.Bounces > 8 && c.Parts == 150 && c.Reject == 30 && tr.Removed == 30 && tr.OnTarget == 30 && tr.Astray == 0
			},
		},
		"an inspection slower than the belt": {
			Options{},
			func(o *line.Options) { o.Inspector = eye{600 * ms} },
			func(_ Truth, c line.Counts) bool { return c.Uninspected == 0 }, // READY holds the parts back
		},
		"no frame at all": {Options{FrameLoss: 1, Operator: time.Second}, nil, func(tr Truth, c line.Counts) bool {
			return c.Pass == 0 && tr.Resets > 0
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tc.o.Seed = 7
				truth, c, _ := run(t, 150, tc.o, tc.change)
				if truth.Escaped != 0 || truth.Bad != 30 || truth.Removed != 30 {
					t.Errorf("truth %+v", truth)
				}
				if !tc.check(truth, c) {
					t.Errorf("truth %+v\ncounts %+v", truth, c)
				}
			})
		})
	}
}

// A pulse timed by the clock on a belt that stops hits the wrong parts. The simulation must
// say so: otherwise it could not praise the encoder.
func TestTruthSeesPulsesThatMiss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		truth, _, _ := run(t, 100, Options{StopEach: 3, StopFor: time.Second, Seed: 1}, func(o *line.Options) {
			o.Travel = line.Travel{Time: 2100 * ms}
		})
		if truth.Missed == 0 || truth.Escaped == 0 || truth.Lost == 0 || truth.Astray == 0 {
			t.Errorf("truth %+v", truth)
		}
	})
}

func TestRunsRepeat(t *testing.T) {
	once := func() string {
		var s string
		synctest.Test(t, func(t *testing.T) {
			truth, c, parts := run(t, 100, Options{Jitter: 0.2, StopEach: 5, FrameLoss: 0.05, Seed: 3}, nil)
			slices.SortFunc(parts, func(a, b line.Part) int { return int(a.ID) - int(b.ID) })
			s = fmt.Sprint(truth, c.Pass, c.Reject, c.Stop)
			for _, p := range parts {
				s += fmt.Sprint(p.ID, p.Verdict, p.Reason)
			}
		})
		return s
	}
	if a, b := once(), once(); a != b {
		t.Errorf("two runs of one seed:\n%s\n%s", a, b)
	}
}

func TestBeltEndsWithItsParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		belt, err := New(Options{}, supply(ctx, 2), func() {})
		if err != nil {
			t.Fatal(err)
		}
		belt.Ready().Set(true)
		belt.OK().Set(true)
		go belt.Run(ctx)
		sensor := belt.Triggers()
		var gap time.Duration
		for range 2 {
			tr, err := sensor.Next(ctx)
			if err != nil {
				t.Fatal(err)
			}
			gap = time.Since(tr.At) // delivered at once
		}
		if gap > 2*ms {
			t.Errorf("edge delivered after %v", gap)
		}
		if _, err := sensor.Next(ctx); !errors.Is(err, io.EOF) {
			t.Errorf("err = %v", err)
		}
	})
}

func TestPartsRepeatAndDiffer(t *testing.T) {
	p := Product{Family: synth.Washer, Size: 96, Seed: 5, Bad: 0.5}
	draw := func(n uint64) []byte {
		r, err := NewRenderer(p)
		if err != nil {
			t.Fatal(err)
		}
		f, err := r.Part(n, nil)
		if err != nil {
			t.Fatal(err)
		}
		return f.Pix
	}
	if !bytes.Equal(draw(3), draw(3)) {
		t.Error("part 3 looks different the second time")
	}
	if bytes.Equal(draw(3), draw(4)) {
		t.Error("parts 3 and 4 are the same picture")
	}
}

// A bad part has a defect that can be seen, and differs from its good twin nowhere else.
func TestBadPartsHaveVisibleDefects(t *testing.T) {
	r, err := NewRenderer(Product{Family: synth.Cap, Size: 96, Seed: 5, Bad: 1})
	if err != nil {
		t.Fatal(err)
	}
	for n := range uint64(12) {
		f, err := r.Part(n+1, nil)
		if err != nil {
			t.Fatal(err)
		}
		changed := 0
		for i := range f.Pix {
			if d := int(f.Pix[i]) - int(r.sample.Clean.Pix[i]); d < -5 || d > 5 {
				changed++
			}
		}
		if changed < visiblePixels {
			t.Errorf("part %d: %d bytes differ from the good part", n+1, changed)
		}
	}
}

func TestFeedReusesPictures(t *testing.T) {
	r, err := NewRenderer(Product{Family: synth.Washer, Size: 64})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[*byte]bool{}
	for p := range r.Feed(t.Context(), 12, 4) {
		seen[&p.Frame.Pix[0]] = true
		p.Frame.Release()
	}
	if len(seen) > 4 {
		t.Errorf("%d pictures for 4 buffers", len(seen))
	}
}

// A picture that cannot be read ends the belt's pictures, and the reason is known when the channel closes.
func TestPicturesTellWhatEndedThem(t *testing.T) {
	dir := t.TempDir()
	for i, text := range []string{"P", ""} {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i, ".png")), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	src, err := replay.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	var why error
	for range Pictures(t.Context(), src, 0, func(err error) { why = err }) {
		t.Error("a part without a picture")
	}
	if why == nil || !strings.Contains(why.Error(), "0.png") {
		t.Errorf("%v", why)
	}
	for range Pictures(t.Context(), replay.New(nil), 0, func(err error) { t.Error(err) }) {
		t.Error("a part of nothing")
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, o := range []Options{
		{Speed: -1},
		{Length: 200},
		{Jitter: 1},
		{FrameLoss: 2},
		{Bounce: -1},
	} {
		if _, err := New(o, nil, nil); err == nil {
			t.Errorf("%+v accepted", o)
		}
	}
	if _, err := NewRenderer(Product{Size: 64, Bad: 2}); err == nil {
		t.Error("more bad parts than parts")
	}
}

func BenchmarkPart(b *testing.B) {
	r, err := NewRenderer(Product{Family: synth.Washer, Size: 128, Seed: 1, Bad: 0.2})
	if err != nil {
		b.Fatal(err)
	}
	var pix []byte
	for n := uint64(1); b.Loop(); n++ {
		f, err := r.Part(n, pix)
		if err != nil {
			b.Fatal(err)
		}
		pix = f.Pix
	}
}
