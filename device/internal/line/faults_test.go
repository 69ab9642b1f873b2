package line_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cull/capture"
	"cull/capture/check"
	"cull/device/internal/line"
)

// confirms adds a REJECT-CONFIRM sensor: a part that was fired at at 500 ms is seen from 500 to 1000 ms.
func confirms(change func(*line.Options)) func(*rig, *line.Options) {
	return func(r *rig, o *line.Options) {
		r.sensor = make(chan line.Trigger, 100)
		o.Confirm = input{c: r.sensor}
		if change != nil {
			change(o)
		}
	}
}

// see is an edge of the REJECT-CONFIRM sensor at an instant after the start.
func (r *rig) see(at time.Duration) {
	time.Sleep(at - time.Since(r.start))
	r.sensor <- line.Trigger{At: time.Now()}
}

func (r *rig) confirmations(want ...line.Confirmation) {
	r.t.Helper()
	var got []line.Confirmation
	for _, p := range r.records {
		got = append(got, p.Confirm)
	}
	if !slices.Equal(got, want) {
		r.t.Errorf("confirmations %v, want %v", got, want)
	}
}

func TestRejectConfirmation(t *testing.T) {
	with := func(name string, change func(*line.Options), script func(*rig)) {
		run(t, name, confirms(change), script)
	}
	with("seen", nil, func(r *rig) {
		r.pass(true)
		r.see(600 * ms)
		r.finish()
		r.want("REJECT score")
		r.confirmations(line.Confirmed)
		if c := r.Counts(); c.Confirmed != 1 || c.Unexpected != 0 || r.saw(line.Stopped) {
			r.t.Errorf("counts %+v", c)
		}
	})
	with("the edge comes before the pulse has ended", nil, func(r *rig) {
		r.pass(true)
		r.see(505 * ms)
		r.finish()
		r.confirmations(line.Confirmed)
	})
	with("missing: the part is still there, the line stops", nil, func(r *rig) {
		r.pass(true)
		time.Sleep(1100 * ms)
		if r.ok.Active() || !r.saw(line.NotSeen) {
			r.t.Error("the line runs on")
		}
		r.finish()
		r.want("STOP confirm missing")
		r.confirmations(line.ConfirmMissing)
	})
	with("too late and too early are missing, and unexpected", func(o *line.Options) { o.ConfirmFrom = 50 * ms }, func(r *rig) {
		r.pass(true)
		r.see(540 * ms)
		r.see(1001 * ms)
		r.finish()
		r.want("STOP confirm missing")
		if c := r.Counts(); c.Unexpected != 2 || c.Missing != 1 || !r.saw(line.Unexpected) {
			r.t.Errorf("counts %+v", c)
		}
	})
	with("so many in a row", func(o *line.Options) { o.ConfirmStop = 2 }, func(r *rig) {
		for i := range 4 { // seen only: the second
			r.pass(true)
			time.Sleep(580 * ms)
			if i == 1 {
				r.sensor <- line.Trigger{At: time.Now()}
			}
			time.Sleep(600 * ms)
		}
		if r.ok.Active() {
			r.t.Error("the line runs on")
		}
		r.finish()
		r.want("REJECT score", "REJECT score", "REJECT score", "STOP confirm missing")
		r.confirmations(line.ConfirmMissing, line.Confirmed, line.ConfirmMissing, line.ConfirmMissing)
	})
	with("alarm only", func(o *line.Options) { o.ConfirmStop = -1 }, func(r *rig) {
		r.pass(true)
		time.Sleep(1200 * ms)
		if !r.ok.Active() || !r.saw(line.NotSeen) {
			r.t.Error("stopped, or no alarm")
		}
		r.finish()
		r.want("REJECT score")
		r.confirmations(line.ConfirmMissing)
	})
	with("two for one pulse: a neighbour went too", nil, func(r *rig) {
		r.pass(true)
		r.see(600 * ms)
		r.see(650 * ms)
		r.finish()
		r.want("REJECT score")
		r.confirmations(line.ConfirmExtra)
		if !r.saw(line.Unexpected) {
			r.t.Error("no alarm")
		}
	})
	with("overlapping windows: each takes one", nil, func(r *rig) {
		r.pass(true) // 500 ms
		time.Sleep(80 * ms)
		r.pass(true) // 600 ms
		r.see(650 * ms)
		r.see(750 * ms)
		r.finish()
		r.confirmations(line.Confirmed, line.Confirmed)
		if c := r.Counts(); c.Unexpected != 0 {
			r.t.Errorf("counts %+v", c)
		}
	})
	with("a bad batch and a long window", func(o *line.Options) { o.ConfirmTo = 3 * time.Second }, func(r *rig) {
		want := make([]line.Confirmation, 100)
		for i := range want {
			want[i] = line.Confirmed
			r.pass(true)
			time.Sleep(20 * ms)
			time.AfterFunc(560*ms, func() { r.sensor <- line.Trigger{At: time.Now()} }) // 100 ms after its pulse began
		}
		r.finish()
		r.confirmations(want...)
		if c := r.Counts(); c.Unexpected != 0 || r.saw(line.Stopped) {
			r.t.Errorf("counts %+v", c)
		}
	})
	with("out of the blue", nil, func(r *rig) {
		r.pass(false)
		r.see(100 * ms)
		time.Sleep(ms)
		if !r.saw(line.Unexpected) || !r.ok.Active() {
			r.t.Error("no alarm, or stopped")
		}
		r.finish()
		r.confirmations(0)
	})
	with("the sensor breaks", nil, func(r *rig) {
		close(r.sensor) // io.EOF: no more edges, so the next is missing
		r.pass(true)
		r.finish()
		r.want("STOP confirm missing")
	})
}

