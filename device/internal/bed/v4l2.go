//go:build linux

package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"cull/internal/ioctl"
)

// openLoopback opens the writing end of v4l2loopback for RGB24 pictures of side x side.
func openLoopback(path string) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var format [208]byte // struct v4l2_format of 64 bits: type, then v4l2_pix_format at 8
	for at, v := range map[int]uint32{
		0:  2,    // V4L2_BUF_TYPE_VIDEO_OUTPUT
		8:  side, // width
		12: side, // height
		16: uint32('R') | 'G'<<8 | 'B'<<16 | '3'<<24,
		20: 1, // V4L2_FIELD_NONE
		24: 3 * side,
		28: 3 * side * side,
		32: 8, // V4L2_COLORSPACE_SRGB
	} {
		binary.NativeEndian.PutUint32(format[at:], v)
	}
	const setFormat = 3<<30 | 208<<16 | 'V'<<8 | 5
	if err := ioctl.Do(fd, setFormat, unsafe.Pointer(&format)); err != nil {
		return nil, fmt.Errorf("%s: format: %w", path, err)
	}
	return os.NewFile(uintptr(fd), path), nil
}

// setControl sets a control of a camera.
func setControl(path string, id uint32, value int32) error {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer unix.Close(fd)
	c := struct {
		id    uint32
		value int32
	}{id, value}
	const setControl = 3<<30 | 8<<16 | 'V'<<8 | 28
	if err := ioctl.Do(fd, setControl, unsafe.Pointer(&c)); err != nil {
		return fmt.Errorf("%s: control %#x: %w", path, id, err)
	}
	return nil
}
