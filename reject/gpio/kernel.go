//go:build linux

package gpio

import (
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"cull/internal/ioctl"
)

// A file is an open chip or line; tests put a scripted one in its place.
type file interface {
	ioctl(op uintptr, arg unsafe.Pointer) error
	Read(b []byte) (int, error)
	SetReadDeadline(t time.Time) error
	waiting() bool // Read would return at once
	Close() error
}

// A kernel opens chips, and the lines that a request returned.
type kernel struct {
	dev  string // where gpiochipN are
	open func(path string) (file, error)
	line func(fd int) file
}

var system = kernel{"/dev", openChip, newLine}

type osFile struct {
	*os.File
	fd int
}

func openChip(path string) (file, error) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return osFile{os.NewFile(uintptr(fd), path), fd}, nil
}

// newLine makes the line's descriptor ready for Go's netpoller, which is safe here: a
// line's poll function takes no lock that it could be interrupted on.
func newLine(fd int) file {
	unix.CloseOnExec(fd)
	unix.SetNonblock(fd, true) //nolint:errcheck // it cannot fail on an open descriptor
	return osFile{os.NewFile(uintptr(fd), "gpio line"), fd}
}

func (f osFile) waiting() bool {
	p := []unix.PollFd{{Fd: int32(f.fd), Events: unix.POLLIN}}
	n, err := unix.Poll(p, 0)
	return err == nil && n > 0 && p[0].Revents&unix.POLLIN != 0
}

func (f osFile) ioctl(op uintptr, arg unsafe.Pointer) error { return ioctl.Do(f.fd, op, arg) }
