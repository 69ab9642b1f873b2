//go:build linux

package v4l2

import (
	"testing"
	"unsafe"
)

// Sizes and offsets as gcc prints them for <linux/videodev2.h>, on 64 and on 32 bits.
func TestLayout(t *testing.T) {
	wide := unsafe.Sizeof(uintptr(0)) == 8
	for _, c := range []struct {
		name            string
		got, on64, on32 uintptr
	}{
		{"capability", unsafe.Sizeof(capability{}), 104, 104},
		{"capability.device_caps", unsafe.Offsetof(capability{}.deviceCaps), 88, 88},
		{"format", unsafe.Sizeof(format{}), 208, 204},
		{"format.fmt", unsafe.Offsetof(format{}.pix), 8, 4},
		{"requestbuffers", unsafe.Sizeof(requestBuffers{}), 20, 20},
		{"buffer", unsafe.Sizeof(buffer{}), 88, 68},
		{"buffer.timestamp", unsafe.Offsetof(buffer{}.timestamp), 24, 20},
		{"buffer.sequence", unsafe.Offsetof(buffer{}.sequence), 56, 44},
		{"buffer.m", unsafe.Offsetof(buffer{}.offset), 64, 52},
		{"buffer.length", unsafe.Offsetof(buffer{}.length), 72, 56},
		{"streamparm", unsafe.Sizeof(streamParm{}), 204, 204},
		{"streamparm.timeperframe", unsafe.Offsetof(streamParm{}.num), 12, 12},
		{"control", unsafe.Sizeof(control{}), 8, 8},
		{"queryctrl", unsafe.Sizeof(queryControl{}), 68, 68},
		{"queryctrl.flags", unsafe.Offsetof(queryControl{}.flags), 56, 56},
	} {
		want := c.on32
		if wide {
			want = c.on64
		}
		if c.got != want {
			t.Errorf("%s: %d, want %d", c.name, c.got, want)
		}
	}
	if wide && (vidiocDQBuf != 0xc0585611 || vidiocQueryCtrl != 0xc0445624 || vidiocSParm != 0xc0cc5616) {
		t.Errorf("ioctl numbers %#x %#x %#x", vidiocDQBuf, vidiocQueryCtrl, vidiocSParm)
	}
}
