package recording

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cull/capture"
	"cull/capture/capturetest"
)

func frames() []capture.Frame {
	a, b := capturetest.Grey(5, 4, 7), capturetest.Grey(5, 4, 9)
	a.Seq, a.Mono = 3, 5*time.Second
	b.Seq, b.Mono = 9, 6*time.Second
	return []capture.Frame{a, b, {Pix: []byte{0xff, 0xd8, 1}, Format: capture.MJPEG, Width: 5, Height: 4, Seq: 10, Mono: 7 * time.Second}}
}

func record(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	w := NewWriter(&b)
	for _, f := range frames() {
		if err := w.Write(&f); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func TestPlaysBackBitForBit(t *testing.T) {
	s, err := New("test", bytes.NewReader(record(t)))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range frames() {
		f, err := s.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(f.Pix, want.Pix) || f.Format != want.Format || f.Width != want.Width || f.Height != want.Height ||
			f.Stride != want.Stride || f.Seq != want.Seq || f.Mono != want.Mono {
			t.Errorf("frame %d: %+v, want %+v", i, f, want)
		}
	}
}

func TestConforms(t *testing.T) {
	path := filepath.Join(t.TempDir(), "shift.rec")
	if err := os.WriteFile(path, record(t), 0o600); err != nil {
		t.Fatal(err)
	}
	capturetest.Conform(t, func(t *testing.T) capture.Source {
		s, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}, 3, true)
}

// play returns how many frames a recording has, and how it ends.
func play(t testing.TB, data []byte) (int, error) {
	s, err := New("test", bytes.NewReader(data))
	for n := 0; ; n++ {
		if err != nil {
			return n, err
		}
		if _, err = s.Next(t.Context()); err != nil {
			return n, err
		}
	}
}

func TestTornAtEveryByte(t *testing.T) {
	whole := record(t)
	ends := map[int]int{8: 0, 8 + 68: 1, 8 + 2*68: 2, len(whole): 3}
	for n := range len(whole) + 1 {
		got, err := play(t, whole[:n])
		if want, ok := ends[n]; ok && (!errors.Is(err, io.EOF) || got != want) {
			t.Errorf("%d bytes: %d frames, %v", n, got, err)
		} else if !ok && n > 8 && !(errors.Is(err, ErrTorn) && errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF)) || n < 8 && err == nil {
			t.Errorf("%d bytes: %d frames, %v", n, got, err)
		}
	}
}

func TestEveryDamagedByteIsFound(t *testing.T) {
	whole := record(t)
	for i := range whole {
		b := bytes.Clone(whole)
		b[i] ^= 0x10
		if n, err := play(t, b); n == 3 || errors.Is(err, io.EOF) && !errors.Is(err, ErrTorn) {
			t.Errorf("byte %d: %d frames, %v", i, n, err)
		}
	}
}

// A damaged size that reaches past the end is no end that a killed writer left: whole frames follow, or the picture cannot be so large.
func TestDamagedSizeIsNoEnd(t *testing.T) {
	for _, first := range []capture.Frame{
		{Pix: make([]byte, 20), Format: capture.Grey, Width: 5, Height: 4, Stride: 5},
		{Pix: make([]byte, 30), Format: capture.NV12, Width: 5, Height: 4, Stride: 5},
		{Pix: make([]byte, 20), Format: capture.MJPEG, Width: 5, Height: 4},
		{Pix: make([]byte, 20)}, // a note
	} {
		var b bytes.Buffer
		w := NewWriter(&b)
		if err := w.write(&first); err != nil {
			t.Fatal(err)
		}
		for _, f := range frames() {
			if err := w.Write(&f); err != nil {
				t.Fatal(err)
			}
		}
		for bit := range 32 {
			data := bytes.Clone(b.Bytes())
			data[len(magic)+bit/8] ^= 1 << (bit % 8)
			if n, err := play(t, data); n != 0 || !errors.Is(err, ErrTorn) || errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%v, bit %d of the size: %d frames, %v", first.Format, bit, n, err)
			}
		}
	}
	// A raw picture knows its size though nothing follows.
	data := record(t)[:8+68]
	data[len(magic)+1] ^= 1
	if _, err := play(t, data); !errors.Is(err, ErrTorn) || errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the only frame: %v", err)
	}
}

func TestWriterRefusesWhatIsNoFrame(t *testing.T) {
	for _, f := range []capture.Frame{
		{},
		{Format: capture.Grey, Width: 1 << 20, Height: 1, Stride: 1, Pix: []byte{1}},
		{Format: capture.Grey, Width: 1, Height: 2, Stride: 1, Pix: []byte{1, 2, 3}},
	} {
		if err := NewWriter(io.Discard).Write(&f); err == nil {
			t.Errorf("%+v was written", f)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(record(f))
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := play(t, data); err == nil {
			t.Error("no end")
		}
	})
}

// A file that a killed writer left torn is passed over where another follows, but not in silence.
func TestTornFileInTheMiddleIsNamed(t *testing.T) {
	dir := t.TempDir()
	whole := record(t)
	torn := filepath.Join(dir, "1"+Ext)
	if err := errors.Join(
		os.WriteFile(torn, whole[:8+68+5], 0o600), os.WriteFile(filepath.Join(dir, "2"+Ext), whole, 0o600),
	); err != nil {
		t.Fatal(err)
	}
	src, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	n := 0
	for {
		f, err := src.Next(t.Context())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		f.Release()
		n++
	}
	if got := src.Torn(); n != 4 || len(got) != 1 || !errors.Is(got[0], ErrTorn) || !strings.Contains(got[0].Error(), torn) {
		t.Errorf("%d frames, torn %v", n, got)
	}
}
