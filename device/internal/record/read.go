package record

import (
	"bytes"
	"fmt"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// scan yields every line of text that ends in a newline: the entry, or why it is damaged,
// and the offset behind it.
func scan(text []byte) iter.Seq2[int, scanned] {
	return func(yield func(int, scanned) bool) {
		for off := 0; off < len(text); {
			n := bytes.IndexByte(text[off:], '\n')
			if n < 0 {
				return
			}
			e, err := parse(text[off : off+n])
			off += n + 1
			if !yield(off, scanned{e, err}) {
				return
			}
		}
	}
}

type scanned struct {
	entry Entry
	err   error
}

// recover repairs the newest file: what follows its last whole entry is the torn end of
// a write that was never acknowledged, and is cut off. Older files are read until one tells
// the highest part id and of an end, or until no part can be under way that began before. A run that was killed
// may not have come to end what the one before it had left open.
func (l *Log) recover() (Recovery, error) {
	var r Recovery
	numbers, err := segments(l.dir)
	if err != nil {
		return r, err
	}
	l.number = 1
	var later measured
	for i := len(numbers) - 1; i >= 0; i-- {
		text, err := os.ReadFile(l.name(numbers[i]))
		if err != nil {
			return r, fmt.Errorf("record: %w", err)
		}
		m := measure(text)
		if i == len(numbers)-1 {
			l.number, l.size = numbers[i], int64(m.end)
			r.Entries, r.Damaged, r.Cut = m.entries, m.damaged, int64(len(text)-m.end)
			if r.Cut > 0 {
				if err := cut(l.name(numbers[i]), int64(m.end)); err != nil {
					return r, err
				}
			}
		}
		later = later.after(m)
		if later.last > 0 && (later.whole || later.begun >= mostBegun) { // older files hold lower ids
			break
		}
	}
	r.LastPart, r.Unclean = later.last, later.run == running
	if later.run == ended {
		r.Stopped, r.Failed = later.stopped, later.failed
	}
	if r.Unclean {
		r.Open = slices.Sorted(maps.Keys(later.open))
	}
	return r, nil
}

// mostBegun is how many parts may have begun since one that is still under way: far more than a line takes.
const mostBegun = 1 << 16

// What a file says of the last run.
const (
	unknown = iota
	running // entries of the line, and no end after them: the start may have fallen to the quota
	ended
)

// measured is what is known of the end of a log.
type measured struct {
	end     int // of the last whole entry
	entries int
	damaged int    // lines before end
	last    uint64 // highest part id
	run     int
	whole   bool // its end is there, or that of the run before: all parts of then have ended
	stopped bool // its end says so, as of the next
	failed  bool
	begun   int             // parts
	open    map[uint64]bool // parts that the last run began and did not end
	closed  map[uint64]bool // ... ended, but began before
}

func measure(text []byte) measured {
	m := measured{open: map[uint64]bool{}, closed: map[uint64]bool{}}
	bad := 0
	for off, s := range scan(text) {
		if s.err != nil {
			bad++
			continue
		}
		m.end, m.entries, m.damaged = off, m.entries+1, bad
		m.add(&s.entry)
	}
	return m
}

func (m *measured) add(e *Entry) {
	m.last = max(m.last, e.Part)
	switch e.Kind {
	case KindStart:
		m.run = running
	case KindEnd:
		m.run, m.whole = ended, true
		m.stopped, m.failed = e.State == StateFoul, e.Error != ""
		clear(m.open)
		clear(m.closed)
	case KindState:
		m.run = running
	case KindBegin:
		m.run = running
		m.begun++
		m.open[e.Part] = true
	case KindPart:
		m.run = running
		if !m.open[e.Part] {
			m.closed[e.Part] = true
		}
		delete(m.open, e.Part)
	}
}

// after returns what is known of m with the file before it. The zero m knows nothing.
func (m measured) after(before measured) measured {
	if m.whole {
		m.last = max(m.last, before.last)
		return m
	}
	before.last = max(m.last, before.last)
	before.begun += m.begun
	if m.run != unknown {
		before.run = m.run
	}
	for id := range m.closed {
		delete(before.open, id)
	}
	maps.Copy(before.open, m.open)
	maps.Copy(before.closed, m.closed)
	return before
}

func cut(name string, size int64) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		return fmt.Errorf("record: %w", err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("record: %w", err)
	}
	return nil
}

// Read yields all entries of the log in dir, oldest first, without repairing anything. A
// damaged line yields an error that names file and line, and reading goes on; so does a
// file that cannot be read. It may run beside a Log.
func Read(dir string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		numbers, err := segments(dir)
		if err != nil {
			yield(Entry{}, err)
			return
		}
		for _, n := range numbers {
			name := filepath.Join(dir, fmt.Sprintf("%s%08d%s", prefix, n, suffix))
			text, err := os.ReadFile(name)
			if err != nil {
				if !yield(Entry{}, fmt.Errorf("record: %w", err)) {
					return
				}
				continue
			}
			i := 0
			for _, s := range scan(text) {
				i++
				if s.err != nil {
					s.err = fmt.Errorf("record: %s:%d: %w", name, i, s.err)
				}
				if !yield(s.entry, s.err) {
					return
				}
			}
		}
	}
}

// A Summary counts a log's parts.
type Summary struct {
	Parts, Pass, Reject, Stop uint64
	Unlogged                  uint64
	ByReason                  map[string]uint64 // of REJECT and STOP
}

// Add counts an entry.
func (s *Summary) Add(e Entry) {
	s.Unlogged += e.Unlogged
	if e.Kind != KindPart {
		return
	}
	s.Parts++
	switch e.Verdict {
	case "PASS":
		s.Pass++
		return
	case "REJECT":
		s.Reject++
	case "STOP":
		s.Stop++
	}
	if s.ByReason == nil {
		s.ByReason = map[string]uint64{}
	}
	s.ByReason[e.Reason]++
}
