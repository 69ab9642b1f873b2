package record

import (
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
	"syscall"
	"testing"
	"testing/synctest"
	"time"
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
		ids = append(ids, e.Part)
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
		m := measure(flipped)
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
	if _, _, err := Open(dir, Options{}); !errors.Is(err, ErrLocked) {
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
	for _, s := range scan(d.text) {
		if s.err != nil {
			t.Error(s.err)
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
