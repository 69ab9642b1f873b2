//go:build linux

// Package cameras tells what a camera can do: formats, sizes, rates and controls, by way of
// github.com/blackjack/webcam. Frames are the business of capture/v4l2; doc/dependencies.md says why.
package cameras

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/blackjack/webcam"
)

// A Camera is one capture node.
type Camera struct {
	Name     string // of the card
	Bus      string // where it is plugged in
	Modes    []Mode // by format, then size
	Controls []Control
}

// A Mode is a format and a size with its rates.
type Mode struct {
	Format string   // V4L2's four letters: YUYV, MJPG, GREY, RGB3, NV12, ...
	Size   string   // "640x480", or the range "[48-4096;1]x[48-2160;1]"
	Rates  []string // seconds a frame: "1/30", or a range
}

// A Control is an adjustable property. Controls that are neither number, switch nor menu are not listed.
type Control struct {
	Name           string
	Value          int32
	Min, Max, Step int32
}

// Describe asks the camera at path. It sets nothing and starts no stream.
func Describe(path string) (Camera, error) {
	w, err := webcam.Open(path)
	if err != nil {
		return Camera{}, fmt.Errorf("cameras: %s: %w", path, err)
	}
	defer w.Close()
	var c Camera
	if c.Name, err = w.GetName(); err != nil {
		return Camera{}, fmt.Errorf("cameras: %s: name: %w", path, err)
	}
	if c.Bus, err = w.GetBusInfo(); err != nil {
		return Camera{}, fmt.Errorf("cameras: %s: bus: %w", path, err)
	}
	c.Modes, c.Controls = modes(w), controls(w)
	return c, nil
}

func modes(w *webcam.Webcam) (all []Mode) {
	for f := range w.GetSupportedFormats() {
		for _, size := range w.GetSupportedFrameSizes(f) {
			m := Mode{Format: fourCC(f), Size: size.GetString()}
			for _, r := range w.GetSupportedFramerates(f, size.MaxWidth, size.MaxHeight) {
				m.Rates = append(m.Rates, r.String())
			}
			all = append(all, m)
		}
	}
	slices.SortStableFunc(all, func(a, b Mode) int { return cmp.Compare(a.Format, b.Format) })
	return all
}

func controls(w *webcam.Webcam) (all []Control) {
	for id, c := range w.GetControls() {
		value, err := w.GetControl(id)
		if err != nil {
			continue // write-only
		}
		all = append(all, Control{c.Name, value, c.Min, c.Max, c.Step})
	}
	slices.SortFunc(all, func(a, b Control) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

func fourCC(f webcam.PixelFormat) string {
	b := []byte{byte(f), byte(f >> 8), byte(f >> 16), byte(f >> 24)}
	for i, c := range b {
		if c < ' ' || c > '~' {
			b[i] = '?'
		}
	}
	return string(b)
}
