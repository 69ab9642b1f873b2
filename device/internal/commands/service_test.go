package commands

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"cull/capture"
	"cull/capture/v4l2"
	"cull/device/internal/config"
	"cull/device/internal/keep"
	"cull/device/internal/line"
	"cull/device/internal/record"
	"cull/device/internal/sim"
	"cull/device/internal/systemd"
	"cull/device/internal/wiring"
)

type frames struct{ n int }

func (f *frames) Next(context.Context) (*capture.Frame, error) {
	f.n++
	return capture.NewFrame(capture.Frame{Seq: uint32(f.n)}, nil), nil
}

func (f *frames) Close() error { return nil }

// A frame that cannot be judged does not make the service ready, and it is told once.
func TestReadyWithTheFirstGoodFrame(t *testing.T) {
	ready := 0
	c := watchedCamera{Source: &frames{}, ready: func() bool { ready++; return true }, check: func(f *capture.Frame) error {
		if f.Seq < 3 {
			return errors.New("black")
		}
		return nil
	}}
	for i := 1; i <= 5; i++ {
		if _, err := c.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
		if want := min(max(i-2, 0), 1); ready != want {
			t.Errorf("after frame %d: told %d times", i, ready)
		}
	}
}

type stuck struct{ begun, end chan struct{} }

func (s stuck) Inspect(*capture.Frame) (line.Finding, error) {
	s.begun <- struct{}{}
	<-s.end
	return line.Finding{}, nil
}

// An inspection that does not return stops the watchdog's food, although the loop's heartbeat goes on.
func TestStuckInspectionStarvesTheWatchdog(t *testing.T) {
	fed := 0
	w := systemd.NewWatchdog(8, func(s string) error {
		if s == "WATCHDOG=1" {
			fed++
		}
		return nil
	})
	w.Ready()
	s := stuck{make(chan struct{}), make(chan struct{})}
	heart := watchedHeartbeat{nil, w}
	beat := func() int {
		before := fed
		for range 10 {
			if err := heart.Set(true); err != nil {
				t.Error(err)
			}
		}
		return fed - before
	}
	if beat() == 0 {
		t.Error("an idle line starves it")
	}
	done := make(chan struct{})
	go func() {
		watchedInspector{s, w}.Inspect(nil) //nolint:errcheck // it has none
		close(done)
	}()
	<-s.begun
	if n := beat(); n != 0 {
		t.Errorf("fed %d times during a stuck inspection", n)
	}
	close(s.end)
	<-done
	if beat() == 0 {
		t.Error("it starves after the inspection has returned")
	}
}

// realLine is the configuration of a line whose devices are not there.
func realLine(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "f.toml")
	text := "product = \"x\"\n[camera]\nkind = \"v4l2\"\ndevice = \"x\"\n[io]\nkind = \"gpio\"\n[io.in.trigger]\nline = \"none:0\"\n" +
		"[io.out.reject]\nline = \"none:1\"\n[io.out.ok]\nline = \"none:2\"\n[line]\ntravel_ms = 500\n[record]\ndir = \"x\"\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestSafeSaysWhatItCannotDo(t *testing.T) {
	file := realLine(t)
	var log bytes.Buffer
	err := Safe(t.Context(), Env{&bytes.Buffer{}, &log}, []string{"--config", file})
	if err == nil || HintOf(err) == "" {
		t.Fatalf("err = %v, hint %q", err, HintOf(err))
	}
	for _, want := range []string{"io.out.reject.line", "io.out.ok.line", "<3>"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the journal does not say %q:\n%s", want, log.String())
		}
	}
}

// An output whose driver hangs does not keep the others from being made safe.
func TestSafeDoesNotWaitForADriverThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outs := []wiring.Output{{Key: "io.out.reject.line", Line: "expander:1"}, {Key: "io.out.ok.line", Line: "GPIO17"}, {Key: "io.out.ready.line", Line: "GPIO18"}}
		var safe atomic.Int32
		got := makeAllSafe(t.Context(), outs, func(_ context.Context, o wiring.Output) error {
			switch o.Line {
			case "expander:1":
				time.Sleep(time.Hour)
			case "GPIO18":
				return errors.New("short")
			}
			safe.Add(1)
			return nil
		})
		if safe.Load() != 1 || got[0] == nil || !strings.Contains(got[0].Error(), "io.out.reject.line: expander:1") || got[1] != nil || got[2] == nil {
			t.Errorf("%d are safe: %v", safe.Load(), got)
		}
		time.Sleep(time.Hour)
	})
}

