//go:build linux

package v4l2

import (
	"errors"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"cull/internal/ioctl"
)

// A node is what this driver asks of the kernel; tests put a faulty camera in its place.
type node interface {
	ioctl(op uintptr, arg unsafe.Pointer) error
	mmap(offset int64, length int) ([]byte, error)
	munmap(b []byte) error
	// wait returns when there may be a frame or wake was called, or os.ErrDeadlineExceeded.
	wait(deadline time.Time) error
	wake()
	close() error
}

// file is a node of the real kernel. It waits with poll(2) on a thread of its own, not in
// Go's netpoller: the runtime's preemption signal can interrupt the driver's poll function
// before it has joined the wait queue, and then no wake-up ever comes.
type file struct {
	fd, event int
}

func openFile(path string) (node, error) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	event, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return &file{fd, event}, nil
}

func (f *file) ioctl(op uintptr, arg unsafe.Pointer) error { return ioctl.Do(f.fd, op, arg) }

func (f *file) mmap(offset int64, length int) ([]byte, error) {
	return unix.Mmap(f.fd, offset, length, unix.PROT_READ, unix.MAP_SHARED)
}

func (f *file) munmap(b []byte) error { return unix.Munmap(b) }

func (f *file) wait(deadline time.Time) error {
	left := time.Until(deadline)
	if left <= 0 {
		return os.ErrDeadlineExceeded
	}
	fds := []unix.PollFd{{Fd: int32(f.fd), Events: unix.POLLIN}, {Fd: int32(f.event), Events: unix.POLLIN}}
	ts := unix.NsecToTimespec(int64(left))
	if _, err := unix.Ppoll(fds, &ts, nil); err != nil && !errors.Is(err, unix.EINTR) {
		return err
	}
	if fds[1].Revents != 0 {
		var b [8]byte
		unix.Read(f.event, b[:]) //nolint:errcheck // it only empties the counter
	}
	return nil
}

func (f *file) wake() {
	one := [8]byte{0: 1, 7: 0}
	unix.Write(f.event, one[:]) //nolint:errcheck // full: it wakes already
}

func (f *file) close() error {
	unix.Close(f.event)
	return unix.Close(f.fd)
}
