//go:build linux

// Package wiring opens the camera and the GPIO lines that a configuration names and puts them
// behind the interfaces of the line.
package wiring

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"cull/capture/v4l2"
	"cull/device/internal/config"
	"cull/device/internal/line"
	"cull/internal/mono"
	"cull/reject"
	"cull/reject/gpio"
	"cull/reject/hostpin"
	"cull/reject/pulse"
)

// A Wiring is every line to the machine, opened. The outputs are inactive.
type Wiring struct {
	Triggers line.Triggers
	Encoder  line.Encoder  // nil: none
	Confirm  line.Triggers // nil: none
	Resets   line.Triggers // nil: none
	Outputs  line.Outputs
	Rejecter func(report func(reject.Outcome)) (line.Rejecter, error) // line.Options.Rejecter

	Epoch     time.Time       // when CLOCK_MONOTONIC was zero
	Privilege pulse.Privilege // of the pulse process

	process *pulse.Process
	encoder *encoder
	closers []io.Closer // in order of opening
}

// Open takes the lines of c and starts the pulse process. software delivers the triggers of
// trigger_by "software". An error names the key and the line, and nothing stays open.
func Open(c *config.Config, software <-chan os.Signal) (*Wiring, error) {
	w := &Wiring{Epoch: mono.Epoch()}
	err := w.inputs(c, software)
	if err == nil {
		err = w.outputs(c)
	}
	if err != nil {
		w.Close() //nolint:errcheck // the first error is the one to report
		return nil, err
	}
	return w, nil
}

func (w *Wiring) inputs(c *config.Config, software <-chan os.Signal) error {
	in := &c.IO.In
	edges := gpio.Rising
	if c.IO.EdgesAll {
		edges |= gpio.Falling
	}
	pulses, err := w.input("encoder", in.Encoder, edges)
	if err != nil {
		return err
	}
	direction, err := w.input("direction", in.Direction, 0)
	if err != nil {
		return err
	}
	if pulses != nil {
		w.encoder = newEncoder(pulses, w.Epoch)
		if direction != nil {
			w.encoder.backwards = direction.Active
		}
		w.Encoder = w.encoder
		w.closers = append(w.closers, w.encoder)
		w.encoder.start()
	}
	switch c.IO.Trigger {
	case "rate":
		w.Triggers = w.counted(&clock{period: time.Duration(float64(time.Second) / c.IO.TriggerHz)})
	case "software":
		w.Triggers = w.counted(&signals{from: software})
	default:
		t, err := w.sensor("trigger", in.Trigger)
		if err != nil {
			return err
		}
		w.Triggers = w.counted(t)
	}
	if w.Confirm, err = w.sensor("confirm", in.Confirm); err != nil {
		return err
	}
	w.Resets, err = w.sensor("reset", in.Reset)
	return err
}

// sensor opens an input whose edges to active are line.Triggers; nil where the line has no name.
func (w *Wiring) sensor(key string, c config.Input) (line.Triggers, error) {
	in, err := w.input(key, c, gpio.Rising)
	if in == nil || err != nil {
		return nil, err
	}
	return &sensor{in, w.Epoch}, nil
}

// counted adds the belt's position to triggers.
func (w *Wiring) counted(t line.Triggers) line.Triggers {
	if w.encoder == nil {
		return t
	}
	return &counted{t, w.encoder}
}

var biases = map[string]gpio.Bias{
	"as-is": gpio.BiasAsIs, "off": gpio.BiasOff, "up": gpio.PullUp, "down": gpio.PullDown,
}

func (w *Wiring) input(key string, c config.Input, edges gpio.Edges) (*gpio.Input, error) {
	if c.Line == "" {
		return nil, nil
	}
	in, err := gpio.OpenInput(c.Line, gpio.InputConfig{
		Consumer: "cull " + key, ActiveLow: c.ActiveLow, Bias: biases[c.Bias], Edges: edges,
		Debounce: time.Duration(c.Debounce) * time.Microsecond, Buffer: 1024,
	})
	if err != nil {
		return nil, fmt.Errorf("io.in.%s.line: %w", key, err)
	}
	w.closers = append(w.closers, in)
	return in, nil
}

// outputs takes the outputs, the rejecter first, and hands those that have a descriptor to the pulse process. A
// rejecter of hostpin's has none: it is timed, and the other outputs driven, in this process.
func (w *Wiring) outputs(c *config.Config) error {
	out := &c.IO.Out
	first, err := w.output("reject", out.Reject)
	if err != nil {
		return err
	}
	rejecter, own := first.(*gpio.Output)
	if !own {
		w.Privilege.FIFO, w.Privilege.Locked = errHost, errHost
		w.Rejecter = func(report func(reject.Outcome)) (line.Rejecter, error) {
			o := Pulses(c)
			o.Report = report
			return reject.NewQueue(first, o)
		}
	}
	var others []pulse.Line
	var slots []*reject.Line
	for _, o := range []struct {
		key  string
		c    config.Output
		slot *reject.Line
	}{
		{"ready", out.Ready, &w.Outputs.Ready},
		{"busy", out.Busy, &w.Outputs.Busy},
		{"ok", out.OK, &w.Outputs.OK},
		{"heartbeat", out.Heartbeat, &w.Outputs.Heartbeat},
	} {
		if o.c.Line == "" {
			continue
		}
		l, err := w.output(o.key, o.c)
		if err != nil {
			return err
		}
		*o.slot = l
		if g, ok := l.(*gpio.Output); ok && own {
			others, slots = append(others, pulse.GPIO(g)), append(slots, o.slot)
		}
	}
	if !own {
		return nil
	}
	return w.start(c, rejecter, others, slots)
}

