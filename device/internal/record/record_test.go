package record

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"cull/device/internal/lock"
)

func part(id uint64) Entry {
	score, threshold, slack := math.Sqrt(float64(id)), 1/3., int64(id)
	return Entry{
		Kind: KindPart, Time: time.Unix(int64(id), 5).UTC(), Part: id, Verdict: "REJECT", Reason: "score",
		Score: &score, Threshold: &threshold, FrameSeq: 7, TotalUS: 12, SlackUS: &slack, Error: "a \"quoted\"\nline",
	}
}

// mustOpen opens a log that syncs every entry at once.
func mustOpen(t *testing.T, dir string, o Options) (*Log, Recovery) {
	t.Helper()
	o.Group = -1
	l, r, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, r
}

func fill(t *testing.T, dir string, n int) {
	t.Helper()
	l, _ := mustOpen(t, dir, Options{})
	for id := range n {
		l.Append(part(uint64(id + 1)))
		if err := l.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// all reads a log that must be whole.
func all(t *testing.T, dir string) []Entry {
	t.Helper()
	var es []Entry
	for e, err := range Read(dir) {
		if err != nil {
			t.Fatal(err)
		}
		es = append(es, e)
	}
	return es
}

func ids(es []Entry) (ids []uint64) {
	for _, e := range es {
		if e.Kind == KindPart {
			ids = append(ids, e.Part)
		}
	}
	return ids
}

func TestEntriesReadBackAsWritten(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, 3)
	got := all(t, dir)
	want := []Entry{part(1), part(2), part(3)}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

// Power cuts: the file ends anywhere. Every entry that ends before the cut is there, the
// rest is gone, and the log goes on.
func TestHowTheLastRunEnded(t *testing.T) {
	for _, end := range []Entry{{}, {State: StateFoul}, {Error: "no rejecter"}, {State: StateFoul, Error: "no sensor"}} {
		dir := t.TempDir()
		l, _ := mustOpen(t, dir, Options{})
		l.Append(Entry{Kind: KindStart})
		end.Kind = KindEnd
		l.Append(end)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if _, r := mustOpen(t, dir, Options{}); r.Unclean || r.Stopped != (end.State != "") || r.Failed != (end.Error != "") {
			t.Errorf("%+v: %+v", end, r)
		}
	}
}

func TestScoreThatJSONCannotHold(t *testing.T) {
	dir := t.TempDir()
	l, _ := mustOpen(t, dir, Options{})
	e := part(1)
	nan := math.NaN()
	e.Score = &nan
	l.Append(e)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	got := all(t, dir)
	if len(got) != 1 || got[0].Verdict != "REJECT" || got[0].Reason != "score" || got[0].Part != 1 || got[0].TotalUS != 12 ||
		got[0].Score != nil || !strings.Contains(got[0].Error, "NaN") {
		t.Errorf("%+v", got)
	}
}

func TestTruncatedAtEveryByte(t *testing.T) {
	src := t.TempDir()
	fill(t, src, 3)
	text, err := os.ReadFile(filepath.Join(src, "verdicts-00000001.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tail := range []string{"", "\x00\x00\x00\x00", "\x00\n\x00\n"} { // what a file system may leave behind
		for n := range len(text) + 1 {
			dir := t.TempDir()
			torn := string(text[:n]) + tail
			if err := os.WriteFile(filepath.Join(dir, "verdicts-00000001.jsonl"), []byte(torn), 0o600); err != nil {
				t.Fatal(err)
			}
			l, found := mustOpen(t, dir, Options{})
			whole := strings.Count(string(text[:n]), "\n")
			end := strings.LastIndexByte(string(text[:n]), '\n') + 1
			want := Recovery{Entries: whole, Cut: int64(len(torn) - end), LastPart: uint64(whole), Unclean: whole > 0}
			if !reflect.DeepEqual(found, want) {
				t.Fatalf("cut at %d, tail %q: found %+v, want %+v", n, tail, found, want)
			}
			if n%40 != 0 && n != len(text) {
				continue
			}
			l.Append(part(99))
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if got := all(t, dir); len(got) != whole+1 || got[whole].Part != 99 {
				t.Fatalf("cut at %d, tail %q: then read parts %v", n, tail, ids(got))
			}
		}
	}
}

// Damage before the end is no torn write: it is reported and left for the auditor.
func TestEveryBitFlipIsNoticed(t *testing.T) {
	src := t.TempDir()
	fill(t, src, 2)
	text, err := os.ReadFile(filepath.Join(src, "verdicts-00000001.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	first := strings.IndexByte(string(text), '\n')
	for bit := range first * 8 {
		flipped := []byte(string(text))
		flipped[bit/8] ^= 1 << (bit % 8)
		m, err := measure(bytes.NewReader(flipped))
		if err != nil {
			t.Fatal(err)
		}
		if m.entries != 1 || m.damaged < 1 {
			t.Fatalf("bit %d: %d entries, %d damaged", bit, m.entries, m.damaged)
		}
	}
}

func TestReadNamesDamagedLine(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, 3)
	name := filepath.Join(dir, "verdicts-00000001.jsonl")
	text, _ := os.ReadFile(name)
	text[10] ^= 1
	os.WriteFile(name, text, 0o600)
	var errs []string
	var sum Summary
	for e, err := range Read(dir) {
		if err != nil {
			errs = append(errs, err.Error())
			continue
		}
		sum.Add(e)
	}
	if len(errs) != 1 || !strings.Contains(errs[0], name+":1:") || sum.Parts != 2 || sum.Reject != 2 {
		t.Errorf("errors %q, summary %+v", errs, sum)
	}
	if _, r := mustOpen(t, dir, Options{}); r.Damaged != 1 || r.Cut != 0 || r.LastPart != 3 {
		t.Errorf("recovery %+v", r)
	}
}

func TestRotationAndQuota(t *testing.T) {
	dir := t.TempDir()
	l, _ := mustOpen(t, dir, Options{Segment: maxLine, Quota: 3 * maxLine})
	for id := range 1000 {
		e := part(uint64(id + 1))
		e.Error = strings.Repeat("x", 1000)
		l.Append(e)
		if id%50 == 0 {
			l.Sync(t.Context())
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	var size int64
	numbers, _ := segments(dir)
	for _, n := range numbers {
		info, err := os.Stat(l.name(n))
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > maxLine && info.Size() > 51*1500 {
			t.Errorf("file %d has %d bytes", n, info.Size())
		}
		size += info.Size()
	}
	if s := l.Stats(); size > 3*maxLine || s.Removed == 0 || s.Synced != 1000 {
		t.Errorf("%d bytes, stats %+v", size, s)
	}
	got := ids(all(t, dir))
	for i := range got {
		if got[i] != uint64(1000-len(got)+i+1) {
			t.Fatalf("what is left is not the newest: %v", got)
		}
	}
	if _, r := mustOpen(t, dir, Options{}); r.LastPart != 1000 {
		t.Errorf("recovery %+v", r)
	}
}

func TestLastPartIsFoundBehindAnEmptyFile(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, 4)
	if err := os.WriteFile(filepath.Join(dir, "verdicts-00000002.jsonl"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, r := mustOpen(t, dir, Options{}); r.LastPart != 4 {
		t.Errorf("recovery %+v", r)
	}
}

func TestRunThatDidNotEnd(t *testing.T) {
	kinds := map[byte]string{'s': KindStart, 'b': KindBegin, 'p': KindPart, 'e': KindEnd, 't': KindState}
	for _, tc := range []struct {
		log     string // files between spaces; a digit is the part of the next letter
		unclean bool
		open    []uint64
		next    uint64
	}{
		{"", false, nil, 1},
		{"s1b1pe", false, nil, 2},
		{"s1b1p2b", true, []uint64{2}, idBlock + 1},
		{"s1b2b 3b2p", true, []uint64{1, 3}, idBlock + 1},
		{"s1b1p2b 2pe", false, nil, 3},
		{"s1b 2b 2p3b", true, []uint64{1, 3}, idBlock + 1},
		{"s1b s1p2be", false, nil, 3}, // the second run ended the first one's part
		{"s1bs1p2b", true, []uint64{2}, idBlock + 1},
		{"s1bs", true, []uint64{1}, idBlock + 1}, // killed again before it could
		{"s1b1p s", true, nil, idBlock + 1},
		{"1b1p2b", true, []uint64{2}, idBlock + 1}, // the file with the start fell to the quota
		{"1b1p 2b2p", true, nil, idBlock + 1},
		{"1b 2b1pe", false, nil, 3},
		{"s1b1pe 2b", true, []uint64{2}, idBlock + 1}, // the start's line is damaged
		{"1b1p t", true, nil, idBlock + 1},
	} {
		dir := t.TempDir()
		for i, file := range strings.Fields(tc.log) {
			var text []byte
			var id uint64
			for _, c := range []byte(file) {
				if c >= '0' && c <= '9' {
					id = uint64(c - '0')
					continue
				}
				text, _ = append1(text, &Entry{Kind: kinds[c], Part: id})
				id = 0
			}
			name := filepath.Join(dir, fmt.Sprintf("%s%08d%s", prefix, i+1, suffix))
			if err := os.WriteFile(name, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		_, r := mustOpen(t, dir, Options{})
		if r.Unclean != tc.unclean || !reflect.DeepEqual(r.Open, tc.open) || r.NextPart() != tc.next {
			t.Errorf("%q: %+v, next part %d", tc.log, r, r.NextPart())
		}
	}
}

// Ids are not given again although the records of the newest parts were lost, or fell to the quota.
func TestIdsAreGivenOnce(t *testing.T) {
	const last = 5000
	t.Run("the queue was full", func(t *testing.T) {
		dir := t.TempDir()
		l, _ := mustOpen(t, dir, Options{Queue: 8})
		l.Append(Entry{Kind: KindStart})
		for id := range last {
			l.Append(part(uint64(id) + 1)) // faster than the disk
		}
		if err := l.Sync(t.Context()); err != nil || l.Stats().Unlogged == 0 {
			t.Fatalf("%+v, %v", l.Stats(), err)
		}
		l.Append(Entry{Kind: KindEnd})
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if _, r := mustOpen(t, dir, Options{}); r.NextPart() != last+1 {
			t.Errorf("next part %d: %+v", r.NextPart(), r)
		}
	})
	t.Run("nothing but changes of state since", func(t *testing.T) {
		dir, o := t.TempDir(), Options{Segment: maxLine, Quota: 2 * maxLine}
		l, _ := mustOpen(t, dir, o)
		l.Append(part(last))
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l, _ = mustOpen(t, dir, o) // another run
		for l.Stats().Removed == 0 {
			l.Append(Entry{Kind: KindState, State: "camera lost", Error: strings.Repeat("x", 1000)})
			if err := l.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		l.Append(Entry{Kind: KindEnd})
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if _, r := mustOpen(t, dir, o); r.NextPart() != last+1 {
			t.Errorf("next part %d: %+v", r.NextPart(), r)
		}
	})
	t.Run("killed twice", func(t *testing.T) {
		dir := t.TempDir()
		l, r := mustOpen(t, dir, Options{})
		for range 3 { // each is killed before a part of its own is on the disk
			first := r.NextPart()
			l.Append(Entry{Kind: KindStart, Part: first - 1})
			l.Close() //nolint:errcheck // killed
			if l, r = mustOpen(t, dir, Options{}); r.NextPart() <= first {
				t.Errorf("part %d after %d", r.NextPart(), first)
			}
		}
	})
}

// Run 1 is killed with a part under way, run 2 when only its start is on the disk, in a file of its own.
func TestOpenPartsOfARunBeforeTheLast(t *testing.T) {
	dir, o := t.TempDir(), Options{Segment: maxLine, Quota: 1 << 20}
	l, _ := mustOpen(t, dir, o)
	l.Append(Entry{Kind: KindStart})
	l.Append(Entry{Kind: KindBegin, Part: 900})
	for l.Sync(t.Context()) == nil && l.size < maxLine-90 { // the file is nearly full
		l.Append(Entry{Kind: KindState, State: "ready"})
	}
	l.Close() //nolint:errcheck // killed
	l, r := mustOpen(t, dir, o)
	if !r.Unclean || !slices.Equal(r.Open, []uint64{900}) {
		t.Fatalf("%+v", r)
	}
	l.Append(Entry{Kind: KindStart, Product: "washer.product", Model: "0123456789abcdef"})
	if err := l.Sync(t.Context()); err != nil || l.number != 2 {
		t.Fatalf("file %d, %v", l.number, err)
	}
	l.Close() //nolint:errcheck // killed
	if _, r = mustOpen(t, dir, o); !slices.Equal(r.Open, []uint64{900}) {
		t.Errorf("part 900 has no record: %+v", r)
	}
}

func TestOneProcessHoldsTheDirectory(t *testing.T) {
	dir := t.TempDir()
	l, _ := mustOpen(t, dir, Options{})
	if _, _, err := Open(dir, Options{}); !errors.Is(err, lock.ErrLocked) {
		t.Errorf("err = %v", err)
	}
	l.Close()
	mustOpen(t, dir, Options{})
}

// A disk is a file in memory that can be full, and slow.
type disk struct {
	mu   sync.Mutex
	text []byte
	room int // bytes; a write over it is cut short
	slow time.Duration
	sync error
}

func (d *disk) WriteAt(p []byte, off int64) (int, error) {
	time.Sleep(d.slow)
	d.mu.Lock()
	defer d.mu.Unlock()
	n := min(len(p), max(0, d.room-int(off)))
	d.text = append(d.text[:off], p[:n]...)
	if n < len(p) {
		return n, syscall.ENOSPC
	}
	return n, nil
}

func (d *disk) Truncate(n int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.text = d.text[:min(int(n), len(d.text))]
	return nil
}

func (d *disk) Sync() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.sync
}
func (d *disk) Close() error { return nil }

func (d *disk) change(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
}

func (d *disk) entries(t *testing.T) (es []Entry) {
	s := newScanner(bytes.NewReader(d.text))
	for s.next() {
		if s.bad != nil {
			t.Error(s.bad)
		}
		es = append(es, s.entry)
	}
	return es
}

func withDisk(t *testing.T, d *disk, o Options) *Log {
	t.Helper()
	l, _, err := openLog(t.TempDir(), o, func(string) (file, error) { return d, nil })
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// The disk is full for a while: nothing blocks, nothing is acknowledged that is not there,
// what was lost is counted, and the count is in the log.
func TestFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{room: 1000}
		l := withDisk(t, d, Options{Queue: 10})
		for id := range 30 {
			l.Append(part(uint64(id + 1)))
			time.Sleep(50 * time.Millisecond)
		}
		s := l.Stats()
		if !errors.Is(s.Err, syscall.ENOSPC) || !errors.Is(l.Ready(), syscall.ENOSPC) {
			t.Errorf("not reported: %v", s.Err)
		}
		if got := len(d.entries(t)); uint64(got) != s.Synced || s.Synced == 0 || s.Unlogged == 0 {
			t.Errorf("%d entries on the disk, stats %+v", got, s)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := l.Sync(ctx); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("Sync: %v", err)
		}
		d.change(func() { d.room = 1 << 20 })
		time.Sleep(10 * time.Second)
		if err := errors.Join(l.Ready(), l.Sync(t.Context()), l.Close()); err != nil {
			t.Error(err)
		}
		s = l.Stats()
		var sum Summary
		for _, e := range d.entries(t) {
			sum.Add(e)
		}
		if sum.Parts+sum.Unlogged != 30 || sum.Parts != s.Synced || sum.Unlogged != s.Unlogged {
			t.Errorf("log %+v, stats %+v", sum, s)
		}
	})
}

// A failed fsync acknowledges nothing, and the entries are written anew: the kernel may
// have dropped the pages (P. S. Nalla et al., "Can applications recover from fsync failures?", ATC 2020).
func TestFailedSyncIsNotAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{room: 1 << 20, sync: syscall.EIO}
		l := withDisk(t, d, Options{})
		l.Append(part(1))
		time.Sleep(time.Second)
		if s := l.Stats(); s.Synced != 0 || !errors.Is(s.Err, syscall.EIO) {
			t.Errorf("stats %+v", s)
		}
		d.change(func() { d.sync, d.text = nil, nil }) // the pages are gone
		if err := l.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := ids(d.entries(t)); len(got) != 1 {
			t.Errorf("on the disk: %v", got)
		}
		l.Close()
	})
}

func TestSlowDiskGroupsEntries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{room: 1 << 20, slow: 100 * time.Millisecond}
		l := withDisk(t, d, Options{})
		start := time.Now()
		for id := range 100 {
			l.Append(part(uint64(id + 1)))
			time.Sleep(time.Millisecond)
		}
		if spent := time.Since(start); spent != 100*time.Millisecond {
			t.Errorf("Append waited for the disk: %v", spent)
		}
		l.Sync(t.Context())
		if spent := time.Since(start); spent > 400*time.Millisecond {
			t.Errorf("100 entries took %v", spent)
		}
		l.Close()
	})
}

func TestCloseWithFullDiskCountsWhatIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{}
		l := withDisk(t, d, Options{})
		l.Append(part(1))
		l.Append(part(2))
		if err := l.Close(); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("Close: %v", err)
		}
		l.Append(part(3))
		if s := l.Stats(); s.Unlogged != 3 || s.Synced != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

