//go:build linux

package systemd

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

func listen(t *testing.T, path string) *net.UnixConn {
	t.Helper()
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestNotifyReachesFileAndAbstractSockets(t *testing.T) {
	for _, path := range []string{filepath.Join(t.TempDir(), "n"), fmt.Sprintf("@cull-test-%d", os.Getpid())} {
		c := listen(t, path)
		t.Setenv("NOTIFY_SOCKET", path)
		if err := Notify("READY=1\nSTATUS=streaming"); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 100)
		n, err := c.Read(b)
		if err != nil || string(b[:n]) != "READY=1\nSTATUS=streaming" {
			t.Errorf("%s: got %q, %v", path, b[:n], err)
		}
	}
	t.Setenv("NOTIFY_SOCKET", "/no/such/socket")
	if err := Notify("READY=1"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no manager: %v", err)
	}
	t.Setenv("NOTIFY_SOCKET", "")
	if err := Notify("READY=1"); err != nil {
		t.Errorf("not a service: %v", err)
	}
}

func TestWatchdogTime(t *testing.T) {
	for _, tc := range []struct {
		us, pid string
		want    time.Duration
	}{
		{"", "", 0},
		{"10000000", "", 10 * time.Second},
		{"10000000", strconv.Itoa(os.Getpid()), 10 * time.Second},
		{"10000000", "1", 0},
		{"-3", "", 0},
		{"soon", "", 0},
	} {
		t.Setenv("WATCHDOG_USEC", tc.us)
		t.Setenv("WATCHDOG_PID", tc.pid)
		if got := WatchdogTime(); got != tc.want {
			t.Errorf("%+v: got %v", tc, got)
		}
	}
}

func TestLoggedByJournal(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	for stream, want := range map[string]bool{
		fmt.Sprintf("%d:%d", st.Dev, st.Ino): true, fmt.Sprintf("%d:%d", st.Dev, st.Ino+1): false, "": false, "x": false,
	} {
		t.Setenv("JOURNAL_STREAM", stream)
		if got := LoggedByJournal(f); got != want {
			t.Errorf("JOURNAL_STREAM=%q: got %t", stream, got)
		}
	}
}

// Parts as journald takes a record apart: sd-journal's export format.
func fields(t *testing.T, b []byte) map[string]string {
	t.Helper()
	m := map[string]string{}
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			t.Fatalf("no end of line in %q", b)
		}
		if name, value, ok := strings.Cut(string(b[:i]), "="); ok {
			m[name] = value
			b = b[i+1:]
			continue
		}
		name := string(b[:i])
		n := int(binary.LittleEndian.Uint64(b[i+1:]))
		m[name] = string(b[i+9 : i+9+n])
		if b[i+9+n] != '\n' {
			t.Fatalf("%s: no end", name)
		}
		b = b[i+9+n+1:]
	}
	return m
}

func TestRecordsSmallAndLarge(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	c := listen(t, path)
	j, err := OpenJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	for _, size := range []int{10, 1 << 20} {
		want := map[string]string{"MESSAGE": "two\nlines", "CULL_PART_ID": "812", "CULL_STACK": strings.Repeat("x", size)}
		var b []byte
		for k, v := range want {
			if b, err = AppendField(b, k, v); err != nil {
				t.Fatal(err)
			}
		}
		if err := j.Send(b); err != nil {
			t.Fatal(err)
		}
		for k, v := range fields(t, receive(t, c)) {
			if want[k] != v {
				t.Errorf("%d bytes: %s: got %.40q", size, k, v)
			}
			delete(want, k)
		}
		if len(want) > 0 {
			t.Errorf("%d bytes: missing %v", size, want)
		}
	}
}

