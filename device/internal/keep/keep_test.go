package keep

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"cull/capture"
	"cull/capture/recording"
	"cull/device/internal/record"
)

func frame(i int) *capture.Frame {
	pix := make([]byte, 100*100)
	pix[0] = byte(i)
	return capture.NewFrame(capture.Frame{
		Pix: pix, Format: capture.Grey, Width: 100, Height: 100, Stride: 100, Seq: uint32(i), Mono: time.Duration(i) * time.Second,
	}, nil)
}

// add records part i, bad if it is a multiple of 3, without a frame if of 5.
func add(r *Recorder, i int) {
	n := Note{Entry: record.Entry{Kind: record.KindPart, Part: uint64(i), Verdict: "PASS"}}
	if i%3 == 0 {
		n.Verdict = "REJECT"
	}
	at := time.Duration(0)
	if i%5 != 0 {
		r.Frame(frame(i))
		at = time.Duration(i) * time.Second
	}
	r.Part(n, at)
	for r.Stats().Dropped == 0 && len(r.queue) > waiting/2 { // a test may wait
		time.Sleep(time.Millisecond)
	}
}

// parts reads the ids back, and checks each frame against its note.
func parts(t *testing.T, dir string) (ids []int) {
	t.Helper()
	s, err := recording.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var last *capture.Frame
	for {
		f, text, err := s.Read(context.Background())
		if errors.Is(err, io.EOF) {
			return ids
		}
		if err != nil {
			t.Fatal(err)
		}
		if f != nil {
			last = f
			continue
		}
		var n Note
		if err := json.Unmarshal(text, &n); err != nil {
			t.Fatal(err)
		}
		if n.Kind == record.KindStart {
			continue
		}
		ids = append(ids, int(n.Part))
		if n.HasFrame != (last != nil) || last != nil && (int(last.Seq) != int(n.Part) || last.Pix[0] != byte(n.Part)) {
			t.Errorf("part %d has the wrong frame", n.Part)
		}
		last = nil
	}
}

func TestKeepsWhatIsAsked(t *testing.T) {
	for _, tc := range []struct {
		name        string
		o           Options
		least, most int // parts of 200 that are there in the end
		newest      int
	}{
		{"all", Options{Passed: true, Quota: 1 << 30}, 200, 200, 200},
		{"rejects", Options{Quota: 1 << 30}, 66, 66, 198},
		{"last", Options{Passed: true, Last: 40, Quota: 1 << 30}, 40, 46, 200},
		{"quota", Options{Passed: true, Quota: 1 << 20}, 60, 140, 200},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.o.Dir = filepath.Join(t.TempDir(), "frames")
			tc.o.Start.Kind = record.KindStart
			for run := range 2 { // the second run goes on in the directory
				r, err := Open(tc.o)
				if err != nil {
					t.Fatal(err)
				}
				for i := 1 + 100*run; i <= 100+100*run; i++ {
					add(r, i)
				}
				if err := r.Close(); err != nil || r.Stats().Dropped > 0 || len(r.held) > 0 || r.bytes != 0 {
					t.Fatalf("%v %+v, %d held, %d bytes", err, r.Stats(), len(r.held), r.bytes)
				}
			}
			ids := parts(t, tc.o.Dir)
			if n := len(ids); n < tc.least || n > tc.most || ids[n-1] != tc.newest {
				t.Errorf("%d parts: %v", len(ids), ids)
			}
			var size int64
			names, _ := filepath.Glob(filepath.Join(tc.o.Dir, "*"))
			for _, name := range names {
				info, _ := os.Stat(name)
				size += info.Size()
			}
			if size > tc.o.Quota+20000 {
				t.Errorf("%d bytes", size)
			}
		})
	}
}

// A disk that takes nothing costs parts of the recording, never time of the line.
func TestNeverBlocks(t *testing.T) {
	r := &Recorder{o: Options{Passed: true}, queue: make(chan item, waiting), held: map[time.Duration]*capture.Frame{}}
	for i := range 10000 { // nobody writes
		r.Frame(frame(i))
		if i%2 == 0 {
			r.Part(Note{}, time.Duration(i)*time.Second)
		}
	}
	if s := r.Stats(); s.Dropped == 0 || r.bytes > maxHeld {
		t.Errorf("%+v, %d bytes", s, r.bytes)
	}
}

