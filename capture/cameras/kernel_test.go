//go:build linux

package cameras

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/blackjack/webcam"
	"golang.org/x/sys/unix"

	"cull/capture/v4l2"
)

// These tests ask the kernel's virtual camera, vivid. `make testbed` has one; elsewhere they skip.

func vivid(t *testing.T) string {
	t.Helper()
	if os.Getenv("CULL_TESTBED") == "" {
		t.Skip("no virtual camera: run make testbed")
	}
	for range 100 { // after an unplug it is back when its last user has gone
		list, err := v4l2.List()
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range list {
			if c.Driver == "vivid" {
				return c.Path
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("no vivid")
	return ""
}

func TestKernelDescribe(t *testing.T) {
	c, err := Describe(vivid(t))
	if err != nil {
		t.Fatal(err)
	}
	has := func(format, size string) bool {
		return slices.ContainsFunc(c.Modes, func(m Mode) bool { return m.Format == format && m.Size == size && len(m.Rates) > 0 })
	}
	for _, format := range []string{"GREY", "YUYV", "NV12", "RGB3"} {
		if !has(format, "640x360") {
			t.Errorf("%s is not listed with a rate", format)
		}
	}
	i := slices.IndexFunc(c.Controls, func(c Control) bool { return c.Name == "Gain" })
	if !strings.HasPrefix(c.Name, "vivid") || c.Bus == "" || i < 0 || c.Controls[i].Max <= c.Controls[i].Min {
		t.Errorf("%q at %q, %d modes, controls %+v", c.Name, c.Bus, len(c.Modes), c.Controls)
	}
	if _, err := Describe("/dev/null"); err == nil {
		t.Error("/dev/null is a camera")
	}
	if _, err := Describe("/dev/no-camera"); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// The rest is the probe of doc/dependencies.md: why webcam v0.6.1 does not stream for the line. A test that fails says that a
// defect is gone, and the decision is due again.

const (
	vividBase  = 0x00f0f000
	grey       = 'G' | 'R'<<8 | 'E'<<16 | 'Y'<<24
	vividBad   = vividBase + 66 // flags the next buffer as damaged
	vividStart = vividBase + 69 // STREAMON fails
)

func open(t *testing.T) *webcam.Webcam {
	t.Helper()
	w, err := webcam.Open(vivid(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	if _, _, _, err := w.SetImageFormat(grey, 640, 360); err != nil {
		t.Fatal(err)
	}
	return w
}

// The size that it reports is the one it was asked for.
func TestKernelWebcamReportsAWrongSize(t *testing.T) {
	w := open(t)
	_, width, height, err := w.SetImageFormat(grey, 641, 361)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.StartStreaming(); err != nil {
		t.Fatal(err)
	}
	frame := next(t, w)
	if width != 641 || height != 361 || len(frame) == 641*361 {
		t.Errorf("reports %dx%d, delivers %d bytes: mended", width, height, len(frame))
	}
	t.Logf("reports %dx%d, delivers %d bytes", width, height, len(frame))
}

func next(t *testing.T, w *webcam.Webcam) []byte {
	t.Helper()
	if err := w.WaitForFrame(5); err != nil {
		t.Fatal(err)
	}
	frame, index, err := w.GetFrame() // a picture and its buffer: no time, no sequence number, no flags
	if err != nil {
		t.Fatal(err)
	}
	if err := w.ReleaseFrame(index); err != nil {
		t.Fatal(err)
	}
	return frame
}

// A damaged frame is handed out as a good one; capture/v4l2 counts it (TestKernelDamagedFrameIsSkipped).
func TestKernelWebcamHandsOutDamagedFrames(t *testing.T) {
	w := open(t)
	if err := w.SetBufferCount(4); err != nil {
		t.Fatal(err)
	}
	if err := w.StartStreaming(); err != nil {
		t.Fatal(err)
	}
	next(t, w)
	if err := w.SetControl(vividBad, 1); err != nil {
		t.Fatal(err)
	}
	for range 10 { // the flagged one is among them, and none is missing or marked
		if n := len(next(t, w)); n != 640*360 {
			t.Fatalf("%d bytes: mended", n)
		}
	}
}

// An unplugged camera is a frame to WaitForFrame; only GetFrame knows better.
func TestKernelWebcamTakesAnUnplugForAFrame(t *testing.T) {
	w := open(t)
	if err := w.StartStreaming(); err != nil {
		t.Fatal(err)
	}
	next(t, w)
	driver := "/sys/bus/platform/drivers/vivid/"
	if err := os.WriteFile(filepath.Join(driver, "unbind"), []byte("vivid.0"), 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // after the camera was closed
		if err := os.WriteFile(filepath.Join(driver, "bind"), []byte("vivid.0"), 0); err != nil {
			t.Error(err)
		}
	})
	var lost error
	for range 64 {
		if err := w.WaitForFrame(1); err != nil {
			t.Errorf("WaitForFrame says %v of an unplugged camera: mended", err)
			break
		}
		var index uint32
		if _, index, lost = w.GetFrame(); lost != nil {
			break
		}
		w.ReleaseFrame(index) //nolint:errcheck // the camera is gone
	}
	if !errors.Is(lost, unix.ENODEV) {
		t.Errorf("GetFrame says %v", lost)
	}
}

// A stream that does not start leaves its buffers mapped after Close, and with them the camera busy for as long as this
// process lives: it cannot recover by opening anew. This test must be the last of the file.
func TestKernelWebcamLeaksTheCamera(t *testing.T) {
	before := mappings(t)
	w := open(t)
	if err := w.SetControl(vividStart, 1); err != nil {
		t.Fatal(err)
	}
	err := w.StartStreaming()
	if err == nil {
		t.Fatal("the stream started")
	}
	if errors.As(err, new(unix.Errno)) {
		t.Errorf("%v has an errno: mended", err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	n := mappings(t) - before
	if n == 0 {
		t.Error("no mapping is left: mended")
	}
	again, err := webcam.Open(vivid(t))
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	_, _, _, err = again.SetImageFormat(grey, 320, 180)
	if !errors.Is(err, unix.EBUSY) {
		t.Errorf("a new Open says %v: mended", err)
	}
	t.Logf("%d mappings left after Close; a new Open: %v", n, err)
}

func mappings(t *testing.T) int {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(maps), "/dev/video")
}
