//go:build linux

// Package v4l2 is the camera driver for Linux: single-planar streaming capture through
// memory-mapped buffers. Frames carry the kernel's CLOCK_MONOTONIC timestamp and sequence
// number; those that the driver flags as damaged or that are short are never delivered.
//
// An unplugged camera, a broken queue and a stalled stream are all a loss: Next returns
// capture.ErrLost and has closed everything. To recover is to Open anew, with pauses, and the
// business of who opened. A Source never holds a mapped picture: Next copies it and gives the
// buffer back at once, so that Config.Buffers frames are all that ever waits.
package v4l2

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"cull/capture"
	"cull/internal/mono"

	"golang.org/x/sys/unix"
)

// Config of a camera. Zero fields take the value in brackets.
type Config struct {
	Device        string // path, or the card's name; see Find
	Format        capture.PixelFormat
	Width, Height int // pixels; exactly these or Open fails
	FPS           int // frames a second [the driver's choice]

	Buffers int           // 2 to 8 [4]: frames that may wait in the driver
	Stall   time.Duration // no good frame for so long is a loss [1 s]; -1: never (external trigger)

	Exposure     time.Duration // manual exposure in steps of 100 us [left alone]
	Gain         *int32        // manual gain in the driver's units [left alone]
	WhiteBalance int           // manual colour temperature, K [left alone]
}

// Stats are a Source's counts since Open.
type Stats struct {
	Frames    uint64 // delivered
	Damaged   uint64 // flagged by the driver
	Short     uint64 // with too few bytes
	Gaps      uint64 // that the driver dropped, by sequence number
	Unstamped uint64 // delivered with the time of arrival: no monotonic timestamp
	AtEnd     uint64 // delivered with the time of the frame's end, which is all that the driver says
	Stale     uint64 // not delivered: without a timestamp, and a newer one waited behind it, so that nobody knows when it came
}

// A Source delivers a camera's frames in order. Next and Close may be called by different goroutines.
type Source struct {
	c    Config
	open func(path string) (node, error)

	reading sync.Mutex // held by Next
	mu      sync.Mutex // guards n's changes
	n       node       // nil: lost or closed
	closed  chan struct{}
	once    sync.Once // closes closed

	maps    [][]byte
	got     format
	last    uint32    // sequence of the last frame taken from the driver
	first   bool      // none was taken yet
	stamped bool      // the driver said when it was taken
	good    time.Time // of the last good frame, or of the start
	fault   string    // of the last frame, and the remedy; empty: it was good, or there was none
	asked   time.Time // for the frame that is waited for
	free    chan []byte
	counts  [7]atomic.Uint64
}

const (
	frames = iota
	damaged
	short
	gaps
	unstamped
	atEnd
	stale
)

// Open opens the camera, sets it up and starts its stream.
func Open(c Config) (*Source, error) { return open(c, openFile) }

func open(c Config, opener func(string) (node, error)) (*Source, error) {
	if err := c.complete(); err != nil {
		return nil, err
	}
	s := &Source{c: c, open: opener, closed: make(chan struct{}), free: make(chan []byte, 16)}
	if err := s.start(); err != nil {
		return nil, err
	}
	return s, nil
}

func (c *Config) complete() error {
	if c.Buffers == 0 {
		c.Buffers = 4
	}
	if c.Stall == 0 {
		c.Stall = time.Second
	}
	switch {
	case c.Device == "":
		return errors.New("v4l2: no device: name /dev/v4l/by-path/... or the camera")
	case codes[c.Format] == 0:
		return fmt.Errorf("v4l2: %s: unknown pixel format %d", c.Device, c.Format)
	case c.Width < 1 || c.Height < 1 || c.Width > maxSide || c.Height > maxSide:
		return fmt.Errorf("v4l2: %s: size %dx%d: sides must be 1 to %d", c.Device, c.Width, c.Height, maxSide)
	case c.Buffers < 2 || c.Buffers > 8:
		return fmt.Errorf("v4l2: %s: %d buffers: must be 2 to 8", c.Device, c.Buffers)
	case c.FPS < 0:
		return fmt.Errorf("v4l2: %s: rate must not be negative", c.Device)
	}
	return nil
}

const maxSide = 1 << 14

var codes = map[capture.PixelFormat]uint32{
	capture.Grey: fourCC("GREY"), capture.RGB24: fourCC("RGB3"), capture.YUYV: fourCC("YUYV"),
	capture.NV12: fourCC("NV12"), capture.MJPEG: fourCC("MJPG"),
}

// Stats returns the counts. It may be called at any time.
func (s *Source) Stats() Stats {
	c := &s.counts
	return Stats{c[frames].Load(), c[damaged].Load(), c[short].Load(), c[gaps].Load(), c[unstamped].Load(), c[atEnd].Load(), c[stale].Load()}
}

