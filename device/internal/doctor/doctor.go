//go:build linux

// Package doctor looks for what keeps a line from working, and says how to mend it. It disturbs
// nothing unless Drive is set: lines and cameras that somebody has are reported, not touched.
package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	osuser "os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"cull/capture/cameras"
	"cull/capture/recording"
	"cull/capture/v4l2"
	"cull/device/internal/config"
	"cull/device/internal/keep"
	"cull/device/internal/wiring"
	"cull/reject/gpio"
	"cull/reject/hostpin"
)

// A State says how grave a Finding is.
type State string

// States.
const (
	OK    State = "ok"
	Warn  State = "warning"
	Fault State = "fault" // the line cannot work, or not safely
)

// A Finding is one thing that was looked at.
type Finding struct {
	Check  string `json:"check"`
	State  State  `json:"state"`
	Text   string `json:"text"`
	Remedy string `json:"remedy,omitempty"` // the command that mends it
}

// Options of an examination.
type Options struct {
	Config *config.Config // nil: none
	Drive  bool           // drive free outputs active for a moment
	Root   string         // where /proc and /sys are [/]
	User   string         // as whom devices and directories are tried where root examines [User]
}

// Examine looks at everything, in the order of what depends on what.
func Examine(ctx context.Context, o Options) []Finding {
	o.User = cmp.Or(o.User, User)
	e := examination{Options: o}
	e.board()
	e.clock()
	e.heat()
	As(o.User, func() error { //nolint:errcheck // it is nil
		e.chips()
		e.cameras(ctx, e.lines())
		return nil
	})
	e.disk()
	e.unit(ctx)
	return e.found
}

type examination struct {
	Options
	found []Finding
}

func (e *examination) say(check string, s State, remedy, format string, args ...any) {
	if s == OK {
		remedy = ""
	}
	e.found = append(e.found, Finding{check, s, fmt.Sprintf(format, args...), remedy})
}

func (e *examination) path(p string) string { return filepath.Join("/", e.Root, p) }

// read returns the trimmed text of a file of the kernel's, empty where there is none.
func (e *examination) read(p string) string {
	b, _ := os.ReadFile(e.path(p)) //nolint:errcheck // not there: nothing to say
	return strings.Trim(string(b), "\x00 \n")
}

func (e *examination) board() {
	model := e.read("/proc/device-tree/model")
	if model == "" {
		model = "no device tree: not a board"
	}
	e.say("board", OK, "", "%s, Linux %s %s, %d CPUs", model, e.read("/proc/sys/kernel/osrelease"), runtime.GOARCH, runtime.NumCPU())
}

func (e *examination) clock() {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	switch {
	case err != nil:
		e.say("clock", Warn, "timedatectl", "cannot be asked: %v", err)
	case time.Now().Year() < 2025:
		e.say("clock", Fault, "systemctl enable --now systemd-timesyncd", "it is %s: records would have wrong times",
			time.Now().Format(time.RFC3339))
	case state == unix.TIME_ERROR || t.Status&unix.STA_UNSYNC != 0:
		e.say("clock", Warn, "systemctl enable --now systemd-timesyncd",
			"not synchronised: times of records may be wrong; pulses are not, they follow the monotonic clock")
	default:
		e.say("clock", OK, "", "synchronised, error at most %d ms", t.Maxerror/1000)
	}
}

// hot is where boards begin to slow down, in degrees Celsius.
const hot = 80

func (e *examination) heat() {
	zones, _ := filepath.Glob(e.path("/sys/class/thermal/thermal_zone*")) //nolint:errcheck // the pattern is good
	top := -1000
	for _, z := range zones {
		if kind, _ := os.ReadFile(filepath.Join(z, "type")); strings.TrimSpace(string(kind)) == "PMIC-Die" { //nolint:errcheck // then it is another
			continue // of a Jetson: no sensor, it says 100 degrees for ever
		}
		b, _ := os.ReadFile(filepath.Join(z, "temp")) //nolint:errcheck // a zone that is off
		if milli, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil {
			top = max(top, milli/1000)
		}
	}
	switch {
	case top == -1000:
		e.say("temperature", OK, "", "no sensor")
	case top >= hot:
		e.say("temperature", Warn, "fit a heat sink or a fan", "%d degrees: the CPU slows down at about %d", top, hot)
	default:
		e.say("temperature", OK, "", "%d degrees", top)
	}
	e.throttled()
}

