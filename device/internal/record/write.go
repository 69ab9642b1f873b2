package record

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"cull/device/internal/lock"
	"cull/internal/regular"
)

// write is the goroutine that owns the files.
func (l *Log) write() {
	defer close(l.ended)
	defer func() { l.lock.Close() }()
	defer l.close()
	var batch []Entry
	pause := l.o.Retry
	for {
		if len(batch) == 0 {
			select {
			case e := <-l.queue:
				batch = append(batch, e)
				l.gather()
			case <-l.stop:
				if len(l.queue) == 0 {
					l.settle(0, l.commit(nil)) // the last gap
					return
				}
			}
		}
		batch = l.take(batch)
		err := l.commit(batch)
		l.settle(len(batch), err)
		if err == nil {
			batch, pause = batch[:0], l.o.Retry
			continue
		}
		if l.stopped() {
			l.giveUp(len(batch) + len(l.queue))
			return
		}
		select {
		case <-time.After(pause):
		case <-l.stop:
		}
		pause = min(2*pause, 64*l.o.Retry)
	}
}

func (l *Log) stopped() bool {
	select {
	case <-l.stop:
		return true
	default:
		return false
	}
}

// gather lets a group form.
func (l *Log) gather() {
	if l.o.Group < 0 {
		return
	}
	select {
	case <-time.After(l.o.Group):
	case <-l.stop:
	}
}

// take adds what waits to batch, up to the size of the queue.
func (l *Log) take(batch []Entry) []Entry {
	for len(batch) < l.o.Queue {
		select {
		case e := <-l.queue:
			batch = append(batch, e)
		default:
			return batch
		}
	}
	return batch
}

// settle publishes how a commit of n entries went.
func (l *Log) settle(n int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.Err = err
	if err == nil {
		l.moved = time.Now()
		l.stats.Synced += uint64(n)
		l.reported += l.gap
		l.gap = 0
	}
	l.synced.Broadcast()
}

func (l *Log) giveUp(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.Unlogged += uint64(n)
	l.synced.Broadcast()
}

// commit writes a batch and syncs it. After an error the file still ends, for a reader,
// where it ended before, and it is opened anew: its file system may have gone and come back.
func (l *Log) commit(batch []Entry) error {
	l.mu.Lock()
	given := l.given
	l.gap = l.stats.Unlogged - l.reported
	l.mu.Unlock()
	if l.gap > 0 { // what was lost came after what waited
		batch = append(slices.Clip(batch), Entry{Kind: KindGap, Time: time.Now().UTC(), Part: given, Unlogged: l.gap})
	}
	if len(batch) == 0 {
		return nil
	}
	var text []byte
	for i := range batch {
		text = appendAny(text, &batch[i])
	}
	err := l.rotate(int64(len(text)))
	if err == nil {
		err = l.put(append(l.opening(given), text...))
	}
	if err != nil {
		l.close()
		return err
	}
	for i := range batch {
		l.now.add(&batch[i])
	}
	return nil
}

// appendAny appends e as a line, whatever is in it.
func appendAny(text []byte, e *Entry) []byte {
	more, err := append1(text, e)
	if err == nil {
		return more
	}
	short := e.Unnumbered(err)
	const most = 4096 // a panic has a long stack
	short.Error = strings.ToValidUTF8(short.Error[:min(len(short.Error), most)], "")
	if more, err = append1(text, &short); err != nil { // a time that JSON has no date for
		short.Time = time.Time{}
		more, _ = append1(text, &short)
	}
	return more
}

// opening is the first entry of a file that begins while a line runs. With it no older file is needed to know what is under way.
func (l *Log) opening(given uint64) []byte {
	if l.size > 0 || l.now.run != running {
		return nil
	}
	text, _ := append1(nil, &Entry{ // too long for a line: older files tell
		Kind: KindOpen, Time: time.Now().UTC(), Part: given, Under: spans(slices.Sorted(maps.Keys(l.now.open))),
	})
	return text
}

// put appends text to the file.
func (l *Log) put(text []byte) error {
	if l.dirty {
		if err := l.out.Truncate(l.size); err != nil {
			return fmt.Errorf("record: %w", err)
		}
	}
	l.dirty = true
	if _, err := l.out.WriteAt(text, l.size); err != nil {
		l.out.Truncate(l.size) //nolint:errcheck // tried again before the next write
		return fmt.Errorf("record: %w", err)
	}
	if err := l.out.Sync(); err != nil {
		return fmt.Errorf("record: %w", err)
	}
	l.size += int64(len(text))
	l.dirty = false
	return nil
}