func TestUnfitFrames(t *testing.T) {
	reasons := map[error]string{
		check.ErrBlack: "black", check.ErrSaturated: "saturated", check.ErrBlurred: "blurred",
		check.ErrFrozen: "frozen", io.ErrUnexpectedEOF: "unfit",
	}
	for why, reason := range reasons {
		run(t, reason, func(_ *rig, o *line.Options) {
			o.Check = func(f *capture.Frame) error {
				if f.Seq == 2 {
					return fmt.Errorf("frame 2 is %w", why)
				}
				return nil
			}
		}, func(r *rig) {
			for range 3 {
				r.pass(false)
				time.Sleep(80 * ms)
			}
			r.finish()
			r.want("PASS score", "REJECT frame "+reason, "PASS score")
			r.pulses(600 * ms)
			if p := r.records[1]; p.Judged || !errors.Is(p.Err, why) && !errors.Is(r.records[2].Err, why) {
				r.t.Errorf("%+v", r.records)
			}
		})
	}
	run(t, "so many in a row stop the line", func(_ *rig, o *line.Options) {
		o.StopAfter = 2
		o.Check = func(*capture.Frame) error { return check.ErrBlack }
	}, func(r *rig) {
		r.pass(false)
		time.Sleep(80 * ms)
		r.pass(false)
		if r.ok.Active() {
			r.t.Error("the line runs on in the dark")
		}
		r.finish()
	})
}

func TestFrameWithoutTrigger(t *testing.T) {
	strobe := func(_ *rig, o *line.Options) { o.FramePerTrigger = true }
	run(t, "shows a part that nobody tracks", strobe, func(r *rig) {
		r.pass(false)
		time.Sleep(180 * ms) // 200
		r.shoot(190*ms, true)
		time.Sleep(300 * ms)
		if r.ok.Active() || !r.saw(line.MissedTrigger) {
			r.t.Error("the line runs on")
		}
		r.finish()
		r.want("PASS score", "STOP trigger missed")
	})
	run(t, "and the gap in the edges is the same part", strobe, func(r *rig) {
		r.pass(false)
		time.Sleep(180 * ms)
		r.shoot(190*ms, true)
		time.Sleep(300 * ms)
		r.Reset()
		time.Sleep(ms)
		r.seq++ // the edge that was lost
		r.pass(false)
		r.finish()
		r.want("PASS score", "STOP trigger missed", "PASS score")
	})
	run(t, "also when the gap is known first", strobe, func(r *rig) {
		r.pass(false)
		time.Sleep(180 * ms)
		r.shoot(190*ms, true)
		r.seq++
		r.edge()
		time.Sleep(ms)
		r.finish()
		r.want("PASS score", "STOP trigger missed", "STOP line stopped")
	})
	run(t, "a frame that comes twice or too late has its trigger", strobe, func(r *rig) {
		r.pass(false)
		r.shoot(5*ms, false)
		time.Sleep(80 * ms)
		r.edge() // 100
		time.Sleep(300 * ms)
		r.shoot(105*ms, false)
		time.Sleep(400 * ms)
		if !r.ok.Active() {
			r.t.Error("stopped")
		}
		r.finish()
		r.want("PASS score", "REJECT frame lost")
	})
	run(t, "of a free-running camera means nothing", nil, func(r *rig) {
		r.shoot(0, true)
		time.Sleep(time.Second)
		if !r.ok.Active() {
			r.t.Error("stopped")
		}
		r.finish()
	})
}

