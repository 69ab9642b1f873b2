//go:build linux

package pulse

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"cull/reject"
	"cull/reject/gpio"
	"cull/reject/rejecttest"
)

const ms = time.Millisecond

// A memory is a link to a unit in the same process, on the clock of a synctest bubble.
type memory struct {
	toChild, toParent chan message
	killed            chan struct{}
	unit              *unit
}

func newMemory(outs []reject.Line, epoch time.Time) *memory {
	m := &memory{make(chan message, 1024), make(chan message, 1024), make(chan struct{}), nil}
	m.unit = newUnit(outs, func() time.Duration { return time.Since(epoch) }, func(x message) bool {
		select {
		case m.toParent <- x:
			return true
		default:
			return false
		}
	})
	go m.serve()
	return m
}

// serve is what child.go's server does, without sockets. A killed child ends as it is.
func (m *memory) serve() {
	defer close(m.toParent)
	m.unit.begin()
	m.unit.say(message{kind: hello})
	for !m.unit.ended {
		timer := time.NewTimer(min(m.unit.next()-m.unit.now(), time.Hour))
		select {
		case x, open := <-m.toChild:
			if !open {
				m.unit.end(gone, nil)
				return
			}
			m.unit.handle(&x)
		case <-m.killed:
			return
		case <-timer.C:
		}
		m.unit.step()
	}
}

func (m *memory) send(x *message) error {
	select {
	case m.toChild <- *x:
		return nil
	default:
		return syscall.EAGAIN
	}
}

func (m *memory) receive() (message, error) {
	x, open := <-m.toParent
	if !open {
		return message{}, io.EOF
	}
	return x, nil
}

func (m *memory) kill() {
	select {
	case <-m.killed:
	default:
		close(m.killed)
	}
}

func (m *memory) wait() error { return nil }

// newPair returns a Process whose child is a unit in this process.
func newPair(t *testing.T, outs []reject.Line, o Options) (*Process, *memory) {
	t.Helper()
	o.Epoch = time.Now().Add(-time.Hour)
	if err := o.complete(); err != nil {
		t.Fatal(err)
	}
	m := newMemory(outs, o.Epoch)
	return newProcess(m, outs, o), m
}

func TestConform(t *testing.T) {
	rejecttest.Conform(t, func(t *testing.T, line reject.Line, o reject.Options) rejecttest.Rejecter {
		p, _ := newPair(t, []reject.Line{line}, Options{Options: o})
		return p
	})
}

// A rig is a Process with a rejecter and one more output that is running.
type rig struct {
	*Process
	*memory
	lines    [2]rejecttest.Line
	outcomes []reject.Outcome
	done     chan error
	cancel   context.CancelFunc
}

func newRig(t *testing.T, o Options) *rig {
	t.Helper()
	r := &rig{done: make(chan error, 1)}
	o.Width = 20 * ms
	o.Report = func(x reject.Outcome) { r.outcomes = append(r.outcomes, x) }
	r.Process, r.memory = newPair(t, []reject.Line{&r.lines[0], &r.lines[1]}, o)
	ctx, cancel := context.WithCancel(t.Context())
	r.cancel = cancel
	go func() { r.done <- r.Run(ctx) }()
	synctest.Wait()
	return r
}

func TestOutputsFollowAndEndInactive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		if err := r.Output(0).Set(true); err != nil || !r.lines[1].Active() {
			t.Fatalf("%v, active %t", err, r.lines[1].Active())
		}
		r.lines[1].FailWith(func(active bool) error {
			if !active {
				return syscall.EIO
			}
			return nil
		})
		if err := r.Output(0).Set(false); !errors.Is(err, syscall.EIO) {
			t.Errorf("a stuck output: %v", err)
		}
		r.lines[1].FailWith(nil)
		r.cancel()
		if err := <-r.done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		r.lines[1].WantInactive(t)
		if err := r.Output(0).Set(true); !errors.Is(err, reject.ErrClosed) {
			t.Errorf("active after the end: %v", err)
		}
		if err := r.Output(0).Set(false); err != nil {
			t.Error(err)
		}
	})
}

