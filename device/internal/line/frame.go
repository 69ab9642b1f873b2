package line

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"cull/capture"
	"cull/capture/check"
)

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

// disown takes the frame away from older parts that claimed one which, as is known only
// now, may show the new part.
func (t *tracker) disown(tr Trigger, now time.Time) {
	t.each(func(p *tracked) {
		if p.state == inInspection && p.Trigger.At.Before(tr.At) && t.within(p.FrameAt, tr) {
			t.note(Event{Kind: Ambiguous, Part: p.copy()})
			t.uninspected(p, FrameAmbiguous, nil, now)
		}
	})
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
	k := kept{f, unfit, t.o.Epoch.Add(f.Mono), now}
	t.exposed[t.counts.Frames%uint64(len(t.exposed))] = k.at
	t.counts.Frames++
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

// nearest says of a part without a frame which one was nearest.
func (t *tracker) nearest(p *tracked) error {
	if !t.open {
		return errors.New("the camera is not there")
	}
	known := t.exposed[:min(t.counts.Frames, uint64(len(t.exposed)))]
	if len(known) == 0 {
		return errors.New("the camera has not delivered any frame")
	}
	from, to := p.Trigger.At.Add(t.o.WindowFrom), p.Trigger.At.Add(t.o.WindowTo)
	off := func(at time.Time) time.Duration { return max(from.Sub(at), at.Sub(to), 0) }
	best := slices.MinFunc(known, func(a, b time.Time) int { return cmp.Compare(off(a), off(b)) })
	if off(best) == 0 {
		return errors.New("a frame in its window was another part's, or came too long before its trigger was known")
	}
	return fmt.Errorf("the nearest frame began %v from its trigger: the window is %v to %v",
		best.Sub(p.Trigger.At).Round(time.Microsecond), t.o.WindowFrom, t.o.WindowTo)
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
	default:
		if t.asked++; t.asked == 1 {
			t.waiting = now
		}
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
