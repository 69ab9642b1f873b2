// Package record keeps the verdict log: one JSON line for every part, with a checksum,
// in files that are only appended to.
//
// What Log.Sync or Stats.Synced acknowledges is on the disk. After a power cut at any
// byte, Open finds the torn end of the newest file and cuts it off. Append never blocks:
// entries wait in a bounded queue for one goroutine that writes and syncs them in groups,
// so a slow disk costs entries of memory, not parts. When the disk takes no more, entries
// that find the queue full are counted, and the count is the first thing written when the
// disk takes entries again.
package record

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"cull/device/internal/lock"
)

// Options of a Log. Zero fields take the value in brackets.
type Options struct {
	Segment int64         // bytes after which a new file begins [16 MiB]
	Quota   int64         // bytes in all, the oldest files go first [1 GiB]; at least 2 Segment
	Queue   int           // entries that wait for the disk [4096]
	Group   time.Duration // how long to gather entries for one fsync [20 ms]; -1: none
	Retry   time.Duration // first pause after a failed write, doubled up to 64 times [100 ms]
}

// Stats are a Log's counts since Open.
type Stats struct {
	Appended uint64 // taken by Append
	Synced   uint64 // of them on the disk: acknowledged
	Unlogged uint64 // lost: the queue was full, or Close could not write them
	Removed  int    // files removed for the quota
	Err      error  // why the last write failed, or does not return; nil: it did not
}

// Recovery is what Open found.
type Recovery struct {
	Entries  int      // in the newest file
	Cut      int64    // bytes of a torn end that were cut off
	Damaged  int      // lines with a wrong checksum before the end, left in place
	LastPart uint64   // the highest part id in the log
	Unclean  bool     // the last run did not end: no KindEnd follows its entries
	Stopped  bool     // the last run ended while its line waited for a reset
	Failed   bool     // ... with an error
	Open     []uint64 // parts that the last run began and did not end, ascending
}

// idBlock is how far ids skip after a run that did not end.
const idBlock = 1 << 20

// NextPart returns the id with which the next run begins. A run that was killed may have given ids that
// did not reach the disk: they are not given again.
func (r *Recovery) NextPart() uint64 {
	if r.Unclean {
		return (r.LastPart/idBlock+1)*idBlock + 1
	}
	return r.LastPart + 1
}

// A Log writes entries. One process may hold a directory.
type Log struct {
	o    Options
	dir  string
	open func(name string) (file, error) // a file to write to
	lock *os.File

	queue  chan Entry
	stop   chan struct{}
	ended  chan struct{}
	closed sync.Once

	mu     sync.Mutex
	given  uint64 // the highest part id, in the log or lost
	stats  Stats
	synced *sync.Cond
	ending bool
	moved  time.Time // when the disk last took something, or something to take came after all had been

	// Owned by the writer.
	out      file
	number   int
	size     int64    // of the newest file, up to the last synced byte
	dirty    bool     // bytes after size may be there
	named    bool     // the file's name is durable
	now      measured // what the files say
	gap      uint64   // Unlogged that no gap entry tells of yet
	reported uint64
}

type file interface {
	WriteAt(p []byte, off int64) (int, error)
	Truncate(size int64) error
	Sync() error
	Close() error
}

// Open opens the log in dir, which it makes if needed, and repairs its newest file.
func Open(dir string, o Options) (*Log, Recovery, error) { return openLog(dir, o, openFile) }

func openLog(dir string, o Options, open func(string) (file, error)) (*Log, Recovery, error) {
	if err := o.complete(); err != nil {
		return nil, Recovery{}, err
	}
	if err := makeDir(dir); err != nil {
		return nil, Recovery{}, fmt.Errorf("record: %w", err)
	}
	held, err := lock.Dir(dir)
	if err != nil {
		return nil, Recovery{}, fmt.Errorf("record: %w", err)
	}
	l := &Log{
		o: o, dir: dir, lock: held, open: open,
		queue: make(chan Entry, o.Queue), stop: make(chan struct{}), ended: make(chan struct{}),
	}
	l.synced = sync.NewCond(&l.mu)
	found, err := l.recover()
	if err != nil {
		held.Close()
		return nil, Recovery{}, err
	}
	l.given = found.LastPart
	go l.write()
	return l, found, nil
}