// An output that does not follow is named, as the journal has it.
func TestFailedOutputsAreNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines [2]rejecttest.Line
		var ended []reject.Outcome
		o := Options{Options: reject.Options{Width: 20 * ms, Report: func(o reject.Outcome) { ended = append(ended, o) }}}
		p, _ := newPair(t, []reject.Line{Line{name: "GPIO27", Line: &lines[0]}, Line{name: "GPIO22", Line: &lines[1]}}, o)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- p.Run(ctx) }()
		synctest.Wait()
		for i := range lines {
			lines[i].FailWith(func(active bool) error {
				if active {
					return fmt.Errorf("gpio: x: %w", gpio.ErrReadBack)
				}
				return nil
			})
		}
		if err := p.Output(0).Set(true); !errors.Is(err, gpio.ErrReadBack) || !strings.Contains(err.Error(), "GPIO22") {
			t.Error(err)
		}
		p.Push(1, time.Now())
		time.Sleep(ms)
		cancel()
		<-done
		if len(ended) != 1 || !errors.Is(ended[0].Err, gpio.ErrReadBack) || !strings.Contains(ended[0].Err.Error(), "GPIO27") {
			t.Errorf("outcomes %v", ended)
		}
	})
}

// A parent that says nothing: no Run, so no beat. Nothing is armed until its first word.
func TestSilentParent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines [2]rejecttest.Line
		p, _ := newPair(t, []reject.Line{&lines[0], &lines[1]}, Options{Options: reject.Options{Width: 20 * ms}, Silence: 300 * ms})
		time.Sleep(time.Minute)
		if err := p.Output(0).Set(true); err != nil {
			t.Fatalf("ended before it was used: %v", err)
		}
		p.Push(1, time.Now().Add(290*ms))
		p.Push(2, time.Now().Add(400*ms))
		time.Sleep(299 * ms)
		if !lines[0].Active() || !lines[1].Active() {
			t.Error("safe too early")
		}
		time.Sleep(2 * ms)
		lines[0].WantInactive(t)
		lines[1].WantInactive(t)
		var ended []reject.Outcome
		p.o.Report = func(o reject.Outcome) { ended = append(ended, o) }
		if err := p.Run(t.Context()); !errors.Is(err, ErrSilence) {
			t.Error(err)
		}
		if len(ended) != 2 || ended[0].At.IsZero() || !ended[1].At.IsZero() ||
			!errors.Is(ended[0].Err, reject.ErrClosed) || !errors.Is(ended[1].Err, reject.ErrClosed) {
			t.Errorf("outcomes %v", ended)
		}
	})
}

// A machine that stands still, parent and child with it, is no silent parent; a parent that is silent afterwards is.
func TestMachineThatStandsStill(t *testing.T) {
	now := time.Hour
	var line, out rejecttest.Line
	u := newUnit([]reject.Line{&line, &out}, func() time.Duration { return now }, func(message) bool { return true })
	u.handle(&message{kind: start, id: 4, due: ms, at: time.Second, width: time.Second})
	u.handle(&message{kind: set, out: 1, id: 1})
	u.handle(&message{kind: push, id: 1, due: now + 100*ms, width: 10 * ms})
	u.step()
	if u.next() != now+100*ms {
		t.Fatal(u.next())
	}
	now += 10 * time.Second
	u.step()
	if u.ended || !out.Active() {
		t.Fatal("took its own sleep for the parent's silence")
	}
	line.WantInactive(t) // the pulse is late
	if wait := u.next() - now; wait <= 0 || wait > time.Second {
		t.Errorf("the parent has %v", wait)
	}
	now = u.next()
	u.step()
	if !u.ended {
		t.Error("waits for ever")
	}
	out.WantInactive(t)
}

func TestParentThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var line, out rejecttest.Line
		m := newMemory([]reject.Line{&line, &out}, time.Now().Add(-time.Hour))
		m.toChild <- message{kind: start, id: 4, due: 10 * ms, at: time.Second, width: time.Second}
		m.toChild <- message{kind: set, out: 1, id: 1}
		m.toChild <- message{kind: push, id: 1, due: m.unit.now() + 5*ms, width: 100 * ms}
		time.Sleep(50 * ms)
		if !line.Active() || !out.Active() {
			t.Fatal("not active")
		}
		close(m.toChild)
		synctest.Wait()
		line.WantInactive(t)
		out.WantInactive(t)
	})
}

// A child that hangs in the middle of a pulse: its parent makes the line inactive.
func TestChildThatHangs(t *testing.T) {
	for _, silent := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, Options{Silence: 200 * ms})
			r.Push(1, time.Now().Add(10*ms))
			r.Push(2, time.Now().Add(time.Second))
			time.Sleep(15 * ms)
			var calls atomic.Int32
			r.lines[0].FailWith(func(bool) error {
				if calls.Add(1) == 1 { // the child's; later ones are the parent's
					<-r.killed
					runtime.Goexit()
				}
				return nil
			})
			time.Sleep(20 * ms)
			if !silent {
				if err := r.Output(0).Set(true); !errors.Is(err, ErrHung) {
					t.Errorf("an output of a hung child: %v", err)
				}
			}
			if err := <-r.done; !errors.Is(err, ErrHung) {
				t.Error(err)
			}
			r.lines[0].WantInactive(t)
			if len(r.outcomes) != 2 || !errors.Is(r.outcomes[0].Err, reject.ErrClosed) {
				t.Errorf("outcomes %v", r.outcomes)
			}
		})
	}
}

