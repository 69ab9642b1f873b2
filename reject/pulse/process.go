//go:build linux

package pulse

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"cull/internal/mono"
	"cull/reject"
)

// Reasons why the pulse process ended.
var (
	ErrHung    = errors.New("pulse: the pulse process does not answer")
	ErrDied    = errors.New("pulse: the pulse process died")
	ErrSilence = errors.New("pulse: the pulse process went safe: this process had been silent for too long")
)

// Options of a Process. Zero fields take the value in brackets.
type Options struct {
	reject.Options // as of a reject.Queue; Report is called by Run's goroutine

	// Silence is how long either process waits for a word of the other, while it runs itself [2 s]. It bounds how long outputs stay as
	// they are when this process stalls without ending; its end is noticed at once.
	Silence time.Duration

	Epoch time.Time // the instant at which CLOCK_MONOTONIC was zero [mono.Epoch()]
}

func (o *Options) complete() error {
	if err := o.Options.Complete(); err != nil {
		return err
	}
	if o.Silence == 0 {
		o.Silence = 2 * time.Second
	}
	if o.Silence < 10*time.Millisecond || max(o.Silence, o.MaxOn, o.Late) > longest {
		return fmt.Errorf("pulse: silence %v, on-time %v, late %v: must be at least 10 ms, at most %v",
			o.Silence, o.MaxOn, o.Late, longest)
	}
	if o.Cap > mostWaiting {
		return fmt.Errorf("pulse: %d pulses waiting: must be at most %d", o.Cap, mostWaiting)
	}
	if o.Epoch.IsZero() {
		o.Epoch = mono.Epoch()
	}
	return nil
}

// beats is how many words of the child fit into Options.Silence, and how many may be missing.
const beats = 8

// A Process is the parent's side of the pulse process: a rejecter like reject.Queue, and the other outputs. The outputs
// are inactive from Start to their first use, and after Run or Close whatever became of the child.
type Process struct {
	o     Options
	link  link
	lines []reject.Line // this process's own handles: for the safe state when the child is no more
	hello chan message
	wake  chan struct{}
	down  chan struct{} // closed: the child is gone and the outputs are safe

	// A child that a driver does not let go cannot be killed, and its end may not come: the outputs that do not hang are made
	// inactive before it, each for itself.
	quench sync.Once

	asking  sync.Mutex // one question at a time
	answers chan message

	mu      sync.Mutex
	closed  bool
	cause   error // why it ended, first come
	off     error // an output could not be made safe
	seq     uint32
	unheard int // questions since the child's last word
	pending map[uint64]time.Time
	ended   []reject.Outcome
}

// A link carries messages to and from the child.
type link interface {
	send(m *message) error     // does not block
	receive() (message, error) // blocks; an error when the child has closed its end
	kill()                     // ends the child at once, whatever its state
	wait() error               // for its end
}

// newProcess speaks over l to a child that drives lines.
func newProcess(l link, lines []reject.Line, o Options) *Process {
	p := &Process{
		o: o, link: l, lines: lines,
		hello: make(chan message, 1), wake: make(chan struct{}, 1), down: make(chan struct{}),
		answers: make(chan message, 1), pending: map[uint64]time.Time{},
	}
	go p.read()
	p.send(&message{ //nolint:errcheck // a child that is gone shows in down
		kind: start, out: uint8(o.Overlap), id: uint64(o.Cap), due: o.Late, at: o.MaxOn, width: o.Silence,
	})
	return p
}

// Push schedules the pulse of part id. It returns reject.ErrLate, ErrFull or ErrClosed when the pulse will not be
// fired. A pulse that becomes late on its way to the child ends with an Outcome instead. It does not block.
func (p *Process) Push(id uint64, due time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return reject.ErrClosed
	case len(p.pending) >= p.o.Cap:
		return reject.ErrFull
	}
	if late := time.Since(due); late > p.o.Late {
		return fmt.Errorf("%w: part %d by %v", reject.ErrLate, id, late)
	}
	p.pending[id] = due
	p.sendLocked(&message{kind: push, id: id, due: p.mono(due), width: p.o.Width})
	return nil
}

