package capturetest

import (
	"context"
	"errors"
	"testing"

	"cull/capture"
)

func TestScriptConforms(t *testing.T) {
	Conform(t, func(*testing.T) capture.Source {
		return &Script{Steps: []Step{{Frame: Grey(4, 3, 1)}, {Frame: Grey(4, 3, 2)}}}
	}, 2, true)
}

func TestScriptCountsLoansAndFails(t *testing.T) {
	s := &Script{Steps: []Step{
		{Frame: Grey(2, 2, 9)}, {Err: capture.ErrLost}, {Frame: Grey(2, 2, 9), Wait: make(chan struct{})},
	}}
	f, err := s.Next(t.Context())
	if err != nil || s.OnLoan() != 1 {
		t.Fatalf("%v, %d on loan", err, s.OnLoan())
	}
	f.Release()
	if s.OnLoan() != 0 {
		t.Errorf("%d on loan after Release", s.OnLoan())
	}
	if _, err := s.Next(t.Context()); !errors.Is(err, capture.ErrLost) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go cancel()
	if _, err := s.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("while waiting: %v", err)
	}
}
