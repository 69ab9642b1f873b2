package line_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cull/capture"
	"cull/device/internal/line"
	"cull/reject"
	"cull/reject/rejecttest"
)

const ms = time.Millisecond

// A rig is a line whose surroundings a test scripts. Everything happens in a synctest
// bubble; the line's parts are numbered from 1.
type rig struct {
	t     *testing.T
	start time.Time

	edges   chan line.Trigger // closed: no more parts
	frames  chan *capture.Frame
	seq     uint32
	shots   uint32
	held    atomic.Int32 // frames not released
	judge   func(f *capture.Frame) (line.Finding, error)
	unready error // of the recorder
	broken  error // of the sensor, when edges is closed
	over    bool  // its end was asked for before it began
	enc     encoder

	sensor chan line.Trigger // REJECT-CONFIRM
	press  chan line.Trigger // RESET
	lost   chan error        // what the camera's Next returns
	reject rejecttest.Line
	ready  rejecttest.Line
	busy   rejecttest.Line
	ok     rejecttest.Line
	beat   rejecttest.Line

	mu      sync.Mutex
	records []line.Part
	events  []line.Event

	*line.Line
	cancel context.CancelFunc
	ended  chan error
}

// Next implements line.Triggers.
func (r *rig) Next(ctx context.Context) (line.Trigger, error) {
	select {
	case e, ok := <-r.edges:
		if !ok && r.broken != nil {
			return line.Trigger{}, r.broken
		}
		if !ok {
			return line.Trigger{}, io.EOF
		}
		return e, nil
	case <-ctx.Done():
		return line.Trigger{}, ctx.Err()
	}
}

// camera is the rig's capture.Source.
type camera struct{ r *rig }