// Move changes the due time of a waiting pulse. A pulse that no longer waits stays as it is: its Outcome says what
// became of it. A pulse moved into the past is withdrawn: reject.ErrLate, or an Outcome if it is the child that finds
// it late.
func (p *Process) Move(id uint64, due time.Time) error {
	if late := time.Since(due); late > p.o.Late {
		if p.Cancel(id) {
			return fmt.Errorf("%w: part %d by %v", reject.ErrLate, id, late)
		}
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, waits := p.pending[id]; !waits || p.closed {
		return nil
	}
	p.pending[id] = due
	p.sendLocked(&message{kind: move, id: id, due: p.mono(due)})
	return nil
}

// mono is t on the clock that both processes share.
func (p *Process) mono(t time.Time) time.Duration { return max(t.Sub(p.o.Epoch), 0) }

// Cancel withdraws a waiting pulse. It reports false when there is none: never pushed, fired, or refused. It waits
// for the child's word.
func (p *Process) Cancel(id uint64) bool {
	p.mu.Lock()
	_, waits := p.pending[id]
	p.mu.Unlock()
	if !waits {
		return false
	}
	a, err := p.ask(message{kind: cancel, id: id})
	return err == nil && a.code == ok
}

// Output returns the line of Start's output i. Set waits for the child's word. When the child is gone, the line can
// only be made inactive.
func (p *Process) Output(i int) reject.Line {
	_ = p.lines[i+1]
	return output{p, i + 1}
}

type output struct {
	p *Process
	i int // 0 is the rejecter's, which only pulses move
}

func (o output) Set(active bool) error {
	m := message{kind: set, out: uint8(o.i)}
	if active {
		m.id = 1
	}
	a, err := o.p.ask(m)
	switch {
	case err == nil && a.code != ok:
		return fmt.Errorf("pulse: %s: %w", o.p.name(o.i), errorOf(a.errno))
	case err == nil:
		return nil
	case active:
		return err
	}
	<-o.p.down
	return o.p.lines[o.i].Set(false)
}

// ask sends a question and returns the child's answer.
func (p *Process) ask(m message) (message, error) {
	p.asking.Lock()
	defer p.asking.Unlock()
	m.seq = p.number()
	if err := p.send(&m); err != nil {
		return message{}, err
	}
	patience := time.NewTicker(p.o.Silence / beats)
	defer patience.Stop()
	for missed := 0; missed < beats; { // not one timer: the whole machine may have stood still
		select {
		case a := <-p.answers:
			if a.seq == m.seq {
				return a, nil
			}
		case <-p.down:
			return message{}, reject.ErrClosed
		case <-patience.C:
			missed++
		}
	}
	p.fail(ErrHung)
	<-p.down
	return message{}, ErrHung
}

func (p *Process) number() uint32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seq++
	return p.seq
}

func (p *Process) send(m *message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return reject.ErrClosed
	}
	p.sendLocked(m)
	return nil
}

// sendLocked sends m. A child that takes no more messages is hung: it is ended, and every pulse has its Outcome.
func (p *Process) sendLocked(m *message) {
	if err := p.link.send(m); err != nil {
		p.failLocked(fmt.Errorf("%w: %w", ErrHung, err))
	}
}

// fail ends the child, for the reason given unless there is one already.
func (p *Process) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failLocked(err)
}

func (p *Process) failLocked(err error) {
	if p.cause == nil {
		p.cause = err
	}
	p.link.kill()
	p.quench.Do(func() {
		for _, l := range p.lines {
			go l.Set(false) //nolint:errcheck // read tries again when the child has gone
		}
	})
}