func (o *Options) complete() error {
	if o.Segment == 0 {
		o.Segment = 16 << 20
	}
	if o.Quota == 0 {
		o.Quota = 1 << 30
	}
	if o.Queue == 0 {
		o.Queue = 4096
	}
	if o.Group == 0 {
		o.Group = 20 * time.Millisecond
	}
	if o.Retry == 0 {
		o.Retry = 100 * time.Millisecond
	}
	if o.Segment < maxLine || o.Quota < 2*o.Segment || o.Queue < 1 || o.Retry < 0 {
		return fmt.Errorf("record: segment %d (at least %d), quota %d (at least two segments), queue %d",
			o.Segment, maxLine, o.Quota, o.Queue)
	}
	return nil
}

func openFile(name string) (file, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o640)
	if err != nil {
		return nil, err
	}
	return f, nil
}

const (
	prefix = "verdicts-"
	suffix = ".jsonl"
)

func (l *Log) name(number int) string { return fileName(l.dir, number) }

func fileName(dir string, number int) string {
	return filepath.Join(dir, fmt.Sprintf("%s%08d%s", prefix, number, suffix))
}

// segments returns the numbers of a directory's files, ascending.
func segments(dir string) ([]int, error) {
	names, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	var numbers []int
	for _, e := range names {
		digits := strings.TrimSuffix(strings.TrimPrefix(e.Name(), prefix), suffix)
		if n, err := strconv.Atoi(digits); err == nil && n > 0 && filepath.Base(fileName(dir, n)) == e.Name() {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// Append queues an entry. It never blocks; an entry that finds the queue full is lost and counted. What is
// no part says which id was the highest by then, so that no id is given again when the parts themselves are
// lost or have fallen to the quota.
func (l *Log) Append(e Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.given = max(l.given, e.Part)
	if e.Part == 0 {
		e.Part = l.given
	}
	e.Time = e.Time.UTC()
	if !l.ending {
		select {
		case l.queue <- e:
			if l.stats.Appended == l.stats.Synced {
				l.moved = time.Now()
			}
			l.stats.Appended++
			return
		default:
		}
	}
	l.stats.Unlogged++
}

// Ready returns why an entry made now may be lost: the last write failed, or the queue is
// more than half full.
func (l *Log) Ready() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.trouble(); err != nil {
		return err
	}
	if n := len(l.queue); 2*n > cap(l.queue) {
		return fmt.Errorf("record: the disk is behind by %d entries", n)
	}
	return nil
}

// silence is how long a disk may take for a write: a worn card pauses for seconds, and goes on.
const silence = 5 * time.Second

// trouble says why what is appended now may not come to the disk. mu is held.
func (l *Log) trouble() error {
	if l.stats.Err != nil {
		return l.stats.Err
	}
	if quiet := time.Since(l.moved); l.stats.Synced < l.stats.Appended && quiet > silence {
		return fmt.Errorf("record: %w: nothing was written for %v", errHung, quiet.Round(time.Second))
	}
	return nil
}

var errHung = errors.New("the disk does not answer")

// Stats returns the counts.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	s.Err = l.trouble()
	return s
}

// Sync waits until everything appended before is on the disk.
func (l *Log) Sync(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.synced.Broadcast()
	})()
	l.mu.Lock()
	defer l.mu.Unlock()
	want := l.stats.Appended
	for l.stats.Synced < want {
		if ctx.Err() != nil {
			return errors.Join(ctx.Err(), l.stats.Err)
		}
		if l.ending && l.stats.Err != nil {
			return l.stats.Err
		}
		l.synced.Wait()
	}
	return nil
}

// Close writes what waits, once, and ends. Entries that cannot be written are counted as
// Unlogged, and the reason is returned; so it is, after a time, where the disk does not answer.
func (l *Log) Close() error {
	l.closed.Do(func() {
		l.mu.Lock()
		l.ending = true
		l.mu.Unlock()
		close(l.stop)
	})
	select {
	case <-l.ended:
		return l.Stats().Err
	case <-time.After(2 * silence):
		return fmt.Errorf("record: %w: what was not written by now is lost", errHung)
	}
}