func (c camera) Next(ctx context.Context) (*capture.Frame, error) {
	select {
	case f := <-c.r.frames:
		return f, nil
	case err := <-c.r.lost:
		return nil, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (c camera) Close() error { return nil }

// An encoder counts one a millisecond while the belt moves.
type encoder struct {
	start   time.Time
	moves   []time.Duration // at these instants the belt starts, stops, starts, ...
	perTick time.Duration
}

// Position implements line.Encoder: whole counts, and the instant of the latest.
func (e *encoder) Position() line.Position {
	now := time.Since(e.start)
	var run time.Duration
	for i := 0; i < len(e.moves); i += 2 {
		stop := now
		if i+1 < len(e.moves) {
			stop = min(now, e.moves[i+1])
		}
		run += max(0, stop-e.moves[i])
	}
	count := run / e.perTick
	at := e.instant(count * e.perTick)
	return line.Position{Count: int64(count), At: e.start.Add(at), Period: e.perTick}
}

// A lagging encoder's edges are known some time later.
type lagging struct {
	encoder
	by time.Duration
}

// Position implements line.Encoder.
func (l *lagging) Position() line.Position {
	count := max(0, time.Since(l.start)-l.by) / l.perTick
	return line.Position{Count: int64(count), At: l.start.Add(count * l.perTick), Period: l.perTick, Unread: l.by > 2*ms}
}

// instant returns when the belt had run for d.
func (e *encoder) instant(d time.Duration) time.Duration {
	for i := 0; i < len(e.moves); i += 2 {
		span := time.Hour
		if i+1 < len(e.moves) {
			span = e.moves[i+1] - e.moves[i]
		}
		if d <= span {
			return e.moves[i] + d
		}
		d -= span
	}
	return 0
}

// Recorder.
func (r *rig) Ready() error               { return r.unready }
func (r *rig) Begin(uint64, line.Trigger) {}

func (r *rig) Append(p line.Part) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.records = append(r.records, p)
}

func (r *rig) note(e line.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// Inspect implements line.Inspector: frames whose first byte is 1 show a bad part.
func (r *rig) Inspect(f *capture.Frame) (line.Finding, error) {
	if r.judge != nil {
		return r.judge(f)
	}
	time.Sleep(10 * ms)
	return finding(f), nil
}

func finding(f *capture.Frame) line.Finding {
	return line.Finding{Reject: f.Pix[0] == 1, Score: float64(f.Pix[0]), Threshold: 0.5}
}

func setup(t *testing.T, change func(*rig, *line.Options)) *rig {
	t.Helper()
	r := &rig{
		t: t, start: time.Now(), edges: make(chan line.Trigger, 1000),
		frames: make(chan *capture.Frame, 1000), lost: make(chan error, 1), ended: make(chan error, 1),
	}
	r.enc = encoder{start: r.start, moves: []time.Duration{0}, perTick: ms}
	o := line.Options{
		Camera:   func(context.Context) (capture.Source, error) { return camera{r}, nil },
		Triggers: r, Inspector: r, Recorder: r,
		Rejecter: func(report func(reject.Outcome)) (line.Rejecter, error) {
			return reject.NewQueue(&r.reject, reject.Options{Width: 20 * ms, Report: report})
		},
		Outputs: line.Outputs{Ready: &r.ready, Busy: &r.busy, OK: &r.ok, Heartbeat: &r.beat},
		Notify:  r.note,
		Epoch:   r.start,
		Travel:  line.Travel{Time: 500 * ms},
	}
	if change != nil {
		change(r, &o)
	}
	var err error
	if r.Line, err = line.New(o); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r.cancel = cancel
	if r.over {
		cancel()
	}
	go func() { r.ended <- r.Run(ctx) }()
	synctest.Wait()
	return r
}

// edge is the sensor's: now.
func (r *rig) edge() {
	r.seq++
	r.edges <- line.Trigger{At: time.Now(), Count: r.enc.Position().Count, Seq: r.seq}
	synctest.Wait()
}

// shoot delivers a frame exposed at the instant at after the start.
func (r *rig) shoot(at time.Duration, bad bool) {
	r.shots++
	r.held.Add(1)
	pix := []byte{0}
	if bad {
		pix[0] = 1
	}
	r.frames <- capture.NewFrame(capture.Frame{
		Pix: pix, Format: capture.Grey, Width: 1, Height: 1, Stride: 1, Seq: r.shots, Mono: at,
	}, func() { r.held.Add(-1) })
	synctest.Wait()
}

// pass lets a part with its frame pass: trigger now, exposure 5 ms later, delivery 15 ms later.
func (r *rig) pass(bad bool) {
	r.edge()
	time.Sleep(20 * ms)
	r.shoot(time.Since(r.start)-15*ms, bad)
}

// finish ends the parts, then the line, and checks what holds for every run.
func (r *rig) finish() {
	r.t.Helper()
	close(r.edges)
	r.end(<-r.ended)
}

// interrupt ends the line with parts under way.
func (r *rig) interrupt() {
	r.t.Helper()
	r.cancel()
	r.end(<-r.ended)
}

func (r *rig) end(err error) {
	r.t.Helper()
	r.cancel()
	if err != nil {
		r.t.Errorf("Run: %v", err)
	}
	for name, l := range map[string]*rejecttest.Line{
		"REJECT": &r.reject, "READY": &r.ready, "BUSY": &r.busy, "OK": &r.ok, "HEARTBEAT": &r.beat,
	} {
		if l.Active() {
			r.t.Errorf("%s left active", name)
		}
	}
	if n := r.held.Load(); n != 0 {
		r.t.Errorf("%d frames not released", n)
	}
	c := r.Counts()
	if c.Parts != c.Pass+c.Reject+c.Stop || c.UnderWay != 0 || int(c.Parts) != len(r.records) {
		r.t.Errorf("parts unaccounted for: %+v, %d records", c, len(r.records))
	}
	seen := map[uint64]bool{}
	for _, p := range r.records {
		if seen[p.ID] || p.Verdict == 0 || p.Reason == "" {
			r.t.Errorf("part %d: ended twice or without a verdict: %+v", p.ID, p)
		}
		seen[p.ID] = true
		if p.Verdict == line.Pass && (!p.Judged || p.Finding.Reject) {
			r.t.Errorf("part %d passed without a good verdict: %+v", p.ID, p)
		}
	}
}

// want checks verdict and reason of the parts in the order of their ids.
func (r *rig) want(parts ...string) {
	r.t.Helper()
	slices.SortFunc(r.records, func(a, b line.Part) int { return int(a.ID) - int(b.ID) })
	var got []string
	for _, p := range r.records {
		got = append(got, fmt.Sprintf("%v %s", p.Verdict, p.Reason))
	}
	if !slices.Equal(got, parts) {
		r.t.Errorf("parts\n%q, want\n%q", got, parts)
	}
}

func (r *rig) pulses(at ...time.Duration) {
	r.t.Helper()
	var want []rejecttest.Pulse
	for _, d := range at {
		want = append(want, rejecttest.Pulse{At: d, Width: 20 * ms})
	}
	r.reject.Want(r.t, want...)
}

func (r *rig) saw(k line.Kind) bool { return r.times(k) > 0 }

// times returns how many events of a kind there were.
func (r *rig) times(k line.Kind) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if e.Kind == k {
			n++
		}
	}
	return n
}