func TestNoTriggerForALongWay(t *testing.T) {
	run(t, "alarm", func(r *rig, o *line.Options) {
		counts(500, 0, 3*time.Second)(r, o)
		o.QuietCounts = 1000
	}, func(r *rig) {
		time.Sleep(500 * ms)
		r.pass(false) // at 500, belt until 3000
		time.Sleep(900 * ms)
		if r.saw(line.NoTrigger) {
			r.t.Error("alarm 920 counts after a trigger")
		}
		time.Sleep(10 * time.Second)
		n := r.times(line.NoTrigger)
		if n != 2 || !r.ok.Active() {
			r.t.Errorf("%d alarms in 2500 counts, want 2 and no stop", n)
		}
		r.finish()
	})
}

func TestStartAfterACrash(t *testing.T) {
	run(t, "parts under way end, the line waits for RESET", func(r *rig, o *line.Options) {
		r.press = make(chan line.Trigger, 1)
		o.Resets, o.Unfinished, o.FirstPart = input{c: r.press}, []uint64{6, 8}, 9
	}, func(r *rig) {
		if r.ok.Active() || r.ready.Active() || r.saw(line.Running) {
			r.t.Error("OK-to-run with parts of unknown verdict on the belt")
		}
		r.want("STOP interrupted", "STOP interrupted")
		r.records = nil
		r.press <- line.Trigger{At: time.Now()}
		time.Sleep(ms)
		if !r.ok.Active() || !r.ready.Active() {
			r.t.Error("RESET does nothing")
		}
		r.pass(false)
		r.finish()
		r.want("PASS score")
		if r.records[0].ID != 9 {
			r.t.Errorf("%+v", r.records)
		}
	})
	run(t, "hold", func(_ *rig, o *line.Options) { o.Hold = true }, func(r *rig) {
		if r.ok.Active() {
			r.t.Error("OK-to-run")
		}
		r.Reset()
		time.Sleep(ms)
		if !r.ok.Active() {
			r.t.Error("Reset does nothing")
		}
		r.finish()
	})
}

func TestReadyReturnsAfterAnInspectionThatHung(t *testing.T) {
	run(t, "without parts", func(r *rig, _ *line.Options) {
		r.judge = func(f *capture.Frame) (line.Finding, error) {
			time.Sleep(3 * time.Second)
			return finding(f), nil
		}
	}, func(r *rig) {
		r.pass(false)
		time.Sleep(3100 * ms)
		if r.ready.Active() {
			r.t.Error("READY, though the next would not be judged in time either")
		}
		time.Sleep(5 * time.Second)
		if !r.ready.Active() {
			r.t.Error("READY never returns: no part comes that could show that inspections are fast again")
		}
		r.finish()
	})
}

func TestNotReadyWithoutCamera(t *testing.T) {
	var back atomic.Bool
	run(t, "lost", func(r *rig, o *line.Options) {
		o.Camera = func(context.Context) (capture.Source, error) {
			if !back.Load() {
				return nil, capture.ErrLost
			}
			return camera{r}, nil
		}
	}, func(r *rig) {
		if r.ready.Active() {
			r.t.Error("READY without a camera")
		}
		back.Store(true)
		time.Sleep(10 * time.Second)
		if !r.ready.Active() || !r.saw(line.CameraBack) {
			r.t.Error("not READY with a camera")
		}
		r.finish()
	})
}

// A mute camera opens, delivers nothing and is lost after a second.
type mute struct{}

func (mute) Next(ctx context.Context) (*capture.Frame, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(time.Second):
		return nil, fmt.Errorf("no good frame: %w", capture.ErrLost)
	}
}
func (mute) Close() error { return nil }

