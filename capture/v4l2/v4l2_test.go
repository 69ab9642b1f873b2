//go:build linux

package v4l2

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"cull/capture"
	"cull/capture/capturetest"
	"cull/internal/mono"

	"golang.org/x/sys/unix"
)

// A camera is a scripted device. It has a picture ready every 10 ms while it streams.
type camera struct {
	t        *testing.T
	absent   int  // opens that fail with ENOENT
	narrow   bool // gives 8 pixels fewer than asked
	field    uint32
	refuses  uint32 // this control takes no value
	dead     bool   // never has a picture
	stuck    bool   // controls keep their value
	streamOn error
	rate     func(p *streamParm) error    // answers to a rate
	bare     bool                         // knows no controls at all
	bend     func(i int, b *buffer) error // changes the i-th picture of all
	burst    func() bool                  // the next picture waits already; nil: never

	jpeg     bool     // pictures begin as JPEG does
	controls []uint32 // besides the gain

	opens, nodes, maps, taken int
	gain                      int32
	set                       []control // in order
}

func (c *camera) open(string) (node, error) {
	c.opens++
	if c.absent > 0 {
		c.absent--
		return nil, unix.ENOENT
	}
	c.nodes++
	return &fakeNode{c: c, woken: make(chan struct{}, 1)}, nil
}

type fakeNode struct {
	c      *camera
	queued []uint32
	seq    uint32
	on     bool
	next   time.Time
	woken  chan struct{}
}

func (n *fakeNode) ioctl(op uintptr, arg unsafe.Pointer) error {
	c := n.c
	switch op {
	case vidiocQueryCap:
		*(*capability)(arg) = capability{capabilities: capDeviceCaps, deviceCaps: capVideoCapture | capStreaming}
		copy((*capability)(arg).card[:], "Fake")
	case vidiocSFmt:
		p := &(*format)(arg).pix
		if c.narrow {
			p.width -= 8
		}
		if c.field != 0 {
			p.field = c.field
		}
		p.bytesPerLine = p.width + 4
	case vidiocReqBufs:
	case vidiocQueryBuf:
		(*buffer)(arg).length = 4096
	case vidiocQBuf:
		n.queued = append(n.queued, (*buffer)(arg).index)
	case vidiocStreamOn:
		n.on, n.next = c.streamOn == nil, time.Now().Add(10*time.Millisecond)
		return c.streamOn
	case vidiocStreamOff:
		n.on = false
	case vidiocDQBuf:
		return n.dequeue((*buffer)(arg))
	case vidiocSParm:
		return c.rate((*streamParm)(arg))
	case vidiocQueryCtrl:
		if c.bare {
			return unix.ENOTTY
		}
		if id := (*queryControl)(arg).id; id != ctrlGain && !slices.Contains(c.controls, id) {
			return unix.EINVAL
		}
		(*queryControl)(arg).max, (*queryControl)(arg).step = 10000, 1
		if (*queryControl)(arg).id == ctrlGain {
			(*queryControl)(arg).max = 100
		}
	case vidiocSCtrl:
		if c.refuses != 0 && (*control)(arg).id == c.refuses {
			return unix.EINVAL
		}
		c.set = append(c.set, *(*control)(arg))
		if !c.stuck {
			c.gain = (*control)(arg).value
		}
	case vidiocGCtrl:
		(*control)(arg).value = c.gain
	default:
		c.t.Errorf("ioctl %#x", op)
	}
	return nil
}

func (n *fakeNode) dequeue(b *buffer) error {
	if n.c.dead || len(n.queued) == 0 || time.Now().Before(n.next) {
		return unix.EAGAIN
	}
	n.next = time.Now().Add(10 * time.Millisecond)
	if n.c.burst != nil && n.c.burst() {
		n.next = time.Now()
	}
	b.index, n.queued = n.queued[0], n.queued[1:]
	b.bytesUsed, b.flags, b.sequence = 20*8, flagStampMono|flagStampStart, n.seq
	b.timestamp = unix.NsecToTimeval(int64(n.c.taken+1) * 1000)
	n.seq++
	n.c.taken++
	if n.c.bend != nil {
		return n.c.bend(n.c.taken, b)
	}
	return nil
}

func (n *fakeNode) mmap(int64, int) ([]byte, error) {
	n.c.maps++
	b := make([]byte, 4096)
	if n.c.jpeg {
		b[0], b[1] = 0xff, 0xd8
	}
	return b, nil
}

func (n *fakeNode) munmap([]byte) error { n.c.maps--; return nil }
func (n *fakeNode) close() error        { n.c.nodes--; return nil }