// run runs a scripted test in a bubble.
func run(t *testing.T, name string, change func(*rig, *line.Options), script func(*rig)) {
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) { script(setup(t, change)) })
	})
}

func TestLine(t *testing.T) {
	run(t, "good and bad parts", nil, func(r *rig) {
		for _, bad := range []bool{false, true, false, true} {
			r.pass(bad)
			time.Sleep(180 * ms)
		}
		r.finish()
		r.want("PASS score", "REJECT score", "PASS score", "REJECT score")
		r.pulses(700*ms, 1100*ms)
		p := r.records[1]
		if p.Capture != 20*ms || p.Infer != 10*ms || p.Total != 30*ms || p.Slack != 470*ms ||
			!p.Due.Equal(r.start.Add(700*ms)) || !p.Fired.Equal(p.Due) {
			r.t.Errorf("times of part 2: %+v", p)
		}
	})
	run(t, "frame arrives late", nil, func(r *rig) {
		r.edge()
		time.Sleep(240 * ms) // window 50 ms, wait 200 ms
		r.shoot(5*ms, false)
		r.finish()
		r.want("PASS score")
		r.pulses()
	})
	run(t, "frame arrives too late", nil, func(r *rig) {
		r.edge()
		time.Sleep(260 * ms)
		r.shoot(5*ms, false)
		r.finish()
		r.want("REJECT frame lost")
		r.pulses(500 * ms)
	})
	run(t, "frame lost, the next part's frame is not taken for it", nil, func(r *rig) {
		r.edge()
		time.Sleep(100 * ms)
		r.pass(false)
		r.finish()
		r.want("REJECT frame lost", "PASS score")
		r.pulses(500 * ms)
	})
	run(t, "frame outside of every window is nobody's", nil, func(r *rig) {
		r.edge()
		time.Sleep(60 * ms)
		r.shoot(51*ms, false)
		r.finish()
		r.want("REJECT frame lost")
	})
	run(t, "frame delivered before its trigger", nil, func(r *rig) {
		time.Sleep(30 * ms)
		r.shoot(20*ms, true)
		r.edges <- line.Trigger{At: r.start.Add(10 * ms), Seq: 1}
		r.finish()
		r.want("REJECT score")
		r.pulses(510 * ms)
	})
	run(t, "double trigger: the second part has no frame and is rejected", nil, func(r *rig) {
		r.edge()
		time.Sleep(10 * ms)
		r.edge()
		time.Sleep(20 * ms)
		r.shoot(8*ms, false)
		r.finish()
		r.want("PASS score", "REJECT frame lost")
		r.pulses(510 * ms)
	})
	run(t, "bounce within the debounce time is no part", func(_ *rig, o *line.Options) { o.Debounce = 15 * ms },
		func(r *rig) {
			r.edge()
			time.Sleep(10 * ms)
			r.pass(false)
			r.finish()
			r.want("PASS score")
			if r.Counts().Bounces != 1 {
				r.t.Errorf("counts %+v", r.Counts())
			}
		})
	run(t, "two parts close together keep their own frames", nil, func(r *rig) {
		r.edge() // at 0, frame at 5
		time.Sleep(30 * ms)
		r.edge() // at 30, frame at 35: also in the first part's window
		time.Sleep(20 * ms)
		r.shoot(35*ms, true)
		r.shoot(5*ms, false)
		r.finish()
		r.want("PASS score", "REJECT score")
		r.pulses(530 * ms)
	})
	run(t, "a frame that may show the next part judges neither", nil, func(r *rig) {
		r.edge()
		time.Sleep(40 * ms)
		r.shoot(35*ms, false)                                     // claimed by part 1 ...
		r.edges <- line.Trigger{At: r.start.Add(30 * ms), Seq: 2} // ... but part 2 was there, as is known now
		r.finish()
		r.want("REJECT frame ambiguous", "REJECT frame lost")
		if !r.saw(line.Ambiguous) {
			r.t.Error("no event")
		}
	})
	run(t, "no record, no pass", nil, func(r *rig) {
		r.unready = errors.New("disk full")
		r.pass(false)
		r.finish()
		r.want("REJECT no record")
		r.pulses(500 * ms)
	})
	run(t, "no records, no running", func(_ *rig, o *line.Options) { o.StopAfter = 3 }, func(r *rig) {
		r.unready = errors.New("disk full")
		for range 3 {
			r.pass(false)
			time.Sleep(80 * ms)
		}
		if r.ok.Active() {
			r.t.Error("OK-to-run without a log")
		}
		r.finish()
		r.want("STOP no record", "STOP no record", "STOP no record") // they never came to the rejecter
	})
	run(t, "missed trigger stops the line", nil, func(r *rig) {
		r.pass(false)
		time.Sleep(100 * ms)
		r.seq += 2
		r.edge()
		if r.ok.Active() || !r.saw(line.MissedTrigger) {
			r.t.Error("the line runs on")
		}
		r.Reset()
		time.Sleep(100 * ms)
		if !r.ok.Active() {
			r.t.Error("Reset does not let it run")
		}
		r.pass(false)
		r.finish()
		r.want("PASS score", "STOP trigger missed", "STOP trigger missed", "STOP line stopped", "PASS score")
	})
}