// throttled reads the Raspberry Pi's firmware: bits 0 to 3 are now, 16 to 19 since somebody cleared them. The kernel's driver of
// the supply's sensor (raspberrypi-hwmon) does so every two seconds.
func (e *examination) throttled() {
	files, _ := filepath.Glob(e.path("/sys/devices/platform/soc*/soc*firmware/get_throttled")) //nolint:errcheck // the pattern is good
	for _, f := range files {
		b, _ := os.ReadFile(f) //nolint:errcheck // then it does not parse
		bits, err := strconv.ParseUint(strings.TrimPrefix(strings.TrimSpace(string(b)), "0x"), 16, 32)
		switch {
		case err != nil:
		case bits&1 != 0 || bits&(1<<16) != 0:
			e.say("power", Fault, "use a supply of 5.1 V and enough current, and a short cable", "undervoltage (get_throttled %#x)", bits)
		case bits != 0:
			e.say("power", Warn, "fit a heat sink or a fan", "throttled (get_throttled %#x)", bits)
		default:
			e.say("power", OK, "", "not throttled just now; of before only the kernel's log tells: dmesg | grep -i voltage")
		}
	}
}

func (e *examination) chips() {
	chips, err := gpio.Chips()
	switch {
	case errors.Is(err, gpio.ErrPermission):
		e.say("gpio", Fault, admit("gpio"), "%v", err)
	case err != nil:
		e.say("gpio", Fault, "ls -l /dev/gpiochip*", "%v", err)
	case len(chips) == 0:
		e.say("gpio", e.needed(), "ls /dev/gpiochip*; dmesg | grep -i gpio", "no chip")
	default:
		var names []string
		for _, c := range chips {
			names = append(names, fmt.Sprintf("%s (%d lines)", c.Label, c.Lines))
		}
		e.say("gpio", OK, "", "%s", strings.Join(names, ", "))
	}
}

// needed is the State of a part of the hardware that is not there.
func (e *examination) needed() State {
	if e.Config != nil && e.Config.IO.Kind == "gpio" {
		return Fault
	}
	return OK
}

// admit is the remedy of a device that only another group may open.
func admit(group string) string {
	if os.Geteuid() == 0 { // it was the daemon's user that was not let in
		return "install 70-cull.rules (systemd/README.md), then udevadm control --reload && udevadm trigger"
	}
	return "usermod -aG " + group + " " + cmp.Or(os.Getenv("USER"), strconv.Itoa(os.Getuid()))
}

// lines looks at each line that the configuration names, and reports whether a daemon has them.
func (e *examination) lines() (running bool) {
	if e.Config == nil || e.Config.IO.Kind != "gpio" {
		return false
	}
	outputs := map[string]wiring.Output{}
	for _, o := range wiring.Outputs(e.Config) {
		outputs[o.Key] = o
	}
	for _, l := range e.Config.Lines() {
		info, err := gpio.Find(l.Line)
		o, output := outputs[l.Key]
		switch {
		case strings.HasPrefix(l.Line, hostpin.Prefix):
			if err := hostpin.Built(); err != nil {
				e.say(l.Key, Fault, "go build -tags periph, or name a line of gpioinfo", "%s: %v", l.Line, err)
				continue
			}
			e.say(l.Key, OK, "", "%s is a pin of periph.io: only the daemon can tell", l.Line)
		case errors.Is(err, gpio.ErrPermission):
			e.say(l.Key, Fault, admit("gpio"), "%v", err)
		case err != nil:
			e.say(l.Key, Fault, "gpioinfo", "%v", err)
		case info.Used && strings.HasPrefix(info.Consumer, "cull "):
			running = true
			e.say(l.Key, OK, "", "%s is line %d of %s, held by the running daemon: not touched", l.Line, info.Offset, info.Chip.Label)
		case info.Used:
			e.say(l.Key, Fault, "gpioinfo; stop what has it, or choose another line", "%s is held by %q", l.Line, info.Consumer)
		case output:
			e.drive(o)
		default:
			e.say(l.Key, OK, "", "%s is line %d of %s, free", l.Line, info.Offset, info.Chip.Label)
		}
	}
	return running
}