// A disk that hangs gives no error: what was not written for seconds is as good as lost, and a part must not pass on it.
func TestDiskThatDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{room: 1 << 20, slow: 20 * time.Second}
		l := withDisk(t, d, Options{})
		time.Sleep(time.Hour) // nothing to write is no silence
		l.Append(part(1))
		time.Sleep(4 * time.Second)
		if err := l.Ready(); err != nil {
			t.Errorf("after 4 s: %v", err)
		}
		time.Sleep(2 * time.Second)
		if err := l.Ready(); !errors.Is(err, errHung) || !errors.Is(l.Stats().Err, errHung) {
			t.Errorf("after 6 s: %v, %v", err, l.Stats().Err)
		}
		time.Sleep(20 * time.Second)
		if err := errors.Join(l.Ready(), l.Sync(t.Context())); err != nil {
			t.Errorf("it answers again: %v", err)
		}
		d.change(func() { d.slow = time.Hour })
		l.Append(part(2))
		start := time.Now()
		if err := l.Close(); !errors.Is(err, errHung) || time.Since(start) > 15*time.Second {
			t.Errorf("Close: %v after %v", err, time.Since(start))
		}
		time.Sleep(2 * time.Hour)
	})
}

// What somebody does to the files of a running line is told, and what comes after it is found where it belongs.
func TestFilesThatSomebodyRemoves(t *testing.T) {
	for name, harm := range map[string]func(dir, file string) error{
		"the directory": func(dir, _ string) error { return os.RemoveAll(dir) },
		"the file":      func(_, file string) error { return os.Remove(file) },
		"its end":       func(_, file string) error { return os.Truncate(file, 100) },
		"replaced":      func(_, file string) error { return errors.Join(os.Remove(file), os.WriteFile(file, nil, 0o600)) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "a", "log")
			l, _ := mustOpen(t, dir, Options{Retry: 20 * time.Millisecond})
			l.Append(Entry{Kind: KindStart})
			l.Append(Entry{Kind: KindBegin, Part: 1})
			if err := l.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := harm(dir, l.name(1)); err != nil {
				t.Fatal(err)
			}
			l.Append(part(2))
			for l.Stats().Synced < 3 && l.Stats().Err == nil {
				time.Sleep(time.Millisecond)
			}
			if err := l.Stats().Err; err == nil || !strings.Contains(err.Error(), l.name(1)+" was ") {
				t.Errorf("not told: %v", err)
			}
			if err := l.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, _, err := Open(dir, Options{}); !errors.Is(err, lock.ErrLocked) {
				t.Errorf("a second process: %v", err)
			}
			l.Close() //nolint:errcheck // killed
			_, r := mustOpen(t, dir, Options{})
			if r.LastPart != 2 || !slices.Equal(r.Open, []uint64{1}) {
				t.Errorf("%+v", r)
			}
		})
	}
}

