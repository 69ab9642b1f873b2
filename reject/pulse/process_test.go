//go:build linux

package pulse

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"cull/internal/mono"
	"cull/reject"
	"cull/reject/gpio"
)

// parentRole tells this test binary to be a parent that is going to be killed: "gpio", or a folder for traces.
const parentRole = "CULL_TEST_PULSE_PARENT"

func TestMain(m *testing.M) {
	Child()
	if role := os.Getenv(parentRole); role != "" {
		victim(role)
	}
	os.Exit(m.Run())
}

// victim holds its outputs active and pulses to come, until something happens to it.
func victim(role string) {
	lines, err := traces(role)
	if role == "gpio" { // descriptors 3 and 4
		err = nil
		for fd := range uintptr(2) {
			f := os.NewFile(3+fd, "gpio")
			lines = append(lines, Line{"gpio", "inherited", f, gpio.Inherit(3+fd, "inherited")})
		}
	}
	if err != nil {
		fmt.Println(0, err)
		os.Exit(1)
	}
	p, _, err := Start(lines[0], lines[1:], Options{Options: reject.Options{Width: time.Minute}, Silence: 300 * ms})
	if err != nil {
		fmt.Println(0, err)
		os.Exit(1)
	}
	go p.Run(context.Background()) //nolint:errcheck // it is going to be killed
	err = p.Output(0).Set(true)
	p.Push(1, time.Now())                //nolint:errcheck // as seen on the line
	p.Push(2, time.Now().Add(time.Hour)) //nolint:errcheck // never
	fmt.Println(p.link.(*process).pid(), err)
	select {}
}

// traces are the files reject and out.
func traces(dir string) (lines []Line, err error) {
	for _, n := range []string{"reject", "out"} {
		f, err := os.OpenFile(filepath.Join(dir, n), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			return nil, err
		}
		lines = append(lines, Trace(f))
	}
	return lines, nil
}

// startTraced starts a process whose rejecter and one more output are traces in dir.
func startTraced(dir string, o Options) (*Process, error) {
	lines, err := traces(dir)
	if err != nil {
		return nil, err
	}
	p, _, err := Start(lines[0], lines[1:], o)
	return p, err
}

// edges reads a trace: the changes of state, the first being to active.
func edges(t *testing.T, file string) (at []time.Duration) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	was := 0
	for l := range strings.Lines(string(b)) {
		var ns int64
		var state int
		if _, err := fmt.Sscan(l, &ns, &state); err != nil {
			t.Fatalf("%s: %q", file, l)
		}
		if state != was {
			at, was = append(at, time.Duration(ns)), state
		}
	}
	return at
}

// eventually waits for what another process does; how long that takes is not the test's business.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 2000 {
		if ok() {
			return
		}
		time.Sleep(5 * ms)
	}
	t.Fatalf("%s: not within 10 s", what)
}

// executable skips a test that needs processes of its own where this machine cannot execute them: another CPU's
// binary under an emulator that the kernel does not know of.
func executable(t *testing.T) {
	t.Helper()
	err := exec.Command("/proc/self/exe", "-test.run=^$").Run()
	if errors.Is(err, unix.ENOEXEC) {
		t.Skip(err)
	}
}