func (n *fakeNode) wake() {
	select {
	case n.woken <- struct{}{}:
	default:
	}
}

func (n *fakeNode) wait(deadline time.Time) error {
	until := deadline
	if !n.c.dead && n.next.Before(deadline) {
		until = n.next
	}
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-n.woken:
	case <-timer.C:
		if until.Equal(deadline) {
			return os.ErrDeadlineExceeded
		}
	}
	return nil
}

var small = Config{Device: "/dev/fake", Format: capture.Grey, Width: 16, Height: 8}

// with opens c inside a bubble and checks at the end that nothing is open or mapped.
func with(t *testing.T, c *camera, conf Config, use func(t *testing.T, s *Source)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c.t = t
		s, err := open(conf, c.open)
		if err != nil {
			t.Fatal(err)
		}
		use(t, s)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if c.nodes != 0 || c.maps != 0 {
			t.Errorf("%d nodes open, %d buffers mapped after Close", c.nodes, c.maps)
		}
	})
}

func take(t *testing.T, s *Source) *capture.Frame {
	t.Helper()
	f, err := s.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f.Release()
	return f
}

func TestConforms(t *testing.T) {
	capturetest.Conform(t, func(t *testing.T) capture.Source {
		s, err := open(small, (&camera{t: t}).open)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}, 10, false)
}

func TestFrameHasStrideTimeAndSequence(t *testing.T) {
	with(t, &camera{}, small, func(t *testing.T, s *Source) {
		for i := range 3 {
			f := take(t, s)
			if f.Stride != 20 || len(f.Pix) != 160 || f.Seq != uint32(i) || f.Mono != time.Duration(i+1)*time.Microsecond {
				t.Errorf("frame %d: %+v", i, f)
			}
		}
	})
}

func TestBadFramesAreCountedAndNeverDelivered(t *testing.T) {
	c := &camera{bend: func(i int, b *buffer) error {
		switch i {
		case 2:
			b.flags |= flagError
		case 3:
			b.bytesUsed--
		case 4:
			b.flags &^= flagStampMono
		}
		if i > 4 {
			b.sequence += 5
		}
		return nil
	}}
	with(t, c, small, func(t *testing.T, s *Source) {
		var seqs []uint32
		for range 20 { // more than there are buffers: all went back to the driver
			seqs = append(seqs, take(t, s).Seq)
		}
		if seqs[0] != 0 || seqs[1] != 3 || seqs[2] != 9 {
			t.Errorf("sequence %d", seqs)
		}
		if want := (Stats{Frames: 20, Damaged: 1, Short: 1, Gaps: 5, Unstamped: 1}); s.Stats() != want {
			t.Errorf("%+v, want %+v", s.Stats(), want)
		}
	})
}

// Of frames without a timestamp that waited only the newest came just now: an older one, taken for new, would be another part's.
func TestUnstampedFramesThatWaited(t *testing.T) {
	waiting := 0
	c := &camera{bend: func(_ int, b *buffer) error {
		b.flags &^= flagStampMono
		return nil
	}}
	c.burst = func() bool { waiting--; return waiting >= 0 }
	with(t, c, small, func(t *testing.T, s *Source) {
		if f := take(t, s); f.Seq != 0 {
			t.Errorf("frame %d", f.Seq)
		}
		waiting = 2 // behind the next
		start := mono.Now()
		if f := take(t, s); f.Seq != 3 || f.Mono < start {
			t.Errorf("frame %d, taken at %v after %v", f.Seq, f.Mono, start)
		}
		if want := (Stats{Frames: 2, Unstamped: 2, Stale: 2}); s.Stats() != want {
			t.Errorf("%+v, want %+v", s.Stats(), want)
		}
	})
}

// A driver may stamp the end of a frame: its exposure began some time before.
func TestFramesStampedAtTheirEndAreCounted(t *testing.T) {
	c := &camera{bend: func(i int, b *buffer) error {
		if i > 1 {
			b.flags &^= flagStampStart
		}
		return nil
	}}
	with(t, c, small, func(t *testing.T, s *Source) {
		for range 3 {
			take(t, s)
		}
		if want := (Stats{Frames: 3, AtEnd: 2}); s.Stats() != want {
			t.Errorf("%+v, want %+v", s.Stats(), want)
		}
	})
}

