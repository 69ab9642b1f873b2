// Package rejecttest provides a recording reject.Line and assertions on its edges.
package rejecttest

import (
	"slices"
	"sync"
	"testing"
	"time"
)

// An Edge is one change of a recorded line.
type Edge struct {
	At     time.Duration // since the first Set
	Active bool
}

// A Pulse is one span of activity of a recorded line.
type Pulse struct{ At, Width time.Duration }

// Line records its edges; a Set that changes nothing is no edge. The zero Line is
// inactive and ready to use.
type Line struct {
	// Fail, when not nil, is asked before every Set. An error is returned to
	// the caller and the line keeps its state.
	Fail func(active bool) error

	mu     sync.Mutex
	sets   int
	start  time.Time
	active bool
	edges  []Edge
}

// FailWith sets Fail while the line is in use.
func (l *Line) FailWith(fail func(active bool) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Fail = fail
}

// Set implements reject.Line.
func (l *Line) Set(active bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sets == 0 {
		l.start = time.Now()
	}
	l.sets++
	if l.Fail != nil {
		if err := l.Fail(active); err != nil {
			return err
		}
	}
	if active != l.active {
		l.active = active
		l.edges = append(l.edges, Edge{time.Since(l.start), active})
	}
	return nil
}

// Active returns the present state.
func (l *Line) Active() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.active
}

// Edges returns a copy of what was recorded so far.
func (l *Line) Edges() []Edge {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.edges)
}

// Pulses returns the edges as pulses. A pulse that has not ended has Width -1.
func (l *Line) Pulses() []Pulse {
	var ps []Pulse
	for _, e := range l.Edges() {
		if e.Active {
			ps = append(ps, Pulse{e.At, -1})
		} else {
			ps[len(ps)-1].Width = e.At - ps[len(ps)-1].At
		}
	}
	return ps
}

// Want fails the test unless the line's history is exactly these pulses.
func (l *Line) Want(t testing.TB, want ...Pulse) {
	t.Helper()
	if got := l.Pulses(); !slices.Equal(got, want) {
		t.Errorf("pulses = %v, want %v", got, want)
	}
}

// WantInactive fails the test if the line is active.
func (l *Line) WantInactive(t testing.TB) {
	t.Helper()
	if l.Active() {
		t.Errorf("line left active, edges %v", l.Edges())
	}
}

// A Half is a line that goes active although its driver says that it has not: its next Fails Sets fail with Err.
type Half struct {
	Active bool
	Fails  int
	Err    error
}

// Set implements reject.Line.
func (h *Half) Set(active bool) error {
	h.Active = active || h.Active && h.Fails > 0
	if h.Fails > 0 {
		h.Fails--
		return h.Err
	}
	return nil
}
