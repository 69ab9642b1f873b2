package commands

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"image"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"cull/capture"
	"cull/capture/replay"
	"cull/infer"
	"cull/internal/container"
	"cull/internal/imagefile"
	"cull/internal/inspect"
	"cull/internal/product"
	"cull/internal/regular"
	"cull/padim"
)

const teachSynopsis = "[OPTION]... SOURCE -o PRODUCT"

func teachCommand() Command {
	return Command{
		Name: "teach", Synopsis: teachSynopsis,
		Does: "makes a product from good parts alone: a folder of pictures, or a recording's parts that passed",
		Run:  Teach,
	}
}

type teachFlags struct {
	net, mask, roi, mode, output string
	size                         int
	targetFRR, light             float64
	seed                         uint64
	noMirrors                    bool
}

func (f *teachFlags) register(fs *flag.FlagSet) {
	fs.StringVar(&f.output, "o", "", "the product `file` to write")
	fs.StringVar(&f.net, "net", "", "network `file` (default: the built-in one)")
	fs.StringVar(&f.mask, "mask", "", "`picture` as large as the frames, not black where to ignore them")
	fs.StringVar(&f.roi, "roi", "", "part of the frame to look at, `X,Y,W,H` in pixels")
	fs.StringVar(&f.mode, "mode", "auto", "auto, part, texture or stock")
	fs.IntVar(&f.size, "size", 0, "side of the input picture, `pixels`, a multiple of 16 from 32 to 1024 (default: the network's)")
	fs.Float64Var(&f.targetFRR, "target-frr", 0.01, "false-reject `rate` that the threshold aims at")
	fs.Float64Var(&f.light, "light", inspect.Light, "how much the light may change, `stops`, 0 (not at all) to 3")
	fs.BoolVar(&f.noMirrors, "no-mirrors", false, "teach no mirrored copies, however few the good parts are")
	fs.Uint64Var(&f.seed, "seed", 1, "of the projection and of the light")
}

// Teach runs `cull teach`.
func Teach(ctx context.Context, env Env, args []string) error {
	var f teachFlags
	fs := flag.NewFlagSet("teach", flag.ContinueOnError)
	f.register(fs)
	rest, err := parse(env, "teach", teachSynopsis, fs, args)
	if err != nil {
		return err
	}
	if len(rest) != 1 || f.output == "" {
		return Hint(usagef("teach: want one source and -o PRODUCT"), "cull teach good-parts/ -o bottle.product")
	}
	o, err := f.options()
	if err != nil {
		return err
	}
	m, err := openNetwork(f.net)
	if err != nil {
		return err
	}
	region := o.Plan.Region
	o.Plan = inspect.Geometry(m, f.size)
	o.Plan.Region = region
	if f.mask != "" {
		if o.Mask, err = imagefile.ReadMask(f.mask); err != nil {
			if errors.Is(err, os.ErrNotExist) {
				return Hint(err, "--mask: the path counts from the working directory")
			}
			return Hint(err, "--mask: %s", cmp.Or(imagefile.Remedy(err), "a PNG or BMP as large as the frames"))
		}
	}
	src, err := openGood(rest[0])
	if err != nil {
		return err
	}
	defer src.Close() //nolint:errcheck // it is only read
	var told taken
	of := src.of
	o.Taken = told.add
	progress := newProgress(env.Stderr)
	o.Progress = func(stage string, done int) {
		if stage != inspect.StagePictures { // which has counted them
			of = fmt.Sprintf(" of %d", len(told.names))
		}
		progress.show("%s: good part %d%s", stage, done, of)
	}
	defer thrifty()()
	p, err := inspect.Teach(ctx, src, m, o, time.Now())
	progress.clear()
	if err == nil && src.recorded != nil {
		err, _ = tellTorn(src.recorded.src, src.recorded.torn, env.Stderr)
	}
	if err != nil {
		return withTeachHint(err)
	}
	blank, err := judgeBlank(p, m)
	if err != nil {
		return err
	}
	if err := p.WriteFile(f.output); err != nil {
		return Hint(err, "choose a folder that may be written to")
	}
	return printTaught(env.Stdout, p, f.output, &told, blank)
}

// judgeBlank judges a picture without a part, as an empty place or a covered lens gives it: all of one colour, the mean of
// the goldens'. A score says how unlike the good parts each cell is, and of a rough surface the smoothest is not far from their mean.
func judgeBlank(p *product.Product, m *infer.Model) (inspect.Result, error) {
	in, err := inspect.Open(p, m, runtime.GOMAXPROCS(0))
	if err != nil {
		return inspect.Result{}, err
	}
	defer in.Close()
	var sum, n [3]int64
	for _, g := range p.Goldens {
		for i, v := range g.Picture {
			sum[i%3] += int64(v)
			n[i%3]++
		}
	}
	pic := in.Picture()
	for i := range pic {
		pic[i] = int8(sum[i%3] / n[i%3])
	}
	return in.Judge(), nil
}

