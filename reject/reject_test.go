package reject_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"cull/reject"
	"cull/reject/rejecttest"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpiotest"
)

const ms = time.Millisecond

var errStuck = errors.New("stuck")

func TestPulseWidth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var line rejecttest.Line
		if err := reject.Pulse(t.Context(), &line, time.Now().Add(40*ms), 25*ms); err != nil {
			t.Fatal(err)
		}
		line.Want(t, rejecttest.Pulse{At: 0, Width: 25 * ms})
	})
}

func TestPulseCancelledLeavesLineOff(t *testing.T) {
	for _, end := range []time.Duration{0, 10 * ms, 60 * ms} { // ended, waiting, active
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), end)
			defer cancel()
			var line rejecttest.Line
			err := reject.Pulse(ctx, &line, time.Now().Add(50*ms), time.Second)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("ended after %v: err = %v", end, err)
			}
			line.WantInactive(t)
		})
	}
}

func TestPulseReportsTheDriver(t *testing.T) {
	for _, stuck := range []bool{true, false} {
		line := rejecttest.Line{Fail: func(active bool) error {
			if active == stuck {
				return errStuck
			}
			return nil
		}}
		if err := reject.Pulse(t.Context(), &line, time.Now(), 0); !errors.Is(err, errStuck) {
			t.Errorf("Set(%t) fails: err = %v", stuck, err)
		}
	}
}

func TestPinPolarity(t *testing.T) {
	for _, activeLow := range []bool{false, true} {
		p := &gpiotest.Pin{N: "GPIO17", L: gpio.Low}
		line := reject.Pin(p, activeLow)
		for _, active := range []bool{true, false, true} {
			if err := line.Set(active); err != nil {
				t.Fatal(err)
			}
			if got, want := bool(p.L), active != activeLow; got != want {
				t.Errorf("active low %t: Set(%t) drove %v", activeLow, active, p.L)
			}
		}
	}
}

func TestQueue(t *testing.T) {
	rejecttest.Conform(t, func(t *testing.T, line reject.Line, o reject.Options) rejecttest.Rejecter {
		q, err := reject.NewQueue(line, o)
		if err != nil {
			t.Fatal(err)
		}
		return q
	})
}

func TestQueueCounts(t *testing.T) {
	q, err := reject.NewQueue(&rejecttest.Line{}, reject.Options{Width: 20 * ms})
	if err != nil {
		t.Fatal(err)
	}
	q.Push(1, time.Now().Add(time.Hour))
	q.Push(2, time.Now().Add(time.Hour))
	q.Cancel(1)
	if q.Len() != 1 {
		t.Errorf("%d pulses wait", q.Len())
	}
}

func TestNewQueueChecksOptions(t *testing.T) {
	for _, o := range []reject.Options{
		{}, {Width: -1}, {Width: 2, MaxOn: 1}, {Width: 1, Late: -1}, {Width: 1, Cap: -1},
	} {
		if _, err := reject.NewQueue(&rejecttest.Line{}, o); err == nil {
			t.Errorf("%+v accepted", o)
		}
	}
}

// A line of which neither on nor off succeeds may be on: the queue ends, which tries again.
func TestQueueFaultOfOnAndOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		line := &rejecttest.Half{Err: errStuck}
		q, err := reject.NewQueue(line, reject.Options{Width: 20 * ms})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- q.Run(t.Context()) }()
		synctest.Wait()
		line.Fails = 2
		if err := q.Push(1, time.Now().Add(10*ms)); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; !errors.Is(err, errStuck) || line.Active {
			t.Errorf("active %t, %v", line.Active, err)
		}
	})
}