func TestInspectionTrouble(t *testing.T) {
	slow := func(d time.Duration) func(*rig, *line.Options) {
		return func(r *rig, _ *line.Options) {
			r.judge = func(f *capture.Frame) (line.Finding, error) {
				time.Sleep(d)
				return finding(f), nil
			}
		}
	}
	run(t, "verdict in the last moment", slow(469*ms), func(r *rig) {
		r.pass(true)
		r.finish()
		r.want("REJECT score")
		r.pulses(500 * ms)
	})
	run(t, "verdict after the deadline: rejected, though good", slow(471*ms), func(r *rig) {
		r.pass(false)
		r.finish()
		r.want("REJECT deadline missed")
		r.pulses(500 * ms)
		if c := r.Counts(); c.LateFindings != 1 || c.Uninspected != 1 {
			r.t.Errorf("counts %+v", c)
		}
	})
	run(t, "verdict after the part is gone changes nothing", slow(2*time.Second), func(r *rig) {
		r.pass(false)
		time.Sleep(3 * time.Second)
		r.finish()
		r.want("REJECT deadline missed")
	})
	for range 20 { // which of timer and verdict the loop sees first is a matter of chance
		run(t, "verdict after the deadline, which the loop had no time to see", func(r *rig, o *line.Options) {
			slow(500*ms)(r, o)
			r.ready.Fail = func(active bool) error {
				if !active && r.seq == 2 {
					time.Sleep(100 * ms)
				}
				return nil
			}
		}, func(r *rig) {
			r.pass(false)
			time.Sleep(465 * ms)
			r.edge() // READY drops from 485 to 585 ms, the deadline is at 490, the verdict comes at 520
			r.finish()
			r.want("STOP pulse failed", "STOP frame lost")
			if c := r.Counts(); c.LateFindings != 1 || c.Pass != 0 {
				r.t.Errorf("counts %+v", c)
			}
		})
	}
	run(t, "own deadline", func(r *rig, o *line.Options) { slow(200*ms)(r, o); o.Deadline = 100 * ms },
		func(r *rig) {
			r.pass(false)
			r.finish()
			r.want("REJECT deadline missed")
		})
	run(t, "error and panic", func(r *rig, _ *line.Options) {
		r.judge = func(f *capture.Frame) (line.Finding, error) {
			switch f.Seq {
			case 1:
				return line.Finding{}, errors.New("no network")
			case 2:
				panic("index out of range")
			}
			return finding(f), nil
		}
	}, func(r *rig) {
		for range 3 {
			r.pass(false)
			time.Sleep(80 * ms)
		}
		r.finish()
		r.want("REJECT inspection failed", "REJECT inspection failed", "PASS score")
		r.pulses(500*ms, 600*ms)
	})
	run(t, "queue full", func(r *rig, o *line.Options) { slow(100*ms)(r, o); o.Backlog = 2 }, func(r *rig) {
		for range 5 { // one in inspection, two wait, two too many
			r.pass(false)
		}
		if r.ready.Active() {
			r.t.Error("READY with a full queue")
		}
		r.finish()
		r.want("PASS score", "PASS score", "PASS score", "REJECT queue full", "REJECT queue full")
	})
	run(t, "so many in a row stop the line", func(_ *rig, o *line.Options) { o.StopAfter = 3 }, func(r *rig) {
		for range 4 {
			r.edge()
			time.Sleep(300 * ms)
		}
		if r.ok.Active() || r.ready.Active() {
			r.t.Error("OK-to-run after three uninspected parts")
		}
		r.finish()
		r.want("REJECT frame lost", "REJECT frame lost", "STOP frame lost", "STOP line stopped")
		r.pulses(500*ms, 800*ms, 1100*ms) // fired at all the same, should the belt run on
	})
	run(t, "an inspected part begins the count anew", func(_ *rig, o *line.Options) { o.StopAfter = 2 }, func(r *rig) {
		for range 3 {
			r.edge()
			time.Sleep(300 * ms)
			r.pass(false)
			time.Sleep(80 * ms)
		}
		if !r.ok.Active() {
			r.t.Error("stopped")
		}
		r.finish()
	})
	run(t, "policy stop", func(_ *rig, o *line.Options) { o.OnMiss = line.StopUninspected }, func(r *rig) {
		r.edge()
		time.Sleep(300 * ms)
		if r.ok.Active() {
			r.t.Error("OK-to-run after an uninspected part")
		}
		r.finish()
		r.want("STOP frame lost")
		r.pulses()
	})
	run(t, "alarms", func(_ *rig, o *line.Options) { o.RejectsAlarm, o.NoRejectAlarm = 3, 4 }, func(r *rig) {
		for i := range 7 {
			r.pass(i < 3)
			time.Sleep(80 * ms)
			if i == 2 && !r.saw(line.RejectsInRow) || i == 5 && r.saw(line.NoReject) {
				r.t.Errorf("part %d: events %v", i, r.events)
			}
		}
		if !r.saw(line.NoReject) {
			r.t.Error("four good parts in a row raise no alarm")
		}
		r.finish()
	})
	run(t, "parts that score higher than they were taught", func(r *rig, o *line.Options) {
		o.DriftParts = 20
		for i := range 40 {
			o.Taught = append(o.Taught, 0.005*float64(i+1))
		}
		r.judge = func(f *capture.Frame) (line.Finding, error) {
			return line.Finding{Reject: f.Pix[0] == 1, Score: 0.3 + float64(f.Pix[0]), Threshold: 0.5}, nil
		}
	}, func(r *rig) {
		for i := range 40 {
			r.pass(i%3 == 2)
			time.Sleep(80 * ms)
			if r.saw(line.Drifted) != (i >= 28) { // which is the twentieth that passes
				r.t.Errorf("part %d: events %v", i, r.events)
			}
		}
		if c := r.Counts(); !c.Compared || c.Share != 1 {
			r.t.Errorf("share %v, compared %v", c.Share, c.Compared)
		}
		r.finish()
		if n := r.times(line.Drifted); n != 1 {
			r.t.Errorf("told %d times", n)
		}
	})
}

