//go:build linux

package v4l2

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unsafe"

	"cull/capture"

	"golang.org/x/sys/unix"
)

// An Info says what a capture node is.
type Info struct {
	Path   string // /dev/videoN
	Driver string
	Card   string // the camera's name
	Bus    string // where it is plugged in
}

// List returns the capture nodes, by path. Nodes that cannot be opened or that capture
// nothing (metadata, outputs) are left out; where none is left, the error says why the last cannot be opened.
func List() ([]Info, error) {
	infos, denied, err := list("/dev", openFile)
	if err == nil && len(infos) == 0 {
		err = denied
	}
	return infos, err
}

// list returns the capture nodes that can be opened, and why the last of the others cannot.
func list(dev string, open func(string) (node, error)) (infos []Info, denied, err error) {
	paths, err := filepath.Glob(filepath.Join(dev, "video*"))
	if err != nil {
		return nil, nil, err
	}
	slices.Sort(paths)
	for _, path := range paths {
		n, err := open(path)
		if err != nil {
			denied = explain(path, "open", err)
			continue
		}
		if info, err := query(n, path); err == nil {
			infos = append(infos, info)
		}
		n.close() //nolint:errcheck // nothing was done with it
	}
	return infos, denied, nil
}

// Find returns the path of the camera that device names, a path or a card's name. The camera may be in use: it is only asked what
// it is.
func Find(device string) (string, error) { return there(device, openFile) }

func there(device string, open func(string) (node, error)) (string, error) {
	path, err := find(device, "/dev", open)
	if err != nil {
		return "", err
	}
	n, err := open(path)
	if err != nil {
		return "", explain(path, "open", err)
	}
	defer n.close() //nolint:errcheck // it was only asked
	if _, err := query(n, path); err != nil {
		return "", err
	}
	return path, nil
}

// find returns the path of a camera: device itself if it is a path, else the node whose
// card name or bus it is.
func find(device, dev string, open func(string) (node, error)) (string, error) {
	if strings.HasPrefix(device, "/") {
		return device, nil
	}
	infos, denied, err := list(dev, open)
	if err != nil {
		return "", err
	}
	var hits, names []string
	for _, i := range infos {
		names = append(names, fmt.Sprintf("%q at %s", i.Card, i.Path))
		if i.Card == device || i.Bus == device {
			hits = append(hits, i.Path)
		}
	}
	switch len(hits) {
	case 1:
		return hits[0], nil
	case 0:
		if denied != nil {
			return "", fmt.Errorf("v4l2: no camera that can be opened is called %q (%s): %w", device, strings.Join(names, ", "), denied)
		}
		return "", fmt.Errorf("v4l2: no camera is called %q; there are: %s: %w", device,
			strings.Join(names, ", "), fs.ErrNotExist)
	}
	return "", fmt.Errorf("v4l2: %q is the name of %s: name one by /dev/v4l/by-path", device, strings.Join(hits, " and "))
}

// query reads device_caps: capabilities is the union over all nodes of a camera, so that
// its metadata node would pass.
func query(n node, path string) (Info, error) {
	var c capability
	if err := n.ioctl(vidiocQueryCap, unsafe.Pointer(&c)); err != nil {
		return Info{}, explain(path, "ask for capabilities", err)
	}
	caps := c.capabilities
	if caps&capDeviceCaps != 0 {
		caps = c.deviceCaps
	}
	if caps&capVideoCapture == 0 && caps&capVideoCaptureMplane != 0 {
		return Info{}, fmt.Errorf("v4l2: %s: multi-planar nodes are not supported: use a USB camera", path)
	}
	if caps&capVideoCapture == 0 || caps&capStreaming == 0 {
		return Info{}, fmt.Errorf("v4l2: %s captures no video (device_caps %#x): choose another node", path, caps)
	}
	return Info{
		path, unix.ByteSliceToString(c.driver[:]), unix.ByteSliceToString(c.card[:]),
		unix.ByteSliceToString(c.busInfo[:]),
	}, nil
}

