package commands

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"time"

	"cull/capture"
	"cull/capture/check"
	"cull/capture/v4l2"
	"cull/device/internal/config"
	"cull/device/internal/wiring"
	"cull/infer/prep"
	"cull/internal/container"
	"cull/internal/imagefile"
	"cull/internal/mjpeg"
)

const captureSynopsis = "--config FILE [--count N] [--every TIME] -o FOLDER"

func captureCommand() Command {
	return Command{
		Name: "capture", Synopsis: captureSynopsis,
		Does: "takes pictures of good parts with the line's camera, for teach",
		Run: func(ctx context.Context, env Env, args []string) error {
			return Capture(ctx, env, args, func(c v4l2.Config) (capture.Source, error) {
				s, err := v4l2.Open(c)
				if err != nil {
					return nil, err // not s: it would be a Source that is not nil
				}
				return s, nil
			})
		},
	}
}

// Capture runs `cull capture`: the configured camera, set up as on the line, to a folder of pictures. It needs no product and
// takes no GPIO line.
func Capture(ctx context.Context, env Env, args []string, open func(v4l2.Config) (capture.Source, error)) error {
	fs := flag.NewFlagSet("capture", flag.ContinueOnError)
	file := fs.String("config", "", "configuration `file`; only its [camera] counts, and the rest may be missing yet")
	count := fs.Int("count", 50, "how many `pictures` to keep")
	every := fs.Duration("every", 0, "keep a frame every so often, for example 2s; 0: each one, which is each part where camera.triggered is set")
	dir := fs.String("o", "", "`folder` for the pictures; it is made, or must have none")
	rest, err := parse(env, "capture", captureSynopsis, fs, args)
	switch {
	case err != nil:
		return err
	case len(rest) > 0 || *file == "" || *dir == "":
		return Hint(usagef("capture: want --config FILE and -o FOLDER"), "cull capture --config cull.toml --every 2s -o good")
	case *count < 1 || *every < 0:
		return Hint(usagef("capture: --count %d, --every %v: want at least one picture and no negative time", *count, *every),
			"cull capture --config cull.toml --count 50 --every 2s -o good")
	}
	c, err := config.LoadCamera(*file)
	if err != nil {
		return withConfigHint(err)
	}
	if c.Kind != "v4l2" {
		return Hint(fmt.Errorf("capture: %s: camera.kind is %q", *file, c.Kind), `set it to "v4l2": other kinds are no cameras`)
	}
	src, err := open(wiring.Camera(&c))
	if err != nil {
		return Hint(fmt.Errorf("capture: %w", err), "cull doctor --config %s says what the camera lacks", *file)
	}
	defer src.Close() //nolint:errcheck // every frame kept is in a file
	if err := emptyFolder("capture", *dir); err != nil {
		return err
	}
	checker, err := checker(&c)
	if err != nil {
		return err
	}
	meter, err := check.New(check.Limits{Frozen: -1})
	if err != nil {
		return err
	}
	keep := collector{dir: *dir, every: *every, look: looks(checker), meter: meter, blunt: math.Inf(1)}
	progress := newProgress(env.Stderr)
	defer progress.clear()
	for keep.kept < *count {
		f, err := src.Next(ctx)
		if err == nil {
			err = keep.take(f)
			f.Release()
		}
		if err != nil {
			err = fmt.Errorf("capture: %d of %d pictures in %s: %w", keep.kept, *count, *dir, err)
			if errors.Is(err, capture.ErrLost) {
				err = Hint(err, "cull doctor --config %s says what the camera lacks", *file)
			}
			return err
		}
		progress.show("picture %d of %d, %d frames unfit", keep.kept, *count, keep.unfit)
	}
	progress.clear()
	_, err = fmt.Fprintf(env.Stdout, "%d pictures in %s, %d frames unfit and not kept: remove what is not a good part, then cull teach\n",
		keep.kept, *dir, keep.unfit)
	if err == nil && !math.IsInf(keep.blunt, 1) {
		_, err = fmt.Fprintf(env.Stdout, "their sharpness is %.4g or more: camera.check_sharpness = %.2g refuses frames out of focus\n",
			keep.blunt, keep.blunt/2)
	}
	return err
}

