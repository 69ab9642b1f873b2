// Package reject turns verdicts into timed pulses on an output line.
//
// It is the mirror image of package capture: vocabulary and logic, no driver.
// Time is the standard library's clock, so that testing/synctest can drive it.
package reject

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A Line is one digital output. Active is logical: polarity is the driver's.
// Set returns when the output has the new state, or says why it has not.
type Line interface {
	Set(active bool) error
}

// Reasons why a pulse was refused or not completed.
var (
	ErrLate   = errors.New("reject: pulse is late") // its time has passed: the part is no longer there
	ErrFull   = errors.New("reject: queue is full")
	ErrClosed = errors.New("reject: queue has stopped")
	ErrOnTime = errors.New("reject: longest on-time reached") // the pulse was cut short or never began
)

// Pulse holds line active for width, starting at at; a time already past means
// now. It returns ctx.Err if the context ends first. The line is inactive on
// every return, a panic of the driver included.
func Pulse(ctx context.Context, line Line, at time.Time, width time.Duration) (err error) {
	defer func() {
		if off := line.Set(false); err == nil && off != nil {
			err = fmt.Errorf("reject: line off: %w", off)
		}
	}()
	if err := sleep(ctx, time.Until(at)); err != nil {
		return err
	}
	if err := line.Set(true); err != nil {
		return fmt.Errorf("reject: line on: %w", err)
	}
	return sleep(ctx, width)
}

func sleep(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
