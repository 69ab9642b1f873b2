// Package sim is a conveyor that is not there: belt, encoder, part sensor, camera and
// rejecter, behind the interfaces of the real ones. It knows which parts are bad and
// what the rejecter really hit, so a run can be held against the truth.
//
// Positions are millimetres of belt travel. The sensor is at 0, the camera above it, the
// nozzle of the rejecter at Options.Nozzle. A part is in front of the nozzle while the
// belt is between front + Nozzle and front + Nozzle + Length, front the belt's position
// when the part's front reached the sensor. A pulse that finds it there removes it.
package sim

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"cull/capture"
	"cull/device/internal/line"
	"cull/reject"
)

// CountsPerMM is the encoder's resolution.
const CountsPerMM = 10

// Options describe the conveyor. Zero fields take the value in brackets.
type Options struct {
	Seed  uint64
	Parts int // fed before the sensor reports io.EOF; 0: until the channel of parts is closed

	Speed  float64 // mm/s [300]
	Pitch  float64 // from one part's front to the next, mm [120]
	Length float64 // of a part, mm [60]
	Nozzle float64 // sensor to nozzle, mm [600]

	Jitter   float64       // the speed is redrawn 10 times a second from Speed (1 +- Jitter)
	StopEach int           // the belt stops about every so many parts; 0: never
	StopFor  time.Duration // mean length of such a stop [1 s]

	Exposure  time.Duration // trigger to exposure [2 ms]
	Readout   time.Duration // exposure to delivery of the frame [8 ms]
	FrameLoss float64       // share of frames that are lost
	Bounce    float64       // share of parts that trigger twice, 3 ms apart
	Debounce  time.Duration // the line's: it takes an edge that follows sooner for the same part

	Operator time.Duration // how long it takes somebody to reset a stopped line [3 s]
}

func (o *Options) complete() error {
	for _, f := range []struct {
		v   *float64
		def float64
	}{{&o.Speed, 300}, {&o.Pitch, 120}, {&o.Length, 60}, {&o.Nozzle, 600}} {
		if *f.v == 0 {
			*f.v = f.def
		}
		if !(*f.v > 0) {
			return errors.New("sim: speed and lengths must be positive")
		}
	}
	for _, f := range []struct {
		v   *time.Duration
		def time.Duration
	}{
		{&o.StopFor, time.Second},
		{&o.Exposure, 2 * time.Millisecond},
		{&o.Readout, 8 * time.Millisecond},
		{&o.Operator, 3 * time.Second},
	} {
		if *f.v == 0 {
			*f.v = f.def
		}
	}
	if o.Length > o.Pitch {
		return errors.New("sim: parts overlap: length is more than pitch")
	}
	if !(o.Jitter >= 0 && o.Jitter < 1) || !(o.FrameLoss >= 0 && o.FrameLoss <= 1) || !(o.Bounce >= 0 && o.Bounce <= 1) {
		return errors.New("sim: jitter, frame loss and bounce are shares of 1")
	}
	return nil
}

// A Belt is the conveyor with everything on it. Run moves it; all other methods may be
// called by any goroutine.
type Belt struct {
	o     Options
	parts <-chan Part
	wake  chan struct{}
	reset func()

	mu       sync.Mutex
	gusts    *rand.Rand // of the speed
	fate     *rand.Rand // of each part, in order
	at       time.Time  // everything below is as of this instant
	pos      float64    // mm
	speed    float64    // mm/s, until segment
	segment  time.Time  // when the speed is drawn anew
	halt     time.Time  // the belt stands until then
	edge     line.Position
	ok, feed bool // OK-to-run and READY

	next     float64 // position at which the next part's front reaches the sensor
	fed      int
	seq      uint32 // of triggers
	ids      uint64 // of the parts that the line takes them for
	coming   *Part  // the next part, when it is there
	edges    []line.Trigger
	sensor   chan struct{} // there are edges
	shots    []shot
	shutter  chan struct{} // there are shots
	onBelt   []*item
	pulse    bool    // the nozzle blows
	pulseAt  float64 // since this position
	stopTime time.Time

	truth Truth
}

