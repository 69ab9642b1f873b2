package record

import (
	"bytes"
	"fmt"
	"iter"
	"os"
	"path/filepath"
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
// a write that was never acknowledged, and is cut off.
func (l *Log) recover() (Recovery, error) {
	var r Recovery
	numbers, err := segments(l.dir)
	if err != nil {
		return r, err
	}
	l.number = 1
	for i := len(numbers) - 1; i >= 0; i-- {
		text, err := os.ReadFile(l.name(numbers[i]))
		if err != nil {
			return r, fmt.Errorf("record: %w", err)
		}
		end, entries, damaged, last := measure(text)
		r.LastPart = max(r.LastPart, last)
		if i == len(numbers)-1 {
			l.number, l.size = numbers[i], int64(end)
			r.Entries, r.Damaged, r.Cut = entries, damaged, int64(len(text)-end)
			if r.Cut > 0 {
				if err := cut(l.name(numbers[i]), int64(end)); err != nil {
					return r, err
				}
			}
		}
		if last > 0 { // older files hold lower ids
			break
		}
	}
	return r, nil
}

// measure returns the end of the last whole entry, how many there are, how many damaged
// lines come before it, and the highest part id.
func measure(text []byte) (end, entries, damaged int, last uint64) {
	bad := 0
	for off, s := range scan(text) {
		if s.err != nil {
			bad++
			continue
		}
		end, entries, damaged = off, entries+1, bad
		last = max(last, s.entry.Part)
	}
	return end, entries, damaged, last
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
