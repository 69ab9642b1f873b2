//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
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

// A sensor is a line whose edges are counted.
type sensor struct {
	line
	sent string // file with a line for each edge; "": none
}

// pass moves a part into the sensor (up) or out of it.
func (s sensor) pass(up bool) error {
	if err := s.pull(up); err != nil || !up {
		return err
	}
	return s.count(1)
}

// burst passes n parts, gap apart; 0: as fast as it goes.
func (s sensor) burst(n int, gap time.Duration) error {
	for range n {
		for _, up := range []bool{true, false} {
			if err := s.pull(up); err != nil {
				return err
			}
			if gap > 0 {
				time.Sleep(gap / 2)
			}
		}
	}
	return s.count(n)
}

func (s sensor) count(n int) error {
	if s.sent == "" {
		return nil
	}
	f, err := os.OpenFile(s.sent, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(strings.Repeat("\n", n))
	return errors.Join(err, f.Close())
}

// high reads what an output of the chip is driven to.
func (l line) high() (bool, error) {
	b, err := os.ReadFile(fmt.Sprintf("%s/sim_gpio%d/value", l.sim, l.offset))
	return len(b) > 0 && b[0] == '1', err
}

func waitActive(l line) error {
	for end := time.Now().Add(5 * time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
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