// A camera that runs free is there when it delivers: READY was active a third of the time for one that only opens, and each
// opening was told as its return.
func TestFreeRunningCameraThatDeliversNothing(t *testing.T) {
	var back atomic.Bool
	run(t, "", func(r *rig, o *line.Options) {
		o.FreeRunning = true
		o.Camera = func(context.Context) (capture.Source, error) {
			if !back.Load() {
				return mute{}, nil
			}
			return camera{r}, nil
		}
	}, func(r *rig) {
		for range 6000 {
			time.Sleep(10 * ms)
			if r.ready.Active() {
				r.t.Fatal("READY without a frame")
			}
		}
		if lost, back := r.times(line.CameraLost), r.times(line.CameraBack); lost != 1 || back != 0 {
			r.t.Errorf("lost %d times, back %d times", lost, back)
		}
		back.Store(true)
		time.Sleep(10 * time.Second)
		r.shoot(time.Since(r.start), false)
		time.Sleep(time.Second)
		if !r.ready.Active() || r.times(line.CameraBack) != 1 {
			r.t.Error("not READY with a camera that delivers")
		}
		r.finish()
	})
}

func TestCounterOfEdgesBeginsAnew(t *testing.T) {
	run(t, "stops the line", nil, func(r *rig) {
		r.pass(false)
		time.Sleep(80 * ms)
		r.seq = 1 << 20
		r.edge()
		if r.ok.Active() || !r.saw(line.MissedTrigger) {
			r.t.Error("the line runs on")
		}
		r.finish()
		r.want("PASS score", "STOP line stopped")
	})
}

func TestFirstEdgeIsLost(t *testing.T) {
	run(t, "stops the line", nil, func(r *rig) {
		time.Sleep(ms)
		r.seq = 1
		r.edge()
		if r.ok.Active() {
			r.t.Error("the line runs on")
		}
		r.finish()
		r.want("STOP trigger missed", "STOP line stopped")
	})
}

func TestStormOfEdges(t *testing.T) {
	run(t, "each is accounted for", nil, func(r *rig) {
		for range 500 {
			r.edge()
			time.Sleep(100 * time.Microsecond)
		}
		if r.ok.Active() || r.Counts().UnderWay > 256 {
			r.t.Errorf("the line runs on: %+v", r.Counts())
		}
		r.finish()
		if c := r.Counts(); c.Parts != 500 || c.Stop+c.Reject != 500 {
			r.t.Errorf("counts %+v", c)
		}
	})
}

// A part that was fired at after the line had stopped is seen to go by the sensor that waits for it; nobody knows what it was.
func TestConfirmationOfAHaltedPart(t *testing.T) {
	for _, c := range []struct {
		name string
		sees bool
		want line.Confirmation
	}{{"seen", true, line.Confirmed}, {"not seen", false, line.ConfirmMissing}} {
		run(t, c.name, confirms(nil), func(r *rig) {
			r.pass(true) // its pulse is due at 500 ms
			time.Sleep(100 * ms)
			r.seq++
			r.edge() // one was lost: the line stops
			if c.sees {
				r.see(506 * ms)
			}
			time.Sleep(time.Second)
			r.interrupt()
			p := r.records[slices.IndexFunc(r.records, func(p line.Part) bool { return p.ID == 1 })]
			if p.Verdict != line.Stop || p.Fired.IsZero() || p.Confirm != c.want {
				r.t.Errorf("%v, fired at %v, confirmation %v", p.Verdict, p.Fired, p.Confirm)
			}
			if r.saw(line.Unexpected) || r.saw(line.NotSeen) {
				r.t.Errorf("%+v", r.Counts())
			}
		})
	}
}

