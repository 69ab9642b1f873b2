//go:build unix

package container

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Open returns the bytes of a regular file of at most MaxSize bytes, to be read only,
// and what gives them back; nothing may use them afterwards.
//
// They are mapped: pages come from the page cache, are shared by all programs that
// have the file open and are not the garbage collector's. So the file must be
// replaced, as WriteFile does it, and never be written over while it is open.
func Open(path string) (data []byte, release func() error, err error) {
	f, size, err := openRegular(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	if size == 0 {
		return nil, func() error { return nil }, nil
	}
	data, err = unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, nil, fmt.Errorf("container: %w", &os.PathError{Op: "mmap", Path: path, Err: err})
	}
	return data, func() error { return unix.Munmap(data) }, nil
}