// drive holds a free output against its read-back: inactive always, active for a moment with Drive.
func (e *examination) drive(o wiring.Output) {
	const mend = "check the wiring and the pin's function (raspi-gpio get, pinctrl); another driver may hold the pin"
	line, err := o.Open()
	if err != nil {
		e.say(o.Key, Fault, mend, "%v", err)
		return
	}
	if c, ok := line.(io.Closer); ok {
		defer c.Close()
	}
	if !e.Drive {
		e.say(o.Key, OK, "", "%s is free and reads inactive when driven so; --drive tries active too", o.Line)
		return
	}
	err = line.Set(true)
	time.Sleep(10 * time.Millisecond)
	if off := line.Set(false); err == nil {
		err = off
	}
	if err != nil {
		e.say(o.Key, Fault, mend, "%v", err)
		return
	}
	e.say(o.Key, OK, "", "%s follows: active and inactive read back", o.Line)
}

func (e *examination) cameras(ctx context.Context, running bool) {
	list, err := v4l2.List()
	switch {
	case err != nil:
		e.say("cameras", Fault, admit("video"), "%v", err)
	case len(list) == 0:
		e.say("cameras", e.needed(), "ls /dev/video*; lsusb; dmesg | grep -i -e uvc -e video", "none")
	}
	var names []string
	for _, c := range list {
		names = append(names, fmt.Sprintf("%+v", c))
	}
	if len(names) > 0 {
		e.say("cameras", OK, "", "%s", strings.Join(names, "; "))
	}
	for _, c := range list {
		if !running {
			e.abilities(c.Path)
		}
	}
	if e.Config == nil || e.Config.Camera.Kind != "v4l2" {
		return
	}
	c := wiring.Camera(&e.Config.Camera)
	if n, ok := strings.CutPrefix(c.Device, "/dev/video"); ok {
		e.say("camera.device", Warn, "ls -l /dev/v4l/by-path", "/dev/video%s may be another camera after the next start", n)
	}
	if running { // it may have lost the camera, and be waiting for it
		path, err := v4l2.Find(c.Device)
		if err != nil && !errors.Is(err, unix.EBUSY) {
			e.say("camera", Fault, "ls -l /dev/v4l/by-path; dmesg | grep -i -e uvc -e video", "%v: the running daemon waits for it", err)
			return
		}
		e.say("camera", OK, "", "%s is there, for the running daemon: not touched", cmp.Or(path, c.Device))
		return
	}
	counts, err := tryCamera(ctx, c)
	e.tried(c, counts, err)
}

// tried says how a frame came. One that the sensor triggers comes with a part, and none while the belt stands.
func (e *examination) tried(c v4l2.Config, counts v4l2.Stats, err error) {
	switch {
	case errors.Is(err, context.DeadlineExceeded) && e.Config.Camera.Triggered:
		e.say("camera", Warn, "let a part pass the sensor meanwhile",
			"%s takes %dx%d and its settings; whether it delivers is not known: no edge of the sensor triggered it in %v", c.Device, c.Width, c.Height, frameLimit)
	case errors.Is(err, os.ErrPermission):
		e.say("camera", Fault, admit("video"), "%v", err)
	case err != nil:
		e.say("camera", Fault, "v4l2-ctl --list-formats-ext -d "+c.Device, "%v", err)
	default:
		e.stamps(counts)
		e.say("camera", OK, "", "%s delivers %dx%d with its settings read back", c.Device, c.Width, c.Height)
	}
}

// abilities lists what the configuration may ask of a camera.
func (e *examination) abilities(path string) {
	c, err := cameras.Describe(path)
	if err != nil {
		e.say(path, Warn, "fuser -v "+path, "%v", err)
		return
	}
	format, modes := "", strings.Builder{}
	for _, m := range c.Modes {
		if m.Format != format {
			format = m.Format
			modes.WriteString(" " + format)
		}
		modes.WriteString(" " + m.Size)
	}
	var controls []string
	for _, c := range c.Controls {
		controls = append(controls, fmt.Sprintf("%s %d (%d to %d)", c.Name, c.Value, c.Min, c.Max))
	}
	e.say(path, OK, "", "has%s; controls: %s", modes.String(), strings.Join(controls, ", "))
}

// stamps says what a frame's time is worth: the window of a part is about the start of its exposure.
func (e *examination) stamps(s v4l2.Stats) {
	const mend = "raise line.window_from_ms and window_to_ms by the frame's "
	switch {
	case s.Unstamped > 0:
		e.say("camera times", Warn, mend+"way from exposure to delivery", "the driver gives no monotonic time: frames have that of their arrival")
	case s.AtEnd > 0:
		e.say("camera times", Warn, mend+"exposure and readout", "the driver stamps the end of a frame, not the start of its exposure")
	default:
		e.say("camera times", OK, "", "the driver stamps the start of exposure")
	}
}