// An encoder that is dead, or counts backwards, brings no part to the rejecter any more: bad parts would wait for their
// pulse for ever, and the belt would carry them on.
func TestEncoderThatDoesNotAdvance(t *testing.T) {
	dead := func(r *rig, o *line.Options) {
		counts(500, 0, 250*ms)(r, o)
		o.Resets = input{c: r.press}
	}
	press := func(change func(*rig, *line.Options)) func(*rig, *line.Options) {
		return func(r *rig, o *line.Options) { r.press = make(chan line.Trigger, 9); change(r, o) }
	}
	repeated := func(n int, verdict string) []string { return slices.Repeat([]string{verdict}, n) }
	run(t, "dead", press(dead), func(r *rig) {
		for i := range 11 { // at 0, 200, then at 250 counts for ever
			r.pass(i == 2)
			time.Sleep(180 * ms)
		}
		if !r.saw(line.Stopped) || r.ok.Active() || r.ready.Active() {
			r.t.Errorf("the line runs on: %v", r.events)
		}
		r.press <- line.Trigger{At: time.Now()}
		time.Sleep(10 * ms)
		if !r.ok.Active() {
			r.t.Error("no reset")
		}
		for range 9 {
			r.pass(false)
			time.Sleep(180 * ms)
		}
		r.cancel()
		r.finish()
		r.want(slices.Concat(repeated(2, "PASS score"), []string{"STOP belt lost"}, repeated(7, "PASS score"), []string{"STOP line stopped"},
			repeated(7, "PASS score"), repeated(2, "STOP line stopped"))...)
		r.pulses()
	})
	run(t, "backwards", func(r *rig, o *line.Options) {
		counts(500, 0)(r, o)
		o.Encoder = backwards{&r.enc}
	}, func(r *rig) {
		for i := range 10 {
			r.seq++
			r.edges <- line.Trigger{At: time.Now(), Count: backwards{&r.enc}.Position().Count, Seq: r.seq}
			time.Sleep(20 * ms)
			r.shoot(time.Since(r.start)-15*ms, i == 1)
			time.Sleep(180 * ms)
		}
		r.cancel()
		r.finish()
		r.want(slices.Concat([]string{"PASS score", "STOP belt lost"}, repeated(6, "PASS score"), repeated(2, "STOP line stopped"))...)
		r.pulses()
	})
	// What else comes from no farther: contacts that chatter, a part that trembles at the sensor of a belt that stands, a clock.
	still := func(name string, change func(*line.Options), edges int, every time.Duration) {
		run(t, name, func(r *rig, o *line.Options) {
			counts(500, 0, ms)(r, o)
			change(o)
			o.StopAfter = 1000
		}, func(r *rig) {
			for range edges {
				r.edge()
				time.Sleep(every)
			}
			if r.saw(line.Stopped) {
				r.t.Error("stopped")
			}
			r.interrupt()
		})
	}
	still("chatter", func(*line.Options) {}, 30, ms)
	still("a part that trembles", func(*line.Options) {}, 8, 300*ms)
	still("a clock", func(o *line.Options) { o.Clocked = true }, 30, 300*ms)
	run(t, "a jog back is none", counts(500, 0), func(r *rig) {
		for _, at := range []int64{100, 95, 100, 300, 299, 500} {
			r.seq++
			r.edges <- line.Trigger{At: time.Now(), Count: at, Seq: r.seq}
			time.Sleep(20 * ms)
			r.shoot(time.Since(r.start)-15*ms, false)
		}
		r.finish()
		r.want(slices.Repeat([]string{"PASS score"}, 6)...)
	})
}

// backwards is an encoder whose DIRECTION is inverted.
type backwards struct{ e *encoder }

func (b backwards) Position() line.Position {
	p := b.e.Position()
	p.Count = -p.Count
	return p
}

// A debounce time as long as the pitch swallows parts; that of a contact swallows bounces.
func TestDebouncedPartsAreTold(t *testing.T) {
	run(t, "parts", func(_ *rig, o *line.Options) { o.Debounce = 250 * ms }, func(r *rig) {
		for range 20 {
			r.pass(false)
			time.Sleep(180 * ms)
		}
		if n := r.times(line.Debounced); n != 1 {
			r.t.Errorf("told %d times", n)
		}
		time.Sleep(time.Second)
		r.finish()
	})
	run(t, "bounces", func(_ *rig, o *line.Options) { o.Debounce = 20 * ms }, func(r *rig) {
		for range 3 {
			r.edge()
			for range 6 {
				time.Sleep(3 * ms)
				r.edge()
			}
			time.Sleep(100 * ms)
		}
		r.finish()
		if c := r.Counts(); r.saw(line.Debounced) || c.Bounces != 18 {
			r.t.Errorf("told %t, %d bounces", r.saw(line.Debounced), c.Bounces)
		}
	})
}

