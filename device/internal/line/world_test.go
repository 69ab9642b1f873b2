package line_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"cull/capture"
	"cull/capture/check"
	"cull/device/internal/line"
	"cull/reject"
)

// The belt of the soak, in mm: a part is in front of the nozzle from front + nozzle to front + nozzle + length.
const (
	perMM    = 10 // encoder counts
	length   = 60.0
	exposing = 2 * ms // from trigger to exposure
	pulse    = 8 * ms
	falls    = 8 * ms // from the nozzle to the REJECT-CONFIRM sensor
)

// A plan is what one episode is like.
type plan struct {
	byTime   bool // travel by time: constant speed
	speed    float64
	pitch    float64
	nozzle   float64
	jitter   float64 // of the speed
	window   time.Duration
	bounces  bool          // without debounce
	strobe   bool          // Options.FramePerTrigger
	confirm  bool          // there is a REJECT-CONFIRM sensor
	storms   bool          // bursts of edges without parts
	brakes   bool          // the belt's speed falls to a third at once, not by jitter alone
	gated    bool          // parts wait while READY is inactive
	operator time.Duration // from OK dropping to the reset
	faults   float64       // how often, relative to the rates below
}

// A body is a real part on the belt. It knows its fate from birth.
type body struct {
	n     uint64
	bad   bool
	front float64
	at    time.Time // at the sensor
	run   int       // of the process that was to track it, from 1
	seqs  []uint32  // its edges; none: lost without a trace
	lost  bool      // an edge is lost
	blown bool      // off the belt, by the nozzle
	hit   bool      // a pulse met it (without air it stays)
	taken bool      // off the belt by hand
	early bool      // its process died or ended before it could read the edge
}

// A world is belt, sensors, camera, rejecter, log and operator, around one Line after the other.
type world struct {
	plan
	want int // bodies
	rng  *rand.Rand

	mu     sync.Mutex
	at     time.Time // pos is as of this instant
	pos    float64
	speedy float64 // present speed while moving
	gust   time.Time
	halt   time.Time // the belt stands until then
	ok     bool
	ready  bool
	foul   bool      // a process was killed: the belt is to be cleared before it moves
	okLost time.Time // zero: OK is active
	count  line.Position
	next   float64
	bodies []*body // all
	belt   []*body // not yet past the nozzle
	on     bool    // the nozzle blows
	agenda []todo
	wake   chan struct{}

	seq      uint32
	edges    chan line.Trigger
	frames   chan *capture.Frame
	confirms chan line.Trigger
	resets   chan line.Trigger
	lost     chan struct{} // closed: the camera is away
	away     bool
	opened   bool      // the process has the camera open: only then it takes pictures
	full     time.Time // the log refuses until then
	shots    uint32
	epoch    time.Time

	run     int // of the present process
	dead    bool
	leave   chan bool // the process ends: true is SIGKILL
	leaveAt int       // bodies until then
	leaving bool
	flown   time.Time        // when the newest edge is delivered
	taken   uint32           // Seq of the newest edge that the process took
	open    map[uint64]owner // begun, not ended
	ids     map[uint64]bool
	last    uint64
	records map[owner][]line.Part
	edged   map[owner]time.Time // when each edge was
	orphans []line.Part         // known by their frame only
	filed   uint64              // records of the present process, with an edge or an orphan
	silent  uint64              // edges lost without a trace, of the present process
	sum     tally
	faulty  []string
}

// A tally is the account of an episode or of many.
type tally struct {
	Bodies, Bad, Edges, Bounces, Unread, Nobody uint64
	Pass, Reject, Stop, Interrupted             uint64
	Blown, Lost, ByHand, Missing, Resets, Kills uint64
	Restarts, Unplugs, Storms                   uint64
}

type todo struct {
	at time.Time
	do func()
}

// An owner is the edge that a part was begun for.
type owner struct {
	run int
	seq uint32
}

func newWorld(p plan, seed uint64, bodies int) *world {
	now := time.Now()
	w := &world{
		plan: p, want: bodies, rng: rand.New(rand.NewPCG(seed, 3)),
		at: now, epoch: now, gust: now, speedy: p.speed, next: p.pitch, count: line.Position{At: now},
		wake: make(chan struct{}, 1), resets: make(chan line.Trigger, 8),
		open: map[uint64]owner{}, ids: map[uint64]bool{}, records: map[owner][]line.Part{}, edged: map[owner]time.Time{},
		lost: make(chan struct{}),
	}
	return w
}

