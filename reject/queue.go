package reject

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// An Overlap says what becomes of a pulse that is due while the line is active.
type Overlap uint8

// Ways to join overlapping pulses. With pulses of 30 ms due at 0 and 20 ms the
// line is active until 50 ms when they Merge, until 60 ms when they Extend.
const (
	Merge  Overlap = iota // the union of the intervals
	Extend                // every pulse adds its full width to the end
)

// Options of a rejecter. Zero fields take the value in brackets.
type Options struct {
	Width   time.Duration // on-time of one pulse; must be positive
	MaxOn   time.Duration // longest uninterrupted on-time [8 Width]; at least Width
	Late    time.Duration // a pulse later than this is refused [Width/2]
	Cap     int           // pulses waiting [256]
	Overlap Overlap

	// Report is told how each accepted pulse ended. It is called by Run's
	// goroutine and must not block. May be nil.
	Report func(Outcome)
}

// An Outcome is how one pulse ended. Every accepted pulse has exactly one, unless it is
// cancelled: when the line is inactive again, or as soon as it is clear that the pulse
// will not be fired.
type Outcome struct {
	ID  uint64
	Due time.Time
	At  time.Time // when the line was active for this pulse; zero: never
	Err error     // nil: for its full width; else ErrLate, ErrOnTime, ErrClosed or the line's
}

// A Queue fires pulses at their due times on one line. Parts may be pushed in any
// order; the due time of a waiting part can be moved, which is how encoder
// travel follows the belt's speed.
type Queue struct {
	line Line
	o    Options
	wake chan struct{}

	mu     sync.Mutex
	closed bool
	wait   []pulse // ascending due, then order of arrival
}

type pulse struct {
	id  uint64
	due time.Time
}

// NewQueue returns a queue for line. Nothing happens until Run.
func NewQueue(line Line, o Options) (*Queue, error) {
	if err := o.Complete(); err != nil {
		return nil, err
	}
	return &Queue{line: line, o: o, wake: make(chan struct{}, 1)}, nil
}

// Complete checks the options and gives zero fields their value.
func (o *Options) Complete() error {
	if o.Width <= 0 {
		return fmt.Errorf("reject: pulse width %v: must be positive", o.Width)
	}
	if o.MaxOn == 0 {
		o.MaxOn = 8 * o.Width
	}
	if o.MaxOn < o.Width {
		return fmt.Errorf("reject: longest on-time %v: less than the pulse width %v", o.MaxOn, o.Width)
	}
	if o.Late == 0 {
		o.Late = o.Width / 2
	}
	if o.Cap == 0 {
		o.Cap = 256
	}
	if o.Late < 0 || o.Cap < 0 {
		return fmt.Errorf("reject: late %v, cap %d: must not be negative", o.Late, o.Cap)
	}
	if o.Report == nil {
		o.Report = func(Outcome) {}
	}
	return nil
}

// Push schedules the pulse of part id. It returns ErrLate, ErrFull or ErrClosed when
// the pulse will not be fired. An id that already waits must be moved, not pushed.
func (q *Queue) Push(id uint64, due time.Time) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return ErrClosed
	}
	if len(q.wait) >= q.o.Cap {
		return ErrFull
	}
	return q.insert(id, due)
}

// Move changes the due time of a waiting pulse. A pulse that no longer waits (fired
// or refused: its Outcome says which) stays as it is, so that no part is fired at
// twice. A pulse moved into the past is withdrawn: ErrLate.
func (q *Queue) Move(id uint64, due time.Time) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.remove(id) {
		return nil
	}
	return q.insert(id, due)
}

func (q *Queue) insert(id uint64, due time.Time) error {
	if late := time.Since(due); late > q.o.Late {
		return fmt.Errorf("%w: part %d by %v", ErrLate, id, late)
	}
	i, _ := slices.BinarySearchFunc(q.wait, due, func(p pulse, t time.Time) int {
		if p.due.After(t) {
			return 1
		}
		return -1
	})
	q.wait = slices.Insert(q.wait, i, pulse{id, due})
	q.poke()
	return nil
}

// Cancel withdraws a waiting pulse. It reports false when there is none: never
// pushed, fired, or refused.
func (q *Queue) Cancel(id uint64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	found := q.remove(id)
	if found {
		q.poke()
	}
	return found
}

// Len returns how many pulses wait.
func (q *Queue) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.wait)
}

func (q *Queue) remove(id uint64) bool {
	n := len(q.wait)
	q.wait = slices.DeleteFunc(q.wait, func(p pulse) bool { return p.id == id })
	return len(q.wait) != n
}

