package recording

import (
	"bytes"
	"io"
	"sync/atomic"

	"cull/capture"
)

// A Recorder writes frames in a goroutine of its own, so that a slow or full disk costs
// frames of the recording and never holds up the line.
type Recorder struct {
	queue   chan capture.Frame
	done    chan error
	written atomic.Uint64
	dropped atomic.Uint64
}

// NewRecorder records to w; at most queue frames wait. After limit bytes of pictures, or an error of w, the
// rest is dropped.
func NewRecorder(w io.Writer, queue int, limit int64) *Recorder {
	r := &Recorder{queue: make(chan capture.Frame, queue), done: make(chan error, 1)}
	go r.run(NewWriter(w), limit)
	return r
}

// Add records a copy of f, or counts it as dropped. It never blocks. Add must not be called after Close.
func (r *Recorder) Add(f *capture.Frame) {
	if len(r.queue) == cap(r.queue) { // before the copy; there is one caller
		r.dropped.Add(1)
		return
	}
	r.queue <- capture.Frame{
		Pix: bytes.Clone(f.Pix), Format: f.Format, Width: f.Width, Height: f.Height, Stride: f.Stride,
		Seq: f.Seq, Mono: f.Mono,
	}
}

// Counts returns how many frames were written and dropped so far.
func (r *Recorder) Counts() (written, dropped uint64) { return r.written.Load(), r.dropped.Load() }

// Close writes what waits and returns the first error.
func (r *Recorder) Close() error {
	close(r.queue)
	return <-r.done
}

func (r *Recorder) run(w *Writer, limit int64) {
	var failed error
	var size int64
	for f := range r.queue {
		size += int64(len(f.Pix))
		if failed == nil && size <= limit {
			failed = w.Write(&f)
			if failed == nil {
				r.written.Add(1)
				continue
			}
		}
		r.dropped.Add(1)
	}
	r.done <- failed
}
