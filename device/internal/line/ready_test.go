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
				enc.p = Position{Count: enc.p.Count + int64(idlePoll/every), At: now}
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

// READY drops while an inspection does not return, though no part waits for it any more: the next would be late too.
func TestReadyWhileAnInspectionHangs(t *testing.T) {
	o := Options{
		WindowTo: 50 * time.Millisecond, Margin: 10 * time.Millisecond, Travel: Travel{Time: time.Second}, Backlog: 8,
	}
	now := time.Now()
	tr := &tracker{o: &o, open: true, asked: 1, waiting: now}
	for _, tc := range []struct {
		after time.Duration
		want  bool
	}{{100 * time.Millisecond, true}, {900 * time.Millisecond, true}, {950 * time.Millisecond, false}, {time.Minute, false}} {
		if got := tr.ready(now.Add(tc.after)); got != tc.want {
			t.Errorf("after %v: ready is %t", tc.after, got)
		}
	}
	now = now.Add(time.Minute)
	tr.result(result{took: time.Minute}, now)
	if tr.ready(now) {
		t.Error("ready just after an inspection that took a minute")
	}
	if !tr.ready(now.Add(10 * time.Second)) {
		t.Error("never ready again")
	}
}

type odometer struct{ p Position }

func (o *odometer) Position() Position { return o.p }