// A collector keeps frames as pictures.
type collector struct {
	dir   string
	every time.Duration
	look  func(*capture.Frame) error // nil: all are fit
	meter *check.Checker
	blunt float64 // the least sharpness of those kept, +Inf of none

	kept, unfit int
	row         int           // unfit since the last that was kept
	next        time.Duration // when the next is due
}

// patience is how many frames in a row may be unfit before a capture ends: seconds of a covered lens.
const patience = 100

// take keeps a frame that is due and fit.
func (c *collector) take(f *capture.Frame) error {
	if c.kept > 0 && f.Mono < c.next {
		return nil
	}
	if c.look != nil {
		if err := c.look(f); err != nil {
			c.unfit++
			if c.row++; c.row == patience {
				return Hint(fmt.Errorf("%d frames in a row are unfit: %w", c.row, err), "mend light and lens, or set camera.check and its limits")
			}
			return nil
		}
	}
	if err := keepPicture(filepath.Join(c.dir, fmt.Sprintf("%06d", c.kept+1)), f); err != nil {
		return err
	}
	if m, err := c.meter.Check(f); err == nil {
		c.blunt = min(c.blunt, m.Sharpness)
	}
	c.kept, c.row, c.next = c.kept+1, 0, f.Mono+c.every
	return nil
}

// emptyFolder makes dir, or sees that no picture is in it: none is overwritten or mixed with those of another day.
func emptyFolder(cmd, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Hint(fmt.Errorf("%s: %w", cmd, err), "choose a folder that may be written to")
	}
	switch _, err := imagefile.List(dir); {
	case errors.Is(err, imagefile.ErrNone):
		return nil
	case err != nil:
		return Hint(fmt.Errorf("%s: %w", cmd, err), "choose a folder that may be read")
	}
	return Hint(fmt.Errorf("%s: %s has pictures already", cmd, dir), "choose a folder without any")
}

// keepPicture writes a frame to path and its ending: a JPEG as the camera made it, but for Huffman tables that it may have
// left out, all else as PNG without loss. Only of YUYV and NV12
// does the line see other bits than teach: here colours are made before the picture is brought to size, there after.
func keepPicture(path string, f *capture.Frame) error {
	var data bytes.Buffer
	switch f.Format {
	case capture.MJPEG:
		path += ".jpg"
		data.Write(mjpeg.WithTables(f.Pix))
	default:
		path += ".png"
		img, err := pictureOf(f)
		if err != nil {
			return err
		}
		if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&data, img); err != nil {
			return err
		}
	}
	return Hint(container.WriteFile(path, data.Bytes()), "free some space, or choose a folder that may be written to")
}

// pictureOf returns an uncompressed frame with the colours that the line sees.
func pictureOf(f *capture.Frame) (image.Image, error) {
	if f.Format == capture.Grey || f.Format == capture.RGB24 {
		return imagefile.Image(f)
	}
	img := image.NewRGBA(image.Rect(0, 0, f.Width, f.Height))
	across, down := pieces(f.Width), pieces(f.Height)
	for i := range len(down) - 1 {
		for j := range len(across) - 1 {
			if err := colours(img, f, image.Rect(across[j], down[i], across[j+1], down[i+1])); err != nil {
				return nil, err
			}
		}
	}
	return img, nil
}

// pieces returns where the pieces of a side of n pixels begin, and n: as few as prep takes, for it makes no larger pictures.
func pieces(n int) (at []int) {
	count := (n + prep.MaxSide - 1) / prep.MaxSide
	for i := range count {
		at = append(at, (i*n/count+1)&^1)
	}
	return append(at, n)
}

// colours brings those of part r of f into img.
func colours(img *image.RGBA, f *capture.Frame, r image.Rectangle) error {
	p, err := prep.New(prep.Plan{Width: r.Dx(), Height: r.Dy(), Region: r})
	if err != nil {
		return err
	}
	pic := make([]int8, 3*r.Dx()*r.Dy())
	if err := p.Apply(pic, f); err != nil {
		return err
	}
	for i := range r.Dx() * r.Dy() {
		at := func(c int) uint8 { return uint8(int(pic[3*i+c]) + 128) }
		img.SetRGBA(r.Min.X+i%r.Dx(), r.Min.Y+i/r.Dx(), color.RGBA{R: at(0), G: at(1), B: at(2), A: 255})
	}
	return nil
}