// An undead child hangs in a driver and cannot be killed.
type undead struct{ *memory }

func (undead) kill() {}

// A sticky line keeps whoever sets it.
type sticky struct {
	rejecttest.Line
	held chan bool // until it is closed; nil: it does not
}

func (s *sticky) Set(active bool) error {
	if s.held != nil {
		<-s.held
	}
	return s.Line.Set(active)
}

// The outputs of a child that cannot be killed are made inactive, but for the one that it hangs in.
func TestChildThatCannotBeKilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var rejecter sticky
		var out rejecttest.Line
		o := Options{Options: reject.Options{Width: 20 * ms}, Silence: 200 * ms, Epoch: time.Now().Add(-time.Hour)}
		if err := o.complete(); err != nil {
			t.Fatal(err)
		}
		outs := []reject.Line{&rejecter, &out}
		p := newProcess(undead{newMemory(outs, o.Epoch)}, outs, o)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- p.Run(ctx) }()
		if err := p.Output(0).Set(true); err != nil {
			t.Fatal(err)
		}
		rejecter.held = make(chan bool)
		p.Push(1, time.Now())
		time.Sleep(time.Second)
		out.WantInactive(t)
		close(rejecter.held)
		cancel()
		if err := <-done; !errors.Is(err, ErrHung) {
			t.Error(err)
		}
		rejecter.WantInactive(t)
	})
}

func TestChildThatDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		r.Push(1, time.Now().Add(10*ms))
		time.Sleep(15 * ms)
		r.memory.kill()
		if err := <-r.done; !errors.Is(err, ErrDied) {
			t.Error(err)
		}
		r.lines[0].WantInactive(t)
		if err := r.Push(2, time.Now()); !errors.Is(err, reject.ErrClosed) {
			t.Error(err)
		}
		if len(r.outcomes) != 1 {
			t.Errorf("outcomes %v", r.outcomes)
		}
	})
}

func TestUnitRefusesNonsense(t *testing.T) {
	good := message{kind: start, id: 4, due: ms, at: time.Second, width: time.Second}
	for i, ms := range [][]message{
		{{kind: push}},
		{good, good},
		{{kind: start, id: 4, due: -1, at: 1, width: 1}},
		{{kind: start, id: 0, at: 1, width: 1}},
		{{kind: start, id: 1 << 40, at: 1, width: 1}},
		{{kind: start, id: 4, at: 1, width: 1, out: 2}},
		{good, {kind: set, out: 0, id: 1}},
		{good, {kind: set, out: 2, id: 1}},
		{good, {kind: bye}},
		{good, {kind: push, due: -1, width: 1}},
		{good, {kind: push, due: 1}},
		{good, {kind: push, due: 1, width: 1 << 62}},
		{good, {kind: move, due: -1}},
	} {
		var last message
		var line rejecttest.Line
		u := newUnit([]reject.Line{&line, &line}, func() time.Duration { return 1 },
			func(m message) bool { last = m; return true })
		for _, m := range ms {
			u.handle(&m)
		}
		if !u.ended || last.kind != bye || last.code != garbled {
			t.Errorf("%d: ended %t, %+v", i, u.ended, last)
		}
	}
}

// Whatever the parent says, no on-time is longer than its bound, and the end is safe.
func FuzzUnit(f *testing.F) {
	f.Add([]byte{byte(push), 0, 1, 5, 9, byte(push), 0, 2, 7, 9, byte(set), 1, 1, 0, 0, byte(cancel), 0, 2, 0, 200})
	f.Add([]byte{byte(push), 0, 1, 5, 60, byte(move), 0, 1, 1, 60, byte(stop), 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, in []byte) {
		now := time.Hour
		var line, out rejecttest.Line
		rise, said := time.Duration(0), 0
		const bound = 40 * ms
		on := false
		line.Fail = func(active bool) error {
			if active && !on {
				rise = now
			} else if !active && on && now-rise > bound {
				t.Fatalf("active for %v", now-rise)
			}
			on = active
			return nil
		}
		u := newUnit([]reject.Line{&line, &out}, func() time.Duration { return now }, func(m message) bool {
			if m.kind == bye {
				said++
			}
			return true
		})
		u.begin()
		u.handle(&message{kind: start, id: 8, due: 10 * ms, at: bound, width: time.Second, out: uint8(len(in) % 2)})
		for ; len(in) >= 5; in = in[5:] {
			due := now + time.Duration(int8(in[3]))*ms
			u.handle(&message{
				kind: kind(in[0] % byte(kinds)), out: in[1] % 3, id: uint64(in[2] % 16), due: due, width: time.Duration(in[4]) * ms / 4,
			})
			for range in[4] {
				u.step()
				now += ms
			}
			u.step()
		}
		u.end(gone, nil)
		if line.Active() || out.Active() || said != 1 {
			t.Errorf("active %t %t, %d last words", line.Active(), out.Active(), said)
		}
	})
}