// The file may have been changed since the daemon read it, and be at fault: the lines that the daemon drives are made safe.
func TestSafeKnowsTheLinesThatAreDriven(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("RUNTIME_DIRECTORY", dir)
	c := config.Default()
	c.IO.Kind, c.Camera.Kind, c.Camera.Device, c.Product, c.Record.Dir, c.Line.TravelMS = "gpio", "v4l2", "x", "x", "x", 500
	c.IO.In.Trigger.Line, c.IO.Out.Reject.Line, c.IO.Out.OK.Line = "none:0", "none:1", "none:2"
	c.IO.Out.Reject.ActiveLow = true
	if err := noteRunning(&c); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "f.toml")
	for text, want := range map[string][]string{
		"nonsense": {"none:1 low", "none:2 high"},
		"product = \"x\"\n[camera]\nkind = \"v4l2\"\ndevice = \"x\"\n[io]\nkind = \"gpio\"\n[io.in.trigger]\nline = \"none:0\"\n" +
			"[io.out.reject]\nline = \"none:7\"\n[io.out.ok]\nline = \"none:2\"\nactive_low = true\n" +
			"[line]\ntravel_ms = 500\n[record]\ndir = \"x\"\n": {"none:1 low", "none:2 high", "none:7 high"},
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		outs, err := outputsOf(file)
		if err != nil {
			t.Errorf("err = %v", err)
		}
		var got []string
		for _, o := range outs {
			got = append(got, o.Line+map[bool]string{true: " low", false: " high"}[o.ActiveLow()])
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
		var log bytes.Buffer
		if err := Safe(t.Context(), Env{&bytes.Buffer{}, &log}, []string{"--config", file}); err == nil {
			t.Error("lines that are not there were made safe")
		}
		for _, line := range want {
			if line, _, _ := strings.Cut(line, " "); !strings.Contains(log.String(), line) {
				t.Errorf("%s was not tried:\n%s", line, log.String())
			}
		}
	}
}

