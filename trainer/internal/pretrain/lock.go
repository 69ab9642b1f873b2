package pretrain

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// ErrLocked reports that another process trains to the same files.
var ErrLocked = errors.New("another process is training to this file")

// Lock claims a checkpoint for this process until release is called or the process ends, by
// a lock on the file path.lock, which release removes.
func Lock(path string) (release func(), err error) {
	name := path + ".lock"
	for {
		f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o644)
		if err != nil {
			return nil, fmt.Errorf("pretrain: %w", err)
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			f.Close()
			if errors.Is(err, syscall.EWOULDBLOCK) {
				return nil, fmt.Errorf("pretrain: %s: %w", path, ErrLocked)
			}
			return nil, fmt.Errorf("pretrain: lock %s: %w", name, err)
		}
		here, err := f.Stat()
		if err == nil {
			if there, e := os.Stat(name); e == nil && os.SameFile(here, there) {
				return func() { os.Remove(name); f.Close() }, nil
			}
		}
		f.Close() // the last owner removed it in between
		if err != nil {
			return nil, fmt.Errorf("pretrain: lock %s: %w", name, err)
		}
	}
}
