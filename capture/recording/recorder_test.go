package recording

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"cull/capture/capturetest"
)

func TestRecorderWritesCopies(t *testing.T) {
	var b bytes.Buffer
	r := NewRecorder(&b, 8, 1<<20)
	for i := range 5 {
		f := capturetest.Grey(4, 4, byte(i))
		r.Add(&f)
		clear(f.Pix) // the frame goes back to its source
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := New("test", &b)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if f, err := s.Next(t.Context()); err != nil || f.Pix[0] != byte(i) {
			t.Errorf("frame %d: %v", i, err)
		}
	}
}

// blocked is a disk that does not answer until told.
type blocked struct{ answer chan error }

func (b blocked) Write(p []byte) (int, error) { return len(p), <-b.answer }

func TestRecorderNeverBlocks(t *testing.T) {
	disk := blocked{make(chan error)}
	r := NewRecorder(disk, 2, 1<<20)
	f := capturetest.Grey(4, 4, 1)
	for range 100 {
		r.Add(&f)
	}
	full := errors.New("disk full")
	disk.answer <- full
	if err := r.Close(); !errors.Is(err, full) {
		t.Error(err)
	}
	if written, dropped := r.Counts(); written != 0 || dropped != 100 {
		t.Errorf("%d written, %d dropped", written, dropped)
	}
}

func TestRecorderKeepsItsLimit(t *testing.T) {
	r := NewRecorder(io.Discard, 8, 40)
	f := capturetest.Grey(4, 4, 1)
	for range 4 {
		r.Add(&f)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if written, dropped := r.Counts(); written != 2 || dropped != 2 {
		t.Errorf("%d written, %d dropped", written, dropped)
	}
}