// fresh is what a new process opens.
func (w *world) fresh() {
	w.run++
	w.seq, w.taken, w.dead, w.on, w.leaving, w.flown = 0, 0, false, false, false, time.Time{}
	w.filed, w.silent, w.opened = 0, 0, false
	w.leave = make(chan bool, 1)
	w.leaveAt = len(w.bodies) + 1 + int(w.rng.ExpFloat64()*1500/max(w.faults, 1e-9))
	w.edges = make(chan line.Trigger, 1<<12)
	w.frames = make(chan *capture.Frame, 1<<12)
	w.confirms = make(chan line.Trigger, 1<<12)
}

func (w *world) fault(format string, args ...any) {
	if len(w.faulty) < 20 {
		w.faulty = append(w.faulty, fmt.Sprintf(format, args...))
	}
}

// chance draws a fault.
func (w *world) chance(rate float64) bool { return w.rng.Float64() < rate*w.faults }

// moving returns the speed now.
func (w *world) moving() float64 {
	if !w.ok || w.at.Before(w.halt) {
		return 0
	}
	return w.speedy
}

// advance moves the belt to now.
func (w *world) advance(now time.Time) {
	for w.at.Before(now) {
		end := now
		for _, t := range []time.Time{w.gust, w.halt} {
			if t.After(w.at) && t.Before(end) {
				end = t
			}
		}
		v := w.moving()
		pos := w.pos + v*end.Sub(w.at).Seconds()
		if v > 0 && w.next <= pos { // the next front reaches the sensor
			reach := w.at.Add(time.Duration((w.next - w.pos) / v * 1e9))
			if w.gated && !w.ready || len(w.bodies) == w.want {
				w.next = pos + 1
			} else {
				w.travel(v, w.next, reach)
				w.enter()
				continue
			}
		}
		w.travel(v, pos, end)
		if !w.at.Before(w.gust) {
			w.gust = w.at.Add(100*ms + time.Duration(w.rng.IntN(400))*ms)
			if !w.byTime {
				w.speedy = w.speed * (1 + w.jitter*(2*w.rng.Float64()-1))
			}
			if w.brakes && w.rng.IntN(3) == 0 {
				w.speedy *= 0.3
			}
		}
	}
}

// travel moves to pos, which is reached at the instant at, at constant speed.
func (w *world) travel(v, pos float64, at time.Time) {
	if at.Before(w.at) {
		at = w.at
	}
	w.pos, w.at = max(pos, w.pos), at
	if count := int64(w.pos * perMM); count > w.count.Count && v > 0 {
		over := (w.pos - float64(count)/perMM) / v
		when := w.at.Add(-time.Duration(over * 1e9))
		if when.After(w.count.At) {
			w.count = line.Position{Count: count, At: when, Period: time.Duration(1e9 / (v * perMM))}
		}
	}
	w.blow()
	for len(w.belt) > 0 && w.pos > w.belt[0].front+w.nozzle+length {
		w.belt = w.belt[1:]
	}
}

// enter brings a part to the sensor, now.
func (w *world) enter() {
	b := &body{n: uint64(len(w.bodies)), bad: w.rng.IntN(4) == 0, front: w.next, at: w.at, run: w.run}
	w.bodies, w.belt = append(w.bodies, b), append(w.belt, b)
	w.next += w.pitch * (1 + 0.1*w.rng.Float64())
	w.sum.Bodies++
	if b.bad {
		w.sum.Bad++
	}
	seen := w.opened
	last := len(w.bodies) == w.want || w.leaving
	switch {
	case !last && w.chance(0.0005): // an overrun: the next edge's number shows it
		w.seq++
		w.sum.Edges++
		b.seqs, b.lost = append(b.seqs, w.seq), true
	case !last && w.strobe && seen && w.chance(0.0005): // no edge, only a picture
		w.sum.Edges++
		w.silent++
		b.lost = true
		w.shoot(b, 8*ms)
		return
	default:
		b.seqs = append(b.seqs, w.edge(b.at))
	}
	if len(w.bodies) >= w.leaveAt && !b.lost && !w.leaving {
		w.leaving = true
		w.leave <- w.rng.IntN(2) == 0
	}
	switch {
	case w.chance(0.004):
		seen = false
	case !b.lost && w.chance(0.002): // of a lost edge two pictures are two parts
		w.shoot(b, 8*ms) // twice
	}
	if seen {
		late := 8 * ms
		if w.chance(0.003) {
			late = time.Duration(w.rng.IntN(600)) * ms
		}
		w.shoot(b, late)
	}
	if w.chance(0.005) {
		at := w.at.Add(3 * ms)
		w.after(3*ms, func() { b.seqs = append(b.seqs, w.edge(at)) })
	}
	w.misfortune()
}

