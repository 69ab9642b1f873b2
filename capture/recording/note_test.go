package recording

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cull/capture"
)

func write(t *testing.T, w *Writer, seq uint32, note string) {
	t.Helper()
	f := capture.Frame{Pix: make([]byte, 12), Format: capture.Grey, Width: 4, Height: 3, Stride: 4, Seq: seq}
	if err := errors.Join(w.Write(&f), w.Note([]byte(note))); err != nil {
		t.Fatal(err)
	}
}

// told plays a recording: "1 a 2 b".
func told(t *testing.T, s *Source) (string, error) {
	t.Helper()
	var b strings.Builder
	for {
		f, note, err := s.Read(t.Context())
		switch {
		case err != nil:
			return strings.TrimSpace(b.String()), err
		case f != nil:
			b.WriteString(string(rune('0'+f.Seq)) + " ")
		default:
			b.WriteString(string(note) + " ")
		}
	}
}

func TestNotes(t *testing.T) {
	var file bytes.Buffer
	w := NewWriter(&file)
	write(t, w, 1, "a")
	write(t, w, 2, "b")
	s, err := New("x", bytes.NewReader(file.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := told(t, s); got != "1 a 2 b" || !errors.Is(err, io.EOF) {
		t.Errorf("%q, %v", got, err)
	}
	s, err = New("x", bytes.NewReader(file.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	for seq := range uint32(2) {
		if f, err := s.Next(t.Context()); err != nil || f.Seq != seq+1 {
			t.Errorf("Next: %v, %v", f, err)
		}
	}
	if _, err := s.Next(t.Context()); !errors.Is(err, io.EOF) {
		t.Errorf("Next: %v", err)
	}
	for _, n := range []int{0, maxNote + 1} {
		if err := w.Note(make([]byte, n)); err == nil {
			t.Errorf("a note of %d bytes was written", n)
		}
	}
}

// A directory is one recording. A file that a killed writer left torn or empty is followed by the next.
func TestDirectory(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(dir); err == nil {
		t.Error("an empty directory is a recording")
	}
	for i, cut := range []int{0, 1, 1000, 0} { // bytes missing at the end
		var file bytes.Buffer
		w := NewWriter(&file)
		write(t, w, uint32(2*i), "a")
		write(t, w, uint32(2*i+1), "b")
		whole := file.Bytes()
		path := filepath.Join(dir, string(rune('1'+i))+Ext)
		if err := os.WriteFile(path, whole[:max(0, len(whole)-cut)], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got, err := told(t, s); got != "0 a 1 b 2 a 3 6 a 7 b" || !errors.Is(err, io.EOF) {
		t.Errorf("%q, %v", got, err)
	}
}

// A file that is no recording, such as the zeros of a power cut, costs itself alone. Brackets in a name are letters.
func TestDirectoryWithADamagedFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "line [1]")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	file := func(name string, data []byte) {
		if err := os.WriteFile(filepath.Join(dir, name+Ext), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file("1", nil)
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), dir+": nothing has been written") {
		t.Errorf("an empty file alone: %v", err)
	}
	file("2", make([]byte, 4096))
	if _, err := Open(dir); !errors.Is(err, errMagic) {
		t.Errorf("zeros alone: %v", err)
	}
	var whole bytes.Buffer
	write(t, NewWriter(&whole), 3, "a")
	file("3", whole.Bytes())
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got, err := told(t, s); got != "3 a" || !errors.Is(err, io.EOF) {
		t.Errorf("%q, %v", got, err)
	}
	if lost := s.Torn(); len(lost) != 1 || !strings.Contains(lost[0].Error(), "2"+Ext) {
		t.Errorf("lost: %v", lost)
	}
}

// A line that records while its recording is read removes the oldest files: they are told, and the others are read.
func TestFileThatIsGoneWhenItsTurnComes(t *testing.T) {
	dir := t.TempDir()
	path := func(i int) string { return filepath.Join(dir, string(rune('0'+i))+Ext) }
	for i := 1; i <= 4; i++ {
		var file bytes.Buffer
		write(t, NewWriter(&file), uint32(i), "a")
		if err := os.WriteFile(path(i), file.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := errors.Join(os.Remove(path(1)), os.Remove(path(2)), os.Remove(path(3))); err != nil { // 1 is open
		t.Fatal(err)
	}
	if got, err := told(t, s); got != "1 a 4 a" || !errors.Is(err, io.EOF) {
		t.Errorf("%q, %v", got, err)
	}
	if lost := s.Torn(); len(lost) != 2 || !errors.Is(lost[1], fs.ErrNotExist) || !strings.Contains(lost[1].Error(), path(3)) {
		t.Errorf("lost: %v", lost)
	}
}