// An item is a part on the belt.
type item struct {
	id       uint64 // sequence number of its first trigger
	triggers int    // 2: the sensor bounced
	front    float64
	bad      bool
	removed  bool
	gone     bool         // past the nozzle
	ended    int          // triggers whose verdict is known
	verdict  line.Verdict // the worst of them
}

// A shot is a frame that the camera has exposed but not delivered.
type shot struct {
	frame   *capture.Frame
	exposed time.Time
	due     time.Time // delivery
	seq     uint32
}

// New returns a belt that takes its parts from a channel and stands until Run. reset is
// called when the operator resets a stopped line.
func New(o Options, parts <-chan Part, reset func()) (*Belt, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	now := time.Now()
	return &Belt{
		at: now, segment: now, edge: line.Position{At: now},
		o: o, parts: parts, reset: reset,
		wake: make(chan struct{}, 1), sensor: make(chan struct{}, 1), shutter: make(chan struct{}, 1),
		gusts: rand.New(rand.NewPCG(o.Seed, 1)),
		fate:  rand.New(rand.NewPCG(o.Seed, 2)),
		next:  o.Pitch,
	}, nil
}

// Run moves the belt until ctx ends.
func (b *Belt) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		b.mu.Lock()
		parts := b.parts
		if b.coming != nil {
			parts = nil
		}
		b.advance(time.Now())
		timer.Reset(b.until())
		b.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-b.wake:
		case p, ok := <-parts:
			b.mu.Lock()
			if ok {
				b.coming = &p
			} else {
				b.parts = nil
				signal(b.sensor)
			}
			b.mu.Unlock()
		}
	}
}

// until returns when something changes by itself.
func (b *Belt) until() time.Duration {
	first := b.segment
	if b.halt.After(b.at) && b.halt.Before(first) {
		first = b.halt
	}
	if v := b.moving(b.at); v > 0 {
		if t := b.at.Add(span(b.next-b.pos, v)); t.Before(first) {
			first = t
		}
	}
	return max(first.Sub(b.at), time.Millisecond)
}

func span(mm, speed float64) time.Duration {
	return time.Duration(mm / speed * float64(time.Second))
}

// moving returns the speed at an instant of the present segment.
func (b *Belt) moving(at time.Time) float64 {
	if !b.ok || at.Before(b.halt) {
		return 0
	}
	return b.speed
}

// advance moves the belt to now, by spans of constant speed.
func (b *Belt) advance(now time.Time) {
	for b.at.Before(now) {
		if !b.at.Before(b.segment) {
			b.speed = b.o.Speed * (1 + b.o.Jitter*(2*b.gusts.Float64()-1))
			b.segment = b.at.Add(100 * time.Millisecond)
		}
		end := now
		for _, t := range []time.Time{b.segment, b.halt} {
			if t.After(b.at) && t.Before(end) {
				end = t
			}
		}
		b.move(end)
	}
	b.operate(now)
	b.sweep()
}

// move carries the belt to end at its present speed and feeds the parts that come.
func (b *Belt) move(end time.Time) {
	v := b.moving(b.at)
	if v == 0 {
		b.at = end
		return
	}
	pos := b.pos + v*end.Sub(b.at).Seconds()
	for b.next <= pos {
		if b.done() || b.coming == nil || !b.feed {
			b.next = pos + 1 // it waits at the gate
			break
		}
		at := b.at.Add(span(b.next-b.pos, v))
		b.enter(at)
		if b.halt.After(at) { // the belt stops with this part at the sensor
			pos, end = b.next-b.o.Pitch, at
			break
		}
	}
	b.pos, b.at = pos, end
	count := int64(pos * CountsPerMM)
	if count > b.edge.Count {
		over := (pos - float64(count)/CountsPerMM) / v
		b.edge = line.Position{
			Count: count, At: end.Add(-time.Duration(over * float64(time.Second))), Period: span(1.0/CountsPerMM, v),
		}
	}
}

