package sim

import (
	"context"
	"time"

	"cull/capture"
)

// A Part is a part on its way to the sensor, with the picture the camera will take of it.
type Part struct {
	Frame *capture.Frame
	Bad   bool
}

// Camera returns the belt's camera: triggered, one frame a part. epoch is the instant at
// which Frame.Mono is zero.
func (b *Belt) Camera(epoch time.Time) capture.Source { return camera{b, epoch} }

type camera struct {
	b     *Belt
	epoch time.Time
}

// Next implements capture.Source.
func (c camera) Next(ctx context.Context) (*capture.Frame, error) {
	for {
		s, ok := c.b.takeShot()
		if !ok {
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-c.b.shutter:
			}
			continue
		}
		select {
		case <-ctx.Done():
			s.frame.Release()
			return nil, ctx.Err()
		case <-time.After(time.Until(s.due)):
		}
		f := *s.frame
		f.Seq, f.Mono = s.seq, s.exposed.Sub(c.epoch)
		return capture.NewFrame(f, s.frame.Release), nil
	}
}

func (c camera) Close() error { return nil }

func (b *Belt) takeShot() (shot, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.shots) == 0 {
		return shot{}, false
	}
	s := b.shots[0]
	b.shots = append(b.shots[:0], b.shots[1:]...)
	return s, true
}
