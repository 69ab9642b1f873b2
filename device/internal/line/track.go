package line

import (
	"errors"
	"slices"
	"time"

	"cull/capture"
	"cull/capture/check"
	"cull/reject"
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
}

// A kept frame has no part yet: its trigger may still be on its way.
type kept struct {
	frame *capture.Frame
	unfit error
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

	infer    time.Duration // what an inspection takes: the longest of late, forgotten by a tenth each
	judgedAt time.Time     // the newest of them

	stopped  bool
	draining bool
	open     bool          // there is a camera
	lost     bool          // ... or was, before
	last     Trigger       // newest edge
	seen     bool          // there was one
	recent   [64]time.Time // the newest edges, at edges modulo its length
	edges    int
	orphans  []time.Time // frames of parts that were known by them only
	holes    []hole
	began    time.Time   // Run
	quiet    int64       // the belt's count at the newest edge or alarm
	confirms []time.Time // edges of REJECT-CONFIRM that have no part yet
	notSeen  int         // confirmations missing in a row
	missRun  int         // uninspected parts in a row
	badRun   int         // parts judged bad in a row
	goodRun  int         // parts judged good in a row
	counts   Counts
}

// start ends what an earlier process left.
func (t *tracker) start(now time.Time) {
	t.began = now
	for _, id := range t.o.Unfinished {
		t.o.Recorder.Append(Part{ID: id, Trigger: Trigger{At: now}, Verdict: Stop, Reason: Interrupted})
	}
	if t.o.Hold || len(t.o.Unfinished) > 0 {
		t.stop(Interrupted)
		return
	}
	t.note(Event{Kind: Running})
}

// maxMissed is how many edges can be lost at once. A longer gap is a counter that began anew.
const maxMissed = 1 << 16

// trigger begins a part.
func (t *tracker) trigger(tr Trigger, now time.Time) {
	t.recent[t.edges%len(t.recent)] = tr.At
	t.edges++
	t.quiet = tr.Count
	if t.seen {
		if lost := tr.Seq - t.last.Seq - 1; lost > 0 && lost <= maxMissed {
			t.missed(int(lost), tr)
		}
		if d := tr.At.Sub(t.last.At); d >= 0 && d < t.o.Debounce {
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
	t.o.Recorder.Begin(p.ID, tr)
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
	for _, edge := range t.recent[:min(t.edges, len(t.recent))] {
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
			t.claim(p, k, now)
			return
		}
	}
}

// frame takes a frame from the camera. Of several parts in whose windows its exposure
// lies it belongs to the one that came last: the older ones have moved on.
func (t *tracker) frame(f *capture.Frame, unfit error, now time.Time) {
	t.counts.Frames++
	k := kept{f, unfit, t.o.Epoch.Add(f.Mono), now}
	for _, p := range slices.Backward(t.parts) {
		if p.state == awaitFrame && t.within(k.at, p.Trigger) {
			t.claim(p, k, now)
			return
		}
	}
	t.frames = append(t.frames, k)
	if len(t.frames) > keep {
		t.drop()
	}
}

// drop gives the oldest kept frame back.
func (t *tracker) drop() {
	t.counts.Unclaimed++
	k := t.frames[0]
	k.frame.Release()
	t.frames = slices.Delete(t.frames, 0, 1)
	t.orphan(k.at)
}

// claim gives a part its frame and sends it to the inspector.
func (t *tracker) claim(p *tracked, k kept, now time.Time) {
	p.FrameAt, p.FrameSeq = k.at, k.frame.Seq
	p.Capture = now.Sub(p.Trigger.At)
	p.state = inInspection
	switch {
	case k.unfit != nil:
		k.frame.Release()
		t.uninspected(p, unfitReason(k.unfit), k.unfit, now)
	case !t.dispatch(job{p.ID, k.frame}):
		k.frame.Release()
		t.uninspected(p, QueueFull, nil, now)
	}
}

// unfitReason returns the reason that belongs to an error of Options.Check.
func unfitReason(err error) Reason {
	switch {
	case errors.Is(err, check.ErrBlack):
		return FrameBlack
	case errors.Is(err, check.ErrSaturated):
		return FrameSaturated
	case errors.Is(err, check.ErrBlurred):
		return FrameBlurred
	case errors.Is(err, check.ErrFrozen):
		return FrameFrozen
	}
	return FrameUnfit
}

// camera notes that the camera was opened or, with a reason, lost.
func (t *tracker) camera(lost error) {
	switch {
	case lost != nil:
		t.note(Event{Kind: CameraLost, Err: lost})
	case t.lost:
		t.note(Event{Kind: CameraBack})
	}
	t.open, t.lost = lost == nil, lost != nil
}

// result takes what the inspector found. A part whose deadline has passed stays
// rejected, whatever the finding.
func (t *tracker) result(r result, now time.Time) {
	t.infer, t.judgedAt = max(r.took, t.expect(now)*9/10), now
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
	case p.state >= awaitPulse:
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
		t.fired(p)
	}
}

