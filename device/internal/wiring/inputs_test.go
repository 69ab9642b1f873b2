//go:build linux

package wiring

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cull/device/internal/config"
	"cull/device/internal/line"
	"cull/reject/gpio"
	"cull/reject/hostpin"
)

// A wire delivers the edges that a test sends.
type wire chan gpio.Edge

var errCut = errors.New("cut")

func (w wire) Next(ctx context.Context) (gpio.Edge, error) {
	select {
	case <-ctx.Done():
		return gpio.Edge{}, ctx.Err()
	case e, ok := <-w:
		if !ok {
			return gpio.Edge{}, errCut
		}
		return e, nil
	}
}

func (w wire) Waiting() bool { return len(w) > 0 }

const ms = time.Millisecond

// A trigger has the count at the edge's own time, whatever is delivered first.
func TestTriggersAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		epoch := time.Now()
		pulses, part := make(wire, 100), make(wire, 10)
		e := newEncoder(pulses, epoch)
		back := false
		e.backwards = func() (bool, error) { return back, nil }
		e.start()
		defer e.Close()
		s := &counted{&sensor{part, epoch}, e}
		next := func(want int64) {
			t.Helper()
			tr, err := s.Next(t.Context())
			if err != nil || tr.Count != want {
				t.Errorf("%+v, %v: want count %d", tr, err, want)
			}
		}

		time.Sleep(11 * ms)
		for i := range 10 { // at 1..10 ms
			pulses <- gpio.Edge{At: time.Duration(i+1) * ms}
		}
		synctest.Wait()
		part <- gpio.Edge{At: 7*ms + 1, Seq: 1}
		next(7)
		if p := e.Position(); p.Count != 10 || p.Period != ms || p.Unread {
			t.Errorf("position %+v", p)
		}

		// The encoder's edges come after the sensor's.
		part <- gpio.Edge{At: 12 * ms, Seq: 2}
		go func() {
			time.Sleep(ms)
			pulses <- gpio.Edge{At: 11 * ms}
			pulses <- gpio.Edge{At: 13 * ms}
		}()
		next(11)

		// The belt stands.
		time.Sleep(time.Second)
		part <- gpio.Edge{At: 800 * ms, Seq: 3}
		next(12)

		// The kernel dropped edges; then the belt turns back.
		pulses <- gpio.Edge{At: 1012 * ms, Missed: 4}
		synctest.Wait()
		back = true
		pulses <- gpio.Edge{At: 1013 * ms}
		synctest.Wait()
		if p := e.Position(); p.Count != 16 || p.At.Sub(epoch) != 1013*ms || p.Period != 0 {
			t.Errorf("position %+v", p)
		}
		part <- gpio.Edge{At: 1012*ms + 1, Seq: 4}
		next(17)
	})
}

// Where the belt was at an edge of the sensor is known although the encoder's edges were dropped, come late, or are so many
// that they are forgotten.
func TestTriggersAreCountedThroughGaps(t *testing.T) {
	for _, tc := range []struct {
		name   string
		period time.Duration
		script func(pulses wire, turn func(from, to int)) // what the encoder sees until the trigger is read
		edge   time.Duration
		want   int64
	}{
		{"the process stood from 1 s to 1.5 s, and the kernel keeps 1024 edges", 200 * time.Microsecond, func(pulses wire, turn func(from, to int)) {
			turn(1, 5000)
			time.Sleep(1500 * ms)
			pulses <- gpio.Edge{At: 6477 * 200 * time.Microsecond, Missed: 1476}
			turn(6478, 7500)
		}, 1250 * ms, 6250},
		{"the encoder's edges come 5 ms late", 200 * time.Microsecond, func(_ wire, turn func(from, to int)) {
			turn(1, 5000)
			time.Sleep(1025 * ms)
			time.AfterFunc(5*ms, func() { turn(5001, 5150) })
		}, 1025*ms + 1, 5125},
		{"the process stood, and reads what the kernel kept one by one", time.Millisecond, func(_ wire, turn func(from, to int)) {
			turn(1, 1000)
			time.Sleep(1500 * ms)
			go func() {
				for i := 1001; i <= 1500; i++ {
					time.Sleep(20 * time.Microsecond)
					turn(i, i)
				}
			}()
		}, 1100 * ms, 1100},
		{"the sensor's edge waited for seconds", 100 * time.Microsecond, func(_ wire, turn func(from, to int)) {
			turn(1, 60000)
			time.Sleep(6 * time.Second)
		}, 10 * ms, 100},
		{"the belt stands", 200 * time.Microsecond, func(_ wire, turn func(from, to int)) {
			turn(1, 5000)
			time.Sleep(30 * time.Second)
		}, 30 * time.Second, 5000},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				epoch := time.Now()
				pulses, part := make(wire, 100000), make(wire, 1)
				e := newEncoder(pulses, epoch)
				e.start()
				defer e.Close()
				s := &counted{&sensor{part, epoch}, e}
				tc.script(pulses, func(from, to int) {
					for i := from; i <= to; i++ {
						pulses <- gpio.Edge{At: time.Duration(i) * tc.period}
					}
				})
				part <- gpio.Edge{At: tc.edge, Seq: 1}
				if tr, err := s.Next(t.Context()); err != nil || tr.Count < tc.want-1 || tr.Count > tc.want+1 {
					t.Errorf("count %d, %v: want %d", tr.Count, err, tc.want)
				}
				time.Sleep(time.Second) // for what the script has begun
			})
		})
	}
}

