//go:build linux

package v4l2

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
	"unsafe"

	"cull/capture"
	"cull/capture/capturetest"
	"cull/internal/mono"
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