func TestNoTriggerForLong(t *testing.T) {
	run(t, "", func(_ *rig, o *line.Options) { o.QuietTime = time.Minute }, func(r *rig) {
		r.pass(false)
		time.Sleep(59 * time.Second)
		if r.saw(line.NoTrigger) {
			r.t.Error("too early")
		}
		time.Sleep(61 * time.Second)
		if n := r.times(line.NoTrigger); n != 1 {
			r.t.Errorf("%d alarms after two minutes", n)
		}
		r.pass(false)
		time.Sleep(61 * time.Second)
		if n := r.times(line.NoTrigger); n != 2 {
			r.t.Errorf("%d alarms a minute after the next", n)
		}
		r.finish()
	})
}

// Where READY can never be active, or is not for long, somebody is told why; where it drops for a moment nobody is.
func TestReadyThatStaysAwayIsTold(t *testing.T) {
	slow := func(took time.Duration, change func(*line.Options)) func(*rig, *line.Options) {
		return func(r *rig, o *line.Options) {
			r.judge = func(f *capture.Frame) (line.Finding, error) { time.Sleep(took); return finding(f), nil }
			change(o)
		}
	}
	for _, tc := range []struct {
		name   string
		change func(*rig, *line.Options)
		want   string // empty: no event
	}{
		{"in time", slow(10*ms, func(*line.Options) {}), ""},
		{"the window is too long", slow(10*ms, func(o *line.Options) { o.Travel.Time, o.FrameWait = 55*ms, ms }), "the way to the rejecter takes 55ms, and the window lasts to 50ms, 1 inspections take"},
		{"the deadline is too short", slow(150*ms, func(o *line.Options) { o.Deadline = 100 * ms; o.StopAfter = 1000 }), "the deadline is 100ms"},
	} {
		run(t, tc.name, tc.change, func(r *rig) {
			for i := range 60 {
				r.pass(false)
				if active := r.ready.Active(); i > 0 && active != (tc.want == "") { // the first inspection is yet to show how long it takes
					r.t.Errorf("READY is %t", active)
					break
				}
				time.Sleep(200 * ms)
			}
			var told []string
			r.mu.Lock()
			for _, e := range r.events {
				if e.Kind == line.NotReady {
					told = append(told, e.Err.Error())
				}
			}
			r.mu.Unlock()
			if tc.want == "" && len(told) > 0 || tc.want != "" && (len(told) != 1 || !strings.HasPrefix(told[0], tc.want)) {
				r.t.Errorf("told %q", told)
			}
			r.finish()
		})
	}
}

// Why no frame was in a part's window stands in its record.
func TestLostFrameSaysWhatThereWas(t *testing.T) {
	for _, tc := range []struct {
		name string
		do   func(*rig)
		want string
	}{
		{"none ever", func(*rig) {}, "the camera has not delivered any frame"},
		{
			"too late", func(r *rig) { r.shoot(-60*ms, false); r.shoot(62*ms, false) },
			"the nearest frame began 62ms from its trigger: the window is 0s to 50ms",
		},
		{"unplugged", func(r *rig) { r.lost <- errors.New("unplugged"); time.Sleep(ms) }, "the camera is not there"},
	} {
		run(t, tc.name, func(_ *rig, o *line.Options) { o.Reopen = time.Hour }, func(r *rig) {
			r.edge()
			tc.do(r)
			r.finish()
			r.want("REJECT frame lost")
			if err := r.records[0].Err; err == nil || err.Error() != tc.want {
				r.t.Errorf("%v", err)
			}
		})
	}
}

// A camera that was unplugged and now fails for another reason says so.
func TestCameraLostForAnotherReason(t *testing.T) {
	reasons := []string{"unplugged", "unplugged", "no bandwidth", "unplugged", "no bandwidth", "busy"}
	run(t, "", func(r *rig, o *line.Options) {
		o.Camera = func(context.Context) (capture.Source, error) {
			if len(reasons) == 0 {
				return camera{r}, nil
			}
			err := errors.New(reasons[0])
			reasons = reasons[1:]
			return nil, err
		}
	}, func(r *rig) {
		time.Sleep(time.Minute)
		if lost, back := r.times(line.CameraLost), r.times(line.CameraBack); lost != 3 || back != 1 { // not each time that a reason comes again
			r.t.Errorf("lost %d times, back %d times", lost, back)
		}
		r.finish()
	})
}