// edge is one of the sensor's; its delivery takes its time.
func (w *world) edge(at time.Time) uint32 {
	w.seq++
	w.sum.Edges++
	if w.dead { // the process was killed, and the next has not opened the sensor
		w.sum.Nobody++
	}
	w.edged[owner{w.run, w.seq}] = at
	count := int64(w.pos*perMM) + int64(w.rng.IntN(3)) - 1
	t := line.Trigger{At: at, Count: count, Seq: w.seq}
	late, to := time.Duration(w.rng.IntN(3000))*time.Microsecond, w.edges
	if w.chance(0.002) {
		late = 25 * ms
	}
	w.flown = later(w.flown, w.at.Add(late)) // a line's edges come in order
	w.after(w.flown.Sub(w.at), func() { to <- t })
	return w.seq
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// shoot exposes a picture of b.
func (w *world) shoot(b *body, late time.Duration) {
	pix := binary.LittleEndian.AppendUint64(make([]byte, 0, 16), b.n)
	bad, dark := byte(0), byte(0)
	if b.bad {
		bad = 1
	}
	if w.chance(0.003) {
		dark = 1
	}
	pix = append(pix, bad, dark, byte(w.mood()))
	w.shots++
	f := capture.NewFrame(capture.Frame{
		Pix: pix, Format: capture.Grey, Width: len(pix), Height: 1, Stride: len(pix), Seq: w.shots,
		Mono: w.at.Add(exposing).Sub(w.epoch),
	}, nil)
	to := w.frames
	w.after(exposing+late, func() {
		if w.opened {
			to <- f
		}
	})
}

// Moods of the inspector.
const (
	quick = iota
	slow
	hangs // until long after the part is gone
	fails
	panics
)

func (w *world) mood() int {
	switch {
	case w.chance(0.003):
		return slow
	case w.chance(0.0005):
		return hangs
	case w.chance(0.002):
		return fails
	case w.chance(0.0005):
		return panics
	}
	return quick
}

// misfortune is what befalls the line as a whole.
func (w *world) misfortune() {
	if w.chance(0.0005) && !w.away {
		w.unplug()
	}
	if w.chance(0.0003) {
		w.full = w.at.Add(time.Duration(w.rng.IntN(1000)) * ms)
	}
	if !w.byTime && w.chance(0.003) {
		w.halt = w.at.Add(time.Duration(w.rng.IntN(600)) * ms)
	}
	if w.storms && w.chance(0.0005) {
		w.sum.Storms++
		for i := range 20 + w.rng.IntN(400) {
			at := w.at.Add(time.Duration(i) * ms)
			w.after(time.Duration(i)*ms, func() { w.edge(at) })
		}
	}
}

func (w *world) unplug() {
	w.sum.Unplugs++
	w.away, w.opened = true, false
	close(w.lost)
	w.after(time.Duration(50+w.rng.IntN(1000))*ms, func() {
		w.away, w.lost = false, make(chan struct{})
	})
}

// after notes what is to be done d from now; what is for the same instant keeps its order.
func (w *world) after(d time.Duration, do func()) {
	at := w.at.Add(d)
	i := len(w.agenda)
	for i > 0 && w.agenda[i-1].at.After(at) {
		i--
	}
	w.agenda = slices.Insert(w.agenda, i, todo{at, do})
}

// due does what the agenda says for now.
func (w *world) due(now time.Time) {
	for len(w.agenda) > 0 && !w.agenda[0].at.After(now) {
		do := w.agenda[0].do
		w.agenda = slices.Delete(w.agenda, 0, 1)
		do()
	}
}

// live moves the world until ctx ends.
func (w *world) live(ctx context.Context) {
	timer := time.NewTimer(0)
	for {
		w.mu.Lock()
		w.advance(time.Now())
		w.due(w.at)
		w.operate()
		w.settle()
		timer.Reset(w.until())
		w.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-w.wake:
		}
	}
}