func counts(n int64, moves ...time.Duration) func(*rig, *line.Options) {
	return func(r *rig, o *line.Options) {
		r.enc.moves = moves
		o.Encoder = &r.enc
		o.Travel = line.Travel{Counts: n}
	}
}

func TestEncoderTravel(t *testing.T) {
	run(t, "steady belt", counts(500, 0), func(r *rig) {
		time.Sleep(100 * ms)
		r.pass(true)
		r.finish()
		r.want("REJECT score")
		r.pulses(600 * ms)
	})
	run(t, "fine encoder, read seldom", func(r *rig, o *line.Options) {
		counts(50000, 0)(r, o)
		r.enc.perTick = 10 * time.Microsecond
	}, func(r *rig) {
		time.Sleep(100 * ms)
		r.pass(true)
		r.finish()
		r.pulses(600 * ms)
		if p := r.records[0]; !p.HasSlack || (p.Slack-470*ms).Abs() > ms {
			r.t.Errorf("slack %v, want 470 ms", p.Slack)
		}
	})
	for at := 100 * ms; at < 105*ms; at += ms { // at any time between two readings
		for _, by := range []time.Duration{2 * ms, 45 * ms} { // 45 ms: they wait to be read
			run(t, fmt.Sprintf("fine encoder, its edges are known %v late", by), func(r *rig, o *line.Options) {
				r.enc.perTick = 100 * time.Microsecond
				o.Encoder, o.Travel = &lagging{r.enc, by}, line.Travel{Counts: 5000}
			}, func(r *rig) {
				time.Sleep(at)
				r.pass(true)
				r.finish()
				r.pulses(at + 500*ms)
			})
		}
	}
	run(t, "belt stops and restarts", counts(500, 0, 300*ms, 1300*ms), func(r *rig) {
		time.Sleep(100 * ms)
		r.pass(true)
		r.finish()
		r.want("REJECT score")
		r.pulses(1600 * ms)
	})
	run(t, "belt stops just before the rejecter", counts(500, 0, 590*ms, 1590*ms), func(r *rig) {
		time.Sleep(100 * ms)
		r.pass(true)
		r.finish()
		r.want("REJECT score")
		r.pulses(1600 * ms)
	})
	creep := []time.Duration{0, 590 * ms} // then to 1 ms before the rejecter, slowly, or a pulse is due before the belt is seen to stand
	for at := 610 * ms; at < 790*ms; at += 20 * ms {
		creep = append(creep, at, at+ms)
	}
	for restart := 10 * time.Second; restart < 10*time.Second+5*ms; restart += ms { // at any time between two readings
		run(t, "belt restarts just before the rejecter, and has passed it at the next reading", func(r *rig, o *line.Options) {
			counts(5000, append(creep[:len(creep):len(creep)], restart)...)(r, o)
			r.enc.perTick = 100 * time.Microsecond
		}, func(r *rig) {
			time.Sleep(100 * ms)
			r.pass(true)
			r.finish()
			r.want("REJECT score")
			if p := r.records[0]; p.Due.Sub(r.start.Add(restart+ms)).Abs() > ms || p.Fired.Sub(p.Due) > 5*ms {
				r.t.Errorf("due at %v, fired at %v", p.Due.Sub(r.start), p.Fired.Sub(r.start))
			}
		})
	}
	half := []time.Duration{0, 560 * ms} // then half the speed: 1 ms on, 1 ms off
	for at := 561 * ms; at < 700*ms; at += 2 * ms {
		half = append(half, at, at+ms)
	}
	run(t, "belt slows down just before the rejecter", counts(500, half...), func(r *rig) {
		time.Sleep(100 * ms)
		r.pass(true)
		r.finish()
		r.want("REJECT score")
		if p := r.records[0]; p.Fired.Sub(r.start.Add(640*ms)).Abs() > 4*ms {
			r.t.Errorf("fired at %v, want 640 ms", p.Fired.Sub(r.start))
		}
	})
	run(t, "while the belt stands no verdict is late", func(r *rig, o *line.Options) {
		counts(500, 0, 50*ms, 5*time.Second)(r, o)
		r.judge = func(f *capture.Frame) (line.Finding, error) {
			time.Sleep(2 * time.Second)
			return finding(f), nil
		}
	}, func(r *rig) {
		r.pass(false)
		r.finish()
		r.want("PASS score")
	})
	run(t, "a late verdict on a moving belt is", func(r *rig, o *line.Options) {
		counts(500, 0)(r, o)
		r.judge = func(f *capture.Frame) (line.Finding, error) {
			time.Sleep(2 * time.Second)
			return finding(f), nil
		}
	}, func(r *rig) {
		r.pass(false)
		r.finish()
		r.want("REJECT deadline missed")
		r.pulses(500 * ms)
	})
	run(t, "standing belt at shutdown", counts(500, 0, 300*ms), func(r *rig) {
		r.pass(true)
		time.Sleep(time.Second)
		r.interrupt()
		r.want("STOP shutdown")
		r.pulses()
	})
}

