package container

import (
	"fmt"
	"os"
	"syscall"
)

// openRegular opens a regular file of at most MaxSize bytes.
func openRegular(path string) (f *os.File, size int, err error) {
	if f, err = os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0); err != nil { // a FIFO would wait for its writer
		return nil, 0, fmt.Errorf("container: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, 0, fmt.Errorf("container: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > MaxSize {
		f.Close()
		return nil, 0, fmt.Errorf("container: %s: not a regular file of at most %d bytes", path, MaxSize)
	}
	return f, int(info.Size()), nil
}
