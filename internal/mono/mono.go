// Package mono is the kernel's CLOCK_MONOTONIC, the clock of camera frames, GPIO edges
// and reject pulses.
package mono

import (
	"time"

	"golang.org/x/sys/unix"
)

// Now returns the time on CLOCK_MONOTONIC.
func Now() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic("mono: " + err.Error()) // the clock is always there
	}
	return time.Duration(ts.Nano())
}

// Epoch returns the instant at which CLOCK_MONOTONIC was zero. Epoch().Add(m) is m as a
// time.Time; it carries Go's monotonic reading, so a step of the wall clock does not move it.
func Epoch() time.Time {
	var epoch time.Time
	tightest := time.Duration(1<<63 - 1)
	for range 10 { // one of them is not interrupted
		before := Now()
		t := time.Now()
		after := Now()
		if after-before < tightest {
			tightest, epoch = after-before, t.Add(-(before+after)/2)
		}
	}
	return epoch
}