// What the daemon noted is read although it was another version; what cannot be read is told, and the file's outputs are tried.
func TestSafeReadsWhatAnotherVersionNoted(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("RUNTIME_DIRECTORY", dir)
	file := realLine(t)
	for text, want := range map[string]string{
		"[line]\nold_key = 3\n[io]\nkind = \"gpio\"\n[io.out.reject]\nline = \"none:9\"\n": "none:9",
		"\x00": "running.toml",
	} {
		if err := os.WriteFile(filepath.Join(dir, running), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		err := Safe(t.Context(), Env{&bytes.Buffer{}, &log}, []string{"--config", file})
		if err == nil || !strings.Contains(log.String(), want) || !strings.Contains(log.String(), "io.out.ok.line") {
			t.Errorf("%q: %v\n%s", text, err, log.String())
		}
	}
}

func TestRejectSaysWhereItsFrameIs(t *testing.T) {
	dir := t.TempDir()
	k, err := keep.Open(keep.Options{Dir: dir, Quota: 1 << 24})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	t.Chdir(filepath.Dir(dir))
	var s station
	s.Record.FramesDir = filepath.Base(dir) // as relative as the configuration may have it
	epoch := time.Now()
	r := run{station: &s, inspector: judge{keep: k}, epoch: epoch}
	k.Frame(capture.NewFrame(capture.Frame{Pix: []byte{1}, Format: capture.Grey, Width: 1, Height: 1, Stride: 1, Mono: time.Second}, nil))
	for at, want := range map[time.Duration]int{time.Second: 1, 2 * time.Second: 0} {
		if got := r.image(&line.Part{ID: 1, FrameAt: epoch.Add(at)}); len(got) != want || want > 0 && got[0].String() != "image="+dir {
			t.Errorf("frame at %v: %v", at, got)
		}
	}
	if r.image(&line.Part{ID: 2}) != nil || r.image(nil) != nil {
		t.Error("a part without a frame has one")
	}
}

type counting v4l2.Stats

func (c *counting) Stats() v4l2.Stats { return v4l2.Stats(*c) }

// What a camera loses is said once a minute, over all its openings.
func TestSummarySaysWhatTheCameraLost(t *testing.T) {
	var c lens
	if c.stats() != (v4l2.Stats{}) {
		t.Error("counts without a camera")
	}
	first, second := &counting{Frames: 5, Damaged: 1, Gaps: 2}, &counting{Frames: 7, Short: 3, Gaps: 4, Unstamped: 7, AtEnd: 2, Stale: 3}
	c.opened(first)
	first.Gaps = 3
	c.opened(second)
	if got, want := c.stats(), (v4l2.Stats{Frames: 12, Damaged: 1, Short: 3, Gaps: 7, Unstamped: 7, AtEnd: 2, Stale: 3}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	var log bytes.Buffer
	j := newReporter(&log)
	j.summary("whole run", &tally{}, line.Counts{}, record.Stats{}, c.stats())
	j.Close()
	for _, want := range []string{"frames_damaged=1", "frames_short=3", "frames_dropped_by_camera=7", "frames_without_time=7"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %q in %s", want, log.String())
		}
	}
}

// Of a part that is still under way the journal names no verdict.
func TestEventOfAPartUnderWay(t *testing.T) {
	var log bytes.Buffer
	j := newReporter(&log)
	j.event(line.Event{Kind: line.Ambiguous, Part: &line.Part{ID: 7}})
	j.event(line.Event{Kind: line.NotSeen, Part: &line.Part{ID: 8, Reason: line.ByScore}, N: 1})
	j.event(line.Event{Kind: line.PartStopped, Part: &line.Part{ID: 9, Verdict: line.Stop, Reason: line.NotConfirmed}})
	j.Close()
	if s := log.String(); strings.Contains(s, "NONE") || strings.Contains(s, `reason=""`) || strings.Count(s, "verdict=") != 1 ||
		!strings.Contains(s, "part_id=8 reason=score") || !strings.Contains(s, `verdict=STOP reason="confirm missing"`) {
		t.Error(s)
	}
}

// When the wall clock is set after the start, parts have the new time, and the instants between them stay.
func TestPartsHaveTheTimeOfTheWallClock(t *testing.T) {
	epoch := stepped(time.Now(), -time.Hour) // read before the clock was set
	now := time.Now()
	at := epoch.Add(time.Since(epoch) - time.Second)
	if d := now.Sub(at); d < 0 || d > 2*time.Second || now.Round(0).Sub(at.Round(0)) < 59*time.Minute {
		t.Fatalf("the test does not step the clock: %v, %v", at, now)
	}
	e := entry(&line.Part{ID: 1, Trigger: line.Trigger{At: at}})
	if d := now.Round(0).Sub(e.Time); d < 0 || d > 2*time.Second {
		t.Errorf("the record says %v, it is %v", e.Time, now)
	}
}

// stepped returns t as it would be had the wall clock been set by d at that instant: its monotonic reading stays.
func stepped(t time.Time, d time.Duration) time.Time {
	type layout struct { // of time.Time: seconds since 1885 from bit 30 on, where it has a monotonic reading
		wall uint64
		ext  int64
		loc  *time.Location
	}
	(*layout)(unsafe.Pointer(&t)).wall += uint64(d/time.Second) << 30
	return t
}

// READY=1 that the socket did not take goes out with the next good frame.
func TestReadyIsToldAgain(t *testing.T) {
	answers, said := []bool{false, true}, 0
	c := &watchedCamera{Source: &strip{frames: repeated(4, capture.Frame{})}, ready: func() bool {
		said++
		return answers[said-1]
	}}
	for range 4 {
		if _, err := c.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if said != 2 {
		t.Errorf("told %d times, want 2", said)
	}
}

// What systemctl shows is the line's state and, whatever that is, that the camera is not there.
func TestStatus(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	var s status
	for _, step := range []struct {
		e    line.Event
		want string
	}{
		{line.Event{Kind: line.Running}, "STATUS=inspecting x.product"},
		{line.Event{Kind: line.CameraLost}, "STATUS=inspecting x.product; camera lost, opening it again"},
		{line.Event{Kind: line.CameraBack}, "STATUS=inspecting x.product"},
		{line.Event{Kind: line.Stopped, Reason: line.TriggerMissed}, "STATUS=line stopped: trigger missed"},
		{line.Event{Kind: line.CameraLost}, "STATUS=line stopped: trigger missed; camera lost, opening it again"},
		{line.Event{Kind: line.Running}, "STATUS=inspecting x.product; camera lost, opening it again"},
		{line.Event{Kind: line.CameraBack}, "STATUS=inspecting x.product"},
		{line.Event{Kind: line.Draining}, "STOPPING=1\nSTATUS=finishing parts under way"},
	} {
		s.event(step.e, "x.product")
		b := make([]byte, 4096)
		n, err := c.Read(b)
		if got := string(b[:n]); err != nil || got != step.want {
			t.Errorf("%v: %q, %v; want %q", step.e.Kind, got, err, step.want)
		}
	}
}

// A run whose beginning is not on the disk would leave no trace if it were killed: the next one would not know that parts are
// on the belt, and give their ids again.
func TestARunBeginsWhenItsLogSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		file := filepath.Join(dir, "verdicts-00000001.jsonl")
		log, _, err := record.Open(dir, record.Options{})
		if err != nil {
			t.Fatal(err)
		}
		r := run{station: &station{}, first: 1, log: log}
		if err := os.Mkdir(file, 0o700); err != nil { // for as long as it is there the disk is as good as full
			t.Fatal(err)
		}
		if err := r.open(); !errors.Is(err, syscall.EISDIR) || HintOf(err) == "" || !strings.Contains(err.Error(), "record.dir") {
			t.Errorf("err = %v, hint %q", err, HintOf(err))
		}
		if err := errors.Join(os.Remove(file), r.open(), log.Close()); err != nil {
			t.Error(err)
		}
	})
}

