// Package capturetest tests sources of frames and what consumes them.
package capturetest

import (
	"context"
	"io"
	"sync"

	"cull/capture"
)

// A Script is a Source that delivers what it was told, then io.EOF. It counts
// frames on loan, so a consumer that forgets Release is found out.
type Script struct {
	Steps []Step

	mu     sync.Mutex
	next   int
	loans  int
	closed bool
}

// A Step is one answer of Next: Err if it is not nil, else Frame. Wait, if not
// nil, must be closed first; Next then also ends with its context.
type Step struct {
	Frame capture.Frame
	Err   error
	Wait  <-chan struct{}
}

// Next gives the next step's answer. Seq is set to the step's number.
func (s *Script) Next(ctx context.Context) (*capture.Frame, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	if s.closed || s.next == len(s.Steps) {
		s.mu.Unlock()
		return nil, io.EOF
	}
	step := s.Steps[s.next]
	s.mu.Unlock()
	if step.Wait != nil {
		select {
		case <-step.Wait:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	step.Frame.Seq = uint32(s.next)
	s.next++
	if step.Err != nil {
		return nil, step.Err
	}
	s.loans++
	return capture.NewFrame(step.Frame, s.giveBack), nil
}

func (s *Script) giveBack() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loans--
}

// Close ends the script.
func (s *Script) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

// OnLoan returns how many frames have not been released.
func (s *Script) OnLoan() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.loans
}

// Grey returns a frame of one grey value.
func Grey(width, height int, value byte) capture.Frame {
	pix := make([]byte, width*height)
	for i := range pix {
		pix[i] = value
	}
	return capture.Frame{
		Pix: pix, Format: capture.Grey, Width: width, Height: height, Stride: width,
	}
}