// A RESET that chatters while the line runs takes nothing from stop_after.
func TestResetOfARunningLineForgetsNothing(t *testing.T) {
	run(t, "belt lost", func(r *rig, o *line.Options) {
		counts(500, 0, ms)(r, o)
		r.press = make(chan line.Trigger, 9)
		o.Resets = input{c: r.press}
	}, func(r *rig) {
		for range 12 {
			r.pass(false)
			r.press <- line.Trigger{At: time.Now()}
			time.Sleep(180 * ms)
		}
		if !r.saw(line.Stopped) {
			r.t.Error("not stopped")
		}
		r.finish()
	})
	run(t, "", func(r *rig, o *line.Options) {
		r.press = make(chan line.Trigger, 9)
		o.Resets = input{c: r.press}
	}, func(r *rig) {
		for range 5 {
			r.edge()
			time.Sleep(300 * ms)
			r.press <- line.Trigger{At: time.Now()}
		}
		time.Sleep(time.Second)
		if n := r.times(line.Stopped); n != 1 {
			r.t.Errorf("stopped %d times", n)
		}
		r.finish()
	})
}

// A RESET from before the line ran does not release what it holds.
func TestResetBeforeTheStart(t *testing.T) {
	run(t, "", func(r *rig, o *line.Options) {
		r.press = make(chan line.Trigger, 9)
		o.Resets, o.Hold = input{c: r.press}, true
	}, func(r *rig) {
		r.press <- line.Trigger{At: r.start.Add(-ms)}
		time.Sleep(ms)
		if r.ok.Active() {
			r.t.Error("released")
		}
		r.press <- line.Trigger{At: time.Now()}
		time.Sleep(ms)
		if !r.ok.Active() {
			r.t.Error("not released")
		}
		r.finish()
	})
}

// A part that was fired at has the whole window of its confirmation at the end too, one that a reload has widened as well.
func TestShutdownWaitsForTheConfirmation(t *testing.T) {
	script := func(r *rig) {
		r.pass(true)
		go r.see(2900 * ms)
		time.Sleep(100 * ms)
		r.interrupt()
		r.want("REJECT score")
		r.confirmations(line.Confirmed)
	}
	run(t, "from the start", confirms(func(o *line.Options) { o.ConfirmTo = 3 * time.Second }), script)
	var changed line.Options
	run(t, "reloaded", confirms(func(o *line.Options) {
		changed = *o
		changed.ConfirmTo = 3 * time.Second
	}), func(r *rig) {
		if err := r.Change(r.t.Context(), changed); err != nil {
			r.t.Fatal(err)
		}
		script(r)
	})
}

func TestConfirmationWhileTheBeltSlowsDown(t *testing.T) {
	moves := []time.Duration{0, 601 * ms} // then a tenth of the speed
	for at := 610 * ms; at < 700*ms; at += 10 * ms {
		moves = append(moves, at, at+ms)
	}
	run(t, "is that of the pulse that was fired", func(r *rig, o *line.Options) {
		counts(500, moves...)(r, o)
		confirms(nil)(r, o)
	}, func(r *rig) {
		time.Sleep(102 * ms)
		r.pass(true) // fired at 602 ms; at 610 ms the belt says that it would now be due at 610 ms
		r.see(606 * ms)
		r.finish()
		r.want("REJECT score")
		r.confirmations(line.Confirmed)
		if c := r.Counts(); c.Unexpected != 0 || r.saw(line.Stopped) {
			r.t.Errorf("counts %+v", c)
		}
	})
}

func TestResetDoesNotMendAnOutput(t *testing.T) {
	run(t, "a line that still does not follow stops it again", func(r *rig, _ *line.Options) {
		r.beat.Fail = func(bool) error { return errors.New("no such device") }
	}, func(r *rig) {
		for n := 1; n <= 3; n++ {
			time.Sleep(time.Second + 10*ms) // between two heartbeats: one in the instant of the reset fails after it
			if r.ok.Active() || r.times(line.OutputFailed) != n {
				r.t.Errorf("after %d resets: OK %t, %d events", n-1, r.ok.Active(), r.times(line.OutputFailed))
			}
			r.Reset()
			synctest.Wait()
			if !r.ok.Active() {
				r.t.Error("a reset does not let the line run")
			}
		}
		r.finish()
	})
}