func TestUnitDoesNotAllocate(t *testing.T) {
	var now time.Duration = time.Hour
	u := newUnit([]reject.Line{nowhere{}}, func() time.Duration { return now }, func(message) bool { return true })
	u.handle(&message{kind: start, id: 64, due: ms, at: time.Second, width: time.Hour})
	if n := testing.AllocsPerRun(100, func() {
		for id := range uint64(50) {
			u.handle(&message{kind: push, id: id, due: now + time.Duration(id%7)*ms, width: 3 * ms})
		}
		u.handle(&message{kind: move, id: 6, due: now + 20*ms})
		u.handle(&message{kind: cancel, id: 5})
		u.handle(&message{kind: alive})
		for range 40 {
			now += ms
			u.step()
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A twin is reject.Queue and the schedule beside each other.
type twin struct {
	queue     *reject.Queue
	schedule  schedule
	qLine     rejecttest.Line
	sLine     rejecttest.Line
	mu        sync.Mutex
	q, s      []string // outcomes; mu is q's
	epoch     time.Time
	cancelRun context.CancelFunc
	ran       chan error
}

func newTwin(t *testing.T, o reject.Options) *twin {
	tw := &twin{epoch: time.Now().Add(-time.Hour), ran: make(chan error, 1)}
	say := func(id uint64, due, at time.Duration, err error) string { return fmt.Sprint(id, due, at, err) }
	o.Report = func(x reject.Outcome) {
		at := time.Duration(0)
		if !x.At.IsZero() {
			at = x.At.Sub(tw.epoch)
		}
		tw.mu.Lock()
		defer tw.mu.Unlock()
		tw.q = append(tw.q, say(x.ID, x.Due.Sub(tw.epoch), at, x.Err))
	}
	var err error
	if tw.queue, err = reject.NewQueue(&tw.qLine, o); err != nil {
		t.Fatal(err)
	}
	if err := o.Complete(); err != nil {
		t.Fatal(err)
	}
	tw.schedule.now = func() time.Duration { return time.Since(tw.epoch) }
	tw.schedule.set = tw.sLine.Set
	tw.schedule.report = func(p pulse, at time.Duration, c code, err error) {
		m := message{code: c, errno: errnoOf(err)}
		tw.s = append(tw.s, say(p.id, p.due, at, m.reason()))
	}
	tw.schedule.limit(limits{o.Late, o.MaxOn, o.Cap, o.Overlap})
	tw.schedule.set(false)
	ctx, cancel := context.WithCancel(t.Context())
	tw.cancelRun = cancel
	go func() { tw.ran <- tw.queue.Run(ctx) }()
	synctest.Wait()
	return tw
}

// sleep lets both do what is due until d from now.
func (tw *twin) sleep(d time.Duration) {
	end := tw.schedule.now() + d
	for tw.schedule.next() <= end {
		time.Sleep(tw.schedule.next() - tw.schedule.now())
		tw.schedule.step()
	}
	time.Sleep(end - tw.schedule.now())
	synctest.Wait()
}

// outcomes returns what ended since the last call.
func (tw *twin) outcomes() (queue, schedule []string) {
	tw.mu.Lock()
	defer tw.mu.Unlock()
	queue, schedule = tw.q, tw.s
	tw.q, tw.s = nil, nil
	return queue, schedule
}

var ops = flag.Int("ops", 200_000, "of TestScheduleIsTheQueue")

// The schedule does what reject.Queue does, outcome for outcome and edge for edge. With -args -ops 5000000 it takes a minute.
func TestScheduleIsTheQueue(t *testing.T) {
	const round = 500
	for seed := range uint64(*ops / round) {
		r := rand.New(rand.NewPCG(seed, 1))
		synctest.Test(t, func(t *testing.T) {
			o := reject.Options{
				Width: time.Duration(1+r.IntN(30)) * ms, Overlap: reject.Overlap(r.IntN(2)), Cap: 1 + r.IntN(12),
				Late: time.Duration(r.IntN(20)) * ms,
			}
			o.MaxOn = o.Width + time.Duration(r.IntN(60))*ms
			tw := newTwin(t, o)
			time.Sleep(ms / 2) // operations lie between the instants at which pulses are due
			for i := range round {
				id := uint64(r.IntN(16))
				due := tw.schedule.now() + ms/2 + time.Duration(r.IntN(120)-20)*ms
				at := tw.epoch.Add(due)
				var q, s any
				switch r.IntN(10) {
				case 0, 1, 2, 3:
					if tw.schedule.find(id) >= 0 { // must be moved, not pushed
						continue
					}
					err := tw.queue.Push(id, at)
					c := tw.schedule.push(pulse{id, due, o.Width})
					q, s = errors.Is(err, reject.ErrLate), c == late
					if errors.Is(err, reject.ErrFull) != (c == full) {
						t.Fatalf("seed %d, %d: push: %v and %v", seed, i, err, c)
					}
				case 4, 5:
					q, s = errors.Is(tw.queue.Move(id, at), reject.ErrLate), tw.schedule.move(id, due) == late
				case 6:
					q, s = tw.queue.Cancel(id), tw.schedule.cancel(id) == ok
				default:
					tw.sleep(time.Duration(r.IntN(25)) * ms)
				}
				synctest.Wait() // a pulse that is late but not too late fires at once
				tw.sleep(0)
				if queue, schedule := tw.outcomes(); q != s || !slices.Equal(queue, schedule) {
					t.Fatalf("seed %d, %d: queue %v, schedule %v\n%v\n%v", seed, i, q, s, queue, schedule)
				}
			}
			tw.schedule.close()
			tw.cancelRun()
			<-tw.ran
			if queue, schedule := tw.outcomes(); !slices.Equal(queue, schedule) {
				t.Fatalf("seed %d: the end: %v\n%v", seed, queue, schedule)
			}
			if !slices.Equal(tw.qLine.Edges(), tw.sLine.Edges()) {
				t.Fatalf("seed %d: edges differ", seed)
			}
			for _, p := range tw.sLine.Pulses() {
				if p.Width > o.MaxOn {
					t.Fatalf("seed %d: active for %v", seed, p.Width)
				}
			}
		})
	}
}

// Both processes stood still, and the parent went on first: its silence counts from its word, not from later.
func TestSilenceAfterAStall(t *testing.T) {
	var now time.Duration
	u := newUnit([]reject.Line{nowhere{}}, func() time.Duration { return now }, func(message) bool { return true })
	u.begin()
	u.handle(&message{kind: start, id: 8, due: 10 * ms, at: time.Second, width: 2 * time.Second})
	turn := func() {
		u.handle(&message{kind: alive})
		u.step()
		u.next()
	}
	turn()
	now += 10 * time.Minute
	turn()
	if at := u.next(); at > now+u.silence {
		t.Errorf("silence is noticed after %v, not %v", at-now, u.silence)
	}
}

// A line of which neither on nor off succeeds may be on: the unit ends, which tries again, and the bound on the on-time holds.
func TestFaultOfOnAndOff(t *testing.T) {
	var now time.Duration = time.Hour
	line := &rejecttest.Half{Err: syscall.EIO}
	u := newUnit([]reject.Line{line}, func() time.Duration { return now }, func(message) bool { return true })
	u.begin()
	u.handle(&message{kind: start, id: 8, due: 20 * ms, at: 100 * ms, width: 2 * time.Second})
	u.handle(&message{kind: push, id: 1, due: now, width: 20 * ms})
	line.Fails = 2
	u.step()
	if line.Active || !u.ended {
		t.Errorf("active %t, ended %t", line.Active, u.ended)
	}
}

// A parent that no longer reads ends the unit in the midst of a step: what follows in that step does not make the line active again.
func TestDeafParentBetweenTwoPulses(t *testing.T) {
	var now time.Duration = time.Hour
	var line rejecttest.Line
	hears := true
	u := newUnit([]reject.Line{&line}, func() time.Duration { return now }, func(message) bool { return hears })
	u.begin()
	u.handle(&message{kind: start, id: 8, due: 20 * ms, at: time.Second, width: time.Hour})
	u.handle(&message{kind: push, id: 1, due: now, width: 20 * ms})
	u.handle(&message{kind: push, id: 2, due: now + 20*ms, width: 20 * ms})
	u.step()
	if !line.Active() {
		t.Fatal("no pulse")
	}
	hears = false
	now += 20 * ms
	u.step()
	if line.Active() || !u.ended {
		t.Errorf("active %t, ended %t", line.Active(), u.ended)
	}
}