// close gives the file up; rotate opens it again.
func (l *Log) close() {
	if l.out != nil {
		l.out.Close()
		l.out = nil
	}
}

// rotate has a file open for n more bytes: the present one or, when they do not fit or it is no longer what its name stands for,
// the next.
func (l *Log) rotate(n int64) error {
	if err := l.relock(); err != nil {
		return err
	}
	if err := l.present(); err != nil {
		return err
	}
	if l.size > 0 && l.size+n > l.o.Segment {
		if err := l.complete(); err != nil {
			return err
		}
	}
	if err := l.ensure(); err != nil {
		return err
	}
	if !l.named {
		if err := syncDir(l.dir); err != nil {
			return err
		}
		l.named = true
	}
	return nil
}

// complete ends a full file and turns to the next. What a failed write left behind its end, and the next one will have, is cut off.
func (l *Log) complete() error {
	if l.dirty {
		if err := l.ensure(); err != nil {
			return err
		}
		if err := errors.Join(l.out.Truncate(l.size), l.out.Sync()); err != nil {
			return fmt.Errorf("record: %w", err)
		}
	}
	l.close()
	l.begin()
	return nil
}

// begin turns to the next file.
func (l *Log) begin() {
	l.number++
	l.size, l.dirty, l.named = 0, false, false
}

// ensure opens the newest file, if it is not open.
func (l *Log) ensure() error {
	if l.out != nil {
		return nil
	}
	if err := l.enforce(); err != nil {
		return err
	}
	f, err := l.open(l.name(l.number))
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	l.out = f
	return l.present()
}

// present returns an error where somebody has removed the open file, put another in its place or cut it short, and turns to the
// next: what is written to it nobody would find.
func (l *Log) present() error {
	f, ok := l.out.(interface{ Stat() (os.FileInfo, error) })
	if !ok {
		return nil
	}
	name := l.name(l.number)
	mine, err := f.Stat()
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	there, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(mine, there):
		err = fmt.Errorf("record: %s was removed or replaced: its records are lost", name)
	case err == nil && mine.Size() < l.size:
		err = fmt.Errorf("record: %s was cut short, to %d of %d bytes: its records are lost", name, mine.Size(), l.size)
	case err == nil:
		return nil
	default:
		return fmt.Errorf("record: %w", err)
	}
	l.begin()
	return err
}

// relock makes the directory, and takes its lock, anew where somebody has removed them.
func (l *Log) relock() error {
	if regular.InPlace(l.lock) {
		return nil
	}
	if err := makeDir(l.dir); err != nil {
		return fmt.Errorf("record: %w", err)
	}
	held, err := lock.Dir(l.dir)
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	l.lock.Close()
	l.lock = held
	return nil
}

// makeDir makes dir and what is missing above it, durably.
func makeDir(dir string) error {
	var made []string
	for at := filepath.Clean(dir); ; at = filepath.Dir(at) {
		if _, err := os.Stat(at); err == nil || at == filepath.Dir(at) {
			break
		}
		made = append(made, filepath.Dir(at))
	}
	err := os.MkdirAll(dir, 0o750)
	for _, parent := range made {
		err = errors.Join(err, syncDir(parent))
	}
	return err
}

// enforce removes the oldest files until the newest can be as large as a segment within the quota.
func (l *Log) enforce() error {
	numbers, err := segments(l.dir)
	if err != nil {
		return err
	}
	sizes := make([]int64, len(numbers))
	var sum int64
	for i, n := range numbers {
		if info, err := os.Stat(l.name(n)); err == nil {
			sizes[i] = info.Size()
			sum += sizes[i]
		}
	}
	for i, n := range numbers {
		if sum+l.o.Segment-l.size <= l.o.Quota || n >= l.number {
			break
		}
		if err := os.Remove(l.name(n)); err != nil {
			return fmt.Errorf("record: %w", err)
		}
		sum -= sizes[i]
		l.mu.Lock()
		l.stats.Removed++
		l.mu.Unlock()
	}
	return nil
}

// syncDir makes a new file's name durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("record: %w", err)
	}
	return nil
}