func TestResetWithoutASensor(t *testing.T) {
	run(t, "does not let the belt run", nil, func(r *rig) {
		r.pass(true)
		r.broken = errors.New("no such device")
		close(r.edges)
		time.Sleep(10 * ms)
		r.Reset()
		time.Sleep(10 * ms)
		if r.ok.Active() {
			r.t.Error("OK-to-run without a sensor")
		}
		if err := <-r.ended; !errors.Is(err, r.broken) {
			r.t.Errorf("Run: %v", err)
		}
		r.want("STOP score")
	})
}

func TestFoulBelt(t *testing.T) {
	for _, tc := range []struct {
		name   string
		script func(*rig)
		foul   bool
	}{
		{"parts that ended", func(r *rig) { r.pass(true); r.pass(false); time.Sleep(time.Second) }, false},
		{"a part that came while the line ended", func(r *rig) { r.cancel(); time.Sleep(50 * ms); r.edge() }, true},
		{"a line that stopped", func(r *rig) { r.seq++; r.edge(); time.Sleep(time.Second) }, true},
		{"a line that was reset", func(r *rig) { r.seq++; r.edge(); time.Sleep(time.Second); r.Reset(); time.Sleep(ms) }, false},
	} {
		run(t, tc.name, nil, func(r *rig) {
			tc.script(r)
			r.interrupt()
			if r.Foul() != tc.foul {
				r.t.Errorf("foul %t: %+v", r.Foul(), r.records)
			}
		})
	}
}

func TestVerdictAfterTheResetOfAPartThatTravelsByTime(t *testing.T) {
	run(t, "fires at nothing: the belt has stood", func(r *rig, o *line.Options) {
		o.Travel.Time = 3 * time.Second
		r.judge = func(f *capture.Frame) (line.Finding, error) {
			time.Sleep(time.Second)
			return finding(f), nil
		}
	}, func(r *rig) {
		r.pass(true)
		time.Sleep(200 * ms)
		r.seq++
		r.edge() // one was lost: the line stops
		time.Sleep(300 * ms)
		r.Reset() // the belt has stood for 0.3 s
		time.Sleep(time.Second)
		if r.ok.Active() {
			r.t.Error("the belt runs with a bad part on it that nothing rejects")
		}
		r.finish()
		r.want("STOP score", "STOP trigger missed", "STOP line stopped")
		r.pulses()
	})
}

// A barren camera can be opened and never delivers.
type barren struct{}

func (barren) Next(context.Context) (*capture.Frame, error) {
	return nil, fmt.Errorf("I/O error: %w", capture.ErrLost)
}
func (barren) Close() error { return nil }

func TestCameraThatOpensAndFails(t *testing.T) {
	var opened atomic.Int64
	run(t, "is opened with growing pauses", func(r *rig, o *line.Options) {
		o.Camera = func(context.Context) (capture.Source, error) {
			opened.Add(1)
			return barren{}, nil
		}
	}, func(r *rig) {
		time.Sleep(time.Minute)
		if opened.Load() > 30 || r.times(line.CameraLost) > 30 {
			r.t.Errorf("opened %d times in a minute, %d events", opened.Load(), r.times(line.CameraLost))
		}
		r.finish()
	})
}

func TestFrameOfAPartThatCameToAStoppedLine(t *testing.T) {
	run(t, "does not judge the part before it", func(_ *rig, o *line.Options) { o.StopAfter = 1 }, func(r *rig) {
		r.edge()                 // its frame is lost, the line stops
		time.Sleep(240 * ms)     //
		r.pass(false)            // to a line that is about to stop: in inspection
		time.Sleep(5 * ms)       //
		r.edges <- line.Trigger{ // 10 ms before the frame's exposure, delivered late, to a stopped line
			At: r.start.Add(250*ms - 5*ms), Seq: 3,
		}
		r.seq = 3
		r.finish()
		for _, p := range r.records {
			if p.ID == 2 && p.Verdict == line.Pass {
				r.t.Errorf("passed by a frame that may show the next part: %+v", p)
			}
		}
	})
}
