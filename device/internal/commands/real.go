package commands

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"cull/capture"
	"cull/capture/check"
	"cull/capture/recording"
	"cull/capture/replay"
	"cull/capture/v4l2"
	"cull/device/internal/config"
	"cull/device/internal/line"
	"cull/device/internal/wiring"
	"cull/infer"
	"cull/internal/product"
	"cull/reject/gpio"
	"cull/reject/hostpin"
)

// runReal runs a line with a camera and GPIO. A camera that is not there is no reason to end: the line
// waits for it, not READY, as it does when one is unplugged.
func (s *station) runReal(ctx context.Context, env Env, j reporter) error {
	software := make(chan os.Signal, 64)
	if s.IO.Trigger == "software" {
		signal.Notify(software, syscall.SIGUSR1)
		defer signal.Stop(software)
	}
	w, err := wiring.Open(&s.Config, software)
	if err != nil {
		return Hint(fmt.Errorf("run: %w", err), "%s", gpioHint(err))
	}
	defer w.Close() //nolint:errcheck // its Run has reported
	j.wired(s.Config.Lines(), w.Privilege)
	if err := noteRunning(&s.Config); err != nil {
		return fmt.Errorf("run: %w", err)
	}
	inspector, err := s.inspector(ctx, j, nil)
	if err != nil {
		return err
	}
	defer inspector.Close()
	log, found, err := s.openLog(j)
	if err != nil {
		return err
	}
	r := &run{station: s, j: j, log: log, first: found.NextPart(), found: found, inspector: judge{Inspector: inspector}}
	err = r.openKeep()
	if err == nil {
		var o line.Options
		if o, err = r.real(w); err == nil {
			err = r.serve(ctx, o)
		}
	}
	return r.finish(env, err)
}

// real are the options of the line on real surroundings.
func (r *run) real(w *wiring.Wiring) (line.Options, error) {
	o := r.options()
	o.Epoch = w.Epoch
	o.Triggers, o.Confirm, o.Resets, o.Encoder = w.Triggers, w.Confirm, w.Resets, w.Encoder
	o.Rejecter, o.Outputs = w.Rejecter, w.Outputs
	o.FramePerTrigger, o.FreeRunning, o.Clocked = r.Camera.Triggered, !r.Camera.Triggered, r.IO.Trigger != "edge"
	o.Camera = func(context.Context) (capture.Source, error) {
		s, err := v4l2.Open(wiring.Camera(&r.Camera))
		if err != nil {
			return nil, err // not s: it would be a Source that is not nil
		}
		r.lens.opened(s)
		return s, nil
	}
	var err error
	r.check, err = checker(&r.Camera)
	o.Check = looks(r.check)
	return o, err
}

// A lens counts what a camera delivered and lost, over all its openings.
type lens struct {
	mu     sync.Mutex
	now    interface{ Stats() v4l2.Stats } // nil: none yet
	before v4l2.Stats
}

func (l *lens) opened(s interface{ Stats() v4l2.Stats }) {
	sum := l.stats()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now, l.before = s, sum
}

func (l *lens) stats() v4l2.Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	sum := l.before
	if l.now != nil {
		s := l.now.Stats()
		sum.Frames += s.Frames
		sum.Damaged += s.Damaged
		sum.Short += s.Short
		sum.Gaps += s.Gaps
		sum.Unstamped += s.Unstamped
		sum.AtEnd += s.AtEnd
		sum.Stale += s.Stale
	}
	return sum
}

// checker returns the check of each frame, nil for none.
func checker(c *config.Camera) (*check.Checker, error) {
	if !c.Check {
		return nil, nil
	}
	return check.New(checkLimits(c))
}

func checkLimits(c *config.Camera) check.Limits {
	l := check.Limits{
		Black: uint8(c.CheckBlack), White: uint8(c.CheckWhite), Saturated: c.CheckOver,
		Sharpness: c.CheckSharp, Frozen: c.CheckRepeated,
	}
	if l.Frozen == 0 {
		l.Frozen = -1
	}
	return l
}

// looks is c as a function, nil for none.
func looks(c *check.Checker) func(*capture.Frame) error {
	if c == nil {
		return nil
	}
	return func(f *capture.Frame) error {
		_, err := c.Check(f)
		return err
	}
}

func gpioHint(err error) string {
	switch {
	case errors.Is(err, gpio.ErrPermission):
		return "usermod -aG gpio USER, or run it as the unit does"
	case errors.Is(err, gpio.ErrBusy):
		return "gpioinfo shows who has the line"
	case errors.Is(err, hostpin.ErrNoDrivers):
		return "or name a line of gpioinfo"
	}
	return "gpioinfo lists the chips and their lines"
}

// check verifies what the configuration names, and says what it has checked. It opens no camera and takes
// no line.
func (s *station) check(env Env, file string) error {
	var said []string
	say := func(key, format string, args ...any) {
		said = append(said, fmt.Sprintf("%s: %s", key, fmt.Sprintf(format, args...)))
	}
	if key, err := s.checkModels(say); err != nil {
		return fmt.Errorf("run: %s: %w", key, err)
	}
	if err := s.checkPictures(say); err != nil {
		return err
	}
	for _, d := range []struct {
		key, dir string
		used     bool
	}{
		{"record.dir", s.Record.Dir, true}, {"record.frames_dir", s.Record.FramesDir, s.Record.Frames != "none"},
	} {
		if err := creatable(d.dir); err != nil && d.used {
			return Hint(fmt.Errorf("run: %s: %w", d.key, err), "choose a directory of this daemon's own")
		}
	}
	if s.Camera.Kind == "v4l2" {
		if err := s.checkNames(say); err != nil {
			return err
		}
	}
	for _, line := range said {
		fmt.Fprintln(env.Stdout, line)
	}
	_, err := fmt.Fprintf(env.Stdout, "%s: ok\n", file)
	return err
}

