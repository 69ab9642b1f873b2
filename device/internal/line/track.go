package line

import (
	"slices"
	"time"

	"cull/capture"
	"cull/reject"
)

// A state is how far a part under way has come.
type state uint8

const (
	awaitFrame state = iota
	inInspection
	awaitPulse // to be rejected, the rejecter has not answered yet
)

// A tracked part is under way.
type tracked struct {
	Part
	state  state
	pushed bool // the rejecter has its pulse
}

// A kept frame has no part yet: its trigger may still be on its way.
type kept struct {
	frame *capture.Frame
	at    time.Time // start of exposure
	seen  time.Time // delivery
}

// keep is how many frames wait for their trigger. A free-running camera fills them with
// pictures of the empty belt, so few are held.
const keep = 2

// A job is one frame on its way to the inspector.
type job struct {
	id    uint64
	frame *capture.Frame
}

// A result is what the inspector says.
type result struct {
	id      uint64
	finding Finding
	took    time.Duration
	err     error
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

	infer time.Duration // what an inspection takes: the longest of late, forgotten by a tenth each

	stopped  bool
	draining bool
	last     Trigger // newest edge
	seen     bool    // there was one
	missRun  int     // uninspected parts in a row
	badRun   int     // parts judged bad in a row
	goodRun  int     // parts judged good in a row
	counts   Counts
}

// trigger begins a part.
func (t *tracker) trigger(tr Trigger, now time.Time) {
	if t.seen {
		if lost := tr.Seq - t.last.Seq - 1; lost > 0 && lost < 1<<31 {
			t.missed(int(lost), tr, now)
		}
		if tr.At.Sub(t.last.At) < t.o.Debounce {
			t.counts.Bounces++
			t.last.Seq = tr.Seq
			return
		}
	}
	t.last, t.seen = tr, true
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
	t.pending++
	t.disown(tr)
	t.claimKept(p, now)
}

func (t *tracker) begin(tr Trigger) *tracked {
	p := &tracked{Part: Part{ID: t.next, Trigger: tr}}
	t.next++
	t.counts.Parts++
	t.parts = append(t.parts, p)
	return p
}

// missed accounts for edges that the sensor lost: parts passed, nobody knows when, so
// they cannot be rejected.
func (t *tracker) missed(n int, tr Trigger, now time.Time) {
	t.note(Event{Kind: MissedTrigger, N: n})
	for range min(n, t.o.MaxParts) {
		t.end(t.begin(Trigger{At: tr.At, Count: tr.Count}), Stop, TriggerMissed)
	}
	t.stop(TriggerMissed)
}

