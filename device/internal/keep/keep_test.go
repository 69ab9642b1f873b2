package keep

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cull/capture"
	"cull/capture/recording"
	"cull/device/internal/lock"
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
	w := newFiles(&o)
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
	if names, _ := recording.Files(o.Dir); len(names) != 1 {
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

// A disk has size bytes for dir and others.
type disk struct {
	dir    string
	size   int64
	others atomic.Int64
}

func (d *disk) used() (n int64) {
	names, _ := filepath.Glob(filepath.Join(d.dir, "*"))
	for _, name := range names {
		if info, err := os.Stat(name); err == nil {
			n += info.Size()
		}
	}
	return n
}

func (d *disk) free(string) (int64, error) { return d.size - d.used() - d.others.Load(), nil }

// settled waits until n parts are written or dropped, and returns the counts.
func settled(r *Recorder, n uint64) Stats {
	for {
		if s := r.Stats(); s.Parts+s.Dropped >= n {
			return s
		}
		time.Sleep(time.Millisecond)
	}
}

// The verdict log stops the line when its disk is full, so the frames leave the last of it alone.
func TestLeavesSpaceToOthers(t *testing.T) {
	d := disk{dir: t.TempDir(), size: 6 << 20}
	o := Options{Dir: d.dir, Passed: true, Quota: 8 << 20, Reserve: 1 << 20, free: d.free}
	r, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i <= 1000; i++ { // 10 MB
		add(r, i)
	}
	if s := settled(r, 1000); s.Dropped > 0 || s.Err != nil || d.used() > d.size-o.Reserve || d.used() < d.size/2 {
		t.Errorf("a small disk: %+v, %d bytes used", s, d.used())
	}
	d.others.Store(d.size)
	add(r, 1001)
	s := settled(r, 1001)
	if s.Dropped != 1 || s.Err == nil || !strings.Contains(s.Err.Error(), d.dir+": ") || !strings.Contains(s.Err.Error(), "MiB are free") {
		t.Errorf("a disk that others have filled: %+v", s)
	}
	if names, err := recording.Files(d.dir); len(names) != 1 || err != nil {
		t.Errorf("it is left %v, %v", names, err)
	}
	d.others.Store(0)
	add(r, 1002)
	if err := r.Close(); err != nil || r.Stats().Dropped != 1 {
		t.Errorf("when there is space again: %v, %+v", err, r.Stats())
	}
	if ids := parts(t, d.dir); ids[len(ids)-1] != 1002 || ids[len(ids)-2] != 1000 {
		t.Errorf("parts %v", ids)
	}
}

// A part that is written in half is taken back: the quota holds on a disk that fails again and again, and no file has a torn part.
func TestQuotaHoldsAfterErrors(t *testing.T) {
	o := Options{Dir: t.TempDir(), Passed: true, Quota: 1 << 20}
	w := newFiles(&o)
	fail, good := Note{Entry: record.Entry{Error: string(make([]byte, 1<<17))}}, 0 // no writer takes that note, but the frame before it
	for i := 1; i <= 600; i++ {
		n := Note{Entry: record.Entry{Kind: record.KindPart, Part: uint64(i)}, HasFrame: true}
		if i%3 != 0 {
			n = fail
		}
		if err := w.write(item{frame(i), n}); (err == nil) != (i%3 == 0) {
			t.Fatalf("part %d: %v", i, err)
		} else if err == nil {
			good++
		}
	}
	if err := w.end(); err != nil {
		t.Fatal(err)
	}
	d := disk{dir: o.Dir}
	if d.used() != w.size() || w.size() > o.Quota || w.size() < o.Quota/2 {
		t.Errorf("%d bytes are there and %d known, of %d", d.used(), w.size(), o.Quota)
	}
	s, err := recording.Open(o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	frames := -1
	for ; err == nil; frames++ {
		_, err = s.Next(t.Context())
	}
	if len(s.Torn()) > 0 || !errors.Is(err, io.EOF) {
		t.Errorf("torn: %v, %v", s.Torn(), err)
	}
	if ids := parts(t, o.Dir); ids[len(ids)-1] != 600 || len(ids) >= good || frames != len(ids) {
		t.Errorf("%d frames, parts %v", frames, ids)
	}
}

func TestOneRecorderADirectory(t *testing.T) {
	o := Options{Dir: t.TempDir(), Quota: 1 << 30}
	for range 2 {
		r, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Open(o); !errors.Is(err, lock.ErrLocked) || !strings.Contains(err.Error(), o.Dir) {
			t.Errorf("a second one: %v", err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A file of the next number, whoever made it, is passed over; a file that cannot be removed costs younger ones, not the recording.
func TestOtherPeoplesFiles(t *testing.T) {
	o := Options{Dir: t.TempDir(), Passed: true, Quota: 4 << 20}
	r, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	path := func(i int) string { return filepath.Join(o.Dir, fmt.Sprintf("%08d%s", i, recording.Ext)) }
	if err := os.WriteFile(path(2), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for i := 1; i <= 200; i++ { // 2 MB: two files
		add(r, i)
	}
	if s := settled(r, 200); s.Dropped > 0 {
		t.Errorf("a number that is taken: %+v", s)
	}
	if err := errors.Join(os.Remove(path(1)), os.MkdirAll(filepath.Join(path(1), "full"), 0o700)); err != nil {
		t.Fatal(err)
	}
	for i := 201; i <= 1000; i++ {
		add(r, i)
	}
	if err := r.Close(); err != nil || r.Stats().Dropped > 0 {
		t.Errorf("a file that cannot be removed: %v, %+v", err, r.Stats())
	}
	if n := (&disk{dir: o.Dir}).used(); n > o.Quota {
		t.Errorf("%d bytes of %d", n, o.Quota)
	}
	if err := errors.Join(os.RemoveAll(path(1)), os.Remove(path(2))); err != nil {
		t.Fatal(err)
	}
	if ids := parts(t, o.Dir); ids[len(ids)-1] != 1000 || len(ids) < 200 {
		t.Errorf("parts %v", ids)
	}
}

// Where not one old file can be removed, the quota holds all the same: parts are dropped.
func TestNothingCanBeRemoved(t *testing.T) {
	o := Options{Dir: t.TempDir(), Passed: true, Quota: 1 << 20}
	old := filepath.Join(o.Dir, "00000001"+recording.Ext)
	if err := errors.Join(
		os.MkdirAll(filepath.Join(old, "full"), 0o700), os.WriteFile(filepath.Join(o.Dir, "00000002"+recording.Ext), nil, 0o600),
	); err != nil {
		t.Fatal(err)
	}
	w := newFiles(&o)
	if err := w.find(); err != nil {
		t.Fatal(err)
	}
	w.all[0].size = o.Quota
	if err := w.write(item{note: Note{}}); err == nil || !strings.Contains(err.Error(), old) {
		t.Errorf("beyond the quota: %v", err)
	}
	w.unlock()
}

// Whoever removes the directory or the file that is being written, or moves them away, loses what is in them and nothing after it.
func TestRemovedWhileItRecords(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "frames")
	r, err := Open(Options{Dir: dir, Passed: true, Quota: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	for i, remove := range []func() error{
		func() error { return os.RemoveAll(dir) },
		func() error { return os.Rename(dir, dir+" of monday") },
		func() error {
			names, err := recording.Files(dir)
			if err != nil {
				return err
			}
			return os.Remove(names[len(names)-1])
		},
	} {
		add(r, 2*i+1)
		settled(r, uint64(2*i+1))
		if err := remove(); err != nil {
			t.Fatal(err)
		}
		add(r, 2*i+2)
		if s := settled(r, uint64(2*i+2)); s.Dropped > 0 || s.Err != nil {
			t.Errorf("after %d: %+v", i, s)
		}
		if _, err := Open(Options{Dir: dir}); !errors.Is(err, lock.ErrLocked) {
			t.Errorf("after %d the directory is anybody's: %v", i, err)
		}
		if ids := parts(t, dir); ids[len(ids)-1] != 2*i+2 || slices.Contains(ids, 2*i+1) {
			t.Errorf("after %d: parts %v", i, ids)
		}
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// A disk that hangs does not keep the process.
func TestCloseOfADiskThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		back := make(chan struct{})
		r, err := Open(Options{Dir: t.TempDir(), Passed: true, Quota: 1 << 30, free: func(string) (int64, error) {
			<-back
			return 1 << 40, nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		for i := 1; i <= 3; i++ {
			add(r, i)
		}
		start := time.Now()
		if err := r.Close(); err == nil || !strings.Contains(err.Error(), "has not answered for 10s") || time.Since(start) != maxClose {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		if s := r.Stats(); s.Dropped != 2 || s.Err == nil { // the third is still with the disk
			t.Errorf("%+v", s)
		}
		close(back)
	})
}

// Two frames of one time of exposure: the older one is forgotten, and its memory too.
func TestTwoFramesOfOneTime(t *testing.T) {
	r, err := Open(Options{Dir: t.TempDir(), Passed: true, Quota: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	r.Frame(frame(1))
	r.Frame(frame(1))
	r.Part(Note{}, time.Second)
	r.Part(Note{}, time.Second)
	if err := r.Close(); err != nil || r.bytes != 0 || len(r.held) > 0 || r.Stats().Dropped != 1 {
		t.Errorf("%v, %d bytes, %d held, %+v", err, r.bytes, len(r.held), r.Stats())
	}
}