// Next implements capture.Source. When the stream is lost the error says why and wraps
// capture.ErrLost; so does that of every later call.
func (s *Source) Next(ctx context.Context) (*capture.Frame, error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	stop := context.AfterFunc(ctx, s.wake)
	defer stop()
	s.asked = time.Now()
	var held *capture.Frame // without a timestamp: it came just now if no other waits behind it
	defer func() {
		if held != nil {
			held.Release()
		}
	}()
	deliver := func(f *capture.Frame) (*capture.Frame, error) {
		held = nil
		s.counts[frames].Add(1)
		return f, nil
	}
	for {
		if err := s.ended(ctx); err != nil {
			return nil, err
		}
		f, err := s.dequeue()
		if f != nil && held != nil {
			s.counts[stale].Add(1)
			held.Release()
			held = nil
		}
		switch {
		case f != nil && s.stamped:
			return deliver(f)
		case f != nil:
			held = f
		case err == nil: // a frame that is no good
			err = s.checkStall()
		case errors.Is(err, unix.EAGAIN) && held != nil:
			s.counts[unstamped].Add(1)
			return deliver(held)
		case errors.Is(err, unix.EAGAIN):
			err = s.await()
		}
		if err != nil {
			s.stop()
			return nil, fmt.Errorf("v4l2: %s: %w: %w", s.c.Device, err, capture.ErrLost)
		}
	}
}

func (s *Source) ended(ctx context.Context) error {
	select {
	case <-s.closed:
		return fmt.Errorf("v4l2: %s: %w", s.c.Device, os.ErrClosed)
	default:
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.n == nil {
		return fmt.Errorf("v4l2: %s: %w", s.c.Device, capture.ErrLost)
	}
	return nil
}

var errStalled = errors.New("no good frame: stream stalled")

func (s *Source) checkStall() error {
	if s.c.Stall > 0 && !time.Now().Before(s.stalled()) {
		return fmt.Errorf("%w for %v%s", errStalled, s.c.Stall, s.fault)
	}
	return nil
}

// stalled returns when the camera will have had time enough for a good frame. While nobody asked it could not give one.
func (s *Source) stalled() time.Time {
	from := s.good
	if s.asked.After(from) {
		from = s.asked
	}
	return from.Add(s.c.Stall)
}

func (s *Source) await() error {
	deadline := time.Now().Add(time.Minute)
	if s.c.Stall > 0 {
		deadline = s.stalled()
	}
	err := s.n.wait(deadline)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return s.checkStall()
	}
	return err
}

// Close wakes Next, which then returns an error wrapping os.ErrClosed. The camera is closed
// when Close returns. A second call does nothing.
func (s *Source) Close() error {
	s.once.Do(func() { close(s.closed) })
	s.wake()
	s.reading.Lock()
	defer s.reading.Unlock()
	s.stop()
	return nil
}

func (s *Source) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n != nil {
		s.n.wake()
	}
}

// start opens, sets up and streams; on an error nothing stays open or mapped.
func (s *Source) start() (err error) {
	path, err := find(s.c.Device, "/dev", s.open)
	if err != nil {
		return err
	}
	n, err := s.open(path)
	if err != nil {
		return explain(path, "open", err)
	}
	s.setNode(n)
	defer func() {
		if err != nil {
			s.stop()
		}
	}()
	if _, err := query(n, path); err != nil {
		return err
	}
	if s.got, err = setFormat(n, path, s.c); err != nil {
		return err
	}
	if err := setUp(n, path, s.c); err != nil {
		return err
	}
	if err := s.mapBuffers(path); err != nil {
		return err
	}
	typ := uint32(bufCapture)
	if err := n.ioctl(vidiocStreamOn, unsafe.Pointer(&typ)); err != nil {
		return explain(path, "start the stream", err)
	}
	s.first, s.good = true, time.Now()
	return nil
}

func (s *Source) setNode(n node) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n = n
}

// stop unmaps and closes. Errors say that the camera is gone, which is known by then.
func (s *Source) stop() {
	if s.n == nil {
		return
	}
	typ := uint32(bufCapture)
	s.n.ioctl(vidiocStreamOff, unsafe.Pointer(&typ)) //nolint:errcheck // see above
	for _, m := range s.maps {
		s.n.munmap(m) //nolint:errcheck // see above
	}
	s.maps = nil
	n := s.n
	s.setNode(nil)
	n.close() //nolint:errcheck // see above
}

