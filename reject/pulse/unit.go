//go:build linux

package pulse

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"cull/reject"
	"cull/reject/gpio"
)

// A unit is the child's whole behaviour: the schedule of the rejecter, the other outputs, and the end when the
// parent falls silent. It waits for nothing; whoever runs it calls handle for every message, then step, then
// waits until next or another message.
type unit struct {
	schedule
	outs []reject.Line // the rejecter's line first
	send func(message) bool

	started bool
	spoken  bool // the parent has said something: from now on it must not fall silent
	heard   time.Duration
	silence time.Duration
	wake    time.Duration // what next returned last
	ended   bool
}

// What a parent may ask for at most.
const (
	mostWaiting = 4096
	longest     = 1000 * time.Hour
)

func newUnit(outs []reject.Line, now func() time.Duration, send func(message) bool) *unit {
	u := &unit{outs: outs, send: send, wake: never}
	u.now, u.set, u.report = now, outs[0].Set, u.tell
	return u
}

// begin puts every output into its safe state.
func (u *unit) begin() {
	if err := u.safe(); err != nil {
		u.end(lineOff, err)
	}
}

// safe makes every output inactive, the rejecter first. It returns the first error.
func (u *unit) safe() error {
	var first error
	for _, o := range u.outs {
		if err := o.Set(false); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// handle does what the parent asks.
func (u *unit) handle(m *message) {
	if u.ended {
		return
	}
	if u.started != (m.kind != start) {
		u.end(garbled, nil)
		return
	}
	u.heard = u.now()
	u.spoken = u.spoken || m.kind != start
	switch m.kind {
	case start:
		u.start(m)
	case push:
		p := pulse{m.id, m.due, m.width}
		if p.due < 0 || p.width <= 0 || p.width > u.maxOn {
			u.end(garbled, nil)
			return
		}
		if c := u.push(p); c != ok {
			u.tell(p, 0, c, nil)
		}
	case move:
		if m.due < 0 {
			u.end(garbled, nil)
			return
		}
		if u.move(m.id, m.due) == late {
			u.tell(pulse{id: m.id, due: m.due}, 0, late, nil)
		}
	case cancel:
		u.say(message{kind: answer, out: uint8(m.kind), seq: m.seq, id: m.id, code: u.cancel(m.id)})
	case set:
		u.output(m)
	case alive:
		u.say(message{kind: answer, out: uint8(m.kind), seq: m.seq})
	case stop:
		u.end(ok, nil)
	default:
		u.end(garbled, nil)
	}
}

func (u *unit) start(m *message) {
	if m.id < 1 || m.id > mostWaiting || m.out > uint8(reject.Extend) ||
		m.due < 0 || m.at <= 0 || m.width <= 0 || max(m.due, m.at, m.width) > longest {
		u.end(garbled, nil)
		return
	}
	u.started, u.silence = true, m.width
	u.limit(limits{late: m.due, maxOn: m.at, cap: int(m.id), overlap: reject.Overlap(m.out)})
}

// output sets one of the outputs that have no schedule.
func (u *unit) output(m *message) {
	if m.out == 0 || int(m.out) >= len(u.outs) {
		u.end(garbled, nil)
		return
	}
	a := message{kind: answer, out: uint8(m.kind), seq: m.seq}
	if err := u.outs[m.out].Set(m.id == 1); err != nil {
		a.code, a.errno = lineOn, errnoOf(err)
	}
	u.say(a)
}

// step begins and ends pulses, and all of it when the parent has been silent for too long. Time in which the
// child itself did not run, because the whole machine stood still, does not count as silence.
func (u *unit) step() {
	if u.ended {
		return
	}
	now := u.now()
	u.heard = min(now, u.heard+max(0, now-u.wake))
	u.wake = never
	if u.spoken && now-u.heard >= u.silence {
		u.end(silent, nil)
		return
	}
	if err := u.schedule.step(); err != nil {
		u.end(lineOff, err)
	}
}

// next returns when step is to be called at the latest.
func (u *unit) next() time.Duration {
	at := u.schedule.next()
	if u.spoken {
		at = min(at, u.heard+u.silence)
	}
	u.wake = at
	return at
}

// end makes every output inactive and says why. There is nothing after it.
func (u *unit) end(why code, err error) {
	if u.ended {
		return
	}
	u.ended = true
	if e := u.schedule.close(); err == nil && e != nil {
		why, err = lineOff, e
	}
	if e := u.safe(); err == nil && e != nil {
		why, err = lineOff, e
	}
	u.say(message{kind: bye, code: why, errno: errnoOf(err)})
}

// tell is schedule.report.
func (u *unit) tell(p pulse, at time.Duration, c code, err error) {
	u.say(message{kind: outcome, id: p.id, due: p.due, at: at, code: c, errno: errnoOf(err)})
}

func (u *unit) say(m message) {
	if !u.send(m) {
		u.end(deaf, nil)
	}
}

// An error of a line crosses as its errno; these are no errno.
const (
	errnoReadBack = 0xfffe // gpio.ErrReadBack
	errnoOther    = 0xffff
)

func errnoOf(err error) uint16 {
	if err == nil {
		return 0
	}
	if e, ok := errors.AsType[syscall.Errno](err); ok {
		return uint16(e)
	}
	if errors.Is(err, gpio.ErrReadBack) {
		return errnoReadBack
	}
	return errnoOther
}

func errorOf(errno uint16) error {
	switch errno {
	case errnoReadBack:
		return fmt.Errorf("%w: look for a short or another driver of the pin", gpio.ErrReadBack)
	case errnoOther, 0:
		return errors.New("unknown error of the output")
	}
	return syscall.Errno(errno)
}
