package line

import (
	"time"
)

// poll applies what only the passing of time decides.
func (t *tracker) poll(now time.Time) {
	if t.belt != nil { // READY needs its speed without parts too
		t.belt.sample(now)
		t.listen()
	}
	t.await(now)
	t.watchReady(now)
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
			t.uninspected(p, FrameLost, t.nearest(p), now)
		}
	})
	t.unexpected()
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
	if t.belt != nil {
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
	if t.awaits() {
		if d := t.heard.Add(t.o.QuietTime); d.Before(first) {
			first = d
		}
	}
	if !t.unready.IsZero() && !t.excused {
		if d := t.unready.Add(longUnready); d.Before(first) {
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
