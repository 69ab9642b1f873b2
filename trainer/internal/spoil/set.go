package spoil

import (
	"context"
	"fmt"
	"hash/fnv"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"slices"

	"cull/capture/replay"
	"cull/internal/dataset"
	"cull/trainer/internal/pictures"
)

// Options are the choices of a set.
type Options struct {
	Size  int    // side of its pictures, pixels
	Least int    // bad pictures of a category at least: each good one is used as often as that takes; once for a drift
	Seed  uint64 // of the drawing
}

// Write makes, in the empty folder dir, a category in MVTec AD's layout: c's good pictures, brought to o.Size as the device
// does, and copies of the good test pictures with a defect of the kind each, with masks, or as they are after a drift, without.
func Write(ctx context.Context, dir string, c dataset.Category, kind Kind, o Options) error {
	var test []string
	for _, it := range c.Test {
		if it.Good {
			test = append(test, it.Path)
		}
	}
	if len(test) == 0 {
		return fmt.Errorf("%s has no good test pictures to draw on", c.Name)
	}
	w := writer{dir: dir, size: o.Size}
	train, err := pictures.Prepare(ctx, replay.New(c.Train), o.Size)
	if err != nil {
		return err
	}
	for i, rgb := range train {
		if err := w.picture(filepath.Join("train", "good"), fmt.Sprintf("%04d", i), rgb); err != nil {
			return err
		}
	}
	good, err := pictures.Prepare(ctx, replay.New(test), o.Size)
	if err != nil {
		return err
	}
	times := (max(o.Least, 1) + len(good) - 1) / len(good)
	if slices.Contains(Drifts, kind) {
		times = 1
	}
	for i, rgb := range good {
		if err := w.picture(filepath.Join("test", "good"), fmt.Sprintf("%04d", i), rgb); err != nil {
			return err
		}
		for k := range times {
			if err := ctx.Err(); err != nil {
				return err
			}
			bad, mask, ok := drawSeen(kind, rgb, o, func(attempt int) uint64 { return stream(kind, c.Name, i, k, attempt) })
			if !ok {
				return fmt.Errorf("%s: %s: none of %d defects drawn on it changes it by %d grey levels: leave this kind or this picture out",
					test[i], kind, attempts, visible)
			}
			name := fmt.Sprintf("%04d_%d", i, k)
			if err := w.picture(filepath.Join("test", string(kind)), name, bad); err != nil {
				return err
			}
			if mask == nil {
				continue
			}
			if err := w.mask(filepath.Join("ground_truth", string(kind)), name+"_mask", mask); err != nil {
				return err
			}
		}
	}
	return nil
}

// A bad picture differs from its good one by visible grey levels somewhere in its mask. What does not, as a bright speck on white
// or a copy of what is plain, is drawn again, at most attempts times in all.
const (
	visible  = 8
	attempts = 16
)

// drawSeen is Draw on the first stream whose defect is visible; false where none is.
func drawSeen(kind Kind, rgb []uint8, o Options, stream func(attempt int) uint64) (bad []uint8, mask []bool, ok bool) {
	for a := range attempts {
		bad, mask = Draw(kind, rgb, o.Size, o.Seed, stream(a))
		if mask == nil { // a drift is what it is
			return bad, nil, true
		}
		for i, v := range bad {
			if d := int(v) - int(rgb[i]); mask[i/3] && max(d, -d) >= visible {
				return bad, mask, true
			}
		}
	}
	return nil, nil, false
}

// stream makes every picture's drawing its own, whatever else is drawn.
func stream(kind Kind, name string, picture, k, attempt int) uint64 {
	h := fnv.New64a()
	fmt.Fprint(h, kind, "/", name, "/", picture, "/", k)
	if attempt > 0 { // the first is what it was when there was one only
		fmt.Fprint(h, "/", attempt)
	}
	return h.Sum64()
}

// A writer writes pictures of one size below a folder.
type writer struct {
	dir  string
	size int
}

func (w writer) picture(folder, name string, rgb []uint8) error {
	img := image.NewNRGBA(image.Rect(0, 0, w.size, w.size))
	for i := range w.size * w.size {
		copy(img.Pix[4*i:], rgb[3*i:][:3])
		img.Pix[4*i+3] = 255
	}
	return w.write(folder, name, img)
}

func (w writer) mask(folder, name string, mask []bool) error {
	img := image.NewGray(image.Rect(0, 0, w.size, w.size))
	for i, m := range mask {
		if m {
			img.Pix[i] = 255
		}
	}
	return w.write(folder, name, img)
}

func (w writer) write(folder, name string, img image.Image) (err error) {
	folder = filepath.Join(w.dir, folder)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(folder, name+".png"))
	if err != nil {
		return err
	}
	e := png.Encoder{CompressionLevel: png.BestSpeed}
	if err := e.Encode(f, img); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
