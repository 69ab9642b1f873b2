// Package regular opens files that people name. What is none, a folder, a device or a FIFO, whose writer an
// opening would wait for, is refused at once.
package regular

import (
	"fmt"
	"io"
	"os"
	"syscall"
)

// Open opens the regular file at path for reading and returns its size in bytes.
func Open(path string) (*os.File, int64, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: not a regular file", path)
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

// ReadFile returns the contents of the regular file at path.
func ReadFile(path string) ([]byte, error) {
	f, _, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// InPlace reports whether f is still what its name stands for. What somebody has removed takes writes for ever, and keeps nothing.
func InPlace(f *os.File) bool {
	here, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(f.Name())
	return err == nil && os.SameFile(here, there)
}
