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
	before := Now()
	t := time.Now()
	return t.Add(-(before + Now()) / 2)
}
