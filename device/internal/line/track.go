package line

import (
	"math"
	"slices"
	"time"
)

// A state is how far a part under way has come.
type state uint8

const (
	awaitFrame state = iota
	inInspection
	awaitPulse   // to be rejected, the rejecter has not answered yet
	awaitConfirm // fired at, the REJECT-CONFIRM sensor has its time to see it go
)

// A tracked part is under way.
type tracked struct {
	Part
	state  state
	pushed bool // the rejecter has its pulse
	halted bool // travels by time, and the line stopped on its way: nobody knows where it is
	astray bool // ... and was reset since: its pulse would hit another
	unsure bool // ... and was fired at: nobody knows what was hit

	earliest time.Time // of the instants that the rejecter was told: which of them it fired at, its outcome says
}

// tracker is the state of all parts. Its methods are called by one goroutine, with the
// present time, and never block.
type tracker struct {
	o        *Options
	rejecter Rejecter
	belt     *belt // nil: travel is a time
	dispatch func(job) bool

	parts   []*tracked // in order of trigger
	frames  []kept
	next    uint64
	pending int // parts that need the inspector: not yet in awaitPulse

	infer    time.Duration // what an inspection takes: the longest of late, forgotten by a tenth each
	judgedAt time.Time     // the newest of them
	asked    int           // inspections that have not returned
	waiting  time.Time     // since when for the first of them

	stopped   bool
	blind     bool // an input has failed: no reset
	foul      bool // since the last reset the line has stopped or a part ended as STOP
	draining  bool
	open      bool          // there is a camera
	lost      bool          // ... or was, before
	last      Trigger       // newest edge
	seen      bool          // there was one
	recent    [64]time.Time // the newest edges, at edges modulo its length
	edges     uint64
	orphans   []time.Time // frames of parts that were known by them only
	holes     []hole
	began     time.Time     // Run
	quiet     int64         // the belt's count at the newest edge or alarm
	heard     time.Time     // when the newest edge came; zero: NoTrigger was told since
	suspected bool          // Debounced was told since the last reset or change
	reached   int64         // the largest count of an edge since the last reset
	stillAt   time.Time     // the newest edge that was no farther
	still     int           // ... and how many there were in a row
	exposed   [16]time.Time // of the newest frames, at frames modulo its length
	unready   time.Time     // since when READY is inactive although the line runs; zero: it is not
	excused   bool          // NotReady was told
	confirms  []time.Time   // edges of REJECT-CONFIRM that have no part yet
	notSeen   int           // confirmations missing in a row
	missRun   int           // uninspected parts in a row
	badRun    int           // parts judged bad in a row
	goodRun   int           // parts judged good in a row
	drift     drift         // of the scores of parts that passed
	counts    Counts
}

// start ends what an earlier process left.
func (t *tracker) start(now time.Time) {
	t.began, t.heard, t.reached = now, now, math.MinInt64
	for _, id := range t.o.Unfinished {
		t.o.Recorder.Append(Part{ID: id, Trigger: Trigger{At: now}, Verdict: Stop, Reason: Interrupted})
	}
	if t.o.Hold || len(t.o.Unfinished) > 0 {
		t.stop(Interrupted)
		return
	}
	if !t.draining {
		t.note(Event{Kind: Running})
	}
}

func (t *tracker) begin(tr Trigger) *tracked {
	p := &tracked{Part: Part{ID: t.next, Trigger: tr}}
	t.next++
	t.counts.Parts++
	t.parts = append(t.parts, p)
	return p
}

// each calls f with every part under way. f may end that part, no other.
func (t *tracker) each(f func(*tracked)) {
	for i := 0; i < len(t.parts); {
		p := t.parts[i]
		f(p)
		if i < len(t.parts) && t.parts[i] == p {
			i++
		}
	}
}

// end closes a part. Every part ends here, once.
func (t *tracker) end(p *tracked, v Verdict, why Reason) {
	p.Verdict, p.Reason = v, why
	t.parts = slices.DeleteFunc(t.parts, func(q *tracked) bool { return q == p })
	switch v {
	case Pass:
		t.counts.Pass++
	case Reject:
		t.counts.Reject++
		t.note(Event{Kind: PartRejected, Part: p.copy(), Reason: why})
	case Stop:
		t.counts.Stop++
		t.foul = true
		t.note(Event{Kind: PartStopped, Part: p.copy(), Reason: why})
	}
	t.o.Recorder.Append(p.Part)
}

// stop drops OK-to-run until reset. Parts that travel by time are then not where the time says:
// those that are bad end as STOP, though the pulse is fired.
func (t *tracker) stop(why Reason) {
	if t.stopped {
		return
	}
	t.stopped, t.foul = true, true
	t.halt()
	t.note(Event{Kind: Stopped, Reason: why, N: t.missRun})
}

// halt marks the parts that travel by time when OK-to-run drops.
func (t *tracker) halt() {
	for _, p := range t.parts {
		p.halted = t.belt == nil
	}
}

// reset lets the line run again. Pulses of parts that travelled by time through the stop would
// now hit others.
func (t *tracker) reset(now time.Time) {
	if t.blind {
		return
	}
	if t.stopped { // a RESET that chatters must not keep a running line from stopping
		t.missRun, t.badRun, t.goodRun, t.notSeen, t.still = 0, 0, 0, 0, 0
		t.heard, t.suspected = now, false
		if t.belt != nil {
			t.reached = t.belt.here()
		}
	}
	t.each(func(p *tracked) {
		if p.unsure { // whoever resets has seen to it
			t.rejected(p)
		}
	})
	t.foul = false
	t.each(func(p *tracked) {
		p.astray = p.astray || p.halted
		if p.halted && p.state == awaitPulse && t.rejecter.Cancel(p.ID) {
			t.end(p, Stop, p.Reason)
		}
	})
	if t.stopped {
		t.stopped = false
		t.note(Event{Kind: Running})
	}
}

// abandon ends what is still under way at shutdown.
func (t *tracker) abandon() {
	for len(t.parts) > 0 {
		p := t.parts[0]
		t.rejecter.Cancel(p.ID)
		if p.unsure {
			t.rejected(p)
			continue
		}
		t.end(p, Stop, Shutdown)
	}
	for len(t.frames) > 0 {
		t.drop()
	}
}

func (t *tracker) find(id uint64) *tracked {
	for _, p := range t.parts {
		if p.ID == id {
			return p
		}
	}
	return nil
}

func (t *tracker) note(e Event) {
	if t.o.Notify != nil {
		t.o.Notify(e)
	}
}

func (p *tracked) copy() *Part {
	c := p.Part
	return &c
}