// read takes the child's messages until its end, then makes the outputs safe.
func (p *Process) read() {
	for {
		m, err := p.link.receive()
		if err != nil {
			break
		}
		p.take(&m)
	}
	p.link.kill()
	died := p.link.wait()
	var off error
	for _, l := range p.lines {
		off = errors.Join(off, l.Set(false))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.cause == nil {
		p.cause = ErrDied
		if died != nil {
			p.cause = fmt.Errorf("%w: %w", ErrDied, died)
		}
	}
	p.off = off
	for _, id := range slices.SortedFunc(maps.Keys(p.pending), func(a, b uint64) int {
		return cmp.Or(p.pending[a].Compare(p.pending[b]), cmp.Compare(a, b))
	}) {
		p.ended = append(p.ended, reject.Outcome{ID: id, Due: p.pending[id], Err: reject.ErrClosed})
	}
	clear(p.pending)
	close(p.down)
}

// take notes what the child says.
func (p *Process) take(m *message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unheard = 0
	switch m.kind {
	case hello:
		select {
		case p.hello <- *m:
		default:
		}
	case outcome:
		p.endPulse(m)
	case answer:
		if kind(m.out) == cancel && m.code == ok {
			delete(p.pending, m.id)
		}
		if kind(m.out) != alive {
			select {
			case p.answers <- *m:
			default:
			}
		}
	case bye:
		if p.cause == nil {
			p.cause = cmp.Or(m.reason(), reject.ErrClosed)
		}
	default:
		p.failLocked(fmt.Errorf("pulse: the pulse process sent a %v", m.kind))
	}
}

func (p *Process) endPulse(m *message) {
	if _, pending := p.pending[m.id]; !pending {
		return
	}
	delete(p.pending, m.id)
	// The child's due time: a Move that came too late for the pulse is in pending, not in what was fired.
	o := reject.Outcome{ID: m.id, Due: p.o.Epoch.Add(m.due), Err: m.reason()}
	if m.code == lineOn || m.code == lineOff {
		o.Err = fmt.Errorf("%s: %w", p.name(0), o.Err)
	}
	if m.at != 0 {
		o.At = p.o.Epoch.Add(m.at)
	}
	p.ended = append(p.ended, o)
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// name is what a line was opened by. It does not cross to the child and back.
func (p *Process) name(i int) string {
	if l, ok := p.lines[i].(Line); ok {
		return l.name
	}
	return fmt.Sprintf("line %d", i)
}

// reason is the error of an outcome or a bye.
func (m *message) reason() error {
	switch m.code {
	case ok:
		return nil
	case late:
		return reject.ErrLate
	case full:
		return reject.ErrFull
	case onTime:
		return reject.ErrOnTime
	case lineOn:
		return fmt.Errorf("reject: line on: %w", errorOf(m.errno))
	case lineOff:
		return fmt.Errorf("reject: line off: %w", errorOf(m.errno))
	case silent:
		return ErrSilence
	case deaf:
		return fmt.Errorf("%w: it no longer read what the pulse process said", ErrSilence)
	case garbled:
		return errors.New("pulse: the pulse process did not understand this one")
	}
	return reject.ErrClosed
}

// Run lets pulses fire until ctx ends, then returns ctx.Err; it is called once. All outputs are inactive on every
// return. Pulses that still wait then end with reject.ErrClosed. Another error says why the child ended by itself.
func (p *Process) Run(ctx context.Context) error {
	beat := time.NewTicker(p.o.Silence / beats)
	defer beat.Stop()
	p.beat()
	for {
		p.report()
		select {
		case <-ctx.Done():
			return p.stop(ctx.Err())
		case <-p.wake:
		case <-beat.C:
			p.beat()
		case <-p.down:
			return p.stop(reject.ErrClosed)
		}
	}
}

// beat tells the child that this process is there, and asks the same of it.
func (p *Process) beat() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	if p.unheard++; p.unheard > beats {
		p.failLocked(ErrHung)
		return
	}
	p.sendLocked(&message{kind: alive})
}

// report hands over how pulses ended.
func (p *Process) report() {
	p.mu.Lock()
	ended := p.ended
	p.ended = nil
	p.mu.Unlock()
	for _, o := range ended {
		p.o.Report(o)
	}
}

// stop ends the child, if it is still there, and says how it ended; ended is the reason of an ordinary end.
func (p *Process) stop(ended error) error {
	p.send(&message{kind: stop}) //nolint:errcheck // a child that is gone has stopped
	patience := time.NewTimer(p.o.Silence)
	defer patience.Stop()
	for waiting := true; waiting; {
		select {
		case <-p.wake:
			p.report()
		case <-patience.C:
			p.fail(ErrHung)
		case <-p.down:
			waiting = false
		}
	}
	p.report()
	p.mu.Lock()
	defer p.mu.Unlock()
	err := p.cause
	if errors.Is(err, reject.ErrClosed) {
		err = ended
	}
	if p.off != nil {
		err = errors.Join(fmt.Errorf("reject: line off: %w", p.off), err)
	}
	return err
}

// Close ends the child without Run. After Run it does nothing.
func (p *Process) Close() error { return p.stop(nil) }
