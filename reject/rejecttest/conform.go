package rejecttest

import (
	"context"
	"errors"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"cull/reject"
)

// A Rejecter is what Conform tests.
type Rejecter interface {
	Push(id uint64, due time.Time) error
	Move(id uint64, due time.Time) error
	Cancel(id uint64) bool
	Run(ctx context.Context) error
}

// A Maker returns a Rejecter that drives line, inside a synctest bubble.
type Maker func(t *testing.T, line reject.Line, o reject.Options) Rejecter

const ms = time.Millisecond

// errStuck is an errno, which is what an error of the line is after it has crossed from one process to another.
const errStuck = syscall.EIO

// Conform tests that a rejecter does what reject.Queue promises.
func Conform(t *testing.T, m Maker) {
	for _, c := range []struct {
		name string
		test func(*testing.T, Maker)
	}{
		{"pulses", pulses},
		{"late pulse refused", lateRefused},
		{"pulse that became late refused", becameLate},
		{"moves and cancels", movesAndCancels},
		{"moved when it has begun", movedWhenBegun},
		{"bounded", bounded},
		{"stopped leaves line off", stopped},
		{"driver reported", driverReported},
		{"ends when the line stays active", staysActive},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, m) })
	}
}

// A bench runs a Rejecter on a recording line and keeps the outcomes.
type bench struct {
	line Line
	Rejecter
	outcomes []reject.Outcome
	start    time.Time
	stop     func() error
}

func newBench(t *testing.T, m Maker, o reject.Options) *bench {
	t.Helper()
	b := &bench{start: time.Now()}
	o.Report = func(r reject.Outcome) { b.outcomes = append(b.outcomes, r) }
	b.Rejecter = m(t, &b.line, o)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	synctest.Wait()
	b.stop = func() error {
		cancel()
		return <-done
	}
	return b
}

func (b *bench) at(d time.Duration) time.Time { return b.start.Add(d) }

// fired returns the parts whose pulse was fired, and those refused.
func (b *bench) fired() (ok, refused []uint64) {
	for _, o := range b.outcomes {
		if o.Err == nil {
			ok = append(ok, o.ID)
		} else {
			refused = append(refused, o.ID)
		}
	}
	return ok, refused
}

func pulses(t *testing.T, m Maker) {
	type part struct {
		id  uint64
		due time.Duration
	}
	for _, tc := range []struct {
		name    string
		o       reject.Options
		parts   []part
		want    []Pulse
		refused []uint64
	}{
		{
			"in order of due time, not of arrival",
			reject.Options{Width: 20 * ms},
			[]part{{1, 300 * ms}, {2, 100 * ms}, {3, 200 * ms}},
			[]Pulse{{At: 100 * ms, Width: 20 * ms}, {At: 200 * ms, Width: 20 * ms}, {At: 300 * ms, Width: 20 * ms}},
			nil,
		},
		{
			"overlapping pulses merge",
			reject.Options{Width: 30 * ms},
			[]part{{1, 100 * ms}, {2, 120 * ms}, {3, 120 * ms}},
			[]Pulse{{At: 100 * ms, Width: 50 * ms}},
			nil,
		},
		{
			"overlapping pulses extend",
			reject.Options{Width: 30 * ms, Overlap: reject.Extend},
			[]part{{1, 100 * ms}, {2, 120 * ms}, {3, 120 * ms}},
			[]Pulse{{At: 100 * ms, Width: 90 * ms}},
			nil,
		},
		{
			"a pulse that begins where another ends is an edge of its own",
			reject.Options{Width: 30 * ms},
			[]part{{1, 100 * ms}, {2, 131 * ms}},
			[]Pulse{{At: 100 * ms, Width: 30 * ms}, {At: 131 * ms, Width: 30 * ms}},
			nil,
		},
		{
			"the on-time is bounded",
			reject.Options{Width: 30 * ms, MaxOn: 70 * ms, Overlap: reject.Extend},
			[]part{{1, 100 * ms}, {2, 110 * ms}, {3, 120 * ms}, {4, 300 * ms}},
			[]Pulse{{At: 100 * ms, Width: 70 * ms}, {At: 300 * ms, Width: 30 * ms}},
			[]uint64{3},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, m, tc.o)
				for _, p := range tc.parts {
					if err := b.Push(p.id, b.at(p.due)); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(time.Second)
				if err := b.stop(); !errors.Is(err, context.Canceled) {
					t.Errorf("Run: %v", err)
				}
				b.line.Want(t, tc.want...)
				if _, refused := b.fired(); !slices.Equal(refused, tc.refused) {
					t.Errorf("refused %v, want %v", refused, tc.refused)
				}
			})
		})
	}
}

func lateRefused(t *testing.T, m Maker) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, m, reject.Options{Width: 20 * ms, Late: 5 * ms})
		time.Sleep(100 * ms)
		if err := b.Push(1, b.at(94*ms)); !errors.Is(err, reject.ErrLate) {
			t.Errorf("6 ms late: err = %v", err)
		}
		if err := b.Push(2, b.at(96*ms)); err != nil {
			t.Errorf("4 ms late: err = %v", err)
		}
		time.Sleep(time.Second)
		b.stop()
		b.line.Want(t, Pulse{At: 100 * ms, Width: 20 * ms})
	})
}