// frameLimit is how long a frame may take to come.
const frameLimit = 5 * time.Second

// tryCamera takes a frame, and returns how it came.
func tryCamera(ctx context.Context, c v4l2.Config) (v4l2.Stats, error) {
	ctx, cancel := context.WithTimeout(ctx, frameLimit)
	defer cancel()
	s, err := v4l2.Open(c)
	if err != nil {
		return v4l2.Stats{}, err
	}
	defer s.Close() //nolint:errcheck // it was only tried
	f, err := s.Next(ctx)
	if err != nil {
		return v4l2.Stats{}, fmt.Errorf("no frame: %w", err)
	}
	f.Release()
	return s.Stats(), nil
}

// A store is a directory that the daemon fills up to a quota.
type store struct {
	key, dir string // dir: empty for none
	quotaKey string
	quota    int64  // MiB
	spare    int64  // MiB that it leaves free to others
	files    string // pattern of the names of what it keeps there
	reads    bool   // the daemon reads those at its start, and goes on with the newest

	state     string // what can be done with dir
	device    uint64 // of its file system
	free, may int64  // MiB: of its file system, and what dir may still grow by
}

func (e *examination) disk() {
	if e.Config == nil {
		return
	}
	r := &e.Config.Record
	stores := []store{{key: "record.dir", dir: r.Dir, quotaKey: "record.quota_mib", quota: int64(r.QuotaMiB), files: "verdicts-*.jsonl", reads: true}}
	if r.Frames != "none" {
		stores = append(stores, store{
			key: "record.frames_dir", dir: r.FramesDir, quotaKey: "record.frames_quota_mib", quota: int64(r.FramesQuotaMiB),
			files: "*" + recording.Ext, spare: keep.Reserve >> 20,
		})
	}
	var good []store
	for _, s := range stores {
		if s.dir != "" && e.directory(&s) {
			good = append(good, s)
		}
	}
	for i := range good {
		e.space(good[i], good[:i])
	}
}

// directory looks at a store's directory, which the daemon makes where it is not there. It reports whether it can be used.
func (e *examination) directory(s *store) bool {
	mend := "mkdir -p " + Quoted(s.dir) + " && chown cull: " + Quoted(s.dir)
	there := s.dir
	s.state = "can be written"
	var st unix.Statfs_t
	err := unix.Statfs(there, &st)
	for errors.Is(err, os.ErrNotExist) && there != filepath.Dir(there) {
		there, s.state = filepath.Dir(there), "can be made"
		err = unix.Statfs(there, &st)
	}
	var node unix.Stat_t
	if err == nil {
		err = unix.Stat(there, &node)
	}
	if err == nil && node.Mode&unix.S_IFMT != unix.S_IFDIR {
		err = unix.ENOTDIR
	}
	if errors.Is(err, unix.ENOTDIR) {
		e.say(s.key, Fault, "name a directory in "+s.key, "%s lies at or below a file", s.dir)
		return false
	}
	if err != nil {
		e.say(s.key, Fault, mend, "%s: %v", there, err)
		return false
	}
	if err := As(e.User, func() error { return tryWrite(there) }); err != nil {
		e.say(s.key, Fault, mend, "%v", err)
		return false
	}
	if path, err := s.refused(e.User); err != nil {
		e.say(s.key, Fault, "chown cull: "+Quoted(path), "%v", err)
		return false
	}
	s.device = uint64(node.Dev)                       //nolint:unconvert // its type differs between architectures
	s.free = int64(st.Bavail) * int64(st.Bsize) >> 20 //nolint:unconvert // so do theirs
	held := int64(0)
	for _, f := range kept(s.dir, s.files) {
		if info, err := f.Info(); err == nil {
			held += info.Size()
		}
	}
	s.may = max(0, s.quota-held>>20) + s.spare
	return true
}

// kept returns a directory's files whose names match pattern.
func kept(dir, pattern string) []os.DirEntry {
	entries, _ := os.ReadDir(dir) //nolint:errcheck // not there yet
	return slices.DeleteFunc(entries, func(f os.DirEntry) bool {
		ours, _ := filepath.Match(pattern, f.Name()) //nolint:errcheck // the pattern is good
		return !ours
	})
}