// Edges that wait to be read are not in the count, and the position says so.
func TestPositionSaysWhatIsUnread(t *testing.T) {
	pulses := make(wire, 1)
	e := newEncoder(pulses, time.Now())
	pulses <- gpio.Edge{At: ms}
	if p := e.Position(); p.Count != 0 || !p.Unread {
		t.Errorf("before it is read: %+v", p)
	}
	if err := e.read(); err != nil {
		t.Fatal(err)
	}
	if p := e.Position(); p.Count != 1 || p.Unread {
		t.Errorf("afterwards: %+v", p)
	}
}

// An encoder that fails ends the triggers with its reason.
func TestEncoderFailureEndsTriggers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pulses := make(wire)
		e := newEncoder(pulses, time.Now())
		e.start()
		s := &counted{&sensor{make(wire), time.Now()}, e}
		time.AfterFunc(time.Second, func() { close(pulses) })
		if _, err := s.Next(t.Context()); !errors.Is(err, errCut) {
			t.Errorf("err = %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		s.e = newEncoder(pulses, time.Now())
		if _, err := s.Next(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("err = %v", err)
		}
		s.e.Close()
		e.Close()
	})
}

func TestClockAndSignals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		c := &clock{period: 100 * ms}
		for i := range 3 {
			tr, err := c.Next(t.Context())
			want := time.Duration(i+1) * 100 * ms
			if err != nil || tr.At.Sub(start) != want || tr.Seq != uint32(i+1) || time.Since(start) != want {
				t.Errorf("%+v %v", tr, err)
			}
			time.Sleep(30 * ms) // the line's own time does not add up
		}
		from := make(chan os.Signal, 1)
		from <- os.Interrupt
		s := &signals{from: from}
		if tr, err := s.Next(t.Context()); err != nil || tr.Seq != 1 || !tr.At.Equal(time.Now()) {
			t.Errorf("%+v %v", tr, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for _, tr := range []line.Triggers{c, s} {
			if _, err := tr.Next(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("%T: %v", tr, err)
			}
		}
	})
}

func TestCameraConfig(t *testing.T) {
	c := config.Default().Camera
	c.Device, c.Exposure, c.WhiteBalance = "cam", 2500, 4600
	v := Camera(&c)
	if v.Gain != nil || v.Stall != time.Second || v.Exposure != 2500*time.Microsecond || v.WhiteBalance != 4600 || v.Format == 0 {
		t.Errorf("%+v", v)
	}
	c.Gain, c.Triggered = 0, true
	if v = Camera(&c); v.Gain == nil || *v.Gain != 0 || v.Stall != -1 {
		t.Errorf("%+v", v)
	}
	for _, f := range []string{"GREY", "RGB24", "YUYV", "NV12", "MJPEG"} {
		if got := formats[f]; got.String() != f {
			t.Errorf("%s is %v", f, got)
		}
	}
}

// A line that cannot be had names its key.
func TestOpenNamesTheKey(t *testing.T) {
	c := config.Default()
	c.IO.In.Trigger.Line = "no-such-chip:1"
	if _, err := Open(&c, nil); err == nil || !strings.HasPrefix(err.Error(), "io.in.trigger.line: ") {
		t.Errorf("err = %v", err)
	}
	c = config.Default()
	c.IO.Trigger = "rate"
	c.IO.Out.Reject.Line = "periph:D4"
	if _, err := Open(&c, nil); !errors.Is(err, hostpin.ErrNoDrivers) || !strings.HasPrefix(err.Error(), "io.out.reject.line: ") {
		t.Errorf("err = %v", err)
	}
}
