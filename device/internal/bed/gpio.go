//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"
)

// A line is one of a gpio-sim chip, seen from outside.
type line struct {
	sim    string // sysfs folder of the chip
	offset int
}

// pull drives an input of the chip.
func (l line) pull(up bool) error {
	to := "pull-down"
	if up {
		to = "pull-up"
	}
	return os.WriteFile(fmt.Sprintf("%s/sim_gpio%d/pull", l.sim, l.offset), []byte(to), 0)
}

// high reads what an output of the chip is driven to.
func (l line) high() (bool, error) {
	b, err := os.ReadFile(fmt.Sprintf("%s/sim_gpio%d/value", l.sim, l.offset))
	return len(b) > 0 && b[0] == '1', err
}

func waitActive(l line) error {
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if on, err := l.high(); err != nil || on {
			return err
		}
	}
	return fmt.Errorf("line %d does not go active", l.offset)
}

// A pulse is one on-time of a line.
type pulse struct {
	on, off time.Time
	used    bool
}

// watch samples a line until ctx ends.
func watch(ctx context.Context, l line) (all []pulse) {
	was := false
	for ctx.Err() == nil {
		on, err := l.high()
		now := time.Now()
		switch {
		case err != nil:
			return all
		case on && !was:
			all = append(all, pulse{on: now})
		case was && !on:
			all[len(all)-1].off = now
		}
		was = on
		time.Sleep(2 * time.Millisecond)
	}
	return all
}

// A wheel is an encoder: it turns the line on and off.
type wheel struct {
	period time.Duration // of a count
	mu     sync.Mutex
}

func turn(ctx context.Context, l line) *wheel {
	w := &wheel{period: 20 * time.Millisecond}
	go func() {
		tick := time.NewTicker(w.period)
		for ctx.Err() == nil {
			w.mu.Lock()
			l.pull(true)  //nolint:errcheck // the daemon's account is what counts
			l.pull(false) //nolint:errcheck // likewise
			w.mu.Unlock()
			<-tick.C
		}
	}()
	return w
}

// hold lets the belt stand.
func (w *wheel) hold(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	time.Sleep(d)
}
