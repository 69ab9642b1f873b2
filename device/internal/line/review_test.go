package line_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cull/capture"
	"cull/device/internal/line"
)

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
