//go:build linux

// Package ioctl calls ioctl(2) with a pointer.
package ioctl

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Do asks the driver of an open file for op, again where a signal interrupts it. arg points to
// what op's number says. An error is an errno.
func Do(fd int, op uintptr, arg unsafe.Pointer) error {
	for {
		_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), op, uintptr(arg))
		switch e {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return e
		}
	}
}