func TestARunSaysWhichIdsAreTaken(t *testing.T) {
	r := run{station: &station{}, first: 1<<20 + 1}
	if e := r.beginning(); e.Kind != record.KindStart || e.Part != 1<<20 {
		t.Errorf("%+v", e)
	}
}

// A reload that mends the check of frames makes the service ready with the next good one.
func TestReadyAfterAReloadOfTheCheck(t *testing.T) {
	c := config.Default()
	c.Camera.Kind, c.Camera.CheckBlack = "v4l2", 200 // too strict
	r := &run{station: &station{Config: c}}
	var o line.Options
	dark := capture.Frame{Pix: make([]byte, 64*64), Format: capture.Grey, Width: 64, Height: 64, Stride: 64}
	for i := range dark.Pix {
		dark.Pix[i] = byte(40 + i*7%20)
	}
	o.Camera = func(context.Context) (capture.Source, error) { return &strip{frames: repeated(4, dark)}, nil }
	if err := r.supervise(&o); err != nil {
		t.Fatal(err)
	}
	src, err := o.Camera(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w := src.(*watchedCamera)
	next := func() {
		if _, err := src.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	next()
	if w.ready == nil {
		t.Fatal("ready with a frame that is refused")
	}
	c.Camera.CheckBlack = 24
	if err := r.firstCheck.Change(checkLimits(&c.Camera)); err != nil { // as reload does
		t.Fatal(err)
	}
	next()
	if w.ready != nil {
		t.Error("a good frame, and the service is not ready")
	}
}

func TestPartsAreForTheSimulatedLine(t *testing.T) {
	file := realLine(t)
	err := Run(t.Context(), Env{&bytes.Buffer{}, &bytes.Buffer{}}, []string{"--config", file, "--parts", "3"})
	if !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), "--parts is for the simulated line") {
		t.Errorf("err = %v", err)
	}
}

func TestNozzleTooNear(t *testing.T) {
	for _, c := range []struct {
		nozzle, speed float64
		counts        int64
		fits          bool
	}{{600, 300, 0, true}, {1, 1000, 0, false}, {600, 10000, 0, false}, {600, 300, 5000, true}, {600, 300, 10, false}} {
		s := station{Config: config.Default()}
		s.Sim.Nozzle, s.Line.TravelCounts = c.nozzle, c.counts
		r := &run{station: &s}
		belt, err := sim.New(sim.Options{Parts: 1, Speed: c.speed, Pitch: s.Sim.Pitch, Length: s.Sim.Length, Nozzle: c.nozzle}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.belt = belt
		if err := r.reachable(c.speed); (err == nil) != c.fits || err != nil && HintOf(err) == "" {
			t.Errorf("%v mm at %v mm/s: %v", c.nozzle, c.speed, err)
		}
	}
}