// A driver that blocks makes the queue itself late: the pulse behind it must be
// refused and reported, not fired at the wrong part.
func becameLate(t *testing.T, m Maker) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, m, reject.Options{Width: 20 * ms, Late: 5 * ms})
		b.line.Fail = func(active bool) error {
			if active {
				time.Sleep(50 * ms)
			}
			return nil
		}
		b.Push(1, b.at(100*ms))
		b.Push(2, b.at(140*ms))
		time.Sleep(time.Second)
		b.stop()
		if ok, refused := b.fired(); !slices.Equal(ok, []uint64{1}) || !slices.Equal(refused, []uint64{2}) {
			t.Errorf("fired %v, refused %v", ok, refused)
		}
		b.line.Want(t, Pulse{At: 150 * ms, Width: 20 * ms}) // of full width from when the driver was done
		b.line.WantInactive(t)
	})
}

func movesAndCancels(t *testing.T, m Maker) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, m, reject.Options{Width: 20 * ms})
		b.Push(1, b.at(100*ms))
		b.Push(2, b.at(200*ms))
		if err := b.Move(1, b.at(400*ms)); err != nil { // the belt slows down
			t.Error(err)
		}
		if !b.Cancel(2) || b.Cancel(2) || b.Cancel(9) {
			t.Error("Cancel does not tell what it withdrew")
		}
		time.Sleep(time.Second)
		if b.Cancel(1) {
			t.Error("a fired pulse was cancelled")
		}
		if err := b.Move(1, b.at(2*time.Second)); err != nil {
			t.Error("a fired pulse was moved: it would fire twice")
		}
		b.Push(3, b.at(2*time.Second))
		if err := b.Move(3, b.at(900*ms)); !errors.Is(err, reject.ErrLate) || b.Cancel(3) {
			t.Errorf("moved into the past: err = %v", err)
		}
		b.stop()
		b.line.Want(t, Pulse{At: 400 * ms, Width: 20 * ms})
	})
}

// A pulse that is moved while the line is active for it has been fired by its earlier due time, and says so.
func movedWhenBegun(t *testing.T, m Maker) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, m, reject.Options{Width: 20 * ms})
		b.Push(1, b.at(100*ms))
		time.Sleep(110 * ms)
		if err := b.Move(1, b.at(150*ms)); err != nil { // the belt slows down
			t.Error(err)
		}
		time.Sleep(time.Second)
		b.stop()
		b.line.Want(t, Pulse{At: 100 * ms, Width: 20 * ms})
		if len(b.outcomes) != 1 || !b.outcomes[0].Due.Equal(b.at(100*ms)) || !b.outcomes[0].At.Equal(b.at(100*ms)) {
			t.Errorf("outcomes %+v, want due and fired at %v", b.outcomes, b.at(100*ms))
		}
	})
}

func bounded(t *testing.T, m Maker) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, m, reject.Options{Width: 20 * ms, Cap: 2})
		for id := range uint64(3) {
			err := b.Push(id, b.at(time.Second))
			if want := id == 2; errors.Is(err, reject.ErrFull) != want {
				t.Errorf("part %d: err = %v", id, err)
			}
		}
		b.stop()
	})
}

func stopped(t *testing.T, m Maker) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, m, reject.Options{Width: 100 * ms})
		b.Push(1, b.at(10*ms))
		b.Push(2, b.at(time.Second))
		time.Sleep(50 * ms) // in the middle of a pulse
		if !b.line.Active() {
			t.Fatal("no pulse")
		}
		b.stop()
		b.line.WantInactive(t)
		if _, refused := b.fired(); !slices.Equal(refused, []uint64{1, 2}) || b.outcomes[0].At.IsZero() {
			t.Errorf("outcomes %+v: part 1 was cut short, part 2 never fired", b.outcomes)
		}
		if err := b.Push(3, b.at(2*time.Second)); !errors.Is(err, reject.ErrClosed) {
			t.Errorf("Push after the end: err = %v", err)
		}
	})
}

func driverReported(t *testing.T, m Maker) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, m, reject.Options{Width: 20 * ms})
		stuck := true
		b.line.Fail = func(active bool) error {
			if active && stuck {
				stuck = false
				return errStuck
			}
			return nil
		}
		b.Push(1, b.at(10*ms))
		b.Push(2, b.at(40*ms))
		time.Sleep(time.Second)
		b.stop()
		if len(b.outcomes) != 2 || !errors.Is(b.outcomes[0].Err, errStuck) || b.outcomes[1].Err != nil {
			t.Errorf("outcomes %v", b.outcomes)
		}
	})
}

// A line that cannot be switched off ends Run: nothing may be fired through it.
func staysActive(t *testing.T, m Maker) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, m, reject.Options{Width: 20 * ms})
		b.line.Fail = func(active bool) error {
			if !active {
				return errStuck
			}
			return nil
		}
		b.Push(1, b.at(10*ms))
		time.Sleep(time.Second)
		if err := b.Push(2, b.at(2*time.Second)); !errors.Is(err, reject.ErrClosed) {
			t.Errorf("Push: %v", err)
		}
		if err := b.stop(); !errors.Is(err, errStuck) {
			t.Errorf("Run: %v", err)
		}
	})
}