// A lock that somebody removes is taken anew: a second process would write into the same file.
func TestRemovedLock(t *testing.T) {
	dir := t.TempDir()
	l, _ := mustOpen(t, dir, Options{})
	defer l.Close()
	l.Append(part(1))
	if err := errors.Join(l.Sync(t.Context()), os.Remove(filepath.Join(dir, "lock"))); err != nil {
		t.Fatal(err)
	}
	l.Append(part(2))
	if err := l.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Open(dir, Options{}); !errors.Is(err, lock.ErrLocked) {
		t.Errorf("a second process: %v", err)
	}
}

// A handle is a file whose calls fail from some time on: its file system went away.
type handle struct {
	*os.File
	stale *atomic.Bool
}

func (h handle) Sync() error {
	if h.stale.Load() {
		return syscall.EIO
	}
	return h.File.Sync()
}

// opener opens files whose handles are stale while stale is set and, where it lasts, for good.
func opener(stale *atomic.Bool, lasts bool) func(string) (file, error) {
	return func(name string) (file, error) {
		f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o640)
		mine := stale
		if lasts {
			mine = &atomic.Bool{}
			time.AfterFunc(50*time.Millisecond, func() { mine.Store(stale.Load()) })
		}
		return handle{f, mine}, err
	}
}

func TestAFileIsOpenedAgain(t *testing.T) {
	var stale atomic.Bool
	stale.Store(true) // the first handle becomes stale, and stays so
	l, _, err := openLog(t.TempDir(), Options{Retry: 10 * time.Millisecond}, opener(&stale, true))
	if err != nil {
		t.Fatal(err)
	}
	l.Append(part(1))
	if err := l.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
	stale.Store(false)
	l.Append(part(2))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := errors.Join(l.Sync(ctx), l.Close()); err != nil {
		t.Fatal(err)
	}
	if got := ids(all(t, l.dir)); !slices.Equal(got, []uint64{1, 2}) {
		t.Errorf("parts %v", got)
	}
}

