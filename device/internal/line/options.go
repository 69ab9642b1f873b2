package line

import (
	"fmt"
	"time"
)

// complete fills in the defaults and checks what New was given.
func (o *Options) complete() error {
	if o.Camera == nil || o.Triggers == nil || o.Inspector == nil || o.Recorder == nil || o.Rejecter == nil {
		return fmt.Errorf("line: camera, triggers, inspector, recorder and rejecter are needed")
	}
	if (o.Travel.Time > 0) == (o.Travel.Counts > 0) {
		return fmt.Errorf("line: travel %v, %d counts: exactly one must be positive",
			o.Travel.Time, o.Travel.Counts)
	}
	if o.Travel.Counts > 0 && o.Encoder == nil {
		return fmt.Errorf("line: travel of %d counts needs an encoder", o.Travel.Counts)
	}
	if o.QuietCounts > 0 && o.Travel.Counts == 0 {
		return fmt.Errorf("line: an alarm after %d counts without a trigger needs travel in counts", o.QuietCounts)
	}
	if o.WindowTo == 0 {
		o.WindowTo = 50 * time.Millisecond
	}
	if o.WindowFrom > o.WindowTo {
		return fmt.Errorf("line: frame window %v to %v is empty", o.WindowFrom, o.WindowTo)
	}
	set(&o.ConfirmTo, 500*time.Millisecond)
	if o.ConfirmFrom < 0 || o.ConfirmFrom > o.ConfirmTo {
		return fmt.Errorf("line: confirm window %v to %v is empty or begins before the pulse", o.ConfirmFrom, o.ConfirmTo)
	}
	set(&o.ConfirmWait, 50*time.Millisecond)
	set(&o.ConfirmStop, 1)
	set(&o.FrameWait, 200*time.Millisecond)
	set(&o.Margin, 10*time.Millisecond)
	set(&o.Heartbeat, 500*time.Millisecond)
	set(&o.Poll, 5*time.Millisecond)
	set(&o.Horizon, 50*time.Millisecond)
	set(&o.Reopen, 100*time.Millisecond)
	set(&o.FirstPart, 1)
	set(&o.Backlog, 8)
	set(&o.MaxParts, 256)
	set(&o.StopAfter, 5)
	set(&o.RejectsAlarm, 10)
	if o.Drain == 0 {
		o.Drain = 5 * time.Second
		if o.Travel.Time > 0 {
			o.Drain = o.Travel.Time + time.Second
		}
		if o.Confirm != nil {
			o.Drain += o.ConfirmTo + o.ConfirmWait
		}
		o.Drain = min(o.Drain, time.Minute) // the unit waits no longer
	}
	for name, v := range map[string]int64{
		"frame wait": int64(o.FrameWait), "confirm wait": int64(o.ConfirmWait), "quiet counts": o.QuietCounts + 1, "quiet time": int64(o.QuietTime) + 1, "drift parts": int64(o.DriftParts) + 1, "margin": int64(o.Margin), "heartbeat": int64(o.Heartbeat),
		"poll": int64(o.Poll), "horizon": int64(o.Horizon), "reopen": int64(o.Reopen),
		"backlog": int64(o.Backlog), "max parts": int64(o.MaxParts), "stop after": int64(o.StopAfter),
		"drain":    int64(o.Drain),
		"deadline": int64(o.Deadline) + 1, "debounce": int64(o.Debounce) + 1,
	} {
		if v <= 0 {
			return fmt.Errorf("line: %s is negative", name)
		}
	}
	return nil
}

func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