// checkPictures looks at what a camera that is none plays.
func (s *station) checkPictures(say func(key, format string, args ...any)) error {
	switch s.Camera.Kind {
	case "folder":
		if _, err := s.openFolder(); err != nil {
			return err
		}
		say("camera.folder", "%s has pictures", s.Camera.Folder)
	case "recording":
		src, err := s.openRecording()
		if err != nil {
			return err
		}
		src.Close() //nolint:errcheck // it was only looked at
		say("camera.recording", "%s is a recording", s.Camera.Recording)
	}
	return nil
}

// fromHere is the remedy where a path of the configuration leads to nothing.
const fromHere = "the path counts from the working directory"

// openFolder opens the pictures of camera.folder.
func (s *station) openFolder() (*replay.Files, error) {
	src, err := replay.Open(s.Camera.Folder)
	if err != nil {
		return nil, Hint(fmt.Errorf("run: camera.folder: %w", err), "%s",
			pathHint(err, "put pictures into the folder; folders below it are not searched"))
	}
	return src, nil
}

// openRecording opens the frames of camera.recording.
func (s *station) openRecording() (*recording.Source, error) {
	src, err := recording.Open(s.Camera.Recording)
	if err != nil {
		return nil, Hint(fmt.Errorf("run: camera.recording: %w", err), "%s", pathHint(err, "record.frames makes recordings"))
	}
	return src, nil
}

// openProduct opens the configured product, which must have been taught on m.
func (s *station) openProduct(m *infer.Model) (*product.Product, error) {
	p, err := readProduct(s.Product, m)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, Hint(err, fromHere)
	}
	return p, err
}

// pathHint is the remedy of what cannot be opened, other where it is there and may be read.
func pathHint(err error, other string) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fromHere
	case errors.Is(err, fs.ErrPermission):
		return "make it readable for who runs cull"
	}
	return other
}

// creatable returns an error where dir is no directory and cannot become one. Empty is none.
func creatable(dir string) error {
	if dir == "" {
		return nil
	}
	for at := filepath.Clean(dir); ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		if link, e := os.Lstat(at); e == nil && err != nil && link.Mode()&fs.ModeSymlink != 0 {
			return fmt.Errorf("%s is a link to nothing", at)
		}
		switch {
		case err == nil && info.IsDir():
			return nil
		case err == nil:
			return fmt.Errorf("%s is no directory", at)
		case at == filepath.Dir(at) || !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR):
			return err
		}
	}
}

// checkModels opens network and product and says what they are. key is that of err.
func (s *station) checkModels(say func(key, format string, args ...any)) (key string, err error) {
	model, err := openNetwork(s.Config.Network)
	if err != nil {
		return "network", err
	}
	if s.Config.Network != "" {
		say("network", "%s is %s", s.Config.Network, model.Meta.Name)
	}
	if s.Product == "" {
		return "", nil
	}
	p, err := s.openProduct(model)
	if err != nil {
		return "product", err
	}
	defer p.Close() //nolint:errcheck // it is only looked at
	if err := s.checkFormat(p); err != nil {
		return sizeKeys, err
	}
	say("product", "%s was taught on this network, %d good parts", s.Product, p.Report.Parts)
	return "", nil
}

// checkNames looks for the camera and the GPIO lines by their names.
func (s *station) checkNames(say func(key, format string, args ...any)) error {
	if strings.HasPrefix(s.Camera.Device, "/") {
		info, err := os.Stat(s.Camera.Device)
		if err != nil {
			return Hint(fmt.Errorf("run: camera.device: %w", err), "plug the camera in, or see ls -l /dev/v4l/by-path")
		}
		if st, ok := info.Sys().(*syscall.Stat_t); !ok || info.Mode()&fs.ModeCharDevice == 0 || unix.Major(uint64(st.Rdev)) != videoMajor {
			return Hint(fmt.Errorf("run: camera.device: %s is no video device", s.Camera.Device), "ls -l /dev/v4l/by-path lists the cameras")
		}
		say("camera.device", "%s is there", s.Camera.Device)
	} else {
		say("camera.device", "%q is looked for by name when the line starts", s.Camera.Device)
	}
	owner := map[string]string{}
	for _, l := range s.Config.Lines() {
		if strings.HasPrefix(l.Line, hostpin.Prefix) {
			if err := hostpin.Built(); err != nil {
				return Hint(fmt.Errorf("run: %s: %w", l.Key, err), "or name a line of gpioinfo")
			}
			say(l.Key, "%s is looked for when the line starts", l.Line)
			continue
		}
		info, err := gpio.Find(l.Line)
		switch {
		case err != nil:
			return Hint(fmt.Errorf("run: %s: %w", l.Key, err), "%s", gpioHint(err))
		case owner[info.Place()] != "":
			return Hint(fmt.Errorf("run: %s: %s is %s too, by another name", l.Key, l.Line, owner[info.Place()]), "each needs a line of its own")
		case info.Used:
			say(l.Key, "%s is line %d of %s, in use by %q", l.Line, info.Offset, info.Chip.Label, info.Consumer)
		default:
			say(l.Key, "%s is line %d of %s, free", l.Line, info.Offset, info.Chip.Label)
		}
		owner[info.Place()] = l.Key
	}
	return nil
}

// videoMajor is the major number of /dev/videoN (Linux, Documentation/admin-guide/devices.txt).
const videoMajor = 81