// The first edge after a long stand says a speed by which a way takes years.
func TestBeltThatStoodForLong(t *testing.T) {
	const stand = 10 * time.Minute
	run(t, "20 million counts", func(r *rig, o *line.Options) {
		r.enc = encoder{start: r.start, moves: []time.Duration{0, 200 * ms, stand, stand + 24*time.Hour}, perTick: 6 * ms}
		o.Travel, o.Encoder = line.Travel{Counts: 20e6}, &r.enc
	}, func(r *rig) {
		time.Sleep(100 * ms)
		r.pass(true)
		time.Sleep(stand - time.Since(r.start) + 300*ms)
		if r.saw(line.Stopped) || len(r.records) > 0 {
			r.t.Errorf("stopped %t, ended %+v", r.saw(line.Stopped), r.records)
		}
		r.interrupt()
	})
}

func TestShutdownWithPartsUnderWay(t *testing.T) {
	run(t, "they end if they can", nil, func(r *rig) {
		r.pass(true)                                // verdict at 30 ms, pulse at 500 ms
		r.pass(false)                               // in inspection
		r.edge()                                    // awaits its frame
		time.AfterFunc(100*ms, func() { r.edge() }) // the belt still runs
		time.AfterFunc(550*ms, func() { r.edge() })
		time.AfterFunc(1010*ms, func() { r.edge() }) // its pulse would be due after the end
		r.interrupt()
		r.want("REJECT score", "PASS score", "REJECT frame lost", "REJECT frame lost",
			"REJECT frame lost", "STOP frame lost")
		if !r.saw(line.Draining) {
			r.t.Error("no event")
		}
	})
	run(t, "a line that is to end before it begins lets nothing run", func(r *rig, _ *line.Options) {
		r.over = true
		r.edges <- line.Trigger{At: time.Now(), Seq: 1}
	}, func(r *rig) {
		r.end(<-r.ended)
		r.want("STOP shutdown")
		if len(r.ok.Edges())+len(r.ready.Edges()) > 0 || r.saw(line.Running) {
			r.t.Errorf("OK %v, READY %v, events %v", r.ok.Edges(), r.ready.Edges(), r.events)
		}
	})
	run(t, "an inspection that hangs does not hang the line", func(r *rig, _ *line.Options) {
		r.judge = func(f *capture.Frame) (line.Finding, error) {
			time.Sleep(time.Hour)
			return line.Finding{}, nil
		}
	}, func(r *rig) {
		r.pass(false)
		r.cancel()
		if err := <-r.ended; !errors.Is(err, line.ErrStuck) {
			r.t.Errorf("Run: %v", err)
		}
		r.want("REJECT deadline missed")
		time.Sleep(2 * time.Hour)
	})
}

