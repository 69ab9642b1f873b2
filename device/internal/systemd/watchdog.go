//go:build linux

package systemd

import (
	"sync"
	"time"
)

// A Watchdog tells the service manager that the line makes progress. What counts:
//
//   - an inspection that returned (Done): a finished verdict;
//   - a heartbeat (Turn), while no inspection is under way: the line's loop, woken by a ticker, has
//     turned, so an idle line is alive as long as its loop turns.
//
// An inspection that does not return, and a loop that does not turn, are no progress,
// whatever else the process does: the service manager then ends it. The ticker feeds nothing
// past the loop.
type Watchdog struct {
	mu      sync.Mutex
	notify  func(string) error
	every   time.Duration // between two signs of life, at least
	fed     time.Time
	running int // inspections under way
	ready   bool
}

// NewWatchdog returns a Watchdog for a service manager that waits limit for a sign of life
// (WatchdogTime; 0: it does not wait) and is told by notify.
func NewWatchdog(limit time.Duration, notify func(string) error) *Watchdog {
	return &Watchdog{notify: notify, every: limit / 8}
}

// Begin says that an inspection begins.
func (w *Watchdog) Begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running++
}

// Done says that an inspection has returned.
func (w *Watchdog) Done() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running--
	w.feed()
}

// Turn says that the line's loop has turned, as its heartbeat has it: other turns do not call it.
func (w *Watchdog) Turn() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running == 0 {
		w.feed()
	}
}

// startTime is how long a start may go on after a heartbeat of the loop before Ready.
const startTime = "30000000" // us

// feed tells at most every w.every. Before Ready it asks for more time to start: the loop
// turns, and waits for a camera.
func (w *Watchdog) feed() {
	now := time.Now()
	if !w.fed.IsZero() && now.Sub(w.fed) < w.every {
		return
	}
	state := "WATCHDOG=1"
	if !w.ready {
		state = "EXTEND_TIMEOUT_USEC=" + startTime
	} else if w.every == 0 {
		return
	}
	if w.notify(state) == nil {
		w.fed = now
	}
}

// Ready says once that the service is up: READY=1 goes out with the first call, or with a later one where the
// socket did not take it. It reports whether it has gone out.
func (w *Watchdog) Ready() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.ready && w.notify("READY=1") == nil {
		w.ready, w.fed = true, time.Time{}
	}
	return w.ready
}
