package line

import (
	"slices"
	"time"
)

// confirm takes an edge of the REJECT-CONFIRM sensor. It is kept until its part's window
// closes: it may come before the rejecter has said when it fired. No more wait than parts may be under way, or a sensor may chatter.
func (t *tracker) confirm(at time.Time) {
	t.confirms = append(t.confirms, at)
	if len(t.confirms) > max(t.o.MaxParts, 64) {
		t.confirms = slices.Delete(t.confirms, 0, 1)
		t.surprise(nil)
	}
}

// confirmBy returns when the window of a part that was fired at closes.
func (t *tracker) confirmBy(p *tracked) time.Time {
	return p.Fired.Add(t.o.ConfirmTo + t.o.ConfirmWait)
}

// confirmed ends a part that was fired at: its window has closed. Of the edges in several
// windows each part takes the first, in order, so that a missing one stays missing.
func (t *tracker) confirmed(p *tracked) {
	i := slices.IndexFunc(t.confirms, func(at time.Time) bool { return t.mayConfirm(at, p) })
	if i < 0 {
		t.missing(p)
		return
	}
	t.confirms = slices.Delete(t.confirms, i, i+1)
	t.notSeen = 0
	t.counts.Confirmed++
	p.Confirm = Confirmed
	t.confirms = slices.DeleteFunc(t.confirms, func(at time.Time) bool {
		if !t.mayConfirm(at, p) || t.expected(at, p) {
			return false
		}
		p.Confirm = ConfirmExtra
		t.surprise(p)
		return true
	})
	t.rejected(p)
}

// missing ends a bad part that may still be on the belt.
func (t *tracker) missing(p *tracked) {
	p.Confirm = ConfirmMissing
	if p.unsure { // the belt may have stopped short of the rejecter
		t.rejected(p)
		return
	}
	t.counts.Missing++
	t.notSeen++
	t.note(Event{Kind: NotSeen, Part: p.copy(), N: t.notSeen})
	if t.o.ConfirmStop < 0 || t.notSeen < t.o.ConfirmStop {
		t.end(p, Reject, p.Reason)
		return
	}
	t.end(p, Stop, NotConfirmed)
	t.stop(NotConfirmed)
}

// mayConfirm reports whether an edge lies in the window of p, which was fired at or, as far as
// is known yet, may have been.
func (t *tracker) mayConfirm(at time.Time, p *tracked) bool {
	switch p.state {
	case awaitConfirm:
		d := at.Sub(p.Fired)
		return d >= t.o.ConfirmFrom && d <= t.o.ConfirmTo
	case awaitPulse:
		return p.pushed && !at.Before(p.earliest.Add(t.o.ConfirmFrom))
	}
	return false
}

// expected reports whether an edge may be that of a part other than but.
func (t *tracker) expected(at time.Time, but *tracked) bool {
	return slices.ContainsFunc(t.parts, func(p *tracked) bool { return p != but && t.mayConfirm(at, p) })
}

// unexpected gives up edges that no part explains.
func (t *tracker) unexpected() {
	t.confirms = slices.DeleteFunc(t.confirms, func(at time.Time) bool {
		if t.expected(at, nil) {
			return false
		}
		t.surprise(nil)
		return true
	})
}

func (t *tracker) surprise(p *tracked) {
	t.counts.Unexpected++
	e := Event{Kind: Unexpected}
	if p != nil {
		e.Part = p.copy()
	}
	t.note(e)
}
