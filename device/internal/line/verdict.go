package line

import (
	"fmt"
	"time"

	"cull/capture"
	"cull/reject"
)

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

// result takes what the inspector found. A part whose deadline has passed stays
// rejected, whatever the finding.
func (t *tracker) result(r result, now time.Time) {
	t.asked--
	t.infer, t.judgedAt, t.waiting = max(r.took, t.expect(now)*9/10), now, now
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
	case !now.Before(t.deadline(p)): // has passed since poll looked
		t.counts.LateFindings++
		t.uninspected(p, DeadlineMissed, nil, now)
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
		if t.drift.add(p.Score) {
			share, _ := t.drift.share()
			t.note(Event{Kind: Drifted, N: t.o.DriftParts, Share: share})
		}
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
	switch {
	case p.astray: // it is bad, and on a belt that runs
		t.end(p, Stop, why)
		t.stop(PulseFailed)
	case t.belt == nil:
		t.push(p, p.Due)
	default:
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
		if due.Before(p.earliest) {
			p.earliest = due
		}
		if err := t.rejecter.Move(p.ID, due); err != nil {
			t.pulseFailed(p, err)
		}
	case p.pushed && t.rejecter.Cancel(p.ID):
		p.pushed = false
	}
}

func (t *tracker) push(p *tracked, due time.Time) {
	p.Due, p.earliest, p.pushed = due, due, true
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
		if !o.At.IsZero() { // cut short: it may have hit all the same
			p.Fired, p.Due = o.At, o.Due
		}
		t.pulseFailed(p, o.Err)
	default:
		p.Fired, p.Due = o.At, o.Due
		t.fired(p)
	}
}

// fired deals with a part that the rejecter fired at.
func (t *tracker) fired(p *tracked) {
	p.unsure = p.halted
	if t.o.Confirm != nil {
		p.state = awaitConfirm
		return
	}
	t.rejected(p)
}

// rejected ends a part that was fired at.
func (t *tracker) rejected(p *tracked) {
	if p.unsure {
		t.end(p, Stop, p.Reason)
		return
	}
	t.end(p, Reject, p.Reason)
}

// pulseFailed ends a bad part that is still on the belt. Nothing but a stop helps.
func (t *tracker) pulseFailed(p *tracked, err error) {
	p.Err = err
	t.end(p, Stop, PulseFailed)
	t.stop(PulseFailed)
}

// ready reports whether a part that comes now would be judged in time: the frames before
// it, its own, and the wait for it take less than its way to the rejecter.
func (t *tracker) ready(now time.Time) bool {
	return !t.stopped && !t.draining && t.open && !t.late(now)
}

// late reports whether a part that comes now would not be judged in time.
func (t *tracker) late(now time.Time) bool {
	way, known := t.way(now)
	work := t.work(now)
	return t.pending >= t.o.Backlog || known && t.o.WindowTo+work+t.o.Margin > way || t.o.Deadline > 0 && work > t.o.Deadline
}

// way returns how long a part that comes now takes to the rejecter; false while the belt stands.
func (t *tracker) way(now time.Time) (time.Duration, bool) {
	if t.belt == nil {
		return t.o.Travel.Time, true
	}
	due, known := t.belt.eta(t.belt.here() + t.o.Travel.Counts)
	return due.Sub(now), known
}

// work returns how long the inspections up to that of a part that comes now take.
func (t *tracker) work(now time.Time) time.Duration {
	return time.Duration(t.pending+1) * t.expect(now)
}

// longUnready is how long READY may be inactive, with a camera and a line that runs, before somebody is told.
const longUnready = 10 * time.Second

// watchReady tells of a READY that stays inactive, once until it is active again.
func (t *tracker) watchReady(now time.Time) {
	switch {
	case t.stopped || t.draining || !t.open || !t.late(now):
		t.unready, t.excused = time.Time{}, false
	case t.unready.IsZero():
		t.unready = now
	case !t.excused && now.Sub(t.unready) >= longUnready:
		t.excused = true
		t.note(Event{Kind: NotReady, For: now.Sub(t.unready), Err: t.whyLate(now)})
	}
}

// whyLate says why a part that comes now would not be judged in time.
func (t *tracker) whyLate(now time.Time) error {
	way, _ := t.way(now)
	work := t.work(now)
	inspections := fmt.Sprintf("%d inspections take %v", t.pending+1, work.Round(time.Millisecond))
	switch {
	case t.pending >= t.o.Backlog:
		return fmt.Errorf("%d parts wait for their inspection, as many as may", t.pending)
	case t.o.Deadline > 0 && work > t.o.Deadline:
		return fmt.Errorf("the deadline is %v, %s", t.o.Deadline, inspections)
	}
	return fmt.Errorf("the way to the rejecter takes %v, and the window lasts to %v, %s, the margin is %v",
		way.Round(time.Millisecond), t.o.WindowTo, inspections, t.o.Margin)
}

// expect returns how long an inspection will take: at least as long as one that has not returned has taken
// so far. The longest is also forgotten by half each second: one
// that hung must not hold READY down, and with it the parts whose inspection would show better.
func (t *tracker) expect(now time.Time) time.Duration {
	long := t.infer >> min(62, max(0, now.Sub(t.judgedAt)/time.Second))
	if t.asked > 0 {
		long = max(long, now.Sub(t.waiting))
	}
	return long
}