// disown takes the frame away from older parts that claimed one which, as is known only
// now, may show the new part.
func (t *tracker) disown(tr Trigger) {
	t.each(func(p *tracked) {
		if p.state == inInspection && p.Trigger.At.Before(tr.At) && t.within(p.FrameAt, tr) {
			t.note(Event{Kind: Ambiguous, Part: p.copy()})
			t.uninspected(p, FrameAmbiguous, nil, tr.At)
		}
	})
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

// within reports whether a frame exposed at lies in the window of tr.
func (t *tracker) within(at time.Time, tr Trigger) bool {
	d := at.Sub(tr.At)
	return d >= t.o.WindowFrom && d <= t.o.WindowTo
}

// claimKept gives a new part the oldest kept frame in its window.
func (t *tracker) claimKept(p *tracked, now time.Time) {
	for i, k := range t.frames {
		if t.within(k.at, p.Trigger) {
			t.frames = slices.Delete(t.frames, i, i+1)
			t.claim(p, k.frame, k.at, now)
			return
		}
	}
}

// frame takes a frame from the camera. Of several parts in whose windows its exposure
// lies it belongs to the one that came last: the older ones have moved on.
func (t *tracker) frame(f *capture.Frame, now time.Time) {
	t.counts.Frames++
	at := t.o.Epoch.Add(f.Mono)
	for _, p := range slices.Backward(t.parts) {
		if p.state == awaitFrame && t.within(at, p.Trigger) {
			t.claim(p, f, at, now)
			return
		}
	}
	t.frames = append(t.frames, kept{f, at, now})
	if len(t.frames) > keep {
		t.drop()
	}
}

// drop gives the oldest kept frame back.
func (t *tracker) drop() {
	t.counts.Unclaimed++
	t.frames[0].frame.Release()
	t.frames = slices.Delete(t.frames, 0, 1)
}

func (t *tracker) claim(p *tracked, f *capture.Frame, at, now time.Time) {
	p.FrameAt, p.FrameSeq = at, f.Seq
	p.Capture = now.Sub(p.Trigger.At)
	p.state = inInspection
	if !t.dispatch(job{p.ID, f}) {
		f.Release()
		t.uninspected(p, QueueFull, nil, now)
	}
}

// result takes what the inspector found. A part whose deadline has passed stays
// rejected, whatever the finding.
func (t *tracker) result(r result, now time.Time) {
	t.infer = max(r.took, t.infer*9/10)
	p := t.find(r.id)
	if p == nil {
		t.counts.LateFindings++
		return
	}
	p.Infer = r.took
	if r.err == nil {
		p.Judged, p.Finding = true, r.finding
	}
	switch {
	case p.state == awaitPulse:
		t.counts.LateFindings++
	case r.err != nil:
		t.uninspected(p, Failed, r.err, now)
	default:
		t.judged(p, now)
	}
}

func (t *tracker) judged(p *tracked, now time.Time) {
	t.run(p.Finding.Reject)
	unready := t.o.Recorder.Ready()
	if unready == nil {
		t.missRun = 0
	}
	switch {
	case p.Finding.Reject:
		t.reject(p, ByScore, now)
	case unready != nil:
		t.uninspected(p, Unrecorded, unready, now)
	default:
		t.timed(p, now)
		t.pending--
		t.end(p, Pass, ByScore)
	}
}

// run counts verdicts of one kind in a row and raises the alarms.
func (t *tracker) run(bad bool) {
	if !bad {
		t.badRun = 0
		if t.goodRun++; t.goodRun == t.o.NoRejectAlarm {
			t.note(Event{Kind: NoReject, N: t.goodRun})
			t.goodRun = 0
		}
		return
	}
	t.goodRun = 0
	if t.badRun++; t.badRun == t.o.RejectsAlarm {
		t.note(Event{Kind: RejectsInRow, N: t.badRun})
		t.badRun = 0
	}
}

// uninspected deals with a part that could not be judged.
func (t *tracker) uninspected(p *tracked, why Reason, err error, now time.Time) {
	t.counts.Uninspected++
	p.Err = err
	t.missRun++
	if t.o.OnMiss == StopUninspected {
		t.pending--
		t.end(p, Stop, why)
		t.stop(why)
		return
	}
	t.reject(p, why, now)
	if t.missRun >= t.o.StopAfter {
		t.stop(why)
	}
}

// reject schedules the pulse. Travel by counts is handed over near its time, by poll.
func (t *tracker) reject(p *tracked, why Reason, now time.Time) {
	p.state, p.Reason = awaitPulse, why
	t.pending--
	t.timed(p, now)
	if t.belt == nil {
		t.push(p, p.Due)
	} else {
		t.steer(p, now)
	}
}

// timed notes how long the verdict took and how much time it left.
func (t *tracker) timed(p *tracked, now time.Time) {
	p.Total = now.Sub(p.Trigger.At)
	if due, ok := t.eta(p); ok {
		p.Due, p.Slack, p.HasSlack = due, due.Sub(now), true
	}
}

// eta returns when p reaches the rejecter; false while the belt stands.
func (t *tracker) eta(p *tracked) (time.Time, bool) {
	if t.belt == nil {
		return p.Trigger.At.Add(t.o.Travel.Time), true
	}
	return t.belt.eta(p.Trigger.Count + t.o.Travel.Counts)
}

// steer keeps the pulse of a part that travels by encoder counts where the belt's
// present speed puts it, and withdraws it while the belt stands.
func (t *tracker) steer(p *tracked, now time.Time) {
	due, ok := t.eta(p)
	switch {
	case ok && due.Sub(now) <= t.o.Horizon && !p.pushed:
		t.push(p, due)
	case ok && due.Sub(now) <= t.o.Horizon:
		p.Due = due
		if err := t.rejecter.Move(p.ID, due); err != nil {
			t.pulseFailed(p, err)
		}
	case p.pushed && t.rejecter.Cancel(p.ID):
		p.pushed = false
	}
}

func (t *tracker) push(p *tracked, due time.Time) {
	p.Due, p.pushed = due, true
	if err := t.rejecter.Push(p.ID, due); err != nil {
		t.pulseFailed(p, err)
	}
}

// outcome takes the rejecter's report.
func (t *tracker) outcome(o reject.Outcome) {
	p := t.find(o.ID)
	switch {
	case p == nil: // cancelled at the last moment, or abandoned
	case o.Err != nil:
		t.pulseFailed(p, o.Err)
	default:
		p.Fired, p.Due = o.At, o.Due
		t.end(p, Reject, p.Reason)
	}
}

// pulseFailed ends a bad part that is still on the belt. Nothing but a stop helps.
func (t *tracker) pulseFailed(p *tracked, err error) {
	p.Err = err
	t.end(p, Stop, PulseFailed)
	t.stop(PulseFailed)
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
		t.note(Event{Kind: PartStopped, Part: p.copy(), Reason: why})
	}
	t.o.Recorder.Append(p.Part)
}

