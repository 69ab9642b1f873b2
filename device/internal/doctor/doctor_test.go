//go:build linux

package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cull/capture"
	"cull/capture/v4l2"
	"cull/device/internal/config"
)

func find(t *testing.T, all []Finding, check string) Finding {
	t.Helper()
	for _, f := range all {
		if f.Check == check {
			return f
		}
	}
	t.Fatalf("no finding %q in %+v", check, all)
	return Finding{}
}

func put(t *testing.T, root, path, text string) {
	t.Helper()
	p := filepath.Join(root, path)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestHotAndUndervolted(t *testing.T) {
	root := t.TempDir()
	put(t, root, "proc/device-tree/model", "Raspberry Pi 5 Model B Rev 1.0\x00")
	put(t, root, "sys/class/thermal/thermal_zone0/temp", "83200\n")
	firmware := "sys/devices/platform/soc/soc:firmware/get_throttled"
	for bits, want := range map[string]State{"0x0": OK, "0x50005": Fault, "0x80008": Warn} {
		put(t, root, firmware, bits+"\n")
		all := Examine(t.Context(), Options{Root: root})
		if f := find(t, all, "power"); f.State != want || (f.Remedy == "") != (want == OK) || want == OK && !strings.Contains(f.Text, "just now") {
			t.Errorf("%s: %+v", bits, f)
		}
		if f := find(t, all, "temperature"); f.State != Warn || !strings.Contains(f.Text, "83 degrees") {
			t.Errorf("%+v", f)
		}
		if f := find(t, all, "board"); !strings.Contains(f.Text, "Raspberry Pi 5 Model B Rev 1.0, ") {
			t.Errorf("%+v", f)
		}
		if f := find(t, all, "unit"); f.State != Warn {
			t.Errorf("%+v", f)
		}
	}
}

// As on a Jetson Nano, TX2 or Xavier.
func TestZoneThatMeasuresNothing(t *testing.T) {
	root := t.TempDir()
	const zone = "sys/class/thermal/thermal_zone"
	put(t, root, zone+"1/type", "CPU-therm\n")
	put(t, root, zone+"1/temp", "41500\n")
	put(t, root, zone+"4/type", "PMIC-Die\n")
	put(t, root, zone+"4/temp", "100000\n")
	if f := find(t, Examine(t.Context(), Options{Root: root}), "temperature"); f.State != OK || f.Text != "41 degrees" {
		t.Errorf("%+v", f)
	}
}

func TestDiskAndMissingHardware(t *testing.T) {
	c := config.Default()
	c.IO.Kind = "gpio"
	c.IO.Out.Reject.Line = "no-such-chip:3"
	c.Camera.Kind, c.Camera.Device = "v4l2", "no such camera"
	c.Record.Dir, c.Record.QuotaMiB = filepath.Join(t.TempDir(), "verdicts"), 2
	all := Examine(t.Context(), Options{Config: &c, Root: t.TempDir()})
	for check, want := range map[string]State{"record.dir": OK, "io.out.reject.line": Fault, "camera": Fault} {
		if f := find(t, all, check); f.State != want || want == Fault && f.Remedy == "" {
			t.Errorf("%+v, want %s", f, want)
		}
	}
	c.Record.Dir = filepath.Join(t.TempDir(), "not", "there", "yet") // the daemon makes all of it
	c.Record.Frames, c.Record.FramesQuotaMiB = "all", 1<<30
	c.Record.FramesDir = t.TempDir()
	all = Examine(t.Context(), Options{Config: &c})
	if f := find(t, all, "record.dir"); f.State != OK || !strings.Contains(f.Text, c.Record.Dir+" can be made") {
		t.Errorf("%+v", f)
	}
	if f := find(t, all, "record.frames_dir"); f.State != Warn || !strings.Contains(f.Remedy, "record.frames_quota_mib") {
		t.Errorf("%+v", f)
	}
	file := filepath.Join(t.TempDir(), "file")
	put(t, filepath.Dir(file), "file", "")
	c.Record.Dir = filepath.Join(file, "verdicts")
	all = Examine(t.Context(), Options{Config: &c})
	if f := find(t, all, "record.dir"); f.State != Fault {
		t.Errorf("%+v", f)
	}
}

// Two directories on one file system share its space; what they hold already they need not find.
func TestQuotasOfOneDisk(t *testing.T) {
	c := config.Default()
	c.Record.Dir, c.Record.FramesDir, c.Record.Frames = t.TempDir(), t.TempDir(), "all"
	var st unix.Statfs_t
	if err := unix.Statfs(c.Record.Dir, &st); err != nil {
		t.Fatal(err)
	}
	quota := int64(st.Bavail) * int64(st.Bsize) / 10 * 7 //nolint:unconvert // their types differ between architectures
	c.Record.QuotaMiB, c.Record.FramesQuotaMiB = int(quota>>20), int(quota>>20)
	for _, tc := range []struct {
		name string // of a sparse file as large as the quota
		want State
	}{{"", Warn}, {"holiday.mp4", Warn}, {"00000001.cullrec", OK}} {
		if tc.name != "" {
			put(t, c.Record.FramesDir, tc.name, "")
			if err := os.Truncate(filepath.Join(c.Record.FramesDir, tc.name), quota); err != nil {
				t.Fatal(err)
			}
		}
		all := Examine(t.Context(), Options{Config: &c, Root: t.TempDir()})
		if f := find(t, all, "record.dir"); f.State != OK {
			t.Errorf("alone: %+v", f)
		}
		f := find(t, all, "record.frames_dir")
		if f.State != tc.want || tc.want == Warn && !strings.Contains(f.Remedy, "record.quota_mib or record.frames_quota_mib") {
			t.Errorf("beside %q: %+v", tc.name, f)
		}
	}
	var e examination
	e.space(store{device: 1, free: 100, may: 70}, []store{{device: 2, free: 100, may: 70}})
	if e.found[0].State != OK {
		t.Errorf("disks of their own: %+v", e.found)
	}
}

// What root may do the daemon's user may not.
func TestDirectoriesAreTriedAsTheUnit(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	dir := t.TempDir()
	try := func() error { return tryWrite(dir) }
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := try(); err != nil {
		t.Fatal(err)
	}
	var now int
	asUser(65534, 65534, nil, func() error { //nolint:errcheck // it is asked whether it worked
		now, _ = unix.SetfsuidRetUid(65534) //nolint:errcheck // it never says
		return nil
	})
	if now != 65534 {
		t.Skipf("a name space without that user: %d", now)
	}
	if err := asUser(65534, 65534, nil, try); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("another user: %v", err)
	}
	if err := os.Chmod(dir, 0o770); err != nil { // the group is root's
		t.Fatal(err)
	}
	group, err := os.Getgroups()
	if err != nil {
		t.Fatal(err)
	}
	if err := asUser(65534, 65534, nil, try); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("another user, of none of root's groups, %v: %v", group, err)
	}
	if after, err := os.Getgroups(); err != nil || !slices.Equal(after, group) {
		t.Errorf("root's groups are %v afterwards (%v), they were %v", after, err, group)
	}
	if err := try(); err != nil {
		t.Errorf("root afterwards: %v", err)
	}
	// files that root's own run left in a directory of the daemon's user
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	log, frames := store{dir: dir, files: "verdicts-*.jsonl", reads: true}, store{dir: dir, files: "*.cullrec"}
	for _, tc := range []struct {
		name string
		s    store
		may  bool
	}{{"00000001.cullrec", frames, true}, {"verdicts-00000001.jsonl", log, false}, {"lock", frames, false}} {
		put(t, dir, tc.name, "")
		path, err := tc.s.refused("nobody")
		if tc.may != (err == nil) || !tc.may && path != filepath.Join(dir, tc.name) {
			t.Errorf("root's %s: %s, %v", tc.name, path, err)
		}
	}
}