// settle ends the feed when the last part is past the nozzle.
func (w *world) settle() {
	if len(w.bodies) == w.want && len(w.belt) == 0 && len(w.agenda) == 0 && !w.dead && w.edges != nil {
		close(w.edges)
		w.edges = nil
	}
}

func (w *world) until() time.Duration {
	first := w.at.Add(200 * ms)
	early := func(t time.Time) {
		if t.After(w.at) && t.Before(first) {
			first = t
		}
	}
	early(w.gust)
	early(w.halt)
	if len(w.agenda) > 0 {
		early(w.agenda[0].at)
	}
	if v := w.moving(); v > 0 {
		early(w.at.Add(time.Duration((w.next-w.pos)/v*1e9) + 1))
	}
	return first.Sub(w.at)
}

// operate clears the belt of what ended as STOP and resets the line, some time after it stopped.
func (w *world) operate() {
	switch {
	case w.ok || w.dead:
		w.okLost = time.Time{}
	case w.okLost.IsZero():
		w.okLost = w.at
	case w.at.Sub(w.okLost) >= w.operator:
		w.okLost = w.at
		w.sum.Resets++
		w.foul = false
		for _, b := range w.belt {
			if b.early { // nobody knows what it is
				w.byHand(b)
			}
		}
		select {
		case w.resets <- line.Trigger{At: w.at}:
		default:
		}
	}
}

// blow removes what is in front of the nozzle.
func (w *world) blow() {
	if !w.on {
		return
	}
	for _, b := range w.belt {
		from := b.front + w.nozzle
		if b.hit || b.taken || w.pos < from || w.pos > from+length {
			continue
		}
		b.hit = true
		if w.confirm && w.chance(0.001) {
			continue // no air
		}
		b.blown = true
		w.sum.Blown++
		if !b.bad {
			w.sum.Lost++
		}
		if !w.confirm || w.chance(0.001) {
			continue
		}
		at, to := w.at.Add(falls), w.confirms
		w.after(falls, func() { to <- line.Trigger{At: at} })
	}
}

// A wire is an output of the line.
type wire struct {
	w   *world
	run int
	set func(active bool)
}

func (o wire) Set(active bool) error {
	o.w.mu.Lock()
	defer o.w.mu.Unlock()
	if o.run != o.w.run || o.w.dead {
		return nil // a killed process drives nothing
	}
	o.w.advance(time.Now())
	o.set(active)
	select {
	case o.w.wake <- struct{}{}:
	default:
	}
	return nil
}

func (w *world) output(set func(active bool)) reject.Line { return wire{w, w.run, set} }

// An input is one as a process has it open.
type input struct {
	c   chan line.Trigger
	got func(line.Trigger)
}

func (in input) Next(ctx context.Context) (line.Trigger, error) {
	select {
	case t, ok := <-in.c:
		if !ok {
			return t, io.EOF
		}
		if in.got != nil {
			in.got(t)
		}
		return t, nil
	case <-ctx.Done():
		return line.Trigger{}, ctx.Err()
	}
}

// Position implements line.Encoder; the instants are not exact.
func (w *world) Position() line.Position {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	w.advance(now)
	p := w.count
	p.At = p.At.Add(time.Duration(w.rng.IntN(40)-20) * time.Microsecond)
	if p.At.After(now) {
		p.At = now
	}
	return p
}

// A cam is the camera as one process has it open.
type cam struct {
	w      *world
	frames chan *capture.Frame
	lost   chan struct{}
	early  chan *capture.Frame // of a camera that runs free: one that it took before any part came
}

