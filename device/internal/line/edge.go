package line

import (
	"slices"
	"time"
)

// maxMissed is how many edges are believed to be lost at once. A longer gap, or a number that came
// before, is a counter that began anew: nobody knows how many were lost.
const maxMissed = 1 << 16

// trigger begins a part.
func (t *tracker) trigger(tr Trigger, now time.Time) {
	t.recent[t.edges%uint64(len(t.recent))] = tr.At
	t.edges++
	t.quiet, t.heard = tr.Count, now
	if !t.seen && tr.Seq > 1 { // the first of all was lost
		t.last, t.seen = Trigger{At: t.began.Add(-t.o.Debounce)}, true
	}
	if t.seen {
		switch lost := tr.Seq - t.last.Seq - 1; {
		case lost > maxMissed:
			t.note(Event{Kind: MissedTrigger})
			t.stop(TriggerMissed)
		case lost > 0:
			t.missed(int(lost), tr)
		}
		if d := tr.At.Sub(t.last.At); d >= 0 && d < t.o.Debounce {
			t.counts.Bounces++
			t.suspect(tr)
			t.last.Seq = tr.Seq
			return
		}
	}
	t.last, t.seen = tr, true
	t.advance(tr)
	t.disown(tr, now)
	p := t.begin(tr)
	switch {
	case t.stopped && t.draining:
		t.end(p, Stop, Shutdown)
		return
	case t.stopped:
		t.end(p, Stop, LineStopped)
		return
	case len(t.parts) > t.o.MaxParts:
		t.end(p, Stop, TooMany)
		t.stop(TooMany)
		return
	}
	t.o.Recorder.Begin(p.ID, tr)
	t.pending++
	t.claimKept(p, now)
}

// suspect tells of a bounce that may have been a part: a contact bounces at once, and not after a rest of half the debounce
// time. Once is enough: a part with a hole is always seen twice.
func (t *tracker) suspect(tr Trigger) {
	before := t.recent[(t.edges-2)%uint64(len(t.recent))]
	if !t.suspected && tr.At.Sub(before) > t.o.Debounce/2 {
		t.suspected = true
		t.note(Event{Kind: Debounced, N: int(t.counts.Bounces)})
	}
}

// How many edges in a row, and how long after one another, may come from no farther than those before: a part that trembles at
// the sensor of a belt that stands makes some, and so does a belt that is jogged back.
const (
	maxStill = 8
	stillGap = 100 * time.Millisecond
)

// advance stops the line where parts come and the encoder does not advance: it is dead, or counts backwards, and no part
// would ever arrive at the rejecter. Where the bad ones among those under way are nobody knows.
func (t *tracker) advance(tr Trigger) {
	switch {
	case t.belt == nil || t.o.Clocked:
		return
	case tr.Count > t.reached:
		t.reached, t.still, t.stillAt = tr.Count, 0, tr.At
		return
	case tr.At.Sub(t.stillAt) < stillGap:
		return
	}
	t.stillAt = tr.At
	if t.still++; t.still < maxStill || t.stopped {
		return
	}
	t.stop(BeltLost)
	t.each(func(p *tracked) {
		p.astray = true
		if p.state == awaitPulse && (!p.pushed || t.rejecter.Cancel(p.ID)) {
			t.end(p, Stop, BeltLost)
		}
	})
}

// missed accounts for n edges that the sensor lost before tr: parts passed, nobody knows
// when, so they cannot be rejected.
func (t *tracker) missed(n int, tr Trigger) {
	gap := hole{t.last.At, tr.At, n}
	t.orphans = slices.DeleteFunc(t.orphans, func(at time.Time) bool { return gap.explains(at) })
	if gap.n == 0 {
		return // their frames have told
	}
	t.note(Event{Kind: MissedTrigger, N: gap.n})
	for i := range gap.n {
		t.end(t.begin(Trigger{At: tr.At, Count: tr.Count, Seq: tr.Seq - uint32(gap.n-i)}), Stop, TriggerMissed)
	}
	t.holes = append(t.holes[max(0, len(t.holes)-maxHoles):], gap)
	t.stop(TriggerMissed)
}

// maxHoles bounds how many holes and orphans are remembered.
const maxHoles = 16

// A hole is a time between two edges in which the sensor lost n, and no frame was seen of them.
type hole struct {
	from, to time.Time
	n        int
}

// explains reports whether a frame exposed at is that of one of the lost edges, once for each.
func (h *hole) explains(at time.Time) bool {
	if h.n == 0 || !at.After(h.from) || !at.Before(h.to) {
		return false
	}
	h.n--
	return true
}

// orphan deals with a frame that no part claimed. Where the camera exposes at each edge, it shows
// a part whose edge was lost, unless an edge explains it: the part's frame came twice or too late.
func (t *tracker) orphan(at time.Time) {
	if !t.o.FramePerTrigger || at.Before(t.began) {
		return
	}
	for _, edge := range t.recent[:min(t.edges, uint64(len(t.recent)))] {
		if t.within(at, Trigger{At: edge}) {
			return
		}
	}
	for i := range t.holes {
		if t.holes[i].explains(at) {
			return
		}
	}
	t.orphans = append(t.orphans[max(0, len(t.orphans)-maxHoles):], at)
	t.note(Event{Kind: MissedTrigger, N: 1})
	t.end(t.begin(Trigger{At: at.Add(-t.o.WindowFrom)}), Stop, TriggerMissed)
	t.stop(TriggerMissed)
}

// listen raises the alarm when the belt has moved far without a trigger.
func (t *tracker) listen() {
	here := t.belt.here()
	switch far := here - t.quiet; {
	case t.edges == 0 && t.quiet == 0:
		t.quiet = here
	case t.o.QuietCounts > 0 && far >= t.o.QuietCounts:
		t.note(Event{Kind: NoTrigger, N: int(far)})
		t.quiet = here
	}
}

// await raises the alarm when the line has run for long without a trigger, once until the next.
func (t *tracker) await(now time.Time) {
	if t.awaits() && now.Sub(t.heard) >= t.o.QuietTime {
		t.note(Event{Kind: NoTrigger, For: now.Sub(t.heard)})
		t.heard = time.Time{}
	}
}

func (t *tracker) awaits() bool {
	return t.o.QuietTime > 0 && !t.stopped && !t.draining && !t.heard.IsZero()
}
