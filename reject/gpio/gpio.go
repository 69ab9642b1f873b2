//go:build linux

// Package gpio drives lines of the kernel's GPIO character device, ABI v2.
//
// An output has its initial value and polarity from its first instant: they are part of the
// request. An edge carries the kernel's CLOCK_MONOTONIC timestamp and a sequence number. A
// line that is closed keeps its level or not, as driver and board please: the safe state
// after the process has gone is the business of the hardware's pull resistor.
package gpio

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
	periph "periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/physic"

	"cull/reject"
)

// Reasons why a line is not to be had or does not do what it was told.
var (
	ErrBusy       = errors.New("another driver or program has the line")
	ErrPermission = errors.New("no permission")
	ErrReadBack   = errors.New("the output does not follow")
)

// A Chip is a GPIO chip.
type Chip struct {
	Path  string // /dev/gpiochipN: N may change from boot to boot
	Label string // pinctrl-rp1, pinctrl-bcm2711, tegra234-gpio, ...
	Lines int
}

// A LineInfo says what a line is and who has it.
type LineInfo struct {
	Chip     Chip
	Offset   int
	Name     string // from the device tree, often empty
	Consumer string // who has it
	Used     bool
	Output   bool
}

// Place is the same for two names of one line: chip and offset.
func (l LineInfo) Place() string { return fmt.Sprintf("%s:%d", l.Chip.Path, l.Offset) }

// Chips returns the chips that can be opened, by path. A chip reached by a symbolic link (gpiochip4
// on a Raspberry Pi 5) is listed once.
func Chips() ([]Chip, error) {
	chips, denied, err := system.chips()
	if err == nil && len(chips) == 0 {
		err = denied
	}
	return chips, err
}

// chips returns the chips that can be opened, and why the last of the others cannot.
func (k kernel) chips() (chips []Chip, denied, err error) {
	paths, err := filepath.Glob(filepath.Join(k.dev, "gpiochip*"))
	if err != nil {
		return nil, nil, err
	}
	slices.Sort(paths)
	for _, path := range paths {
		if target, err := filepath.EvalSymlinks(path); err == nil && target != path {
			continue
		}
		c, err := k.chip(path)
		if err != nil {
			denied = err
			continue
		}
		chips = append(chips, c)
	}
	return chips, denied, nil
}

func (k kernel) chip(path string) (Chip, error) {
	f, err := k.open(path)
	if err != nil {
		return Chip{}, explain(path, "open", err)
	}
	defer f.Close()
	var info chipInfo
	if err := f.ioctl(getChipInfo, unsafe.Pointer(&info)); err != nil {
		return Chip{}, explain(path, "ask for its name", err)
	}
	return Chip{path, unix.ByteSliceToString(info.label[:]), int(info.lines)}, nil
}

// Find returns the line that ref names: "LABEL:OFFSET", "LABEL:NAME", or "NAME" where only one
// line of all chips is called so ("GPIO17", "PQ.05"). In place of LABEL the chip's path will do.
func Find(ref string) (LineInfo, error) { return system.find(ref) }

func (k kernel) find(ref string) (LineInfo, error) {
	label, name := "", ref
	if i := strings.LastIndexByte(ref, ':'); i >= 0 {
		label, name = ref[:i], ref[i+1:]
	}
	if target, err := filepath.EvalSymlinks(label); err == nil && strings.HasPrefix(label, "/") {
		label = target
	}
	if name == "" {
		return LineInfo{}, fmt.Errorf("gpio: line %q: want LABEL:OFFSET, LABEL:NAME or NAME", ref)
	}
	chips, denied, err := k.chips()
	if err != nil {
		return LineInfo{}, err
	}
	var hits []LineInfo
	var labels []string
	for _, c := range chips {
		labels = append(labels, c.Label)
		if label != "" && label != c.Label && label != c.Path {
			continue
		}
		found, err := k.lines(c, func(l LineInfo) bool {
			return l.Name == name || label != "" && strconv.Itoa(l.Offset) == name
		})
		if err != nil {
			return LineInfo{}, err
		}
		hits = append(hits, found...)
	}
	switch len(hits) {
	case 1:
		return hits[0], nil
	case 0:
		if denied != nil {
			return LineInfo{}, fmt.Errorf("gpio: there is no line %q on the chips that can be opened (%s): %w",
				ref, strings.Join(labels, ", "), denied)
		}
		if len(chips) == 0 {
			return LineInfo{}, fmt.Errorf("gpio: there is no line %q, for this machine has no GPIO chip: %w", ref, fs.ErrNotExist)
		}
		return LineInfo{}, fmt.Errorf("gpio: there is no line %q; the chips are: %s (gpioinfo lists their lines): %w",
			ref, strings.Join(labels, ", "), fs.ErrNotExist)
	}
	if label != "" { // equal chips, such as two expanders: nothing but the lines' own names tells them apart
		return LineInfo{}, fmt.Errorf("gpio: %d chips are called %q: give their lines names (gpio-line-names in the device tree)", len(hits), label)
	}
	return LineInfo{}, fmt.Errorf("gpio: %d lines are called %q: name one as LABEL:OFFSET, such as %s:%d",
		len(hits), ref, hits[0].Chip.Label, hits[0].Offset)
}

