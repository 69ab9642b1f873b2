package line

import "context"

// Change gives the line those limits of o that may change while it runs: frame and confirmation windows, deadline,
// margin, debounce, policy and alarms, and Drain, which may follow from the confirmation window. The others are not looked at. It is applied as a whole, between two events of
// the loop; parts under way are held to the new limits from then on. It returns when Run has taken it, or with an error:
// o is at fault and nothing has changed, or ctx has ended.
func (l *Line) Change(ctx context.Context, o Options) error {
	if err := o.complete(); err != nil {
		return err
	}
	select {
	case l.changes <- o:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// change copies what Change promises. Other goroutines read other fields.
func (o *Options) change(from *Options) {
	o.WindowFrom, o.WindowTo, o.FrameWait = from.WindowFrom, from.WindowTo, from.FrameWait
	o.Deadline, o.Margin, o.Debounce = from.Deadline, from.Margin, from.Debounce
	o.ConfirmFrom, o.ConfirmTo, o.ConfirmStop = from.ConfirmFrom, from.ConfirmTo, from.ConfirmStop
	o.Drain = from.Drain
	o.OnMiss, o.StopAfter = from.OnMiss, from.StopAfter
	o.RejectsAlarm, o.NoRejectAlarm = from.RejectsAlarm, from.NoRejectAlarm
	o.DriftParts = from.DriftParts
	o.QuietCounts, o.QuietTime = from.QuietCounts, from.QuietTime
}

// changed starts the counts of what the alarms count anew where their limits have been passed by.
func (t *tracker) changed() {
	t.suspected = false
	if len(t.drift.newest) != t.o.DriftParts {
		t.drift.watch(t.o.Taught, t.o.DriftParts)
	}
	if t.badRun >= t.o.RejectsAlarm {
		t.badRun = 0
	}
	if t.goodRun >= t.o.NoRejectAlarm {
		t.goodRun = 0
	}
}
