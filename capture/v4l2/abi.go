//go:build linux

package v4l2

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// The structures of <linux/videodev2.h> as far as this driver uses them. Their size is part
// of the ioctl's number, so a wrong one is ENOTTY and never a silent mix-up; abi_test.go
// holds sizes and offsets for 64 and 32 bits.

type capability struct { // v4l2_capability
	driver       [16]byte
	card         [32]byte
	busInfo      [32]byte
	version      uint32
	capabilities uint32
	deviceCaps   uint32
	_            [3]uint32
}

type pixFormat struct { // v4l2_pix_format
	width, height, pixelFormat, field, bytesPerLine, sizeImage uint32
	colorspace, priv, flags, encoding, quantization, transfer  uint32
}

type format struct { // v4l2_format; the union holds pointers, which sets its alignment
	typ uint32
	_   [0]uintptr
	pix pixFormat
	_   [200 - 48]byte
}

type requestBuffers struct { // v4l2_requestbuffers
	count, typ, memory, capabilities uint32
	_                                uint32
}

// buffer is v4l2_buffer. On 32 bits it is the old one with 32-bit seconds: CLOCK_MONOTONIC
// counts from boot.
type buffer struct {
	index, typ, bytesUsed, flags, field uint32
	timestamp                           unix.Timeval
	timecode                            [16]byte
	sequence, memory                    uint32
	offset                              uintptr // union m; boards are little-endian
	length, _, _                        uint32
}

type streamParm struct { // v4l2_streamparm with v4l2_captureparm
	typ, capability, mode, num, den, extended, readBuffers uint32
	_                                                      [200 - 24]byte
}

type control struct { // v4l2_control
	id    uint32
	value int32
}

type queryControl struct { // v4l2_queryctrl
	id, typ                uint32
	name                   [32]byte
	min, max, step, preset int32
	flags                  uint32
	_                      [2]uint32
}

const (
	dirWrite = 1
	dirRead  = 2
)

func request(dir, nr, size uintptr) uintptr { return dir<<30 | size<<16 | 'V'<<8 | nr }

var (
	vidiocQueryCap  = request(dirRead, 0, unsafe.Sizeof(capability{}))
	vidiocSFmt      = request(dirRead|dirWrite, 5, unsafe.Sizeof(format{}))
	vidiocReqBufs   = request(dirRead|dirWrite, 8, unsafe.Sizeof(requestBuffers{}))
	vidiocQueryBuf  = request(dirRead|dirWrite, 9, unsafe.Sizeof(buffer{}))
	vidiocQBuf      = request(dirRead|dirWrite, 15, unsafe.Sizeof(buffer{}))
	vidiocDQBuf     = request(dirRead|dirWrite, 17, unsafe.Sizeof(buffer{}))
	vidiocStreamOn  = request(dirWrite, 18, 4)
	vidiocStreamOff = request(dirWrite, 19, 4)
	vidiocSParm     = request(dirRead|dirWrite, 22, unsafe.Sizeof(streamParm{}))
	vidiocGCtrl     = request(dirRead|dirWrite, 27, unsafe.Sizeof(control{}))
	vidiocSCtrl     = request(dirRead|dirWrite, 28, unsafe.Sizeof(control{}))
	vidiocQueryCtrl = request(dirRead|dirWrite, 36, unsafe.Sizeof(queryControl{}))
)

const (
	capVideoCapture       = 0x1
	capVideoCaptureMplane = 0x1000
	capStreaming          = 0x04000000
	capDeviceCaps         = 0x80000000

	capTimePerFrame = 0x1000 // of streamParm

	bufCapture = 1
	memMmap    = 1

	fieldNone = 1 // whole frames; above: fields, one by one or interlaced

	flagError     = 0x40
	flagStampMask = 0xe000
	flagStampMono = 0x2000

	flagSourceMask = 0x70000
	flagStampStart = 0x10000 // of exposure; zero: of the frame's end

	ctrlAutoWhiteBalance     = 0x0098090c
	ctrlGain                 = 0x00980913
	ctrlAutoGain             = 0x00980912
	ctrlWhiteBalance         = 0x0098091a
	ctrlExposureAuto         = 0x009a0901
	ctrlExposure             = 0x009a0902 // 100 us
	ctrlExposureVariableRate = 0x009a0903

	exposureManual = 1
)

func fourCC(s string) uint32 {
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
}

// fourCCName is the reverse of fourCC, with what cannot be printed as '?'.
func fourCCName(c uint32) string {
	b := []byte{byte(c), byte(c >> 8), byte(c >> 16), byte(c>>24) & 0x7f}
	for i := range b {
		if b[i] < ' ' || b[i] > '~' {
			b[i] = '?'
		}
	}
	return string(b)
}
