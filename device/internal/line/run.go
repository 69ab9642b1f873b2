package line

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"
	"time"

	"cull/capture"
	"cull/reject"
)

// A Line runs one inspection line. Make it with New, run it once.
type Line struct {
	o    Options
	t    tracker
	outs []*output

	triggers chan edge
	confirms chan edge
	pressed  chan edge // RESET
	frames   chan shot
	results  chan result
	jobs     chan job
	outcomes chan reject.Outcome
	resets   chan struct{}
	changes  chan Options

	mu     sync.Mutex
	counts Counts // copies of t.counts and t.foul for other goroutines
	foul   bool
}

// An edge is what the sensor's goroutine hands over; with err it is the last.
type edge struct {
	Trigger
	err error
}

// A shot is what the camera's goroutine hands over: a frame and why it cannot be judged, or that
// the camera was opened (neither) or lost.
type shot struct {
	frame *capture.Frame
	unfit error
	lost  error
}

// Errors of Run, besides those of its parts.
var (
	ErrRejecter = errors.New("line: rejecter ended")
	ErrStuck    = errors.New("line: camera, sensor or inspection does not return")
)

// New checks the options and returns a line that does nothing until Run.
func New(o Options) (*Line, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	l := &Line{
		o:        o,
		triggers: make(chan edge),
		confirms: make(chan edge),
		pressed:  make(chan edge),
		frames:   make(chan shot),
		results:  make(chan result, o.Backlog+1),
		jobs:     make(chan job, o.Backlog),
		outcomes: make(chan reject.Outcome, 2*o.MaxParts),
		resets:   make(chan struct{}, 1),
		changes:  make(chan Options),
	}
	r, err := o.Rejecter(func(out reject.Outcome) { l.outcomes <- out })
	if err != nil {
		return nil, fmt.Errorf("line: rejecter: %w", err)
	}
	l.t = tracker{o: &l.o, rejecter: r, next: o.FirstPart, dispatch: l.dispatch}
	l.t.drift.watch(o.Taught, o.DriftParts)
	if o.Travel.Counts > 0 {
		l.t.belt = &belt{enc: o.Encoder}
	}
	l.outs = l.o.Outputs.all()
	return l, nil
}

func (l *Line) dispatch(j job) bool {
	select {
	case l.jobs <- j:
		return true
	default:
		return false
	}
}

// Reset lets a stopped line run again.
func (l *Line) Reset() {
	select {
	case l.resets <- struct{}{}:
	default:
	}
}

// Counts returns what Run has seen so far. Any goroutine may call it.
func (l *Line) Counts() Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counts
}

// Foul reports whether the line has stopped, or a part ended as STOP, and nobody has reset it since: parts may be on
// the belt that somebody has to take out. Any goroutine may call it.
func (l *Line) Foul() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.foul
}

// Run inspects parts until ctx ends or the sensor says that there are no more (io.EOF).
// When ctx ends it drops READY, lets the parts under way end for at most Options.Drain,
// drops OK-to-run and ends the others as STOP. It returns nil then, and after io.EOF;
// otherwise what broke. All outputs are inactive and all its goroutines have ended on
// return, except for one whose driver or inspection never returns (ErrStuck).
func (l *Line) Run(ctx context.Context) (err error) {
	defer l.off()
	inputs, stopInputs := context.WithCancel(context.WithoutCancel(ctx))
	defer stopInputs()
	rejecting, stopRejecter := context.WithCancel(context.WithoutCancel(ctx))
	defer stopRejecter()

	var wg sync.WaitGroup
	l.t.draining = ctx.Err() != nil
	l.t.start(time.Now())
	wg.Go(func() { readEdges(inputs, l.o.Triggers, l.triggers) })
	if l.o.Confirm != nil {
		wg.Go(func() { readEdges(inputs, l.o.Confirm, l.confirms) })
	}
	if l.o.Resets != nil {
		wg.Go(func() { readEdges(inputs, l.o.Resets, l.pressed) })
	}
	wg.Go(func() { l.readCamera(inputs) })
	inspected := make(chan struct{})
	go func() {
		defer close(inspected)
		l.inspect()
	}()
	rejecter := make(chan error, 1)
	go func() { rejecter <- l.t.rejecter.Run(rejecting) }()

	rejecterEnded, err := l.loop(ctx, rejecter)

	l.off()
	if !l.sweep(&wg, stopInputs) {
		err = errors.Join(err, ErrStuck)
	}
	l.t.abandon()
	l.publish()
	stopRejecter()
	if !rejecterEnded {
		if e := l.drainOutcomes(rejecter); !errors.Is(e, context.Canceled) && err == nil {
			err = fmt.Errorf("%w: %w", ErrRejecter, e)
		}
	}
	l.dropJobs()
	select {
	case <-inspected:
	case <-time.After(l.patience()):
		return errors.Join(err, ErrStuck)
	}
	return err
}