// A goodSource is what a product is taught from.
type goodSource struct {
	capture.Source
	recorded *passed // the Source of a recording; nil: a folder of pictures
	of       string  // " of 40", how many there are; empty: not known
}

func openGood(path string) (*goodSource, error) {
	if !isRecording(path) {
		files, err := replay.Open(path)
		if err != nil {
			return nil, sourceHint(err, path)
		}
		return &goodSource{Source: files, of: fmt.Sprintf(" of %d", files.Len())}, nil
	}
	rec, err := openRecording("teach", path)
	if err != nil {
		return nil, err
	}
	parts := &passed{src: rec, seen: seen{}}
	return &goodSource{Source: parts, recorded: parts}, nil
}

// taken are the pictures that were taught, in order, and those that were there twice.
type taken struct {
	names        []string
	copies       int
	copied, twin string // the first
}

func (p *taken) add(name, twin string) {
	if twin == "" {
		p.names = append(p.names, name)
		return
	}
	if p.copies++; p.copies == 1 {
		p.copied, p.twin = name, twin
	}
}

// thrifty lets the heap grow by a tenth between two collections, not to twice its
// size, until the function it returns is called. Most of what teaching holds, a
// covariance for every cell, lives to its end, and there is little garbage: on a
// device of 512 MB the room is worth more than the time.
func thrifty() (restore func()) {
	percent := debug.SetGCPercent(10)
	return func() { debug.SetGCPercent(percent) }
}

// options checks what needs no file, and that the output can be written.
func (f *teachFlags) options() (o inspect.Options, err error) {
	mode, err := parseMode("teach", f.mode)
	if err != nil {
		return o, err
	}
	if f.size != 0 {
		if err := checkSize("teach", f.size); err != nil {
			return o, err
		}
	}
	if err := checkRate("teach", f.targetFRR); err != nil {
		return o, err
	}
	if err := checkLight("teach", "light", f.light); err != nil {
		return o, err
	}
	o.Light, o.NoMirrors = f.light, f.noMirrors
	if f.roi != "" {
		if o.Plan.Region, err = parseRegion(f.roi); err != nil {
			return o, err
		}
	}
	o.SpoolDir = filepath.Dir(f.output)
	if err := writable("teach", f.output); err != nil {
		return o, err
	}
	if err := noOtherFile(f.output); err != nil {
		return o, err
	}
	o.Fit = padim.Options{
		Mode: mode, TargetFRR: f.targetFRR, Seed: f.seed, Threads: runtime.GOMAXPROCS(0),
	}
	return o, nil
}

// noOtherFile returns an error where something is at path that is no product: a recording, a picture or the network, which
// a slip of -o would lose. A product that is damaged, and an empty file, may be replaced.
func noOtherFile(path string) error {
	file, _, err := regular.Open(path)
	if err != nil { // it is not there, or cannot be read
		return nil
	}
	defer file.Close()
	head, err := io.ReadAll(io.LimitReader(file, 1<<14)) // more than the longest header
	if err != nil {
		return nil
	}
	_, err = container.Parse(head, product.Kind, product.Version)
	if errors.Is(err, container.ErrForeign) || errors.Is(err, container.ErrKind) {
		return Hint(fmt.Errorf("teach: -o %s is there and no product: it is not replaced", path), "name another file for the product, or move that one")
	}
	return nil
}

// smallestRegion is the least side of --roi in pixels: a smaller one is a slip, there is nothing to see in it.
const smallestRegion = 16

func parseRegion(s string) (image.Rectangle, error) {
	var x, y, w, h int
	var rest string
	n, _ := fmt.Sscanf(s+"\n", "%d,%d,%d,%d%s", &x, &y, &w, &h, &rest)
	if n != 4 || x < 0 || y < 0 || w < smallestRegion || h < smallestRegion || w > 1<<15 || h > 1<<15 || x > 1<<15 || y > 1<<15 {
		return image.Rectangle{}, Hint(usagef("teach: --roi %q: want X,Y,W,H in pixels, at least %d wide and high", s, smallestRegion),
			"left, top, width and height, for example 320,140,640,480")
	}
	return image.Rect(x, y, x+w, y+h), nil
}