// done reports whether no further part will come.
func (b *Belt) done() bool {
	return b.o.Parts > 0 && b.fed >= b.o.Parts || b.parts == nil && b.coming == nil
}

const bounceAfter = 3 * time.Millisecond

// enter brings the next part's front to the sensor at an instant.
func (b *Belt) enter(at time.Time) {
	p := b.coming
	b.coming = nil
	b.fed++
	b.trigger(at)
	b.ids++
	it := &item{id: b.ids, triggers: 1, front: b.next, bad: p.Bad}
	b.onBelt = append(b.onBelt, it)
	b.truth.Parts++
	if p.Bad {
		b.truth.Bad++
	}
	lost, bounce := b.fate.Float64() < b.o.FrameLoss, b.fate.Float64() < b.o.Bounce
	stop, length := b.o.StopEach > 0 && b.fate.IntN(max(1, b.o.StopEach)) == 0, 0.5+b.fate.Float64()
	if lost {
		p.Frame.Release()
	} else {
		exposed := at.Add(b.o.Exposure)
		b.shots = append(b.shots, shot{p.Frame, exposed, exposed.Add(b.o.Readout), uint32(b.fed)})
		signal(b.shutter)
	}
	if bounce {
		b.trigger(at.Add(bounceAfter))
		if bounceAfter >= b.o.Debounce { // to the line it is another part
			b.ids++
			it.triggers++
		}
	}
	if stop {
		b.halt = at.Add(time.Duration(float64(b.o.StopFor) * length))
	}
	b.next += b.o.Pitch
}

func (b *Belt) trigger(at time.Time) {
	b.seq++
	b.edges = append(b.edges, line.Trigger{At: at, Count: int64(b.next * CountsPerMM), Seq: b.seq})
	signal(b.sensor)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// operate resets the line some time after it has stopped.
func (b *Belt) operate(now time.Time) {
	switch {
	case b.ok:
		b.stopTime = time.Time{}
	case b.stopTime.IsZero():
		b.stopTime = now
	case now.Sub(b.stopTime) >= b.o.Operator:
		b.stopTime = time.Time{}
		b.truth.Resets++
		b.reset()
	}
}

// Position implements line.Encoder.
func (b *Belt) Position() line.Position {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.advance(time.Now())
	return b.edge
}

// Travel returns the encoder counts from the sensor to where a pulse of the given width
// meets the middle of a part at the nominal speed.
func (b *Belt) Travel(width time.Duration) int64 {
	mm := b.o.Nozzle + b.o.Length/2 - b.o.Speed*width.Seconds()/2
	return int64(mm * CountsPerMM)
}

// Triggers returns the sensor.
func (b *Belt) Triggers() line.Triggers { return sensor{b} }

type sensor struct{ b *Belt }

func (s sensor) Next(ctx context.Context) (line.Trigger, error) {
	for {
		if t, err := s.b.takeEdge(); t.Seq != 0 || err != nil {
			return t, err
		}
		select {
		case <-ctx.Done():
			return line.Trigger{}, ctx.Err()
		case <-s.b.sensor:
		}
	}
}

func (b *Belt) takeEdge() (line.Trigger, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.edges) > 0 {
		t := b.edges[0]
		b.edges = append(b.edges[:0], b.edges[1:]...)
		return t, nil
	}
	if b.done() {
		return line.Trigger{}, io.EOF
	}
	return line.Trigger{}, nil
}

// Ready and OK are the outputs that let parts in and the belt run, Rejecter the nozzle.
func (b *Belt) Ready() reject.Line    { return input{b, func(active bool) { b.feed = active }} }
func (b *Belt) OK() reject.Line       { return input{b, func(active bool) { b.ok = active }} }
func (b *Belt) Rejecter() reject.Line { return input{b, b.blow} }

// An input is what the belt does with an output of the line.
type input struct {
	b   *Belt
	set func(active bool)
}

func (in input) Set(active bool) error {
	in.b.mu.Lock()
	defer in.b.mu.Unlock()
	in.b.advance(time.Now())
	in.set(active)
	signal(in.b.wake)
	return nil
}
