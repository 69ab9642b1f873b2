package record

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"os"
	"slices"

	"cull/internal/regular"
)

// A scanner reads the lines of a file one by one: each that ends in a newline, damaged or not.
type scanner struct {
	r     *bufio.Reader
	off   int64 // behind the line
	entry Entry
	bad   error // why the line is damaged
	rest  int   // bytes behind the last newline
	err   error // why reading ended before the file did
}

func newScanner(r io.Reader) *scanner { return &scanner{r: bufio.NewReaderSize(r, maxLine)} }

// next reads a line, and reports whether there was one.
func (s *scanner) next() bool {
	line, err := s.r.ReadSlice('\n')
	size, long := len(line), false
	for errors.Is(err, bufio.ErrBufferFull) {
		long = true
		line, err = s.r.ReadSlice('\n')
		size += len(line)
	}
	if err != nil {
		s.rest = size
		if !errors.Is(err, io.EOF) {
			s.err = err
		}
		return false
	}
	s.off += int64(size)
	if s.entry, s.bad = (Entry{}), errFrame; !long {
		s.entry, s.bad = parse(line[:len(line)-1])
	}
	return true
}

// recover repairs the newest file: what follows its last whole entry is the torn end of
// a write that was never acknowledged, and is cut off. Older files are read until one tells
// the highest part id and of an end, or begins with the parts that are under way, or until no part can be under way that
// began before. A run that was killed may not have come to end what the one before it had left open.
func (l *Log) recover() (Recovery, error) {
	var r Recovery
	numbers, err := segments(l.dir)
	if err != nil {
		return r, err
	}
	l.number = 1
	later := measured{open: map[uint64]bool{}, closed: map[uint64]bool{}}
	for i := len(numbers) - 1; i >= 0; i-- {
		m, size, err := measureFile(l.name(numbers[i]))
		if err != nil {
			return r, fmt.Errorf("record: %w", err)
		}
		if i == len(numbers)-1 {
			l.number, l.size = numbers[i], m.end
			r.Entries, r.Damaged, r.Cut = m.entries, m.damaged, size-m.end
			if r.Cut > 0 {
				if err := cut(l.name(numbers[i]), m.end); err != nil {
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
	l.now = later
	l.now.whole = true // what older files told is known
	clear(l.now.closed)
	return r, nil
}

func measureFile(name string) (m measured, size int64, err error) {
	f, size, err := regular.Open(name)
	if err != nil {
		return m, 0, err
	}
	defer f.Close()
	m, err = measure(f)
	return m, size, err
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
	end     int64 // of the last whole entry
	entries int
	damaged int    // lines before end
	last    uint64 // highest part id
	run     int
	whole   bool // its end is there, or that of the run before, or what is under way: older files tell nothing more
	stopped bool // its end says so, as of the next
	failed  bool
	begun   int             // parts, or without a begin
	open    map[uint64]bool // parts that the last run began and did not end
	closed  map[uint64]bool // ... ended, but began before
}

func measure(r io.Reader) (measured, error) {
	m := measured{open: map[uint64]bool{}, closed: map[uint64]bool{}}
	bad := 0
	s := newScanner(r)
	for s.next() {
		if s.bad != nil {
			bad++
			continue
		}
		m.end, m.entries, m.damaged = s.off, m.entries+1, bad
		m.add(&s.entry)
	}
	return m, s.err
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
	case KindOpen:
		m.run, m.whole = running, true
		clear(m.open)
		clear(m.closed)
		for _, span := range e.Under {
			for id := span[0]; id <= span[1] && len(m.open) < mostBegun; id++ {
				m.open[id] = true
			}
		}
	case KindState:
		m.run = running
	case KindBegin:
		m.run = running
		m.begun++
		m.open[e.Part] = true
	case KindPart:
		m.run = running
		if !m.open[e.Part] && !m.whole {
			m.closed[e.Part] = true
			m.begun++
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
		for i, n := range numbers {
			if i > 0 && n != numbers[i-1]+1 {
				if !yield(Entry{}, fmt.Errorf("record: %s: %d files before it are missing", fileName(dir, n), n-numbers[i-1]-1)) {
					return
				}
			}
			if !readFile(fileName(dir, n), i == len(numbers)-1, yield) {
				return
			}
		}
	}
}

// readFile yields a file's entries, and reports whether more are wanted. The newest may end within a line: somebody writes it, or
// was stopped.
func readFile(name string, newest bool, yield func(Entry, error) bool) bool {
	f, _, err := regular.Open(name)
	if err != nil {
		return yield(Entry{}, fmt.Errorf("record: %w", err))
	}
	defer f.Close()
	s := newScanner(f)
	for i := 1; s.next(); i++ {
		if s.bad != nil {
			s.bad = fmt.Errorf("record: %s:%d: %w", name, i, s.bad)
		}
		if !yield(s.entry, s.bad) {
			return false
		}
	}
	switch {
	case s.err != nil:
		return yield(Entry{}, fmt.Errorf("record: %w", s.err))
	case s.rest > 0 && !newest:
		return yield(Entry{}, fmt.Errorf("record: %s: it ends within a line", name))
	}
	return true
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
