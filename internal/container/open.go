package container

import (
	"fmt"
	"os"

	"cull/internal/regular"
)

// openRegular opens a regular file of at most MaxSize bytes.
func openRegular(path string) (f *os.File, size int, err error) {
	f, n, err := regular.Open(path)
	if err != nil {
		return nil, 0, fmt.Errorf("container: %w", err)
	}
	if n > MaxSize {
		f.Close()
		return nil, 0, fmt.Errorf("container: %s: not a regular file of at most %d bytes", path, MaxSize)
	}
	return f, int(n), nil
}
