//go:build linux

package wiring

import (
	"context"
	"os"
	"sync"
	"time"

	"cull/capture"
	"cull/device/internal/line"
	"cull/reject/gpio"
)

var formats = map[string]capture.PixelFormat{
	"GREY": capture.Grey, "RGB24": capture.RGB24, "YUYV": capture.YUYV, "NV12": capture.NV12, "MJPEG": capture.MJPEG,
}

// edges is a gpio.Input, or what stands for one in a test.
type edges interface {
	Next(ctx context.Context) (gpio.Edge, error)
	Waiting() bool
}

// A sensor makes line.Triggers of edges.
type sensor struct {
	in    edges
	epoch time.Time
}

func (s *sensor) Next(ctx context.Context) (line.Trigger, error) {
	e, err := s.in.Next(ctx)
	if err != nil {
		return line.Trigger{}, err
	}
	return line.Trigger{At: s.epoch.Add(e.At), Seq: e.Seq}, nil
}

// A clock triggers at a constant rate.
type clock struct {
	period time.Duration
	next   time.Time
	seq    uint32
}

func (c *clock) Next(ctx context.Context) (line.Trigger, error) {
	if c.next.IsZero() {
		c.next = time.Now()
	}
	at := c.next.Add(c.period)
	select {
	case <-ctx.Done():
		return line.Trigger{}, ctx.Err()
	case <-time.After(time.Until(at)):
	}
	c.next = at
	c.seq++
	return line.Trigger{At: at, Seq: c.seq}, nil
}

// signals triggers when this process gets a signal.
type signals struct {
	from <-chan os.Signal
	seq  uint32
}

func (s *signals) Next(ctx context.Context) (line.Trigger, error) {
	select {
	case <-ctx.Done():
		return line.Trigger{}, ctx.Err()
	case <-s.from:
		s.seq++
		return line.Trigger{At: time.Now(), Seq: s.seq}, nil
	}
}

// counted adds the belt's position to triggers. An encoder that fails ends them: the belt would
// seem to stand for ever.
type counted struct {
	line.Triggers
	e *encoder
}

func (c *counted) Next(ctx context.Context) (line.Trigger, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(c.e.life, func() { cancel(context.Cause(c.e.life)) })
	defer stop()
	t, err := c.Triggers.Next(ctx)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return t, err
	}
	t.Count = c.e.at(t.At)
	return t, nil
}

// marks is how many of its newest edges the encoder remembers: 3 s of 10,000 a second.
const marks = 1 << 15

// A mark is the count from an instant on.
type mark struct {
	at    time.Time
	count int64
}

// An encoder counts edges. It is a line.Encoder.
type encoder struct {
	in        edges
	epoch     time.Time
	backwards func() (bool, error) // nil: the belt has one direction
	life      context.Context      // ends with the reason why it no longer counts
	end       context.CancelCauseFunc
	wg        sync.WaitGroup

	mu   sync.Mutex
	ring []mark // the newest at n-1 modulo marks
	n    int64
}

func newEncoder(in edges, epoch time.Time) *encoder {
	e := &encoder{in: in, epoch: epoch, ring: make([]mark, marks)}
	e.life, e.end = context.WithCancelCause(context.Background())
	e.add(mark{at: time.Now()})
	return e
}

// start reads edges until Close or an error.
func (e *encoder) start() {
	e.wg.Go(func() {
		for {
			if err := e.read(); err != nil {
				e.end(err)
				return
			}
		}
	})
}

// read counts one edge, and those that the kernel dropped before it.
func (e *encoder) read() error {
	edge, err := e.in.Next(e.life)
	if err != nil {
		return err
	}
	n := 1 + int64(edge.Missed)
	if e.backwards != nil {
		back, err := e.backwards()
		if err != nil {
			return err
		}
		if back {
			n = -n
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.add(mark{e.epoch.Add(edge.At), e.newest().count + n})
	return nil
}

func (e *encoder) add(m mark) {
	e.ring[e.n%marks] = m
	e.n++
}

func (e *encoder) newest() mark { return e.ring[(e.n-1)%marks] }

// Position implements line.Encoder.
func (e *encoder) Position() line.Position {
	unread := e.in.Waiting()
	e.mu.Lock()
	defer e.mu.Unlock()
	m := e.newest()
	p := line.Position{Count: m.count, At: m.at, Unread: unread}
	if e.n > 1 {
		before := e.ring[(e.n-2)%marks]
		if moved := m.count - before.count; moved > 0 {
			p.Period = m.at.Sub(before.at) / time.Duration(moved)
		}
	}
	return p
}

// How long an edge of the encoder may take longer to be delivered than one of the sensor: commonly, and when the belt was moving
// and its newest edge is older than two of its periods, so that either it has stopped or its edges are on their way.
const (
	patience = 2 * time.Millisecond
	lag      = 20 * time.Millisecond
	stood    = time.Second // a belt whose newest edge is so old was not moving
)

// wait returns when an edge after t is known, or none is to be expected. While edges come in, those that waited in the kernel as
// this process stood may not all be read.
func (e *encoder) wait(t time.Time) {
	read, since := int64(-1), time.Time{}
	for {
		e.mu.Lock()
		newest, n, period := e.newest(), e.n, e.period(e.n-2)
		e.mu.Unlock()
		age, limit, now := t.Sub(newest.at), patience, time.Now()
		if period != 0 && age > 2*max(period, -period) && age < stood {
			limit = lag
		}
		if n != read {
			read, since = n, now
		}
		if age <= 0 || now.Sub(t) >= limit && now.Sub(since) >= patience {
			return
		}
		time.Sleep(patience / 8)
	}
}

// period is how long a count took before mark i, and after the oldest, averaged over some marks and negative where the belt ran back;
// 0: not known.
func (e *encoder) period(i int64) time.Duration {
	const some = 64
	from := max(i-some, 0, e.n-marks)
	to := min(from+some, e.n-1)
	if to <= from {
		return 0
	}
	a, b := e.ring[from%marks], e.ring[to%marks]
	if a.count == b.count {
		return 0
	}
	return b.at.Sub(a.at) / time.Duration(b.count-a.count)
}

// at returns the count at an instant of the recent past. Between two marks the belt is believed to have moved evenly: where
// the kernel dropped edges nobody knows when they came. So it is before the oldest mark that is remembered.
func (e *encoder) at(t time.Time) int64 {
	e.wait(t)
	e.mu.Lock()
	defer e.mu.Unlock()
	oldest := max(0, e.n-marks)
	i := e.n - 1
	for i > oldest && e.ring[i%marks].at.After(t) {
		i--
	}
	m := e.ring[i%marks]
	switch {
	case m.at.After(t) && i > 0: // forgotten
		if period := e.period(i); period != 0 {
			return m.count - int64(m.at.Sub(t)/period)
		}
		return m.count
	case i == e.n-1:
		return m.count
	}
	next := e.ring[(i+1)%marks]
	share := float64(t.Sub(m.at)) / float64(max(next.at.Sub(m.at), 1))
	return m.count + int64(float64(next.count-m.count)*min(max(share, 0), 1))
}

// Close ends the counting.
func (e *encoder) Close() error {
	e.end(os.ErrClosed)
	e.wg.Wait()
	return nil
}