// What has a backlog, or takes longer than parts may, is slow and not stuck.
func TestSlowShutdownIsNotStuck(t *testing.T) {
	run(t, "frames that wait for the inspector", func(r *rig, o *line.Options) {
		o.Travel, o.StopAfter = line.Travel{Time: 300 * ms}, 1000
		r.judge = func(f *capture.Frame) (line.Finding, error) { time.Sleep(2 * time.Second); return finding(f), nil }
	}, func(r *rig) {
		for range 6 {
			r.pass(false)
			time.Sleep(10 * ms)
		}
		r.interrupt()
	})
	run(t, "an inspection longer than drain_ms", func(r *rig, o *line.Options) {
		o.Drain = 20 * ms
		r.judge = func(f *capture.Frame) (line.Finding, error) { time.Sleep(300 * ms); return finding(f), nil }
	}, func(r *rig) {
		r.pass(false)
		r.interrupt()
	})
	run(t, "a camera that closes more slowly than drain_ms", func(r *rig, o *line.Options) {
		o.Drain = 50 * ms
		o.Camera = func(context.Context) (capture.Source, error) { return slowClose{camera{r}}, nil }
	}, func(r *rig) { r.interrupt() })
}

type slowClose struct{ camera }

func (slowClose) Close() error {
	time.Sleep(200 * ms)
	return nil
}

func TestManyPartsUnderWay(t *testing.T) {
	run(t, "travel", func(_ *rig, o *line.Options) { o.Travel.Time = 10 * time.Second }, func(r *rig) {
		most := 0
		for i := range 200 {
			r.edge()
			time.Sleep(20 * ms)
			r.shoot(time.Since(r.start)-15*ms, true)
			time.Sleep(80 * ms)
			most = max(most, r.Counts().UnderWay)
			_ = i
		}
		r.finish()
		if c := r.Counts(); c.Reject != 200 || most < 99 {
			r.t.Errorf("%d parts under way at most, counts %+v", most, c)
		}
		if n := len(r.reject.Pulses()); n != 200 {
			r.t.Errorf("%d pulses", n)
		}
	})
	run(t, "too many", func(_ *rig, o *line.Options) {
		o.Travel.Time, o.MaxParts = 10*time.Second, 32
	}, func(r *rig) {
		for range 33 {
			r.pass(true)
			time.Sleep(30 * ms)
		}
		if r.ok.Active() {
			r.t.Error("the line runs on")
		}
		r.finish()
		if c := r.Counts(); c.Stop != 33 { // by time, and the belt has stopped
			r.t.Errorf("counts %+v", c)
		}
	})
}

func TestRejecterTrouble(t *testing.T) {
	stuck := func(at bool) func(*rig, *line.Options) {
		return func(r *rig, _ *line.Options) {
			r.reject.Fail = func(active bool) error {
				if active == at && time.Since(r.start) > 400*ms {
					return errors.New("no such device")
				}
				return nil
			}
		}
	}
	run(t, "a pulse that does not come stops the line", stuck(true), func(r *rig) {
		r.pass(true)
		time.Sleep(time.Second)
		if r.ok.Active() {
			r.t.Error("the line runs on")
		}
		r.finish()
		r.want("STOP pulse failed")
	})
	run(t, "a pulse that is cut short was fired", func(r *rig, o *line.Options) {
		o.Rejecter = func(report func(reject.Outcome)) (line.Rejecter, error) {
			return reject.NewQueue(&r.reject, reject.Options{Width: 20 * ms, MaxOn: 25 * ms, Report: report})
		}
	}, func(r *rig) {
		r.edge()
		time.Sleep(8 * ms)
		r.edge()
		r.shoot(8*ms, true) // in both windows: the second's
		time.Sleep(12 * ms)
		r.shoot(5*ms, true)
		r.finish()
		r.want("REJECT score", "STOP pulse failed")
		if p := r.records[1]; !p.Fired.Equal(r.start.Add(508*ms)) || !p.Due.Equal(p.Fired) {
			r.t.Errorf("fired %v, due %v", p.Fired.Sub(r.start), p.Due.Sub(r.start))
		}
	})
	run(t, "an output that stays active ends the line", stuck(false), func(r *rig) {
		r.pass(true)
		r.pass(true)
		err := <-r.ended
		if !errors.Is(err, line.ErrRejecter) || r.ok.Active() {
			r.t.Errorf("Run: %v", err)
		}
		r.want("REJECT score", "STOP pulse failed")
	})
	run(t, "an output that does not follow stops the line", func(r *rig, _ *line.Options) {
		r.busy.Fail = func(active bool) error {
			if active {
				return errors.New("no such device")
			}
			return nil
		}
	}, func(r *rig) {
		r.pass(false)
		if r.ok.Active() || !r.saw(line.OutputFailed) {
			r.t.Error("the line runs on")
		}
		r.finish()
	})
}

