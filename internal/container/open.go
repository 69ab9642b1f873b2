package container

import (
	"fmt"
	"os"
)

// openRegular opens a regular file of at most MaxSize bytes.
func openRegular(path string) (f *os.File, size int, err error) {
	if f, err = os.Open(path); err != nil {
		return nil, 0, fmt.Errorf("container: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, 0, fmt.Errorf("container: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > MaxSize {
		f.Close()
		return nil, 0, fmt.Errorf("container: %s: not a file of at most %d bytes", path, MaxSize)
	}
	return f, int(info.Size()), nil
}