// receive reads one record, from a sealed file where that is what comes.
func receive(t *testing.T, c *net.UnixConn) []byte {
	t.Helper()
	b, oob := make([]byte, 1<<16), make([]byte, 64)
	n, k, _, _, err := c.ReadMsgUnix(b, oob)
	if err != nil {
		t.Fatal(err)
	}
	if k == 0 {
		return b[:n]
	}
	msgs, err := unix.ParseSocketControlMessage(oob[:k])
	if err != nil {
		t.Fatal(err)
	}
	fds, err := unix.ParseUnixRights(&msgs[0])
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[0])
	seals, err := unix.FcntlInt(uintptr(fds[0]), unix.F_GET_SEALS, 0)
	if err != nil || seals&unix.F_SEAL_WRITE == 0 {
		t.Errorf("seals %#x, %v", seals, err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fds[0], &st); err != nil {
		t.Fatal(err)
	}
	b = make([]byte, st.Size)
	if _, err := unix.Pread(fds[0], b, 0); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestReceiverThatDoesNotRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	c := listen(t, path)
	j, err := OpenJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	sent := 0
	for err == nil && sent < 10_000 {
		if err = j.Send([]byte("MESSAGE=x\n")); err == nil {
			sent++
		}
	}
	if !errors.Is(err, ErrStuck) {
		t.Fatalf("after %d records: %v, want ErrStuck", sent, err)
	}
	receive(t, c)
	if err := j.Send([]byte("MESSAGE=x\n")); err != nil {
		t.Errorf("it reads again: %v", err)
	}
	c.Close()
	if err := j.Send([]byte("MESSAGE=x\n")); err == nil || errors.Is(err, ErrStuck) {
		t.Errorf("it has gone: %v", err)
	}
	os.Remove(path) //nolint:errcheck // Close may have
	listen(t, path)
	if err := j.Send([]byte("MESSAGE=x\n")); err != nil {
		t.Errorf("it is back: %v", err)
	}
}

func TestNamesOfFields(t *testing.T) {
	for name, want := range map[string]bool{
		"MESSAGE": true, "CULL_PART_ID": true, "A9": true, "": false, "_PID": false, "9A": false, "a": false,
		"A=B": false, strings.Repeat("A", 65): false,
	} {
		if _, err := AppendField(nil, name, "v"); (err == nil) != want {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func FuzzAppendField(f *testing.F) {
	f.Add("MESSAGE", "x")
	f.Add("CULL_ERROR", "a\nb=c\n")
	f.Fuzz(func(t *testing.T, name, value string) {
		b, err := AppendField(nil, name, value)
		if err != nil {
			return
		}
		b, _ = AppendField(b, "LAST", "1")
		got := fields(t, b)
		if name != "LAST" && got[name] != value || got["LAST"] != "1" {
			t.Errorf("%q=%q: read as %q", name, value, got)
		}
	})
}

func TestWatchdogIsFedByProgressOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said []string
		w := NewWatchdog(8*time.Second, func(s string) error { said = append(said, s); return nil })
		step := func(d time.Duration, f func(), want string) {
			t.Helper()
			time.Sleep(d)
			said = nil
			f()
			if got := strings.Join(said, "|"); got != want {
				t.Errorf("said %q, want %q", got, want)
			}
		}
		extend := "EXTEND_TIMEOUT_USEC=" + startTime
		ready := func() { w.Ready() }
		step(0, w.Turn, extend)
		step(time.Second, ready, "READY=1")
		step(0, ready, "")
		step(0, w.Turn, "WATCHDOG=1")
		step(time.Millisecond, w.Turn, "") // not more often than it helps
		step(time.Hour, w.Turn, "WATCHDOG=1")
		step(0, w.Begin, "")
		step(time.Hour, w.Turn, "") // the inspection is stuck, the loop alone is no progress
		step(0, w.Done, "WATCHDOG=1")
		step(time.Second, w.Turn, "WATCHDOG=1")
	})
}

// A service manager that could not be told is told again.
func TestWatchdogTriesAgain(t *testing.T) {
	err := errors.New("no manager")
	n := 0
	w := NewWatchdog(time.Hour, func(string) error { n++; return err })
	told := []bool{w.Ready(), w.Ready()}
	err = nil
	told = append(told, w.Ready(), w.Ready())
	if n != 3 || !slices.Equal(told, []bool{false, false, true, true}) {
		t.Errorf("tried %d times, want 3; told %v", n, told)
	}
}
