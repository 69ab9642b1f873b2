package mono

import (
	"testing"
	"time"
)

func TestEpochIsTheClocksZero(t *testing.T) {
	epoch := Epoch()
	before := time.Now()
	m := Now()
	after := time.Now()
	at := epoch.Add(m)
	slack := 5 * time.Millisecond // Epoch itself may be interrupted between its readings
	if at.Before(before.Add(-slack)) || at.After(after.Add(slack)) {
		t.Errorf("%v is not between %v and %v", at, before, after)
	}
}