func (w *world) camera(frames chan *capture.Frame) func(context.Context) (capture.Source, error) {
	return func(context.Context) (capture.Source, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.away {
			return nil, fmt.Errorf("no such device: %w", capture.ErrLost)
		}
		w.opened = true
		early := make(chan *capture.Frame, 1)
		if !w.strobe {
			early <- capture.NewFrame(capture.Frame{
				Pix: make([]byte, 11), Format: capture.Grey, Width: 11, Height: 1, Stride: 11, Mono: time.Since(w.epoch) - time.Second,
			}, nil)
		}
		return cam{w, frames, w.lost, early}, nil
	}
}

func (c cam) Next(ctx context.Context) (*capture.Frame, error) {
	select {
	case <-c.lost:
		return nil, fmt.Errorf("unplugged: %w", capture.ErrLost)
	case f := <-c.early:
		return f, nil
	case f := <-c.frames:
		return f, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (c cam) Close() error { return nil }

func unfit(f *capture.Frame) error {
	if f.Pix[9] == 1 {
		return fmt.Errorf("frame %d is %w", f.Seq, check.ErrBlack)
	}
	return nil
}

// An eye is the inspector: it is never wrong about a picture that shows something.
type eye struct{}

func (eye) Inspect(f *capture.Frame) (line.Finding, error) {
	took := 4 * ms
	switch f.Pix[10] {
	case slow:
		took = 60 * ms
	case hangs:
		took = 5 * time.Second
	case fails:
		return line.Finding{}, errors.New("no network")
	case panics:
		panic("index out of range")
	}
	time.Sleep(took)
	if f.Pix[9] == 1 { // nothing to be seen
		return line.Finding{Threshold: 0.5}, nil
	}
	return line.Finding{Reject: f.Pix[8] == 1, Score: float64(f.Pix[8]), Threshold: 0.5}, nil
}

// A book is the log as one process has it open. It is on the disk at once.
type book struct {
	w   *world
	run int
}

func (b book) Ready() error {
	b.w.mu.Lock()
	defer b.w.mu.Unlock()
	if time.Now().Before(b.w.full) {
		return errors.New("disk full")
	}
	return nil
}

func (b book) Begin(id uint64, t line.Trigger) {
	b.w.mu.Lock()
	defer b.w.mu.Unlock()
	if b.run == b.w.run && !b.w.dead {
		b.w.open[id] = owner{b.run, t.Seq}
		b.w.last = max(b.w.last, id)
	}
}

func (b book) Append(p line.Part) {
	w := b.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if b.run != w.run || w.dead {
		return
	}
	if w.ids[p.ID] {
		w.fault("part %d has two records", p.ID)
	}
	of, begun := w.open[p.ID]
	delete(w.open, p.ID)
	w.ids[p.ID] = true
	w.last = max(w.last, p.ID)
	switch p.Verdict {
	case line.Pass:
		w.sum.Pass++
	case line.Reject:
		w.sum.Reject++
	case line.Stop:
		w.sum.Stop++
	default:
		w.fault("part %d ends as %v", p.ID, p.Verdict)
	}
	if p.Confirm == line.ConfirmMissing {
		w.sum.Missing++
	}
	switch {
	case p.Reason == line.Interrupted:
		w.sum.Interrupted++
		if !begun {
			w.fault("part %d was interrupted but never began", p.ID)
		}
		w.file(of, p)
	case p.Trigger.Seq == 0:
		w.filed++
		w.orphans = append(w.orphans, p)
		for _, b := range w.belt {
			if shown(b, p) {
				w.byHand(b)
			}
		}
	default:
		w.filed++
		w.file(owner{w.run, p.Trigger.Seq}, p)
	}
}

// file keeps the record of an edge's part.
func (w *world) file(of owner, p line.Part) {
	w.records[of] = append(w.records[of], p)
	if len(w.records[of]) > 1 {
		w.fault("edge %d of process %d has two records", of.seq, of.run)
	}
	if p.Verdict != line.Stop {
		return
	}
	for _, b := range w.belt {
		if b.run == of.run && slices.Contains(b.seqs, of.seq) {
			w.byHand(b)
		}
	}
}

// byHand takes b off the belt.
func (w *world) byHand(b *body) {
	if !b.taken && !b.blown {
		b.taken = true
		w.sum.ByHand++
	}
}

// shown reports whether p is the record of b's picture, its edge being lost.
func shown(b *body, p line.Part) bool {
	d := p.Trigger.At.Sub(b.at)
	return b.lost && d >= 0 && d <= exposing
}
