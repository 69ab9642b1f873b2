//go:build linux

package gpio

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"cull/internal/mono"
)

// These tests drive the kernel's simulated chip, gpio-sim. `make testbed` has one; elsewhere they skip.

// A sim is the sysfs folder of the chip "bed-chip", whose lines are LINE0 to LINE7.
type sim string

func bed(t *testing.T) sim {
	t.Helper()
	dir := os.Getenv("CULL_TESTBED_SIM")
	if dir == "" {
		t.Skip("no simulated GPIO chip: run make testbed")
	}
	return sim(dir)
}

func (s sim) level(t *testing.T, n int) string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("%s/sim_gpio%d/value", s, n))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

func (s sim) pull(t *testing.T, n int, to string) {
	t.Helper()
	if err := os.WriteFile(fmt.Sprintf("%s/sim_gpio%d/pull", s, n), []byte("pull-"+to), 0); err != nil {
		t.Fatal(err)
	}
}

func TestKernelOutput(t *testing.T) {
	s := bed(t)
	s.pull(t, 0, "up") // a coil that is active low
	o, err := OpenOutput("bed-chip:0", OutputConfig{Consumer: "cull reject", ActiveLow: true})
	if err != nil {
		t.Fatal(err)
	}
	if s.level(t, 0) != "1" {
		t.Error("driven active by the request")
	}
	info, err := Find("LINE0")
	if err != nil || !info.Used || !info.Output || info.Consumer != "cull reject" {
		t.Errorf("%+v %v", info, err)
	}
	for _, active := range []bool{true, false, true} {
		if err := o.Set(active); err != nil || (s.level(t, 0) == "0") != active {
			t.Errorf("set %t: level %s, %v", active, s.level(t, 0), err)
		}
	}
	if _, err := OpenOutput("LINE0", OutputConfig{}); !errors.Is(err, ErrBusy) {
		t.Errorf("a second owner: %v", err)
	}
	if err := o.Close(); err != nil {
		t.Error(err)
	}
	if s.level(t, 0) != "1" {
		t.Error("not released to the pull")
	}
	active, err := OpenOutput("LINE0", OutputConfig{ActiveLow: true, Active: true})
	if err != nil {
		t.Fatal(err)
	}
	defer active.Close()
	if s.level(t, 0) != "0" {
		t.Error("not active from the request")
	}
}

func TestKernelEdges(t *testing.T) {
	s := bed(t)
	s.pull(t, 1, "down")
	in, err := OpenInput("LINE1", InputConfig{Consumer: "cull trigger", Edges: Rising, Bias: PullDown})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		before := mono.Now()
		s.pull(t, 1, "up")
		e, err := in.Next(t.Context())
		if err != nil || e.Seq != uint32(i+1) || e.Missed != 0 || !e.Rising || e.At < before || e.At > mono.Now() {
			t.Fatalf("%d: %+v %v", i, e, err)
		}
		s.pull(t, 1, "down")
		time.Sleep(2 * time.Millisecond)
	}
	time.AfterFunc(50*time.Millisecond, func() { in.Close() })
	if _, err := in.Next(t.Context()); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
}

func TestKernelOverflowIsAGap(t *testing.T) {
	s := bed(t)
	s.pull(t, 2, "down")
	in, err := OpenInput("LINE2", InputConfig{Edges: Rising | Falling, Buffer: 16})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if in.Waiting() {
		t.Error("an edge waits before there was one")
	}
	for range 30 {
		s.pull(t, 2, "up")
		time.Sleep(2 * time.Millisecond)
		s.pull(t, 2, "down")
		time.Sleep(2 * time.Millisecond)
	}
	if !in.Waiting() {
		t.Error("edges that nobody has fetched do not wait")
	}
	e, err := in.Next(t.Context())
	if err != nil || e.Missed == 0 {
		t.Errorf("%+v %v: the gap does not show", e, err)
	}
	for range 15 {
		if _, err := in.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if in.Waiting() {
		t.Error("edges wait that have all been fetched")
	}
}

func TestKernelDebounce(t *testing.T) {
	s := bed(t)
	s.pull(t, 3, "down")
	in, err := OpenInput("LINE3", InputConfig{Edges: Rising | Falling, Debounce: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	s.pull(t, 3, "up")
	s.pull(t, 3, "down")
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if e, err := in.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a glitch: %+v %v", e, err)
	}
	s.pull(t, 3, "up")
	if e, err := in.Next(t.Context()); err != nil || !e.Rising {
		t.Errorf("%+v %v", e, err)
	}
}