// stop drops OK-to-run until reset.
func (t *tracker) stop(why Reason) {
	if !t.stopped {
		t.stopped = true
		t.note(Event{Kind: Stopped, Reason: why, N: t.missRun})
	}
}

// reset lets the line run again.
func (t *tracker) reset() {
	t.missRun, t.badRun, t.goodRun = 0, 0, 0
	if t.stopped {
		t.stopped = false
		t.note(Event{Kind: Running})
	}
}

// poll applies what only the passing of time decides.
func (t *tracker) poll(now time.Time) {
	if t.belt != nil && len(t.parts) > 0 {
		t.belt.sample(now)
	}
	for len(t.frames) > 0 && now.Sub(t.frames[0].seen) > t.o.WindowTo+t.o.FrameWait {
		t.drop()
	}
	t.each(func(p *tracked) {
		switch {
		case p.state == awaitPulse:
			if t.belt != nil {
				t.steer(p, now)
			}
		case !now.Before(t.deadline(p)):
			t.uninspected(p, DeadlineMissed, nil, now)
		case p.state == awaitFrame && !now.Before(t.frameDeadline(p)):
			t.uninspected(p, FrameLost, nil, now)
		}
	})
}

// never is later than every deadline.
var never = time.Unix(1<<40, 0)

// deadline returns when p must have its verdict.
func (t *tracker) deadline(p *tracked) time.Time {
	d := never
	if due, ok := t.eta(p); ok {
		d = due.Add(-t.o.Margin)
	}
	if t.o.Deadline > 0 {
		if own := p.Trigger.At.Add(t.o.Deadline); own.Before(d) {
			d = own
		}
	}
	return d
}

func (t *tracker) frameDeadline(p *tracked) time.Time {
	return p.Trigger.At.Add(t.o.WindowTo + t.o.FrameWait)
}

// until returns how long nothing but an input can change anything.
func (t *tracker) until(now time.Time) time.Duration {
	if t.belt != nil && len(t.parts) > 0 {
		return t.o.Poll
	}
	first := now.Add(time.Hour)
	for _, p := range t.parts {
		if p.state == awaitPulse {
			continue
		}
		d := t.deadline(p)
		if f := t.frameDeadline(p); p.state == awaitFrame && f.Before(d) {
			d = f
		}
		if d.Before(first) {
			first = d
		}
	}
	if len(t.frames) > 0 {
		if d := t.frames[0].seen.Add(t.o.WindowTo + t.o.FrameWait + 1); d.Before(first) {
			first = d
		}
	}
	return max(0, first.Sub(now))
}

// abandon ends what is still under way at shutdown.
func (t *tracker) abandon() {
	for len(t.parts) > 0 {
		p := t.parts[0]
		t.rejecter.Cancel(p.ID)
		t.end(p, Stop, Shutdown)
	}
	for len(t.frames) > 0 {
		t.drop()
	}
}

// ready reports whether a part that comes now would be judged in time: the frames before
// it, its own, and the wait for it take less than its way to the rejecter.
func (t *tracker) ready(now time.Time) bool {
	if t.stopped || t.draining || t.pending >= t.o.Backlog {
		return false
	}
	way, known := t.o.Travel.Time, true
	if t.belt != nil {
		var due time.Time
		due, known = t.belt.eta(t.belt.here() + t.o.Travel.Counts)
		way = due.Sub(now)
	}
	need := t.o.WindowTo + time.Duration(t.pending+1)*t.infer + t.o.Margin
	return !known || need <= way
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