var errHost = errors.New("no pulse process: the rejecter is a pin of periph.io")

// start starts the pulse process. Its report is set by Rejecter: nothing is reported before its Run.
func (w *Wiring) start(c *config.Config, rejecter *gpio.Output, others []pulse.Line, slots []*reject.Line) (err error) {
	report := func(reject.Outcome) {}
	o := Pulses(c)
	o.Report = func(end reject.Outcome) { report(end) }
	w.process, w.Privilege, err = pulse.Start(pulse.GPIO(rejecter), others, pulse.Options{Options: o, Epoch: w.Epoch})
	if err != nil {
		return err
	}
	w.Rejecter = func(to func(reject.Outcome)) (line.Rejecter, error) {
		report = to
		return w.process, nil
	}
	for i, slot := range slots {
		*slot = w.process.Output(i)
	}
	return nil
}

// An Output is one output line that a configuration names.
type Output struct {
	Key, Line string // io.out.reject.line and what it says
	config    config.Output
	key       string
}

// Open opens the line. It is inactive where it is GPIO; where it is a pin of periph.io, Set makes it so.
func (o Output) Open() (reject.Line, error) { return openOutput(o.key, o.config) }

// Place is the same for two names of one line: chip and offset, or the name of a line that is not found.
func (o Output) Place() string {
	l, err := gpio.Find(o.Line)
	if err != nil {
		return o.Line
	}
	return l.Place()
}

// ActiveLow reports whether active drives the line low.
func (o Output) ActiveLow() bool { return o.config.ActiveLow }

// Outputs returns the outputs that c names, the rejecter first.
func Outputs(c *config.Config) (all []Output) {
	out := &c.IO.Out
	for _, o := range []struct {
		key string
		c   config.Output
	}{
		{"reject", out.Reject}, {"ready", out.Ready}, {"busy", out.Busy}, {"ok", out.OK}, {"heartbeat", out.Heartbeat},
	} {
		if o.c.Line != "" && c.IO.Kind == "gpio" {
			all = append(all, Output{"io.out." + o.key + ".line", o.c.Line, o.c, o.key})
		}
	}
	return all
}

func (w *Wiring) output(key string, c config.Output) (reject.Line, error) {
	o, err := openOutput(key, c)
	if g, ok := o.(*gpio.Output); ok {
		w.closers = append(w.closers, g)
	}
	return o, err
}

// openOutput opens an output: a *gpio.Output, or a pin of hostpin's.
func openOutput(key string, c config.Output) (reject.Line, error) {
	if strings.HasPrefix(c.Line, hostpin.Prefix) {
		if c.OpenDrain || c.Bias != "as-is" {
			return nil, fmt.Errorf("io.out.%s: open_drain and bias are not for pins of periph.io", key)
		}
		l, err := hostpin.Open(c.Line, c.ActiveLow)
		if err != nil {
			return nil, fmt.Errorf("io.out.%s.line: %w", key, err)
		}
		return l, nil
	}
	o, err := gpio.OpenOutput(c.Line, gpio.OutputConfig{
		Consumer: "cull " + key, ActiveLow: c.ActiveLow, OpenDrain: c.OpenDrain, Bias: biases[c.Bias],
	})
	if err != nil {
		return nil, fmt.Errorf("io.out.%s.line: %w", key, err)
	}
	return o, nil
}

// Close ends the pulse process, which makes the outputs inactive, and then releases all lines.
func (w *Wiring) Close() error {
	var err error
	if w.process != nil {
		err = w.process.Close()
	}
	for i := len(w.closers) - 1; i >= 0; i-- {
		err = errors.Join(err, w.closers[i].Close())
	}
	w.closers = nil
	return err
}

var overlaps = map[string]reject.Overlap{"merge": reject.Merge, "extend": reject.Extend}

// Pulses are the rejecter's options without Report.
func Pulses(c *config.Config) reject.Options {
	l := &c.Line
	late := config.MS(l.PulseLateMS)
	switch {
	case late > 0:
	case c.IO.Kind == "gpio" && !strings.HasPrefix(c.IO.Out.Reject.Line, hostpin.Prefix):
		late = lateProcess
	default:
		late = lateGoroutine
	}
	return reject.Options{
		Width: config.MS(l.PulseMS), MaxOn: config.MS(l.PulseMaxMS), Late: late,
		Overlap: overlaps[l.Overlap], Cap: l.MaxParts,
	}
}

// How late a pulse may be by default: far more than `cull bench --jitter` shows, for it stops the line.
const (
	lateProcess   = 20 * time.Millisecond  // timed by the pulse process
	lateGoroutine = 100 * time.Millisecond // timed beside the network
)

// Camera is the configuration of the V4L2 camera that c describes.
func Camera(c *config.Camera) v4l2.Config {
	v := v4l2.Config{
		Device: c.Device, Format: formats[c.Format], Width: c.Width, Height: c.Height, FPS: c.FPS,
		Exposure: time.Duration(c.Exposure) * time.Microsecond, WhiteBalance: c.WhiteBalance,
		Stall: config.MS(c.StallMS),
	}
	if c.Gain >= 0 {
		gain := int32(c.Gain)
		v.Gain = &gain
	}
	if c.Triggered { // the belt may stand for long
		v.Stall = -1
	}
	return v
}