func TestSensorFails(t *testing.T) {
	run(t, "the line ends, parts under way first", nil, func(r *rig) {
		r.pass(true)
		r.broken = errors.New("no such device")
		close(r.edges)
		if err := <-r.ended; !errors.Is(err, r.broken) {
			r.t.Errorf("Run: %v", err)
		}
		r.want("STOP score")
		r.pulses(500 * ms)
		if !r.saw(line.Stopped) {
			r.t.Error("OK-to-run without a sensor")
		}
	})
	run(t, "a driver that does not return does not hang the line", func(r *rig, o *line.Options) {
		o.Camera = func(context.Context) (capture.Source, error) { return deaf{}, nil }
	}, func(r *rig) {
		r.cancel()
		if err := <-r.ended; !errors.Is(err, line.ErrStuck) {
			r.t.Errorf("Run: %v", err)
		}
		time.Sleep(2 * time.Hour)
	})
}

// deaf is a camera that does not hear its context.
type deaf struct{}

func (deaf) Next(context.Context) (*capture.Frame, error) {
	time.Sleep(time.Hour)
	return nil, io.EOF
}
func (deaf) Close() error { return nil }

func TestCameraLostAndBack(t *testing.T) {
	run(t, "reopened", nil, func(r *rig) {
		r.pass(false)
		r.lost <- fmt.Errorf("unplugged: %w", capture.ErrLost)
		time.Sleep(50 * ms)
		if !r.saw(line.CameraLost) {
			r.t.Error("no event")
		}
		time.Sleep(100 * ms)
		r.pass(false)
		r.finish()
		r.want("PASS score", "PASS score")
		if !r.saw(line.CameraBack) {
			r.t.Error("no event")
		}
	})
}

func TestOutputs(t *testing.T) {
	run(t, "follow the line", nil, func(r *rig) {
		if !r.ready.Active() || !r.ok.Active() || r.busy.Active() {
			r.t.Error("not ready at start")
		}
		r.pass(true)
		if !r.busy.Active() {
			r.t.Error("not busy with a part under way")
		}
		time.Sleep(2 * time.Second)
		if r.busy.Active() {
			r.t.Error("busy without parts")
		}
		if n := len(r.beat.Edges()); n != 4 {
			r.t.Errorf("%d heartbeat edges in 2 s", n)
		}
		r.finish()
	})
}

func TestNewChecksOptions(t *testing.T) {
	r := &rig{}
	good := func() line.Options {
		return line.Options{
			Camera:   func(context.Context) (capture.Source, error) { return nil, io.EOF },
			Triggers: r, Inspector: r, Recorder: r,
			Rejecter: func(func(reject.Outcome)) (line.Rejecter, error) {
				return reject.NewQueue(&r.reject, reject.Options{Width: ms})
			},
			Travel: line.Travel{Time: ms},
		}
	}
	if _, err := line.New(good()); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*line.Options){
		"no camera":       func(o *line.Options) { o.Camera = nil },
		"no travel":       func(o *line.Options) { o.Travel = line.Travel{} },
		"both travels":    func(o *line.Options) { o.Travel.Counts = 1 },
		"no encoder":      func(o *line.Options) { o.Travel = line.Travel{Counts: 1} },
		"empty window":    func(o *line.Options) { o.WindowFrom = time.Second },
		"negative margin": func(o *line.Options) { o.Margin = -1 },
		"no backlog":      func(o *line.Options) { o.Backlog = -1 },
	} {
		o := good()
		change(&o)
		if _, err := line.New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