func sourceHint(err error, source string) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Hint(err, "SOURCE is a folder of pictures of good parts, or a recording")
	case errors.Is(err, fs.ErrPermission):
		return Hint(err, "make it readable for who runs cull")
	case errors.Is(err, imagefile.ErrNone):
		if info, e := os.Stat(filepath.Join(source, "train", "good")); e == nil && info.IsDir() {
			return Hint(err, "%s is a data set: teach from %s", source, filepath.Join(source, "train", "good"))
		}
		return Hint(err, "put pictures of good parts into the folder; folders below it are not searched")
	}
	return Hint(err, "SOURCE is a folder of pictures of good parts, or a recording")
}

// coarse is how many of the camera's pixels a side may become one before teach tells of it.
const coarse = 1.5

// printTaught says what was taught and what the threshold can promise.
func printTaught(w io.Writer, p *product.Product, path string, of *taken, blank inspect.Result) error {
	r, t := &p.Report, p.Report.Threshold
	src, dst, err := p.Plan.Window(p.Frame.X, p.Frame.Y)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "taught    %d good parts of %dx%d pixels, ", r.Parts, p.Frame.X, p.Frame.Y)
	if src.Size() != p.Frame {
		fmt.Fprintf(w, "%dx%d of them ", src.Dx(), src.Dy())
	}
	fmt.Fprintf(w, "scaled to %dx%d\n", dst.Dx(), dst.Dy())
	if of.copies > 0 {
		fmt.Fprintf(w, "twice     %d pictures are copies, such as %s of %s, and are not taught again\n", of.copies, of.copied, of.twin)
	}
	across, down := float64(src.Dx())/float64(dst.Dx()), float64(src.Dy())/float64(dst.Dy())
	if max(across, down) > coarse {
		fmt.Fprintf(w, "detail    one pixel here is %.3g x %.3g of the camera's, and what is smaller is lost: "+
			"--roi and a larger --size keep more of it\n", across, down)
	}
	if p.Model.Ignored() != nil {
		fmt.Fprintf(w, "ignored   %s\n", ignoredOf(p))
	}
	fmt.Fprintf(w, "mode      %v%s\n", r.Mode, whyMode(r))
	if p.Light != nil {
		fmt.Fprintf(w, "light     %s\n", lightOf(p))
	}
	if len(p.Mirrors) > 0 {
		fmt.Fprintf(w, "mirrored  %s; so few good parts would pass so mirrored: if it is a defect, teach more of them\n", mirrorsOf(p))
	}
	fmt.Fprintf(w, "threshold %.4g, %v\n", t.Value, t.Method)
	rate, low, high := t.Expect()
	fmt.Fprintf(w, "expect    %s of good parts rejected, 95 %% interval %s to %s\n",
		percent(rate), percent(low), percent(high))
	if t.Method == padim.Extrapolated {
		fmt.Fprintf(w, "note      %d parts alone can promise %s at best; %s is an extrapolation, "+
			"which %d parts would make a measurement\n",
			t.Parts, percent(t.Smallest()), percent(t.Target), int(math.Ceil(1/t.Target))-1)
	}
	if blank.Verdict == padim.Pass {
		fmt.Fprintf(w, "blank     a picture of one colour passes, score %.4g: an empty place, a covered lens or one out of focus may too; "+
			"set camera.check_sharpness and line.no_reject_alarm\n", blank.Score)
	}
	for _, i := range r.Suspects() {
		fmt.Fprintf(w, "suspect   %s: %.4g, left out, is far above the others; look at it before the line is released\n",
			of.names[i], r.Scores[i])
	}
	_, err = fmt.Fprintf(w, "written   %s\n", path)
	return err
}

// lightOf says what of a picture counts as light.
func lightOf(p *product.Product) string {
	return fmt.Sprintf("what all of a picture differs in, up to %g stops, is no defect", p.Light.Stops)
}

// mirrorsOf names how good parts were mirrored.
func mirrorsOf(p *product.Product) string {
	names := make([]string, len(p.Mirrors))
	for i, m := range p.Mirrors {
		names[i] = m.String()
	}
	return strings.Join(names, ", ")
}

// whyMode gives the reason for the mode when it was chosen.
func whyMode(r *padim.Report) string {
	part, texture := r.PartLogLik, r.TextureLogLik
	if math.IsNaN(part) || math.IsNaN(texture) {
		return ", as asked for"
	}
	other, gain := "texture", part-texture
	if r.Mode == padim.Texture {
		other, gain = "part", texture-part
	}
	return fmt.Sprintf(", it explains left-out good parts better than %s (%+.3g nats a cell)", other, gain)
}

// percent prints a rate with two digits.
func percent(v float64) string { return fmt.Sprintf("%.2g %%", 100*v) }