func (s *Source) mapBuffers(path string) error {
	r := requestBuffers{count: uint32(s.c.Buffers), typ: bufCapture, memory: memMmap}
	if err := s.n.ioctl(vidiocReqBufs, unsafe.Pointer(&r)); err != nil {
		return explain(path, "request buffers", err)
	}
	if r.count == 0 || r.count > 32 {
		return fmt.Errorf("v4l2: %s: the driver gave %d buffers", path, r.count)
	}
	for i := range r.count {
		b := buffer{typ: bufCapture, memory: memMmap, index: i}
		if err := s.n.ioctl(vidiocQueryBuf, unsafe.Pointer(&b)); err != nil {
			return explain(path, "query a buffer", err)
		}
		m, err := s.n.mmap(int64(b.offset), int(b.length))
		if err != nil {
			return explain(path, "map a buffer", err)
		}
		s.maps = append(s.maps, m)
		if err := s.queue(i); err != nil {
			return explain(path, "queue a buffer", err)
		}
	}
	return nil
}

func (s *Source) queue(i uint32) error {
	b := buffer{typ: bufCapture, memory: memMmap, index: i}
	return s.n.ioctl(vidiocQBuf, unsafe.Pointer(&b))
}

// dequeue takes a buffer, copies a good picture and gives the buffer back. It returns
// nil, nil for a picture that is no good.
func (s *Source) dequeue() (*capture.Frame, error) {
	b := buffer{typ: bufCapture, memory: memMmap}
	if err := s.n.ioctl(vidiocDQBuf, unsafe.Pointer(&b)); err != nil {
		if errors.Is(err, unix.EAGAIN) {
			return nil, err
		}
		return nil, os.NewSyscallError("dequeue", err)
	}
	if int(b.index) >= len(s.maps) {
		return nil, fmt.Errorf("dequeue: the driver gave buffer %d of %d", b.index, len(s.maps))
	}
	s.countGap(b.sequence)
	f := s.take(&b)
	if err := s.queue(b.index); err != nil {
		if f != nil {
			f.Release()
		}
		return nil, os.NewSyscallError("queue", err)
	}
	return f, nil
}

func (s *Source) countGap(seq uint32) {
	if missed := seq - s.last - 1; !s.first && missed < 1<<31 {
		s.counts[gaps].Add(uint64(missed))
	}
	s.first, s.last = false, seq
}

func (s *Source) take(b *buffer) *capture.Frame {
	pix := s.maps[b.index]
	pix = pix[:min(int(b.bytesUsed), len(pix))]
	p := &s.got.pix
	need := frameBytes(s.c.Format, int(p.bytesPerLine), s.c.Height)
	switch {
	case b.flags&flagError != 0:
		s.counts[damaged].Add(1)
		s.fault = ": frames come damaged: look at the cable, the hub and the port"
		return nil
	case len(pix) < need || s.c.Format == capture.MJPEG && (pix[0] != 0xff || pix[1] != 0xd8):
		s.counts[short].Add(1)
		s.fault = fmt.Sprintf(": frames come with fewer than the %d bytes of a whole one: look at the cable, or choose another format", need)
		if s.c.Format == capture.MJPEG {
			s.fault = ": what comes is no JPEG: choose another format"
		}
		return nil
	case s.c.Format != capture.MJPEG:
		pix = pix[:need]
	}
	s.good, s.fault = time.Now(), ""
	mine := s.buffer(len(pix))
	copy(mine, pix)
	return capture.NewFrame(capture.Frame{
		Pix: mine, Format: s.c.Format, Width: s.c.Width, Height: s.c.Height, Stride: int(p.bytesPerLine),
		Seq: b.sequence, Mono: s.stamp(b),
	}, func() {
		select {
		case s.free <- mine:
		default:
		}
	})
}

func (s *Source) buffer(n int) []byte {
	select {
	case b := <-s.free:
		if cap(b) >= n {
			return b[:n]
		}
	default:
	}
	return make([]byte, n)
}

// stamp returns the driver's timestamp. One that is not flagged as CLOCK_MONOTONIC
// (v4l2loopback's) or lies in the future is replaced by the time of arrival, which Next believes of the newest frame alone. One that is flagged as of the frame's end
// stays as it is: how much earlier the exposure began, the driver does not say.
func (s *Source) stamp(b *buffer) time.Duration {
	now, at := mono.Now(), time.Duration(b.timestamp.Nano())
	s.stamped = b.flags&flagStampMask == flagStampMono && at <= now
	if s.stamped {
		if b.flags&flagSourceMask != flagStampStart {
			s.counts[atEnd].Add(1)
		}
		return at
	}
	return now
}

// frameBytes is the smallest size of a whole picture.
func frameBytes(f capture.PixelFormat, stride, height int) int {
	switch f {
	case capture.NV12:
		return stride*height + stride*((height+1)/2)
	case capture.MJPEG:
		return 4
	}
	return stride * height
}
