//go:build linux

package v4l2

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"cull/capture"
	"cull/capture/capturetest"
	"cull/internal/mono"

	"golang.org/x/sys/unix"
)

// These tests drive the kernel's virtual camera, vivid. `make testbed` has one; elsewhere they skip.

const vividBase = 0x00f0f000 // of vivid's own controls

var vga = Config{Device: "vivid", Format: capture.Grey, Width: 640, Height: 360, FPS: 30}

// vivid opens the virtual camera; poke presses one of its controls through a node of its own.
func vivid(t *testing.T) (s *Source, poke func(id uint32, v int32)) {
	t.Helper()
	if os.Getenv("CULL_TESTBED") == "" {
		t.Skip("no virtual camera: run make testbed")
	}
	var path string
	var err error
	for range 100 { // after an unplug vivid is back when its last user has gone
		if path, err = find("vivid", "/dev", openFile); err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err != nil {
		t.Fatal(err)
	}
	poke = func(id uint32, v int32) {
		t.Helper()
		n, err := openFile(path)
		if err != nil {
			t.Fatal(err)
		}
		defer n.close()
		c := control{id, v}
		if err := n.ioctl(vidiocSCtrl, unsafe.Pointer(&c)); err != nil {
			t.Fatalf("control %#x: %v", id, err)
		}
	}
	poke(vividBase+24, 1) // timestamps of the start of exposure: the default's lie in the future
	c := vga
	gain := int32(40)
	c.Gain = &gain
	if s, err = Open(c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, poke
}

func TestKernelConforms(t *testing.T) {
	s, _ := vivid(t)
	s.Close()
	capturetest.Conform(t, func(t *testing.T) capture.Source {
		s, err := Open(vga)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}, 10, false)
}

func TestKernelFrames(t *testing.T) {
	s, _ := vivid(t)
	for range 20 {
		before := mono.Now()
		f := take(t, s)
		if len(f.Pix) != 640*360 || f.Mono > mono.Now() || before-f.Mono > time.Second {
			t.Fatalf("%d bytes, exposed at %v, now %v", len(f.Pix), f.Mono, mono.Now())
		}
	}
	if st := s.Stats(); st.Unstamped > 0 || st.Damaged > 0 || st.Short > 0 {
		t.Errorf("%+v", st)
	}
}

func TestKernelDamagedFrameIsSkipped(t *testing.T) {
	s, poke := vivid(t)
	take(t, s)
	poke(vividBase+66, 1)
	for range 10 {
		take(t, s)
	}
	if st := s.Stats(); st.Damaged != 1 || st.Frames != 11 {
		t.Errorf("%+v", st)
	}
}

// recovers reads until the loss, then opens anew until there is a frame.
func recovers(t *testing.T, s *Source) {
	t.Helper()
	for range 200 {
		f, err := s.Next(t.Context())
		if errors.Is(err, capture.ErrLost) {
			t.Log(err)
			s.Close()
			reopen(t)
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		f.Release()
	}
	t.Fatal("no loss")
}

func reopen(t *testing.T) {
	t.Helper()
	var err error
	for range 50 {
		var s *Source
		if s, err = Open(vga); err == nil {
			take(t, s)
			s.Close()
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal(err)
}

func TestKernelQueueErrorIsRecovered(t *testing.T) {
	s, poke := vivid(t)
	take(t, s)
	poke(vividBase+70, 1)
	recovers(t, s)
}

func TestKernelUnplugIsRecovered(t *testing.T) {
	s, _ := vivid(t)
	take(t, s)
	driver := "/sys/bus/platform/drivers/vivid/"
	if err := os.WriteFile(driver+"unbind", []byte("vivid.0"), 0); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(500*time.Millisecond, func() { os.WriteFile(driver+"bind", []byte("vivid.0"), 0) })
	recovers(t, s)
}

// Every format that vivid shares with this driver arrives whole, and is no flat picture.
func TestKernelFormats(t *testing.T) {
	s, _ := vivid(t)
	s.Close()
	for f, bytes := range map[capture.PixelFormat]int{
		capture.Grey: 640 * 360, capture.YUYV: 2 * 640 * 360, capture.RGB24: 3 * 640 * 360, capture.NV12: 640 * 360 * 3 / 2,
	} {
		c := vga
		c.Format = f
		s, err := Open(c)
		if err != nil {
			t.Errorf("%v: %v", f, err)
			continue
		}
		frame, err := s.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		low, high := slices.Min(frame.Pix), slices.Max(frame.Pix)
		if len(frame.Pix) != bytes || frame.Format != f || frame.Stride < 640 || high-low < 100 {
			t.Errorf("%v: %d bytes, stride %d, values %d to %d", f, len(frame.Pix), frame.Stride, low, high)
		}
		frame.Release()
		s.Close()
	}
	c := vga
	c.Format = capture.MJPEG // vivid has none: the driver would answer with another format
	if s, err := Open(c); err == nil {
		s.Close()
		t.Error("MJPEG was accepted")
	} else {
		t.Log(err)
	}
}

// vivid has no exposure and no white balance: what cannot be set is an error, not a shrug.
func TestKernelMissingControlIsRefused(t *testing.T) {
	s, _ := vivid(t)
	s.Close()
	for _, set := range []func(*Config){
		func(c *Config) { c.Exposure = time.Millisecond },
		func(c *Config) { c.WhiteBalance = 4600 },
		func(c *Config) { gain := int32(1 << 20); c.Gain = &gain },
	} {
		c := vga
		set(&c)
		if s, err := Open(c); err == nil {
			s.Close()
			t.Errorf("accepted: %+v", c)
		} else {
			t.Log(err)
		}
	}
}

// A user without the group video is told which to join.
func TestKernelForbidden(t *testing.T) {
	s, _ := vivid(t)
	s.Close()
	path, err := find("vivid", "/dev", openFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this goroutine
		if err := unix.Setfsuid(65534); err != nil {
			done <- err
			return
		}
		c := vga
		c.Device = path
		s, err := Open(c)
		if err == nil {
			s.Close()
		}
		done <- err
	}()
	if err := <-done; !errors.Is(err, os.ErrPermission) || !strings.Contains(err.Error(), "group video") {
		t.Error(err)
	}
}

// A second program that streams is told that the camera is busy.
func TestKernelBusy(t *testing.T) {
	s, _ := vivid(t)
	take(t, s)
	if second, err := Open(vga); !errors.Is(err, unix.EBUSY) || !strings.Contains(err.Error(), "fuser") {
		t.Error(err)
		if err == nil {
			second.Close()
		}
	}
}

func TestKernelOtherSizeIsRefused(t *testing.T) {
	s, _ := vivid(t)
	s.Close()
	c := vga
	c.Width = 641
	if s, err := Open(c); err == nil {
		s.Close()
		t.Error("a size that the camera does not have was accepted")
	} else {
		t.Log(err)
	}
}

func TestKernelHasNoCameraOfThatName(t *testing.T) {
	if m, _ := filepath.Glob("/dev/video*"); len(m) > 0 {
		t.Log(List())
	}
	if _, err := Open(Config{Device: "no such camera", Format: capture.Grey, Width: 8, Height: 8}); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