// setFormat asks for the format and fails unless the driver gives exactly that.
func setFormat(n node, path string, c Config) (format, error) {
	f := format{typ: bufCapture, pix: pixFormat{
		width: uint32(c.Width), height: uint32(c.Height), pixelFormat: codes[c.Format], field: fieldNone,
	}}
	if err := n.ioctl(vidiocSFmt, unsafe.Pointer(&f)); err != nil {
		return f, explain(path, "set the format", err)
	}
	p := &f.pix
	if p.pixelFormat != codes[c.Format] || p.width != uint32(c.Width) || p.height != uint32(c.Height) {
		return f, fmt.Errorf("v4l2: %s: asked for %v %dx%d, the camera gives %s %dx%d: "+
			"choose what it has (v4l2-ctl --list-formats-ext)",
			path, c.Format, c.Width, c.Height, fourCCName(p.pixelFormat), p.width, p.height)
	}
	if p.field > fieldNone {
		return f, fmt.Errorf("v4l2: %s: the camera gives interlaced fields (%d), not whole frames: choose another size", path, p.field)
	}
	tight := c.Width * map[capture.PixelFormat]int{
		capture.Grey: 1, capture.RGB24: 3, capture.YUYV: 2, capture.NV12: 1,
	}[c.Format]
	if p.bytesPerLine == 0 || c.Format == capture.MJPEG {
		p.bytesPerLine = uint32(tight)
	}
	if int(p.bytesPerLine) < tight || p.bytesPerLine > 8*maxSide {
		return f, fmt.Errorf("v4l2: %s: the driver says %d bytes a line, %d are needed", path, p.bytesPerLine, tight)
	}
	return f, nil
}

// setUp sets rate, exposure, gain and white balance, and reads each back.
func setUp(n node, path string, c Config) error {
	if c.FPS > 0 {
		if err := setRate(n, path, c.FPS); err != nil {
			return err
		}
	}
	type setting struct {
		name      string
		id        uint32
		value     int32
		mayBeGone bool // a camera without the automatic has nothing to switch off
	}
	var todo []setting
	if c.Exposure > 0 {
		todo = append(todo, setting{"manual exposure", ctrlExposureAuto, exposureManual, true},
			setting{"constant rate", ctrlExposureVariableRate, 0, true},
			setting{"exposure", ctrlExposure, int32(max(1, c.Exposure/(100*time.Microsecond))), false})
	}
	if c.Gain != nil {
		todo = append(todo, setting{"manual gain", ctrlAutoGain, 0, true}, setting{"gain", ctrlGain, *c.Gain, false})
	}
	if c.WhiteBalance > 0 {
		todo = append(todo, setting{"manual white balance", ctrlAutoWhiteBalance, 0, true},
			setting{"white balance", ctrlWhiteBalance, int32(c.WhiteBalance), false})
	}
	for _, s := range todo {
		err := setControl(n, s.id, s.value)
		if err == nil || s.mayBeGone && errors.Is(err, errNoControl) {
			continue
		}
		return fmt.Errorf("v4l2: %s: %s: %w: see v4l2-ctl --list-ctrls", path, s.name, err)
	}
	return nil
}

var errNoControl = errors.New("the camera has no such control")

// setControl sets a control and reads it back. The driver may round to the control's step.
func setControl(n node, id uint32, value int32) error {
	q := queryControl{id: id}
	if err := n.ioctl(vidiocQueryCtrl, unsafe.Pointer(&q)); err != nil {
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTTY) { // ENOTTY: of a driver that has none at all
			err = errNoControl
		}
		return err
	}
	if value < q.min || value > q.max {
		return fmt.Errorf("%d is outside %d to %d", value, q.min, q.max)
	}
	c := control{id, value}
	if err := n.ioctl(vidiocSCtrl, unsafe.Pointer(&c)); err != nil {
		return err
	}
	c.value = 0
	if err := n.ioctl(vidiocGCtrl, unsafe.Pointer(&c)); err != nil {
		return err
	}
	if d := max(c.value-value, value-c.value); d != 0 && d >= q.step {
		return fmt.Errorf("set to %d, reads %d", value, c.value)
	}
	return nil
}

func setRate(n node, path string, fps int) error {
	p := streamParm{typ: bufCapture, num: 1, den: uint32(fps)}
	err := n.ioctl(vidiocSParm, unsafe.Pointer(&p))
	given := err == nil && p.num != 0 && p.den == uint32(fps)*p.num
	switch {
	case given:
		return nil
	case errors.Is(err, unix.ENOTTY), err == nil && p.capability&capTimePerFrame == 0:
		return fmt.Errorf("v4l2: %s: asked for %d frames/s, the driver cannot be told a rate: leave fps at 0", path, fps)
	case err != nil:
		return explain(path, "set the rate", err)
	}
	return fmt.Errorf("v4l2: %s: asked for %d frames/s, the camera gives %d/%d: choose a rate it has", path, fps, p.den, p.num)
}

// explain adds the remedy that an errno calls for.
func explain(path, op string, err error) error {
	hint := ""
	switch {
	case errors.Is(err, os.ErrNotExist):
		hint = ": plug the camera in, or see ls -l /dev/v4l/by-path"
	case errors.Is(err, os.ErrPermission):
		hint = ": add the user to the group video"
	case errors.Is(err, unix.EBUSY):
		hint = ": another program has the camera (fuser -v " + path + ")"
	case errors.Is(err, unix.ENOSPC):
		hint = ": the USB bus has no bandwidth left: lower size or rate, or use MJPEG"
	}
	return fmt.Errorf("v4l2: %s: %s: %w%s", path, op, err, hint)
}
