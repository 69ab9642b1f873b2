//go:build unix

package container

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Open returns the bytes of a regular file of at most MaxSize bytes, to be read only,
// and what gives them back; nothing may use them afterwards.
//
// They are a copy in memory that is not the garbage collector's. The file itself is not mapped: who copies another file
// over it, in place, would change or take away what a running line judges with.
func Open(path string) (data []byte, release func() error, err error) {
	f, size, err := openRegular(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	if size == 0 {
		return nil, func() error { return nil }, nil
	}
	data, err = unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, nil, fmt.Errorf("container: %w", &os.PathError{Op: "mmap", Path: path, Err: err})
	}
	if _, err = io.ReadFull(f, data); err == nil {
		err = unix.Mprotect(data, unix.PROT_READ)
	}
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("container: %s: %w", path, err), unix.Munmap(data))
	}
	return data, func() error { return unix.Munmap(data) }, nil
}
