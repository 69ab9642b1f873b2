//go:build linux

package pulse

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"cull/internal/mono"
	"cull/reject"
	"cull/reject/gpio"
)

// These tests drive the kernel's simulated chip, gpio-sim. `make testbed` has one; elsewhere they skip.

// bed opens two outputs, whose pulls are to the active level: a line that is released, not driven, reads as active.
func bed(t *testing.T, refs ...string) (outs []*gpio.Output) {
	t.Helper()
	sim := os.Getenv("CULL_TESTBED_SIM")
	if sim == "" {
		t.Skip("no simulated GPIO chip: run make testbed")
	}
	for _, ref := range refs {
		n := strings.TrimPrefix(ref, "LINE")
		if err := os.WriteFile(fmt.Sprintf("%s/sim_gpio%s/pull", sim, n), []byte("pull-up"), 0); err != nil {
			t.Fatal(err)
		}
		o, err := gpio.OpenOutput(ref, gpio.OutputConfig{Consumer: "cull " + t.Name()[:8]})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { o.Close() })
		outs = append(outs, o)
	}
	return outs
}

func active(t *testing.T, o *gpio.Output) bool {
	t.Helper()
	a, err := o.Active()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestKernelPulse(t *testing.T) {
	outs := bed(t, "LINE4", "LINE5")
	epoch := mono.Epoch()
	outcomes := make(chan reject.Outcome, 1)
	p, granted, err := Start(GPIO(outs[0]), []Line{GPIO(outs[1])}, Options{
		Options: reject.Options{Width: 100 * ms, Late: 10 * time.Second, Report: func(o reject.Outcome) { outcomes <- o }},
		Silence: 10 * time.Second, Epoch: epoch,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(granted)
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- p.Run(ctx) }()
	if err := p.Output(0).Set(true); err != nil || !active(t, outs[1]) {
		t.Errorf("output: %v", err)
	}
	due := time.Now().Add(200 * ms)
	if err := p.Push(1, due); err != nil {
		t.Fatal(err)
	}
	for !active(t, outs[0]) {
		if time.Since(due) > 10*time.Second {
			t.Fatal("no pulse")
		}
	}
	seen := time.Now()
	o := <-outcomes
	if o.Err != nil || o.At.Before(due) || seen.Before(due) || active(t, outs[0]) {
		t.Errorf("%+v, due %v, seen %v", o, due, seen)
	}
	cancel()
	if err := <-ran; !errors.Is(err, context.Canceled) || active(t, outs[1]) {
		t.Error(err)
	}
}

// A child that is killed in the middle of a pulse: its parent still holds the lines, and makes them inactive.
func TestKernelChildThatIsKilled(t *testing.T) {
	outs := bed(t, "LINE4", "LINE5")
	p, _, err := Start(GPIO(outs[0]), []Line{GPIO(outs[1])}, Options{Options: reject.Options{Width: time.Minute}})
	if err != nil {
		t.Fatal(err)
	}
	ran := make(chan error, 1)
	go func() { ran <- p.Run(t.Context()) }()
	p.Output(0).Set(true)
	p.Push(1, time.Now())
	eventually(t, "the pulse", func() bool { return active(t, outs[0]) && active(t, outs[1]) })
	unix.Kill(p.link.(*process).pid(), unix.SIGKILL)
	if err := <-ran; !errors.Is(err, ErrDied) || active(t, outs[0]) || active(t, outs[1]) {
		t.Errorf("%v, active %t %t", err, active(t, outs[0]), active(t, outs[1]))
	}
}

// A parent that is killed or stopped in the middle of a pulse: its child makes the lines inactive. This process holds
// them too, so that what it reads is what the child drove, not what the kernel made of a released line.
func TestKernelParentThatIsKilled(t *testing.T) {
	outs := bed(t, "LINE6", "LINE7")
	for _, sig := range []unix.Signal{unix.SIGKILL, unix.SIGSTOP, unix.SIGABRT} {
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), parentRole+"=gpio")
		cmd.ExtraFiles = []*os.File{outs[0].File(), outs[1].File()}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var pid int
		l, err := bufio.NewReader(out).ReadString('\n')
		if _, e := fmt.Sscan(l, &pid); err != nil || e != nil || !strings.HasSuffix(l, "<nil>\n") {
			t.Fatalf("%q %v %v", l, err, e)
		}
		eventually(t, "the pulse", func() bool { return active(t, outs[0]) && active(t, outs[1]) })
		cmd.Process.Signal(sig)
		eventually(t, sig.String()+": outputs inactive", func() bool { return !active(t, outs[0]) && !active(t, outs[1]) })
		eventually(t, "the child's end", func() bool { return ended(pid) })
		cmd.Process.Kill()
		cmd.Wait()
	}
}