func TestFullDiskIsReported(t *testing.T) {
	dir := t.TempDir()
	r, err := Open(Options{Dir: dir, Passed: true, Quota: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	add(r, 1)
	for r.Stats().Parts == 0 {
		time.Sleep(time.Millisecond)
	}
	r.Part(Note{Entry: record.Entry{Error: string(make([]byte, 1<<17))}}, 0) // no writer takes that
	for r.Stats().Dropped == 0 {
		time.Sleep(time.Millisecond)
	}
	if r.Stats().Err == nil {
		t.Error("no error")
	}
	add(r, 2)
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if ids := parts(t, dir); len(ids) != 2 {
		t.Errorf("parts %v", ids)
	}
	if _, err := Open(Options{Dir: "/proc/no"}); err == nil {
		t.Error("a directory that cannot be made")
	}
	os.WriteFile(filepath.Join(dir, "mine.cullrec"), nil, 0o600)
	if _, err := Open(Options{Dir: dir}); err == nil {
		t.Error("somebody else's file was taken for one of its own")
	}
}

// A frame that comes when its part has ended, because it waited too long for its inspection, is not held for ever.
func TestFrameAfterItsPart(t *testing.T) {
	r, err := Open(Options{Dir: t.TempDir(), Quota: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	r.Frame(frame(1000))
	if !r.Holds(1000*time.Second) || r.Holds(0) {
		t.Error("Holds does not say what is held")
	}
	r.Part(Note{Entry: record.Entry{Verdict: "PASS"}}, 1000*time.Second)
	for i := range 200 {
		at := time.Duration(i) * time.Second
		r.Part(Note{Entry: record.Entry{Part: uint64(i), Verdict: "PASS"}}, at)
		r.Frame(frame(i))
	}
	if err := r.Close(); err != nil || len(r.held) > 0 || r.bytes != 0 {
		t.Errorf("%v, %d held, %d bytes", err, len(r.held), r.bytes)
	}
}

// A file whose beginning cannot be written is begun anew, and does not stay: each has the start that its replay needs.
func TestFileThatCannotBegin(t *testing.T) {
	o := Options{Dir: t.TempDir(), Quota: 1 << 30}
	o.Start.Kind, o.Start.Error = record.KindStart, string(make([]byte, 1<<17)) // no writer takes that
	w := &files{o: &o, limit: 1 << 20}
	for range 3 {
		if w.write(item{note: Note{Entry: record.Entry{Kind: record.KindPart, Part: 1}}}) == nil {
			t.Fatal("a part without a start was written")
		}
	}
	o.Start.Error = ""
	if err := w.write(item{note: Note{Entry: record.Entry{Kind: record.KindPart, Part: 2}}}); err != nil {
		t.Fatal(err)
	}
	if err := w.end(); err != nil {
		t.Fatal(err)
	}
	if names, _ := filepath.Glob(filepath.Join(o.Dir, "*")); len(names) != 1 {
		t.Errorf("files %v", names)
	}
	s, err := recording.Open(o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var n Note
	if _, text, err := s.Read(t.Context()); err != nil || json.Unmarshal(text, &n) != nil || n.Kind != record.KindStart {
		t.Errorf("the file begins with %q, %v", text, err)
	}
	if ids := parts(t, o.Dir); len(ids) != 1 || ids[0] != 2 {
		t.Errorf("parts %v", ids)
	}
}

// A score that JSON has no number for costs the number, neither frame nor verdict.
func TestScoreWithoutANumber(t *testing.T) {
	dir := t.TempDir()
	r, err := Open(Options{Dir: dir, Passed: true, Quota: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i <= 3; i++ {
		r.Frame(frame(i))
		score := 1 / float64(i-2)
		n := Note{Entry: record.Entry{Kind: record.KindPart, Part: uint64(i), Verdict: "REJECT", Score: &score}}
		r.Part(n, time.Duration(i)*time.Second)
	}
	if err := r.Close(); err != nil || r.Stats().Dropped != 0 {
		t.Errorf("%+v, %v", r.Stats(), err)
	}
	if got := parts(t, dir); !slices.Equal(got, []int{1, 2, 3}) {
		t.Errorf("read back %v", got)
	}
}

// Files follow one another by number, not by name.
func TestNinthDigit(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"99999999", "100000000"} {
		if err := os.WriteFile(filepath.Join(dir, name+recording.Ext), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r, err := Open(Options{Dir: dir, Passed: true, Quota: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "100000001"+recording.Ext)); err != nil {
		t.Error(err)
	}
}