// What a failed fsync left at the end of a full file is not in the next one too.
func TestFailedSyncAtTheEndOfAFile(t *testing.T) {
	var bad atomic.Bool
	l, _, err := openLog(t.TempDir(), Options{Segment: maxLine, Quota: 1 << 20, Group: -1, Retry: 10 * time.Millisecond}, opener(&bad, false))
	if err != nil {
		t.Fatal(err)
	}
	id := uint64(0)
	add := func() { id++; l.Append(part(id)) }
	for l.size < maxLine-600 {
		add()
		if err := l.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	bad.Store(true)
	add() // fits, but for its fsync
	for l.Stats().Err == nil {
		time.Sleep(time.Millisecond)
	}
	for range 5 { // and these do not
		add()
	}
	time.Sleep(50 * time.Millisecond)
	bad.Store(false)
	if err := errors.Join(l.Sync(t.Context()), l.Close()); err != nil {
		t.Fatal(err)
	}
	var want []uint64
	for i := range id {
		want = append(want, i+1)
	}
	if got := ids(all(t, l.dir)); !slices.Equal(got, want) || l.number != 2 {
		t.Errorf("%d files, parts %v of %d", l.number, got, id)
	}
}

// A file that begins while a line runs begins with what is under way: no older one is read at the next start, however long the
// line ran or a storm of edges raged.
func TestAFileTellsWhatIsUnderWay(t *testing.T) {
	dir, o := t.TempDir(), Options{Segment: maxLine, Quota: 1 << 20}
	l, _ := mustOpen(t, dir, o)
	l.Append(Entry{Kind: KindStart})
	for id := uint64(1); id <= 9; id++ {
		l.Append(Entry{Kind: KindBegin, Part: id})
	}
	l.Append(part(4))
	for id := uint64(10); l.number < 4; id++ {
		l.Append(part(id))
		if err := l.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	l.Close() //nolint:errcheck // killed
	newest := all(t, dir)
	last := slices.IndexFunc(newest, func(e Entry) bool { return e.Kind == KindOpen })
	if last < 0 || !slices.Equal(newest[last].Under, []Span{{1, 3}, {5, 9}}) {
		t.Errorf("no such entry: %+v", newest[max(last, 0)])
	}
	for n := 1; n < 4; n++ {
		if err := os.Remove(l.name(n)); err != nil {
			t.Fatal(err)
		}
	}
	if _, r := mustOpen(t, dir, o); !r.Unclean || !slices.Equal(r.Open, []uint64{1, 2, 3, 5, 6, 7, 8, 9}) {
		t.Errorf("%+v", r)
	}
}

// Before a file told what is under way, a storm of STOP parts had to be read as a whole.
func TestReadingBackEnds(t *testing.T) {
	dir := t.TempDir()
	for n := 1; n <= 3; n++ {
		var text []byte
		for id := range mostBegun {
			text, _ = append1(text, &Entry{Kind: KindPart, Part: uint64(n*mostBegun + id)})
		}
		if n == 1 {
			text = []byte("not to be read\n")
		}
		if err := os.WriteFile(fileName(dir, n), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Remove(fileName(dir, 1)), os.Mkdir(fileName(dir, 1), 0o700)); err != nil { // what reads it fails
		t.Fatal(err)
	}
	if _, r := mustOpen(t, dir, Options{}); !r.Unclean || r.LastPart != 4*mostBegun-1 {
		t.Errorf("%+v", r)
	}
}

func TestReadTellsWhatIsMissing(t *testing.T) {
	dir := t.TempDir()
	line, _ := append1(nil, &Entry{Kind: KindPart, Part: 1})
	for n, text := range map[int]string{1: string(line) + "{torn", 2: string(line), 5: string(line) + "{torn"} {
		if err := os.WriteFile(fileName(dir, n), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, err := range Read(dir) {
		if err != nil {
			got = append(got, strings.TrimPrefix(err.Error(), "record: "+dir+"/"))
		}
	}
	if want := []string{"verdicts-00000001.jsonl: it ends within a line", "verdicts-00000005.jsonl: 2 files before it are missing"}; !slices.Equal(got, want) {
		t.Errorf("told %q", got)
	}
}

// The name of a file is its number's and no other, and a FIFO is none.
func TestOtherFilesInTheDirectory(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, 3)
	for _, name := range []string{"verdicts-2.jsonl", "verdicts-00000003.jsonl.bak", "verdicts-+0000003.jsonl"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if l, r := mustOpen(t, dir, Options{}); r.LastPart != 3 {
		t.Errorf("%+v", r)
	} else {
		l.Close()
	}
	if err := syscall.Mkfifo(fileName(dir, 2), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Open(dir, Options{}); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a FIFO: %v", err)
	}
}

// The stack of a panic is longer than a line may be.
func TestLongEntry(t *testing.T) {
	dir := t.TempDir()
	l, _ := mustOpen(t, dir, Options{})
	e := part(1)
	e.Error = strings.Repeat("stack ", 20000)
	l.Append(e)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got := all(t, dir); len(got) != 1 || got[0].Verdict != e.Verdict || !strings.HasPrefix(got[0].Error, "stack stack") {
		t.Errorf("%+v", got)
	}
}

func TestOpenChecks(t *testing.T) {
	for _, o := range []Options{{Segment: 1}, {Quota: 1}, {Queue: -1}} {
		if _, _, err := Open(t.TempDir(), o); err == nil {
			t.Errorf("%+v accepted", o)
		}
	}
	name := filepath.Join(t.TempDir(), "file")
	os.WriteFile(name, nil, 0o600)
	if _, _, err := Open(filepath.Join(name, "log"), Options{}); err == nil {
		t.Error("a log inside of a file")
	}
}

func FuzzParse(f *testing.F) {
	text, _ := append1(nil, &Entry{Kind: KindPart, Part: 1})
	f.Add(text[:len(text)-1])
	f.Add([]byte(`{"kind":"part","crc32c":"00000000"}`))
	f.Add([]byte(`,"crc32c":"00000000"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		before := string(line)
		e, err := parse(line)
		if string(line) != before {
			t.Fatal("parse writes into its input")
		}
		if err != nil {
			return
		}
		again, err := append1(nil, &e)
		if err != nil {
			t.Fatal(err)
		}
		back, err := parse(again[:len(again)-1])
		if err != nil || fmt.Sprint(back.Part, back.Verdict) != fmt.Sprint(e.Part, e.Verdict) {
			t.Fatalf("%v: %+v", err, back)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	var text []byte
	e := part(12345)
	for b.Loop() {
		text, _ = append1(text[:0], &e)
	}
	b.SetBytes(int64(len(text)))
}