// space holds the free space against what a store may still grow by, and those before it of the same file system.
func (e *examination) space(s store, before []store) {
	may, keys := s.may, s.quotaKey
	for _, other := range before {
		if other.device == s.device {
			may += other.may
			keys = other.quotaKey + " or " + keys
		}
	}
	if s.free < may {
		e.say(s.key, Warn, "free some space, or lower "+keys, "%d MiB are free, %d more may be used", s.free, may)
		return
	}
	e.say(s.key, OK, "", "%s %s, %d MiB are free", s.dir, s.state, s.free)
}

// Quoted returns a path as a shell reads it.
func Quoted(path string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-"
	if strings.Trim(path, plain) == "" {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

// User is that of cull.service.
const User = "cull"

// unitGroups are the groups that cull.service adds.
var unitGroups = []string{"video", "gpio"}

// As calls do as a user for files, with the unit's groups, where root examines for it and there is such a user: root may do everything.
// What do opens it must open itself, and no goroutine of its.
func As(name string, do func() error) error {
	u, err := osuser.Lookup(name)
	if err != nil || os.Geteuid() != 0 {
		return do()
	}
	uid, e1 := strconv.Atoi(u.Uid)
	gid, e2 := strconv.Atoi(u.Gid)
	if e1 != nil || e2 != nil {
		return do()
	}
	groups := []int{gid}
	ids, _ := u.GroupIds() //nolint:errcheck // then it has its own
	for _, name := range unitGroups {
		if g, err := osuser.LookupGroup(name); err == nil {
			ids = append(ids, g.Gid)
		}
	}
	for _, id := range ids {
		if n, err := strconv.Atoi(id); err == nil {
			groups = append(groups, n)
		}
	}
	return asUser(uid, gid, groups, do)
}

// asUser calls do on a thread of its own that is uid, gid and groups for files, and ends with it.
func asUser(uid, gid int, groups []int, do func() error) (err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked
		for _, set := range []func() (int, error){
			func() (int, error) { return 0, unix.Setgroups(groups) }, // of this thread alone, unlike syscall's
			func() (int, error) { return unix.SetfsgidRetGid(gid) }, func() (int, error) { return unix.SetfsuidRetUid(uid) },
		} {
			set() //nolint:errcheck // a name space without that user: then it is tried as root
		}
		err = do()
	}()
	<-done
	return err
}

func tryWrite(dir string) error {
	f, err := os.CreateTemp(dir, ".doctor-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // it was only tried
	_, err = f.WriteString("x")
	return errors.Join(err, f.Sync(), f.Close())
}

// refused returns the first of the files that the daemon opens at its start and user may not open: root, who has run it by hand,
// left files that nobody else may.
func (s *store) refused(user string) (path string, err error) {
	names := []string{"lock"}
	if s.reads {
		for _, f := range kept(s.dir, s.files) {
			names = append(names, f.Name())
		}
	}
	err = As(user, func() error {
		for _, name := range names {
			path = filepath.Join(s.dir, name)
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			switch {
			case errors.Is(err, os.ErrNotExist):
			case err != nil:
				return err
			default:
				f.Close() //nolint:errcheck // nothing was done with it
			}
		}
		return nil
	})
	return path, err
}

func (e *examination) unit(ctx context.Context) {
	places := []string{"/etc/systemd/system/cull.service", "/usr/lib/systemd/system/cull.service", "/lib/systemd/system/cull.service"}
	i := slices.IndexFunc(places, func(p string) bool { _, err := os.Stat(e.path(p)); return err == nil })
	if i < 0 {
		e.say("unit", Warn, "systemd/README.md says how to install it", "cull.service is not installed")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "systemd-analyze", "security", "--offline=true", "--threshold=15", e.path(places[i]))
	out, err := cmd.CombinedOutput()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		e.say("unit", OK, "", "%s is installed; no systemd-analyze to rate it", places[i])
	case err != nil && !strings.Contains(string(out), "exposure level"): // before systemd 250 it has no --offline
		e.say("unit", Warn, "systemd-analyze security cull rates it once it runs", "cannot be rated here: %s", lastLine(string(out)))
	case err != nil:
		e.say("unit", Fault, "systemd-analyze security cull", "exposure is more than 1.5: %s", lastLine(string(out)))
	default:
		e.say("unit", OK, "", "%s: exposure at most 1.5", places[i])
	}
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}
