//go:build linux

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"

	"cull/capture"
	"cull/capture/v4l2"
)

// Controls of vivid, drivers/media/test-drivers/vivid/vivid-ctrls.c.
const (
	brightness = 0x00980900 // V4L2_CID_BRIGHTNESS, 0 to 255
	osdText    = 0x00f0f001 // 1: counters only, at the top
	showSquare = 0x00f0f005 // a square in the middle of the pattern: the bad part
	stampStart = 0x00f0f018 // timestamps are of the start of exposure
)

// prepareVivid gives the picture that its product is taught on: the pattern, and a counter above the
// region that is looked at, so that no two frames are the same.
func prepareVivid(device string) error {
	for id, value := range map[uint32]int32{osdText: 1, showSquare: 0, stampStart: 1, brightness: 128} {
		if err := setControl(device, id, value); err != nil {
			return err
		}
	}
	return nil
}

// grab writes pictures of vivid's pattern to teach from. Their brightness varies by some steps about that of the line.
func grab(device string, n int, dir string) error {
	const width, height, jitter = 320, 180, 6
	if err := prepareVivid(device); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	cam, err := v4l2.Open(v4l2.Config{Device: device, Format: capture.RGB24, Width: width, Height: height})
	if err != nil {
		return err
	}
	defer cam.Close()
	r := rand.New(rand.NewPCG(1, 1))
	for i := range n {
		if err := setControl(device, brightness, int32(128-jitter+r.IntN(2*jitter+1))); err != nil {
			return err
		}
		f, err := fresh(cam)
		if err != nil {
			return err
		}
		err = write(filepath.Join(dir, fmt.Sprintf("%03d.png", i+1)), f.Pix, width, height)
		f.Release()
		if err != nil {
			return err
		}
	}
	return prepareVivid(device)
}

// fresh returns a frame that was exposed after those under way.
func fresh(cam *v4l2.Source) (*capture.Frame, error) {
	const waiting = 4
	for range waiting {
		f, err := cam.Next(context.Background())
		if err != nil {
			return nil, err
		}
		f.Release()
	}
	return cam.Next(context.Background())
}