// dropJobs ends the inspector: the parts of the frames that wait for it have ended.
func (l *Line) dropJobs() {
	defer close(l.jobs)
	for {
		select {
		case j := <-l.jobs:
			j.frame.Release()
		default:
			return
		}
	}
}

// patience is how long a driver or an inspection may take to return at the end. One that is slow is not stuck.
func (l *Line) patience() time.Duration { return max(l.o.Drain, 5*time.Second) }

// loop is the one goroutine that owns the tracker. It reports whether the rejecter ended.
func (l *Line) loop(ctx context.Context, rejecter <-chan error) (rejecterEnded bool, err error) {
	t := &l.t
	if t.draining { // asked to end while the product was loaded: OK-to-run must not show
		return false, nil
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	beat := time.NewTicker(l.o.Heartbeat)
	defer beat.Stop()
	var drained <-chan time.Time
	done, triggers := ctx.Done(), (<-chan edge)(l.triggers)
	broken := func(input string, why error) { // no line without its inputs
		triggers, err = nil, errors.Join(err, fmt.Errorf("line: %s: %w", input, why))
		t.blind = true
		t.stop(SensorLost)
		drained = time.After(l.o.Drain)
	}
	for {
		t.poll(time.Now())
		l.publish()
		l.show()
		if len(t.parts) == 0 && (triggers == nil || t.draining) {
			return false, err
		}
		timer.Reset(t.until(time.Now()))
		select {
		case e := <-triggers:
			switch {
			case e.err == nil:
				t.trigger(e.Trigger, time.Now())
			case errors.Is(e.err, io.EOF):
				triggers = nil
			default:
				broken("trigger", e.err)
			}
		case e := <-l.confirms:
			switch {
			case e.err == nil:
				t.confirm(e.At)
			case !errors.Is(e.err, io.EOF):
				broken("confirm", e.err)
			}
		case e := <-l.pressed:
			switch {
			case e.err == nil && e.At.Before(t.began): // while the product was loaded: nobody had seen the line hold
			case e.err == nil:
				l.reset()
			case !errors.Is(e.err, io.EOF):
				broken("reset", e.err)
			}
		case s := <-l.frames:
			l.shot(s)
		case r := <-l.results:
			t.result(r, time.Now())
		case o := <-l.outcomes:
			t.outcome(o)
		case e := <-rejecter:
			for len(l.outcomes) > 0 {
				t.outcome(<-l.outcomes)
			}
			t.stop(PulseFailed)
			return true, fmt.Errorf("%w: %w", ErrRejecter, e)
		case <-l.resets:
			l.reset()
		case o := <-l.changes:
			l.o.change(&o)
			t.changed()
		case <-beat.C:
			l.set(l.outs[heartbeat], !l.outs[heartbeat].active)
		case <-timer.C:
		case <-done:
			done, t.draining = nil, true
			drained = time.After(l.o.Drain)
			t.note(Event{Kind: Draining, N: len(t.parts)})
		case <-drained:
			return false, err
		}
	}
}

// reset lets the line run again. An output that still does not follow stops it again.
func (l *Line) reset() {
	for _, out := range l.outs {
		out.failed = false
	}
	l.t.reset(time.Now())
}

// drainOutcomes waits for the rejecter's end, so that its last reports do not block it.
func (l *Line) drainOutcomes(rejecter <-chan error) error {
	for {
		select {
		case <-l.outcomes:
		case err := <-rejecter:
			return err
		}
	}
}

// coast is how long the inputs are read after OK-to-run has dropped: edges may be on their way,
// and a belt does not stop at once.
const coast = 100 * time.Millisecond

// sweep takes what the inputs still hand over while they end, so that every edge
// becomes a part. It reports false when one of them does not end.
func (l *Line) sweep(wg *sync.WaitGroup, stopInputs func()) bool {
	stop, late := time.After(coast), time.After(coast+l.patience())
	l.t.stopped, l.t.draining = true, true
	l.t.halt()
	ended := make(chan struct{})
	go func() { wg.Wait(); close(ended) }()
	tick := time.NewTicker(l.o.Poll)
	defer tick.Stop()
	for {
		l.t.poll(time.Now()) // pulses still follow the belt
		select {
		case <-tick.C:
		case e := <-l.triggers:
			if e.err == nil {
				l.t.trigger(e.Trigger, time.Now())
			}
		case e := <-l.confirms:
			if e.err == nil {
				l.t.confirm(e.At)
			}
		case <-l.pressed:
		case s := <-l.frames:
			l.shot(s)
		case r := <-l.results:
			l.t.result(r, time.Now())
		case o := <-l.outcomes:
			l.t.outcome(o)
		case <-stop:
			stopInputs()
		case <-ended:
			return true
		case <-late:
			return false
		}
	}
}

func (l *Line) shot(s shot) {
	switch {
	case s.frame != nil:
		l.t.frame(s.frame, s.unfit, time.Now())
	case s.lost != nil:
		l.t.camera(s.lost)
	default:
		l.t.camera(nil)
	}
}

func (l *Line) publish() {
	l.t.counts.UnderWay = len(l.t.parts)
	l.t.counts.Share, l.t.counts.Compared = l.t.drift.share()
	l.mu.Lock()
	l.counts, l.foul = l.t.counts, l.t.foul
	l.mu.Unlock()
}

// readEdges hands edges over until ctx ends or the input does.
func readEdges(ctx context.Context, src Triggers, to chan<- edge) {
	for {
		tr, err := src.Next(ctx)
		to <- edge{tr, err}
		if err != nil {
			return
		}
	}
}

// readCamera hands frames over until ctx ends or the source is exhausted. A lost camera is
// closed and opened anew, with pauses that grow until it delivers: here and nowhere else.
func (l *Line) readCamera(ctx context.Context) {
	pause, told := l.o.Reopen, map[string]bool{} // why it was lost since it was last there
	for ctx.Err() == nil {
		src, err := l.o.Camera(ctx)
		if err == nil {
			there := func() {
				l.frames <- shot{}
				clear(told)
			}
			if !l.o.FreeRunning {
				there()
				there = func() {}
			}
			var delivers bool
			if delivers, err = l.readFrames(ctx, src, there); delivers {
				pause = l.o.Reopen
			}
		}
		if ctx.Err() != nil || errors.Is(err, io.EOF) {
			return
		}
		if why := err.Error(); !told[why] && len(told) < 8 { // another reason is news
			l.frames <- shot{lost: err}
			told[why] = true
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, 32*l.o.Reopen)
	}
}

// readFrames hands frames over until src ends, and reports whether there was one. Before the first it calls there.
func (l *Line) readFrames(ctx context.Context, src capture.Source, there func()) (delivers bool, err error) {
	defer src.Close() //nolint:errcheck // it is reopened or done with
	for {
		f, err := src.Next(ctx)
		if err != nil {
			return delivers, err
		}
		if !delivers {
			there()
		}
		delivers = true
		l.frames <- shot{frame: f, unfit: l.check(f)}
	}
}

// check says whether f can be judged.
func (l *Line) check(f *capture.Frame) error {
	if l.o.Check == nil {
		return nil
	}
	return l.o.Check(f)
}

// inspect judges frames until there are no more jobs.
func (l *Line) inspect() {
	for j := range l.jobs {
		start := time.Now()
		finding, err := l.judge(j.frame)
		l.results <- result{j.id, finding, time.Since(start), err}
	}
}

// judge shields the line from a panic of the inspector: the part is uninspected.
func (l *Line) judge(f *capture.Frame) (finding Finding, err error) {
	defer f.Release()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("line: inspector panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return l.o.Inspector.Inspect(f)
}