// Lines returns the chip's lines.
func Lines(c Chip) ([]LineInfo, error) {
	return system.lines(c, func(LineInfo) bool { return true })
}

func (k kernel) lines(c Chip, want func(LineInfo) bool) ([]LineInfo, error) {
	f, err := k.open(c.Path)
	if err != nil {
		return nil, explain(c.Path, "open", err)
	}
	defer f.Close()
	var lines []LineInfo
	for i := range c.Lines {
		info := lineInfo{offset: uint32(i)}
		if err := f.ioctl(getLineInfo, unsafe.Pointer(&info)); err != nil {
			return nil, explain(c.Path, fmt.Sprintf("line %d", i), err)
		}
		l := LineInfo{
			c, i, unix.ByteSliceToString(info.name[:]), unix.ByteSliceToString(info.consumer[:]),
			info.flags&flagUsed != 0, info.flags&flagOutput != 0,
		}
		if want(l) {
			lines = append(lines, l)
		}
	}
	return lines, nil
}

// Bias is the pull resistor of the pin.
type Bias uint8

// Biases. BiasAsIs leaves the pin as the boot loader set it.
const (
	BiasAsIs Bias = iota
	BiasOff
	PullUp
	PullDown
)

var biasFlags = [...]uint64{BiasAsIs: 0, BiasOff: flagNoBias, PullUp: flagPullUp, PullDown: flagPullDown}

// take requests a line in one call.
func (k kernel) take(ref, consumer string, config lineConfig, events uint32) (file, LineInfo, error) {
	info, err := k.find(ref)
	if err != nil {
		return nil, info, err
	}
	f, err := k.open(info.Chip.Path)
	if err != nil {
		return nil, info, explain(ref, "open", err)
	}
	defer f.Close()
	r := lineRequest{config: config, lines: 1, events: events}
	r.offsets[0] = uint32(info.Offset)
	copy(r.consumer[:len(r.consumer)-1], consumer)
	if err := f.ioctl(getLine, unsafe.Pointer(&r)); err != nil {
		err = explain(ref, "request", err)
		if errors.Is(err, ErrBusy) {
			err = fmt.Errorf("%w (it is %q)", err, info.Consumer)
		}
		return nil, info, err
	}
	return k.line(int(r.fd)), info, nil
}

func (c *lineConfig) set(a lineAttr) {
	c.attr[c.attrs] = configAttr{a, 1}
	c.attrs++
}

// OutputConfig of an output.
type OutputConfig struct {
	Consumer  string // who has it, as gpioinfo shows it; at most 31 bytes
	ActiveLow bool   // active drives the pin low
	Active    bool   // state from the first instant
	OpenDrain bool
	Bias      Bias
}

// An Output is one output line. It is a reject.Line, and a gpio.PinOut of periph.io.
type Output struct {
	ref       string
	info      LineInfo
	f         file
	activeLow bool
}

// OpenOutput takes the line that ref names; see Find.
func OpenOutput(ref string, c OutputConfig) (*Output, error) { return system.openOutput(ref, c) }

