package record

import (
	"fmt"
	"os"
	"time"
)

// write is the goroutine that owns the files.
func (l *Log) write() {
	defer close(l.ended)
	defer l.lock.Close()
	defer func() {
		if l.out != nil {
			l.out.Close()
		}
	}()
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
// where it ended before.
func (l *Log) commit(batch []Entry) error {
	var text []byte
	l.mu.Lock()
	given := l.given
	l.gap = l.stats.Unlogged - l.reported
	l.mu.Unlock()
	if l.gap > 0 {
		text, _ = append1(text, &Entry{Kind: KindGap, Time: time.Now(), Part: given, Unlogged: l.gap})
	}
	for i := range batch {
		var err error
		if text, err = append1(text, &batch[i]); err != nil {
			e := batch[i].Unnumbered(err)
			if text, err = append1(text, &e); err != nil { // a time that it has no date for
				e.Time = time.Time{}
				text, _ = append1(text, &e)
			}
		}
	}
	if len(text) == 0 {
		return nil
	}
	if err := l.rotate(int64(len(text))); err != nil {
		return err
	}
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

// rotate begins a new file when n more bytes do not fit the present one.
func (l *Log) rotate(n int64) error {
	full := l.size > 0 && l.size+n > l.o.Segment
	if l.out != nil && !full {
		return nil
	}
	if l.out != nil {
		l.out.Close()
		l.out = nil
	}
	if full {
		l.number++
		l.size, l.dirty = 0, false
	}
	if err := l.enforce(); err != nil {
		return err
	}
	f, err := l.open(l.name(l.number))
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	l.out = f
	return syncDir(l.dir)
}

// enforce removes the oldest files until one more segment fits the quota.
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
		if sum+l.o.Segment <= l.o.Quota || n >= l.number {
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
