package capturetest

import (
	"context"
	"errors"
	"io"
	"testing"

	"cull/capture"
)

// Conform checks that a source keeps the contract of capture.Source. open
// returns a fresh source that delivers at least frames frames; a finite one
// delivers exactly so many.
func Conform(t *testing.T, open func(t *testing.T) capture.Source, frames int, finite bool) {
	t.Run("DeliversFramesInOrder", func(t *testing.T) {
		src := open(t)
		defer src.Close()
		var last *capture.Frame
		for i := range frames {
			f, err := src.Next(t.Context())
			if err != nil {
				t.Fatalf("frame %d: %v", i, err)
			}
			checkFrame(t, i, f, last)
			f.Release()
			f.Release() // a second call does nothing
			last = f
		}
		if !finite {
			return
		}
		for range 2 {
			if f, err := src.Next(t.Context()); !errors.Is(err, io.EOF) || f != nil {
				t.Errorf("after the last frame: %v, %v, want io.EOF", f, err)
			}
		}
	})
	t.Run("StopsWithItsContext", func(t *testing.T) {
		src := open(t)
		defer src.Close()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if f, err := src.Next(ctx); !errors.Is(err, context.Canceled) || f != nil {
			t.Errorf("cancelled: %v, %v", f, err)
		}
		if f, err := src.Next(t.Context()); err != nil {
			t.Errorf("after a cancelled call: %v", err)
		} else {
			f.Release()
		}
	})
	t.Run("ClosesTwice", func(t *testing.T) {
		src := open(t)
		if err := errors.Join(src.Close(), src.Close()); err != nil {
			t.Error(err)
		}
		if f, err := src.Next(t.Context()); err == nil {
			t.Errorf("a closed source delivered frame %d", f.Seq)
		}
	})
}

func checkFrame(t *testing.T, i int, f, last *capture.Frame) {
	t.Helper()
	if f.Width < 1 || f.Height < 1 || f.Format < capture.Grey || f.Format > capture.MJPEG || len(f.Pix) == 0 {
		t.Errorf("frame %d: %dx%d, format %d, %d bytes", i, f.Width, f.Height, f.Format, len(f.Pix))
	}
	if last != nil && f.Seq-last.Seq-1 > 1<<31 { // the counter may wrap
		t.Errorf("frame %d: sequence %d after %d", i, f.Seq, last.Seq)
	}
	if last != nil && f.Mono < last.Mono {
		t.Errorf("frame %d: exposed at %v, after one of %v", i, f.Mono, last.Mono)
	}
}
