package commands

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"cull/capture"
	"cull/infer"
	"cull/infer/prep"
	"cull/internal/container"
	"cull/internal/imagefile"
	"cull/internal/impl"
	"cull/internal/inspect"
	"cull/internal/light"
	"cull/padim"
	"cull/weights"
)

// openNetwork reads the network file at path, or the built-in one for none, and
// replays its known answers.
func openNetwork(path string) (*infer.Model, error) {
	if err := impl.Check(); err != nil {
		return nil, Hint(err, "leave %s unset: the fastest kernels are chosen", impl.Variable)
	}
	var m *infer.Model
	var err error
	if path == "" {
		m, err = infer.Parse(weights.Cull())
	} else {
		m, err = infer.Open(path)
	}
	if err != nil {
		switch {
		case isOtherFile(path, err):
			return nil, Hint(err, "name a .net file, or none for the built-in network")
		case errors.Is(err, fs.ErrNotExist):
			return nil, Hint(err, "the path counts from the working directory; name none for the built-in network")
		}
		return nil, Hint(err, "copy the file again, or name none for the built-in network")
	}
	if err := m.SelfTest(runtime.GOMAXPROCS(0)); err != nil {
		return nil, Hint(err, "this machine computes something else than the one that trained: report it")
	}
	return m, nil
}

// isOtherFile reports whether opening path failed with err because something else is there than was asked for, which no
// copy mends.
func isOtherFile(path string, err error) bool {
	info, e := os.Stat(path)
	return errors.Is(err, container.ErrForeign) || errors.Is(err, container.ErrKind) || e == nil && !info.Mode().IsRegular()
}

func parseMode(command, name string) (padim.Mode, error) {
	for m := padim.Auto; m <= padim.Stock; m++ {
		if m.String() == name {
			return m, nil
		}
	}
	return 0, Hint(usagef("%s: --mode %q is not known", command, name), "one of auto, part, texture, stock")
}

func checkSize(command string, size int) error {
	if size < 32 || size > 1024 || size%16 != 0 {
		return Hint(usagef("%s: --size %d: want a multiple of 16, 32 to 1024", command, size), "256 is usual")
	}
	return nil
}

func checkRate(command string, rate float64) error {
	if !(rate >= 1e-6 && rate <= 0.5) {
		return Hint(usagef("%s: --target-frr %g: want 0.000001 to 0.5", command, rate),
			"0.01 is one good part in a hundred")
	}
	return nil
}

func checkLight(command, option string, stops float64) error {
	if !(stops >= 0 && stops <= light.MaxStops) {
		return Hint(usagef("%s: --%s %g: want 0 to %d stops", command, option, stops, light.MaxStops),
			"1 is up to twice or half as bright, 0 the pictures as they are")
	}
	return nil
}

// withTeachHint adds the remedies of what can go wrong with pictures.
func withTeachHint(err error) error {
	switch {
	case HintOf(err) != "":
		return err
	case imagefile.Remedy(err) != "":
		return Hint(err, "%s", imagefile.Remedy(err))
	case errors.Is(err, padim.ErrTooFew):
		return Hint(err, "take at least %d pictures of different good parts; 50 are usual", padim.MinParts)
	case errors.Is(err, inspect.ErrMaskSize):
		return Hint(err, "draw the mask on a picture of this camera, at full size")
	case errors.Is(err, inspect.ErrFormat):
		return Hint(err, "take all pictures with the line's camera, in one format")
	case errors.Is(err, prep.ErrRegion):
		return Hint(err, "--roi must lie within the picture")
	case errors.Is(err, inspect.ErrMaskEmpty):
		return Hint(err, "a mask is black where the part is, and not black what is to be ignored of what --roi looks at; leave --mask out to look at everything")
	case errors.Is(err, inspect.ErrMaskStock):
		return Hint(err, "leave out --mask, or --mode stock")
	case errors.Is(err, inspect.ErrSame):
		return Hint(err, "a camera that hangs repeats one picture: take each of another good part")
	case errors.Is(err, padim.ErrAllIgnored):
		return Hint(err, "a mask is all black where the part is, without specks: invert or clean it")
	case errors.Is(err, fs.ErrPermission):
		return Hint(err, "make it readable, or the folder of the output, where teaching keeps a temporary file, writable")
	case errors.Is(err, fs.ErrNotExist):
		return Hint(err, "see that it is there; temporary files of eval are in TMPDIR")
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT), errors.Is(err, unix.EFBIG):
		return Hint(err, "teaching needs up to 0.8 MB a part at 256 pixels until it ends: free some space")
	case errors.Is(err, context.Canceled):
		return err
	}
	return Hint(err, "pictures are PNG, JPEG, BMP or TIFF, whole files: convert or remove what is not")
}

// wholeFrame is the window of a plan that scales the whole frame.
func wholeFrame(f *capture.Frame) prep.Plan { return prep.Plan{Width: f.Width, Height: f.Height} }

// A progress is a line on a terminal that is written over; nothing elsewhere.
type progress struct {
	w     io.Writer // nil: not a terminal
	last  time.Time
	width int
}

func newProgress(w io.Writer) *progress {
	if f, ok := w.(*os.File); ok {
		if _, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS); err == nil {
			return &progress{w: w}
		}
	}
	return &progress{}
}

// show replaces the line, at most ten times a second.
func (p *progress) show(format string, args ...any) {
	if p.w == nil || time.Since(p.last) < 100*time.Millisecond {
		return
	}
	p.last = time.Now()
	line := fmt.Sprintf(format, args...)
	fmt.Fprintf(p.w, "\r%-*s", p.width, line)
	p.width = max(p.width, len(line))
}

// clear takes the line away.
func (p *progress) clear() {
	if p.w != nil && p.width > 0 {
		fmt.Fprintf(p.w, "\r%s\r", strings.Repeat(" ", p.width))
		p.width = 0
	}
}
