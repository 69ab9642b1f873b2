package line

import (
	"testing"
	"time"
)

// READY follows the belt while no part is under way: a belt that stood or slowed down when the last one had ended
// must not hold READY down for ever, for without READY no part comes.
func TestReadyWithoutParts(t *testing.T) {
	start := time.Now()
	enc := &odometer{}
	o := Options{WindowTo: 50 * time.Millisecond, Margin: 10 * time.Millisecond, Travel: Travel{Counts: 100}, Backlog: 8}
	tr := &tracker{o: &o, belt: &belt{enc: enc}, open: true}
	now := start
	run := func(d, every time.Duration) {
		for end := now.Add(d); now.Before(end); {
			if every > 0 {
				enc.p = Position{enc.p.Count + int64(idlePoll/every), now}
			}
			tr.poll(now)
			if next := tr.until(now); next > idlePoll {
				t.Fatalf("reads the belt next in %v", next)
			}
			now = now.Add(idlePoll)
		}
	}
	for _, tc := range []struct {
		name  string
		every time.Duration // a count; 0: stands
		want  bool
	}{
		{"10 ms a count: a second to the rejecter", 10 * time.Millisecond, true},
		{"stands", 0, true},
		{"0.1 ms a count: 10 ms to the rejecter", 100 * time.Microsecond, false},
		{"stands again", 0, true},
	} {
		run(5*time.Second, tc.every)
		if got := tr.ready(now); got != tc.want {
			t.Errorf("%s: ready is %t", tc.name, got)
		}
	}
}

type odometer struct{ p Position }

func (o *odometer) Position() Position { return o.p }