// Nor may it open every device that root may.
func TestDevicesAreTriedAsTheUnit(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, dir, "camera", "")
	c := config.Default()
	c.Camera.Kind, c.Camera.Device = "v4l2", filepath.Join(dir, "camera")
	for user, want := range map[string][2]string{
		"root":   {"inappropriate ioctl", "v4l2-ctl"},
		"nobody": {"add the user to the group video", "udevadm trigger"},
	} {
		if As(user, func() error { return tryWrite(dir) }) == nil && user != "root" {
			t.Skip("a name space without that user")
		}
		if f := find(t, Examine(t.Context(), Options{Config: &c, User: user}), "camera"); f.State != Fault || !strings.Contains(f.Text, want[0]) || !strings.Contains(f.Remedy, want[1]) {
			t.Errorf("as %s: %+v", user, f)
		}
	}
}

func TestRemediesAreForAShell(t *testing.T) {
	for path, want := range map[string]string{
		"/var/lib/cull/log_1.d": "/var/lib/cull/log_1.d", "/mnt/line 2": "'/mnt/line 2'", "/a'b": `'/a'\''b'`,
	} {
		if got := Quoted(path); got != want {
			t.Errorf("%s: %s", path, got)
		}
	}
}

// The kernel's own: an output that silently does nothing is found. An open-drain line of gpio-sim that is
// driven active is let go, and as nothing pulls it up it stays low; the request succeeds, and so does the write.
func TestKernelOutputThatDoesNothing(t *testing.T) {
	if os.Getenv("CULL_TESTBED_SIM") == "" {
		t.Skip("no gpio-sim: run make testbed")
	}
	c := config.Default()
	c.IO.Kind = "gpio"
	c.IO.Out.Reject.Line = "bed-chip:6"
	for openDrain, want := range map[bool]State{false: OK, true: Fault} {
		c.IO.Out.Reject.OpenDrain = openDrain
		f := find(t, Examine(t.Context(), Options{Config: &c, Drive: true}), "io.out.reject.line")
		if f.State != want {
			t.Errorf("open drain %t: %+v, want %s", openDrain, f, want)
		}
	}
}