func TestRealPulses(t *testing.T) {
	executable(t)
	dir := t.TempDir()
	epoch := mono.Epoch()
	outcomes := make(chan reject.Outcome, 10)
	p, err := startTraced(dir, Options{
		Options: reject.Options{Width: 20 * ms, Late: 10 * time.Second, Report: func(o reject.Outcome) { outcomes <- o }},
		Silence: 10 * time.Second, Epoch: epoch,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- p.Run(ctx) }()
	if err := p.Output(0).Set(true); err != nil {
		t.Error(err)
	}
	// Far ones first, so that the child sleeps for them when the near ones come.
	far := time.Now().Add(time.Hour)
	near := time.Now().Add(60 * ms)
	for id := range uint64(3) {
		if err := p.Push(id, far); err != nil {
			t.Error(err)
		}
	}
	for id := range uint64(2) {
		if err := p.Move(id, near.Add(time.Duration(id)*50*ms)); err != nil {
			t.Error(err)
		}
	}
	if !p.Cancel(2) || p.Cancel(2) {
		t.Error("a waiting pulse was not withdrawn once")
	}
	for id := range uint64(2) {
		o := <-outcomes
		due := near.Add(time.Duration(id) * 50 * ms)
		if o.ID != id || o.Err != nil || !o.Due.Equal(due) || o.At.Before(due) {
			t.Errorf("%+v: early or failed, want due %v", o, due)
		}
	}
	cancel()
	if err := <-ran; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	at := edges(t, filepath.Join(dir, "reject"))
	if len(at) != 4 && len(at) != 2 { // on a machine that stalls they merge
		t.Fatalf("edges %v", at)
	}
	// A stamp is from inside Set, the width counts from its return.
	if at[0] < near.Sub(epoch) || at[1]-at[0] < 20*ms {
		t.Errorf("edges %v, due %v", at, near.Sub(epoch))
	}
	if at := edges(t, filepath.Join(dir, "out")); len(at) != 2 {
		t.Errorf("the other output: %v", at)
	}
}

// A pulse whose time is up when the child comes to it is refused, not fired at the next part.
func TestRealChildThatIsStopped(t *testing.T) {
	executable(t)
	dir := t.TempDir()
	outcomes := make(chan reject.Outcome, 10)
	p, err := startTraced(dir, Options{
		Options: reject.Options{Width: 20 * ms, Late: 10 * ms, Report: func(o reject.Outcome) { outcomes <- o }},
		Silence: 20 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	ran := make(chan error, 1)
	go func() { ran <- p.Run(t.Context()) }()
	p.Output(0).Set(true)
	pid := p.link.(*process).pid()
	unix.Kill(pid, unix.SIGSTOP)
	p.Push(1, time.Now().Add(30*ms))
	time.Sleep(100 * ms)
	unix.Kill(pid, unix.SIGCONT)
	if o := <-outcomes; !errors.Is(o.Err, reject.ErrLate) || !o.At.IsZero() {
		t.Errorf("%+v", o)
	}
	unix.Kill(pid, unix.SIGKILL)
	if err := <-ran; !errors.Is(err, ErrDied) || !strings.Contains(err.Error(), "killed") {
		t.Error(err)
	}
	if at := edges(t, filepath.Join(dir, "out")); len(at) != 2 {
		t.Errorf("the other output after the child's death: %v", at)
	}
}

// A child that stays stopped is found by its silence, and the outputs are made inactive without it.
func TestRealChildThatHangs(t *testing.T) {
	executable(t)
	dir := t.TempDir()
	p, err := startTraced(dir, Options{Options: reject.Options{Width: time.Minute}, Silence: 500 * ms})
	if err != nil {
		t.Fatal(err)
	}
	ran := make(chan error, 1)
	go func() { ran <- p.Run(t.Context()) }()
	p.Push(1, time.Now())
	eventually(t, "the pulse", func() bool { return len(edges(t, filepath.Join(dir, "reject"))) == 1 })
	unix.Kill(p.link.(*process).pid(), unix.SIGSTOP)
	if err := <-ran; !errors.Is(err, ErrHung) {
		t.Error(err)
	}
	if at := edges(t, filepath.Join(dir, "reject")); len(at) != 2 {
		t.Errorf("the line is active: %v", at)
	}
}

// Whatever becomes of the parent, the child makes the outputs inactive and ends.
func TestRealParentThatIsKilled(t *testing.T) {
	executable(t)
	for _, sig := range []unix.Signal{unix.SIGKILL, unix.SIGSTOP, unix.SIGABRT, unix.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			cmd := exec.Command("/proc/self/exe")
			cmd.Env = append(os.Environ(), parentRole+"="+dir)
			cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer cmd.Wait()
			defer cmd.Process.Kill()
			var pid int
			l, err := bufio.NewReader(out).ReadString('\n')
			if _, e := fmt.Sscan(l, &pid); err != nil || e != nil || !strings.HasSuffix(l, "<nil>\n") {
				t.Fatalf("%q %v %v", l, err, e)
			}
			eventually(t, "the pulse", func() bool { return len(edges(t, filepath.Join(dir, "reject"))) == 1 })
			unix.Kill(pid, unix.SIGTERM) // what a service manager sends to the group: the child takes no notice
			unix.Kill(pid, unix.SIGABRT)
			unix.Kill(cmd.Process.Pid, sig)
			for _, n := range []string{"reject", "out"} {
				eventually(t, n+" inactive", func() bool { return len(edges(t, filepath.Join(dir, n))) == 2 })
			}
			eventually(t, "the child's end", func() bool { return ended(pid) })
		})
	}
}

// ended reports whether there is no such process, or only its corpse.
func ended(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || bytes.Contains(stat, []byte(") Z "))
}

// The child is what it says: its own name, and nothing left of it afterwards.
func TestRealChild(t *testing.T) {
	executable(t)
	p, err := startTraced(t.TempDir(), Options{Options: reject.Options{Width: ms}})
	if err != nil {
		t.Fatal(err)
	}
	pid := p.link.(*process).pid()
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if want := "cull-pulse\x00trace:trace\x00trace:trace\x00"; err != nil || string(line) != want {
		t.Errorf("%q %v", line, err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if !ended(pid) {
		t.Error("the child is still there")
	}
}

func TestStartedByHand(t *testing.T) {
	executable(t)
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{name, "gpio:chip:17"}
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "cull run") || !strings.Contains(string(out), "gpio:chip:17") {
		t.Errorf("%v %s", err, out)
	}
}