// fired deals with a part that the rejecter fired at.
func (t *tracker) fired(p *tracked) {
	switch {
	case p.halted:
		t.end(p, Stop, p.Reason)
	case t.o.Confirm == nil:
		t.end(p, Reject, p.Reason)
	default:
		p.state = awaitConfirm
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

// stop drops OK-to-run until reset. Parts that travel by time are then not where the time says:
// those that are bad end as STOP, though the pulse is fired.
func (t *tracker) stop(why Reason) {
	if t.stopped {
		return
	}
	t.stopped = true
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
func (t *tracker) reset() {
	t.missRun, t.badRun, t.goodRun, t.notSeen = 0, 0, 0, 0
	t.each(func(p *tracked) {
		if p.halted && p.state == awaitPulse && t.rejecter.Cancel(p.ID) {
			t.end(p, Stop, p.Reason)
		}
	})
	if t.stopped {
		t.stopped = false
		t.note(Event{Kind: Running})
	}
}

// poll applies what only the passing of time decides.
func (t *tracker) poll(now time.Time) {
	if t.belt != nil && (len(t.parts) > 0 || t.o.QuietCounts > 0) {
		t.belt.sample(now)
		t.listen()
	}
	for len(t.frames) > 0 && now.Sub(t.frames[0].seen) > t.o.WindowTo+t.o.FrameWait {
		t.drop()
	}
	t.each(func(p *tracked) {
		switch {
		case p.state == awaitConfirm:
			if !now.Before(t.confirmBy(p)) {
				t.confirmed(p)
			}
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
	t.unexpected()
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

// idlePoll is how often the belt is read while no parts are under way.
const idlePoll = 100 * time.Millisecond

// until returns how long nothing but an input can change anything.
func (t *tracker) until(now time.Time) time.Duration {
	if t.belt != nil && len(t.parts) > 0 {
		return t.o.Poll
	}
	first := now.Add(time.Hour)
	if t.o.QuietCounts > 0 {
		first = now.Add(idlePoll)
	}
	for _, p := range t.parts {
		switch p.state {
		case awaitPulse:
			continue
		case awaitConfirm:
			if d := t.confirmBy(p); d.Before(first) {
				first = d
			}
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
	if t.stopped || t.draining || !t.open || t.pending >= t.o.Backlog {
		return false
	}
	way, known := t.o.Travel.Time, true
	if t.belt != nil {
		var due time.Time
		due, known = t.belt.eta(t.belt.here() + t.o.Travel.Counts)
		way = due.Sub(now)
	}
	need := t.o.WindowTo + time.Duration(t.pending+1)*t.expect(now) + t.o.Margin
	return !known || need <= way
}

// expect returns how long an inspection will take. The longest is also forgotten by half each second: one
// that hung must not hold READY down, and with it the parts whose inspection would show better.
func (t *tracker) expect(now time.Time) time.Duration {
	return t.infer >> min(62, max(0, now.Sub(t.judgedAt)/time.Second))
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