func TestLossClosesTheCameraForGood(t *testing.T) {
	for name, errno := range map[string]error{"unplug": unix.ENODEV, "queue": unix.EIO, "pipe": unix.EPIPE} {
		t.Run(name, func(t *testing.T) {
			c := &camera{bend: func(i int, _ *buffer) error {
				if i == 3 {
					return errno
				}
				return nil
			}}
			with(t, c, small, func(t *testing.T, s *Source) {
				take(t, s)
				take(t, s)
				if _, err := s.Next(t.Context()); !errors.Is(err, capture.ErrLost) || !errors.Is(err, errno) {
					t.Fatal(err)
				}
				if c.nodes != 0 || c.maps != 0 {
					t.Errorf("%d nodes open, %d buffers mapped after a loss", c.nodes, c.maps)
				}
				if _, err := s.Next(t.Context()); !errors.Is(err, capture.ErrLost) {
					t.Errorf("after a loss: %v", err)
				}
				anew, err := open(small, c.open) // before the lost one is closed
				if err != nil {
					t.Fatal(err)
				}
				take(t, anew)
				if err := anew.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// Automatics are switched off before what they would move is set.
func TestManualControlsInOrder(t *testing.T) {
	c := &camera{t: t, controls: []uint32{
		ctrlExposureAuto, ctrlExposureVariableRate, ctrlExposure, ctrlAutoWhiteBalance, ctrlWhiteBalance,
	}}
	conf := small
	conf.Exposure, conf.WhiteBalance = 2500*time.Microsecond, 4600
	s, err := open(conf, c.open)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	want := []control{
		{ctrlExposureAuto, exposureManual},
		{ctrlExposureVariableRate, 0},
		{ctrlExposure, 25},
		{ctrlAutoWhiteBalance, 0},
		{ctrlWhiteBalance, 4600},
	}
	if !slices.Equal(c.set, want) {
		t.Errorf("set %v, want %v", c.set, want)
	}
	c = &camera{t: t} // has neither
	if _, err := open(conf, c.open); err == nil || c.nodes != 0 {
		t.Errorf("err = %v, %d nodes open", err, c.nodes)
	}
}

// A JPEG picture has the length that the driver says; what does not begin as one is no frame.
func TestMJPEG(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &camera{t: t, jpeg: true}
		conf := small
		conf.Format = capture.MJPEG
		s, err := open(conf, c.open)
		if err != nil {
			t.Fatal(err)
		}
		f, err := s.Next(t.Context())
		if err != nil || len(f.Pix) != 160 || f.Stride != 0 {
			t.Errorf("%d bytes, stride %d, %v", len(f.Pix), f.Stride, err)
		}
		s.Close()

		c = &camera{t: t}
		if s, err = open(conf, c.open); err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if _, err := s.Next(t.Context()); !errors.Is(err, capture.ErrLost) || s.Stats().Short == 0 || !strings.Contains(err.Error(), "no JPEG") {
			t.Errorf("%v, %+v", err, s.Stats())
		}
	})
}

func TestStallIsALoss(t *testing.T) {
	c := &camera{}
	with(t, c, small, func(t *testing.T, s *Source) {
		take(t, s)
		c.dead = true
		start := time.Now()
		if _, err := s.Next(t.Context()); !errors.Is(err, capture.ErrLost) || time.Since(start) != time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

// A line that was busy for longer than a stall, and then finds a damaged frame first, has lost no camera.
func TestPauseIsNoStall(t *testing.T) {
	c := &camera{bend: func(i int, b *buffer) error {
		if i == 2 {
			b.flags |= flagError
		}
		return nil
	}}
	with(t, c, small, func(t *testing.T, s *Source) {
		take(t, s)
		time.Sleep(2 * time.Second)
		take(t, s)
	})
}

// A camera whose frames are all bad is lost as one that stands still is, and the error tells them apart.
func TestOnlyBadFramesAreAStall(t *testing.T) {
	for name, c := range map[string]struct {
		bend func(b *buffer)
		want string
	}{
		"damaged": {func(b *buffer) { b.flags |= flagError }, "for 1s: frames come damaged: look at the cable"},
		"short":   {func(b *buffer) { b.bytesUsed = 100 }, "for 1s: frames come with fewer than the 160 bytes of a whole one"},
	} {
		t.Run(name, func(t *testing.T) {
			with(t, &camera{bend: func(_ int, b *buffer) error { c.bend(b); return nil }}, small, func(t *testing.T, s *Source) {
				if _, err := s.Next(t.Context()); !errors.Is(err, capture.ErrLost) || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%v, want %s", err, c.want)
				}
			})
		})
	}
}

// What was wrong with a frame before a good one is not why a stream stands still.
func TestStallBehindAGoodFrame(t *testing.T) {
	c := &camera{bend: func(i int, b *buffer) error {
		if i == 1 {
			b.flags |= flagError
		}
		return nil
	}}
	with(t, c, small, func(t *testing.T, s *Source) {
		take(t, s)
		c.dead = true
		if _, err := s.Next(t.Context()); err == nil || !strings.HasSuffix(err.Error(), "stalled for 1s: capture: camera lost") {
			t.Error(err)
		}
	})
}

func TestCloseAndContextWakeNext(t *testing.T) {
	conf := small
	conf.Stall = -1
	with(t, &camera{dead: true}, conf, func(t *testing.T, s *Source) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		defer cancel()
		if _, err := s.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		time.AfterFunc(30*time.Millisecond, func() { s.Close() })
		start := time.Now()
		if _, err := s.Next(t.Context()); !errors.Is(err, os.ErrClosed) || time.Since(start) > time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

func TestOpenRefuses(t *testing.T) {
	gain := int32(50)
	withGain := func(g int32) Config { c := small; c.Gain = &g; return c }
	fast := small
	fast.FPS = 30
	for _, tc := range []struct {
		name string
		cam  camera
		c    Config
		want string
	}{
		{"other size", camera{narrow: true}, small, "asked for GREY 16x8, the camera gives GREY 8x8"},
		{"fields", camera{field: 7}, small, "interlaced fields (7)"},
		{"automatic that stays on", camera{controls: []uint32{ctrlExposureAuto, ctrlExposure}, refuses: ctrlExposureAuto}, func() Config {
			c := small
			c.Exposure = time.Millisecond
			return c
		}(), "manual exposure: "},
		{"absent", camera{absent: 1}, small, "plug the camera in"},
		{"busy", camera{streamOn: unix.EBUSY}, small, "another program has the camera"},
		{"bandwidth", camera{streamOn: unix.ENOSPC}, small, "no bandwidth"},
		{"stuck control", camera{stuck: true}, withGain(gain), "gain: set to 50, reads 0"},
		{"out of bounds", camera{}, withGain(101), "101 is outside 0 to 100"},
		{"no control", camera{}, func() Config { c := small; c.Exposure = 1; return c }(), "exposure"},
		{"no controls at all", camera{bare: true}, withGain(gain), "gain: the camera has no such control"},
		{"no rate", camera{rate: func(*streamParm) error { return unix.ENOTTY }}, fast, "asked for 30 frames/s, the driver cannot be told a rate: leave fps at 0"},
		{"rate that is ignored", camera{rate: func(p *streamParm) error { p.num, p.den = 0, 0; return nil }}, fast, "asked for 30 frames/s, the driver cannot be told a rate: leave fps at 0"},
		{"other rate", camera{rate: func(p *streamParm) error {
			p.capability, p.num, p.den = capTimePerFrame, 1, 25
			return nil
		}}, fast, "asked for 30 frames/s, the camera gives 25/1"},
		{"no device", camera{}, Config{}, "no device"},
	} {
		tc.cam.t = t
		_, err := open(tc.c, tc.cam.open)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
		if tc.cam.nodes != 0 || tc.cam.maps != 0 {
			t.Errorf("%s: %d nodes open, %d buffers mapped", tc.name, tc.cam.nodes, tc.cam.maps)
		}
	}
}

// A camera that is in use is asked what it is, and left alone.
func TestFindLeavesTheCameraAlone(t *testing.T) {
	c := &camera{t: t}
	if path, err := there("/dev/video9", c.open); path != "/dev/video9" || err != nil || c.nodes != 0 {
		t.Errorf("%q, %v, %d nodes open", path, err, c.nodes)
	}
	if _, err := there("/dev/video9", func(string) (node, error) { return nil, unix.ENOENT }); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("unplugged: %v", err)
	}
}

// A camera that this user may not open is not a camera of another name.
func TestFindBehindANodeThatIsForbidden(t *testing.T) {
	dev := t.TempDir()
	for _, name := range []string{"video0", "video1"} {
		if err := os.WriteFile(filepath.Join(dev, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := &camera{t: t}
	open := func(p string) (node, error) {
		if strings.HasSuffix(p, "1") {
			return nil, unix.EACCES
		}
		return c.open(p)
	}
	if _, err := find("Line camera", dev, open); !errors.Is(err, os.ErrPermission) || !strings.Contains(err.Error(), "group video") {
		t.Errorf("err = %v", err)
	}
	if path, err := find("Fake", dev, open); err != nil || !strings.HasSuffix(path, "video0") {
		t.Errorf("%q %v", path, err)
	}
}
