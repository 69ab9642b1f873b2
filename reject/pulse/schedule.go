package pulse

import (
	"slices"
	"time"

	"cull/reject"
)

// limits bound what pulses may do.
type limits struct {
	late    time.Duration // a pulse later than this is refused
	maxOn   time.Duration // longest uninterrupted on-time
	cap     int           // pulses that wait
	overlap reject.Overlap
}

// A schedule is the rejecter's logic and nothing else: it has no clock of its own, does not wait and
// allocates nothing while it runs. It does what reject.Queue does; the tests hold the two side by side.
type schedule struct {
	limits
	now    func() time.Duration
	set    func(active bool) error
	report func(p pulse, at time.Duration, c code, err error)

	wait []pulse // ascending due, then order of arrival
	live []begun // the pulses of the present on-time
	shut bool    // closed: the line stays inactive
	on   bool
	rise time.Duration // of the present on-time
	off  time.Duration // end of the present on-time
}

type pulse struct {
	id         uint64
	due, width time.Duration
}

// A begun pulse is one that the line is active for.
type begun struct {
	pulse
	at   time.Duration
	code code // onTime: the bound on the on-time cuts it short
}

func (s *schedule) limit(l limits) {
	s.limits = l
	s.wait = make([]pulse, 0, l.cap)
	s.live = make([]begun, 0, l.cap)
}

// push takes a pulse: ok, late or full.
func (s *schedule) push(p pulse) code {
	if len(s.wait) >= s.cap {
		return full
	}
	return s.insert(p)
}

// move changes the due time of a waiting pulse: ok, absent, or late, which withdraws it.
func (s *schedule) move(id uint64, due time.Duration) code {
	i := s.find(id)
	if i < 0 {
		return absent
	}
	p := s.wait[i]
	s.remove(i)
	p.due = due
	return s.insert(p)
}

// cancel withdraws a waiting pulse: ok or absent.
func (s *schedule) cancel(id uint64) code {
	i := s.find(id)
	if i < 0 {
		return absent
	}
	s.remove(i)
	return ok
}

func (s *schedule) insert(p pulse) code {
	if s.now()-p.due > s.late {
		return late
	}
	i := len(s.wait)
	s.wait = append(s.wait, p)
	for ; i > 0 && s.wait[i-1].due > p.due; i-- {
		s.wait[i] = s.wait[i-1]
	}
	s.wait[i] = p
	return ok
}

func (s *schedule) find(id uint64) int {
	for i := range s.wait {
		if s.wait[i].id == id {
			return i
		}
	}
	return -1
}

func (s *schedule) remove(i int) { s.wait = slices.Delete(s.wait, i, i+1) }

// step begins and ends what is due. An error means that the line cannot be made inactive.
func (s *schedule) step() error {
	now := s.now()
	for len(s.wait) > 0 && s.wait[0].due <= now {
		p := s.wait[0]
		s.remove(0)
		if err := s.fire(p); err != nil {
			return err
		}
	}
	return s.expire(s.now())
}

// fire begins p or joins it to the pulse under way.
func (s *schedule) fire(p pulse) error {
	now := s.now()
	if err := s.expire(now); err != nil {
		s.report(p, 0, lineOff, err)
		return err
	}
	switch {
	case s.shut: // by a report that nobody took
		s.report(p, 0, closed, nil)
	case now-p.due > s.late:
		s.report(p, 0, late, nil)
	case s.on:
		s.join(p, now)
	default:
		if err := s.set(true); err != nil {
			off := s.set(false) // who knows whether it went on
			s.report(p, 0, lineOn, err)
			return off
		}
		now = s.now() // from here on the part is hit: a slow driver shortens no pulse
		s.on, s.rise, s.off = true, now, now
		s.join(p, now)
	}
	return nil
}

func (s *schedule) join(p pulse, now time.Duration) {
	b := begun{pulse: p, at: now}
	off := max(s.off, now+p.width)
	if s.overlap == reject.Extend {
		off = s.off + p.width
	}
	if bound := s.rise + s.maxOn; off > bound {
		off, b.code = bound, onTime
	}
	s.off = off
	s.live = append(s.live, b)
}

// expire ends the on-time when it is over.
func (s *schedule) expire(now time.Duration) error {
	if !s.on || now < s.off {
		return nil
	}
	err := s.set(false)
	s.on = false
	s.reportLive(ok)
	return err
}

func (s *schedule) reportLive(c code) {
	for _, b := range s.live {
		if b.code == ok {
			b.code = c
		}
		s.report(b.pulse, b.at, b.code, nil)
	}
	s.live = s.live[:0]
}

// close makes the line inactive and reports what it cuts short.
func (s *schedule) close() error {
	err := s.set(false)
	s.on, s.shut = false, true
	s.reportLive(closed)
	for _, p := range s.wait {
		s.report(p, 0, closed, nil)
	}
	s.wait = s.wait[:0]
	return err
}

// next returns when there is something to do, never when nothing is under way.
func (s *schedule) next() time.Duration {
	at := never
	if len(s.wait) > 0 {
		at = s.wait[0].due
	}
	if s.on {
		at = min(at, s.off)
	}
	return at
}

const never = time.Duration(1<<63 - 1)