func (k kernel) openOutput(ref string, c OutputConfig) (*Output, error) {
	if int(c.Bias) >= len(biasFlags) {
		return nil, fmt.Errorf("gpio: %s: unknown bias %d", ref, c.Bias)
	}
	config := lineConfig{flags: flagOutput | biasFlags[c.Bias]}
	if c.ActiveLow {
		config.flags |= flagActiveLow
	}
	if c.OpenDrain {
		config.flags |= flagOpenDrain
	}
	initial := lineAttr{id: attrValues}
	if c.Active {
		initial.value = 1
	}
	config.set(initial)
	f, info, err := k.take(ref, c.Consumer, config, 0)
	if err != nil {
		return nil, err
	}
	o := &Output{ref, info, f, c.ActiveLow}
	if err := o.follows(c.Active); err != nil {
		f.Close()
		return nil, err
	}
	return o, nil
}

// Set drives the line and reads it back. An output that does not follow is ErrReadBack.
func (o *Output) Set(active bool) error {
	v := lineValues{mask: 1}
	if active {
		v.bits = 1
	}
	if err := o.f.ioctl(setValues, unsafe.Pointer(&v)); err != nil {
		return explain(o.ref, "set", err)
	}
	return o.follows(active)
}

func (o *Output) follows(active bool) error {
	got, err := o.Active()
	if err == nil && got != active {
		err = fmt.Errorf("gpio: %s: %w: active is %t, reads %t: look for a short or another driver of the pin",
			o.ref, ErrReadBack, active, got)
	}
	return err
}

// Active reads the line's state.
func (o *Output) Active() (bool, error) { return readLine(o.f, o.ref) }

func readLine(f file, ref string) (bool, error) {
	v := lineValues{mask: 1}
	if err := f.ioctl(getValues, unsafe.Pointer(&v)); err != nil {
		return false, explain(ref, "read", err)
	}
	return v.bits&1 != 0, nil
}

// Close releases the line. Its level is then undefined: set it inactive before.
func (o *Output) Close() error { return o.f.Close() }

// File is the line's descriptor, for a process that is to drive it too; see Inherit.
func (o *Output) File() *os.File {
	f, ok := o.f.(osFile)
	if !ok {
		return nil
	}
	return f.File
}

// Inherit is the output whose descriptor a parent process opened as ref and handed on. The
// kernel releases a line when the last of its holders has closed it.
func Inherit(fd uintptr, ref string) reject.Line { return &Output{ref: ref, f: newLine(int(fd))} }

// The vocabulary of periph.io: levels are those of the pin, whatever the polarity.
var _ periph.PinOut = (*Output)(nil)

// Out drives the pin high or low.
func (o *Output) Out(l periph.Level) error { return o.Set(bool(l) != o.activeLow) }

// PWM is not supported.
func (o *Output) PWM(periph.Duty, physic.Frequency) error {
	return fmt.Errorf("gpio: %s: the character device has no PWM", o.ref)
}

// Halt drives the line inactive.
func (o *Output) Halt() error { return o.Set(false) }

// Name returns what the line was opened by.
func (o *Output) Name() string { return o.ref }

// String returns Name.
func (o *Output) String() string { return o.ref }

// Number returns the line's offset in its chip.
func (o *Output) Number() int { return o.info.Offset }

// Function returns what periph.io calls the line's use.
func (o *Output) Function() string { return "Out" }

// Edges says which edges an Input reports.
type Edges uint8

// Edges, of the logical state: Rising is to active.
const (
	Rising Edges = 1 << iota
	Falling
)

// InputConfig of an input.
type InputConfig struct {
	Consumer  string
	ActiveLow bool
	Bias      Bias
	Edges     Edges
	Debounce  time.Duration // by the kernel, 1 us to 1 hour [none]
	Buffer    int           // edges that the kernel keeps, 1 to 1024 [256]; then the oldest go
}

// An Edge is one change of an input.
type Edge struct {
	At     time.Duration // CLOCK_MONOTONIC at the interrupt
	Seq    uint32        // the kernel's count of the line's edges, from 1
	Missed uint32        // edges lost before this one
	Rising bool
}

// An Input is one input line.
type Input struct {
	ref string
	f   file

	reading sync.Mutex
	raw     [16 * eventSize]byte
	left    []byte      // of raw, not yet returned
	more    atomic.Bool // there are such
	last    uint32
}

