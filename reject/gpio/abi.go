//go:build linux

package gpio

import "unsafe"

// The structures of <linux/gpio.h>, ABI v2. Their size is part of the ioctl's number;
// abi_test.go holds sizes and offsets, which are the same on 32 and 64 bits.

type chipInfo struct { // gpiochip_info
	name, label [32]byte
	lines       uint32
}

type lineAttr struct { // gpio_v2_line_attribute
	id    uint32
	_     uint32
	value uint64
}

type configAttr struct { // gpio_v2_line_config_attribute
	attr lineAttr
	mask uint64
}

type lineConfig struct { // gpio_v2_line_config
	flags uint64
	attrs uint32
	_     [5]uint32
	attr  [10]configAttr
}

type lineRequest struct { // gpio_v2_line_request
	offsets  [64]uint32
	consumer [32]byte
	config   lineConfig
	lines    uint32
	events   uint32 // event_buffer_size
	_        [5]uint32
	fd       int32
}

type lineValues struct{ bits, mask uint64 } // gpio_v2_line_values

type lineInfo struct { // gpio_v2_line_info
	name, consumer [32]byte
	offset, attrs  uint32
	flags          uint64
	_              [10]lineAttr
	_              [4]uint32
}

const eventSize = 48 // gpio_v2_line_event: timestamp u64, id, offset, seqno, line_seqno u32, padding

func request(dir, nr, size uintptr) uintptr { return dir<<30 | size<<16 | 0xb4<<8 | nr }

var (
	getChipInfo = request(2, 0x1, unsafe.Sizeof(chipInfo{}))
	getLineInfo = request(3, 0x5, unsafe.Sizeof(lineInfo{}))
	getLine     = request(3, 0x7, unsafe.Sizeof(lineRequest{}))
	getValues   = request(3, 0xe, unsafe.Sizeof(lineValues{}))
	setValues   = request(3, 0xf, unsafe.Sizeof(lineValues{}))
)

const (
	flagUsed      = 1 << 0
	flagActiveLow = 1 << 1
	flagInput     = 1 << 2
	flagOutput    = 1 << 3
	flagRising    = 1 << 4
	flagFalling   = 1 << 5
	flagOpenDrain = 1 << 6
	flagPullUp    = 1 << 8
	flagPullDown  = 1 << 9
	flagNoBias    = 1 << 10

	attrValues   = 2
	attrDebounce = 3

	eventRising = 1
)
