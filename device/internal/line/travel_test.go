package line

import (
	"testing"
	"time"
)

// A line that is held up while the belt runs is not a belt that stood: of an encoder whose edges come in pairs, or jitter, the newest
// period says little, and a pulse that is 40 ms late would seem to be 9.
func TestLateReadingIsNoStand(t *testing.T) {
	const ms = time.Millisecond
	start := time.Now()
	enc := &odometer{}
	b := belt{enc: enc}
	read := func(at time.Duration) { // both edges of a narrow tooth: counts at 0, 1, 10, 11, 20, ... ms
		count, edge := 2*int64(at/(10*ms)), at.Truncate(10*ms)
		period := 9 * ms
		if at >= edge+ms {
			count, edge, period = count+1, edge+ms, ms
		}
		enc.p = Position{Count: count, At: start.Add(edge), Period: period}
		b.sample(start.Add(at))
	}
	for at := 5 * ms; at <= 100*ms; at += 5 * ms {
		read(at)
	}
	read(191 * ms)
	if due, ok := b.eta(30); !ok || due.Sub(start.Add(150*ms)).Abs() > 5*ms {
		t.Errorf("at the rejecter at %v, want 150ms", due.Sub(start))
	}
}