// OpenInput takes the line that ref names; see Find.
func OpenInput(ref string, c InputConfig) (*Input, error) { return system.openInput(ref, c) }

func (k kernel) openInput(ref string, c InputConfig) (*Input, error) {
	if c.Buffer == 0 {
		c.Buffer = 256
	}
	switch {
	case int(c.Bias) >= len(biasFlags) || c.Edges > Rising|Falling:
		return nil, fmt.Errorf("gpio: %s: unknown bias %d or edges %d", ref, c.Bias, c.Edges)
	case c.Debounce < 0 || c.Debounce > time.Hour || c.Debounce > 0 && c.Debounce < time.Microsecond:
		return nil, fmt.Errorf("gpio: %s: debounce %v: must be 1 us to 1 h", ref, c.Debounce)
	case c.Buffer < 1 || c.Buffer > 1024:
		return nil, fmt.Errorf("gpio: %s: buffer of %d edges: must be 1 to 1024", ref, c.Buffer)
	}
	config := lineConfig{flags: flagInput | biasFlags[c.Bias]}
	if c.ActiveLow {
		config.flags |= flagActiveLow
	}
	if c.Edges&Rising != 0 {
		config.flags |= flagRising
	}
	if c.Edges&Falling != 0 {
		config.flags |= flagFalling
	}
	if c.Debounce > 0 {
		config.set(lineAttr{id: attrDebounce, value: uint64(c.Debounce.Microseconds())})
	}
	f, _, err := k.take(ref, c.Consumer, config, uint32(c.Buffer))
	if err != nil {
		return nil, err
	}
	return &Input{ref: ref, f: f}, nil
}

// Active reads the line's state.
func (in *Input) Active() (bool, error) { return readLine(in.f, in.ref) }

// Next returns the next edge. Edges that the kernel dropped show as Missed of the one that
// follows. Close ends it with an error that wraps os.ErrClosed.
func (in *Input) Next(ctx context.Context) (Edge, error) {
	in.reading.Lock()
	defer in.reading.Unlock()
	if len(in.left) == 0 {
		if err := in.read(ctx); err != nil {
			return Edge{}, err
		}
	}
	b := in.left[:eventSize]
	in.left = in.left[eventSize:]
	in.more.Store(len(in.left) > 0)
	e := Edge{
		At:     time.Duration(binary.NativeEndian.Uint64(b)),
		Rising: binary.NativeEndian.Uint32(b[8:]) == eventRising,
		Seq:    binary.NativeEndian.Uint32(b[20:]),
	}
	e.Missed = e.Seq - in.last - 1
	in.last = e.Seq
	return e, nil
}

func (in *Input) read(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := in.f.SetReadDeadline(time.Time{}); err != nil {
		return explain(in.ref, "wait for an edge", err)
	}
	past := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		in.f.SetReadDeadline(time.Unix(1, 0)) //nolint:errcheck // closed: Read returns too
		close(past)
	})
	n, err := in.f.Read(in.raw[:])
	if !stop() {
		<-past // or it would cut the next Read short
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return explain(in.ref, "wait for an edge", err)
	case n == 0 || n%eventSize != 0:
		return fmt.Errorf("gpio: %s: the kernel gave %d bytes, not whole edges of %d", in.ref, n, eventSize)
	}
	in.left = in.raw[:n]
	return nil
}

// Waiting reports whether there are edges that Next has not returned, in the kernel or read with one that it has: what it has
// returned so far is not all that happened.
func (in *Input) Waiting() bool { return in.f.waiting() || in.more.Load() }

// Close releases the line and wakes Next.
func (in *Input) Close() error { return in.f.Close() }

// explain keeps EBUSY and EPERM apart, each with its remedy.
func explain(ref, op string, err error) error {
	switch {
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("gpio: %s: %s: %w: choose another line or stop its owner (gpioinfo): %w", ref, op, ErrBusy, err)
	case errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES):
		return fmt.Errorf("gpio: %s: %s: %w: add the user to the group gpio: %w", ref, op, ErrPermission, err)
	}
	return fmt.Errorf("gpio: %s: %s: %w", ref, op, err)
}