func TestTimesOfFrames(t *testing.T) {
	for _, tc := range []struct {
		s    v4l2.Stats
		want State
	}{{v4l2.Stats{Frames: 1}, OK}, {v4l2.Stats{Frames: 1, AtEnd: 1}, Warn}, {v4l2.Stats{Frames: 1, Unstamped: 1}, Warn}} {
		var e examination
		e.stamps(tc.s)
		if f := e.found[0]; f.State != tc.want || (f.Remedy != "") != (tc.want == Warn) {
			t.Errorf("%+v: %+v", tc.s, f)
		}
	}
}

// A camera that the running daemon has lost is not said to be with it.
func TestCameraThatTheRunningDaemonHasLost(t *testing.T) {
	c := config.Default()
	c.Camera.Kind = "v4l2"
	for _, device := range []string{"/dev/v4l/by-path/unplugged", "no such camera", "/dev/null"} {
		c.Camera.Device = device
		e := examination{Options: Options{Config: &c}}
		e.cameras(t.Context(), true)
		if f := find(t, e.found, "camera"); f.State != Fault || !strings.Contains(f.Text, device) {
			t.Errorf("%s: %+v", device, f)
		}
	}
}

// A camera that the sensor triggers is well on a belt that stands.
func TestTriggeredCameraOnABeltThatStands(t *testing.T) {
	none := fmt.Errorf("no frame: %w", context.DeadlineExceeded)
	for _, tc := range []struct {
		triggered bool
		err       error
		want      State
	}{{true, none, Warn}, {false, none, Fault}, {true, capture.ErrLost, Fault}, {true, nil, OK}} {
		c := config.Default()
		c.Camera.Triggered = tc.triggered
		e := examination{Options: Options{Config: &c}}
		e.tried(v4l2.Config{Device: "/dev/v4l/by-path/x"}, v4l2.Stats{}, tc.err)
		if f := find(t, e.found, "camera"); f.State != tc.want {
			t.Errorf("triggered %t, %v: %+v", tc.triggered, tc.err, f)
		}
	}
}

// A systemd-analyze that cannot rate a file says nothing about the unit.
func TestOlderSystemdAnalyzeIsNoFault(t *testing.T) {
	root, bin := t.TempDir(), t.TempDir()
	put(t, root, "etc/systemd/system/cull.service", "[Service]\n")
	for text, want := range map[string]State{
		"systemd-analyze: unrecognized option '$2'":           Warn,
		"Overall exposure level for cull.service: 9.6 UNSAFE": Fault,
	} {
		script := "#!/bin/sh\necho \"" + text + "\"\nexit 1\n"
		if err := os.WriteFile(filepath.Join(bin, "systemd-analyze"), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
		t.Setenv("PATH", bin+":/bin:/usr/bin")
		if f := find(t, Examine(t.Context(), Options{Root: root}), "unit"); f.State != want {
			t.Errorf("%q: %+v", text, f)
		}
	}
}
