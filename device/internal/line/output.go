package line

import (
	"fmt"
	"time"

	"cull/reject"
)

// An output remembers what it was set to, so that a line is driven on a change only.
type output struct {
	name   string
	line   reject.Line // nil: not there
	active bool
	known  bool // active is what the line was set to
	failed bool // the last Set did not succeed
}

// Indices of Line.outs.
const (
	ready = iota
	busy
	okToRun
	heartbeat
)

func (o *Outputs) all() []*output {
	return []*output{
		ready:     {name: "READY", line: o.Ready},
		busy:      {name: "BUSY", line: o.Busy},
		okToRun:   {name: "OK", line: o.OK},
		heartbeat: {name: "HEARTBEAT", line: o.Heartbeat},
	}
}

// show drives the outputs to the tracker's state. A line that does not follow stops it.
func (l *Line) show() {
	l.set(l.outs[busy], len(l.t.parts) > 0)
	l.set(l.outs[okToRun], !l.t.stopped)
	l.set(l.outs[ready], l.t.ready(time.Now()))
}

func (l *Line) set(out *output, active bool) {
	if out.line == nil || out.known && out.active == active {
		return
	}
	err := out.line.Set(active)
	out.active, out.known = active, err == nil
	if err != nil && !out.failed {
		l.t.note(Event{Kind: OutputFailed, Err: fmt.Errorf("line: output %s: %w", out.name, err)})
		l.t.stop(OutputStuck)
	}
	out.failed = err != nil
}

// off makes every output inactive: OK-to-run first, it stops the belt.
func (l *Line) off() {
	for _, i := range []int{okToRun, ready, busy, heartbeat} {
		l.set(l.outs[i], false)
	}
}