func (q *Queue) poke() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// Run drives the line until ctx ends, then returns ctx.Err; it is called once.
// The line is made inactive first, and is inactive on every return, a panic of
// the driver included. Pulses that still wait then end with ErrClosed.
func (q *Queue) Run(ctx context.Context) (err error) {
	defer q.close()
	d := drive{line: q.line, o: q.o}
	defer d.report(ErrClosed)
	defer func() {
		if off := q.line.Set(false); off != nil {
			err = fmt.Errorf("reject: line off: %w", off)
		}
	}()
	if err := q.line.Set(false); err != nil {
		return fmt.Errorf("reject: line off: %w", err)
	}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		now := time.Now()
		for p, ok := q.pop(now); ok; p, ok = q.pop(now) {
			if err := d.fire(p); err != nil {
				return err
			}
		}
		if err := d.expire(time.Now()); err != nil {
			return err
		}
		timer.Reset(q.next(d))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-q.wake:
		case <-timer.C:
		}
	}
}

// pop takes the first pulse that is due at now.
func (q *Queue) pop(now time.Time) (pulse, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.wait) == 0 || q.wait[0].due.After(now) {
		return pulse{}, false
	}
	p := q.wait[0]
	q.wait = slices.Delete(q.wait, 0, 1)
	return p, true
}

// next returns the time until something has to be done.
func (q *Queue) next(d drive) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	wait := time.Hour
	if len(q.wait) > 0 {
		wait = min(wait, time.Until(q.wait[0].due))
	}
	if d.on {
		wait = min(wait, time.Until(d.off))
	}
	return max(wait, 0)
}

func (q *Queue) close() {
	q.mu.Lock()
	q.closed = true
	left := q.wait
	q.wait = nil
	q.mu.Unlock()
	for _, p := range left {
		q.o.Report(Outcome{ID: p.id, Due: p.due, Err: ErrClosed})
	}
}

// drive is the state of the line, owned by Run.
type drive struct {
	line Line
	o    Options

	on   bool
	rise time.Time // of the present on-time
	off  time.Time // end of the present on-time
	live []live    // the pulses of the present on-time
}

// A live pulse has begun.
type live struct {
	pulse
	at  time.Time
	err error // ErrOnTime: the bound on the on-time cuts it short
}

// fire begins p or joins it to the pulse under way.
func (d *drive) fire(p pulse) error {
	now := time.Now()
	if err := d.expire(now); err != nil {
		d.o.Report(Outcome{ID: p.id, Due: p.due, Err: err})
		return err
	}
	switch {
	case now.Sub(p.due) > d.o.Late:
		d.o.Report(Outcome{ID: p.id, Due: p.due, Err: ErrLate})
	case d.on:
		d.join(p, now)
	default:
		if err := d.line.Set(true); err != nil {
			off := d.line.Set(false) // who knows whether it went on
			d.o.Report(Outcome{ID: p.id, Due: p.due, Err: fmt.Errorf("reject: line on: %w", err)})
			if off != nil {
				return fmt.Errorf("reject: line off: %w", off)
			}
			return nil
		}
		now = time.Now() // from here on the part is hit: a slow driver shortens no pulse
		d.on, d.rise, d.off = true, now, now.Add(d.o.Width)
		d.live = append(d.live[:0], live{pulse: p, at: now})
	}
	return nil
}

func (d *drive) join(p pulse, now time.Time) {
	l := live{pulse: p, at: now}
	off := now.Add(d.o.Width)
	if d.o.Overlap == Extend {
		off = d.off.Add(d.o.Width)
	}
	if bound := d.rise.Add(d.o.MaxOn); off.After(bound) {
		off, l.err = bound, ErrOnTime
	}
	d.off = off
	d.live = append(d.live, l)
}

// expire ends the on-time when it is over.
func (d *drive) expire(now time.Time) error {
	if !d.on || now.Before(d.off) {
		return nil
	}
	err := d.line.Set(false)
	d.on = false
	d.report(nil)
	if err != nil {
		return fmt.Errorf("reject: line off: %w", err)
	}
	return nil
}

// report tells how the pulses of the present on-time ended.
func (d *drive) report(err error) {
	for _, l := range d.live {
		if l.err == nil {
			l.err = err
		}
		d.o.Report(Outcome{ID: l.id, Due: l.due, At: l.at, Err: l.err})
	}
	d.live = d.live[:0]
}
