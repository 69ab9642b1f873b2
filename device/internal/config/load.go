package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"cull/internal/regular"
)

// MaxFile bounds the file.
const MaxFile = 1 << 20

// An Error is one fault of a configuration file.
type Error struct {
	File string
	Line int    // from 1; 0: of the file as a whole
	Key  string // "line.pulse_ms"; empty: of the syntax
	Text string
	Hint string // the remedy; may be empty
}

// Error returns file:line: key: text.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d", e.Line)
	}
	b.WriteString(": ")
	if e.Key != "" {
		b.WriteString(e.Key + ": ")
	}
	return b.String() + e.Text
}

// Load reads a file. Keys that it leaves out have their defaults. The error is an *Error
// where the file is at fault.
func Load(path string) (Config, error) { return load(path, true) }

// LoadCamera reads the camera of a file that need not be complete yet. What it has of other keys must have a sense by itself.
func LoadCamera(path string) (Camera, error) {
	c, err := load(path, false)
	return c.Camera, err
}

func load(path string, complete bool) (Config, error) {
	f, _, err := regular.Open(path)
	if err != nil {
		return Config{}, fmt.Errorf("config: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err != nil {
		return Config{}, fmt.Errorf("config: %w", err)
	}
	return parse(path, text, complete)
}

// Parse reads the text of a file; name is for its errors.
func Parse(name string, text []byte) (Config, error) { return parse(name, text, true) }

func parse(name string, text []byte, complete bool) (Config, error) {
	c := Default()
	if len(text) > MaxFile {
		return c, &Error{File: name, Text: fmt.Sprintf("larger than %d bytes", MaxFile)}
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // some editors begin with a byte-order mark
	d := toml.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return Default(), fault(name, err)
	}
	lines := positions(text)
	if err := exactly(name, lines); err != nil {
		return Default(), err
	}
	if err := check(reflect.ValueOf(c), "", name, lines); err != nil {
		return Default(), err
	}
	if !complete {
		return c, nil
	}
	if err := c.relations(name, lines); err != nil {
		return Default(), err
	}
	return c, nil
}

// LoadSaved reads what Save wrote, maybe another version of this program: keys that are not known here are passed over, and no
// value is checked.
func LoadSaved(path string) (Config, error) {
	f, _, err := regular.Open(path)
	if err != nil {
		return Config{}, fmt.Errorf("config: %w", err)
	}
	defer f.Close()
	c := Default()
	if err := toml.NewDecoder(io.LimitReader(f, MaxFile)).Decode(&c); err != nil {
		return Config{}, fault(path, err)
	}
	return c, nil
}

// Save writes c to a file that Load reads, all keys. It is there as a whole or not at all.
func (c *Config) Save(path string) error {
	text, err := toml.Marshal(c)
	if err == nil {
		err = os.WriteFile(path+".new", text, 0o600)
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return fmt.Errorf("config: %w", err)
	}
	return nil
}

// fault makes an Error of what go-toml says.
func fault(name string, err error) error {
	if missing, ok := errors.AsType[*toml.StrictMissingError](err); ok && len(missing.Errors) > 0 {
		first := &missing.Errors[0]
		line, _ := first.Position()
		key := strings.Join(first.Key(), ".")
		return &Error{name, line, key, "unknown key", nearest(key)}
	}
	if decode, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, _ := decode.Position()
		return &Error{
			File: name, Line: line, Key: strings.Join(decode.Key(), "."),
			Text: strings.TrimPrefix(decode.Error(), "toml: "),
		}
	}
	return &Error{File: name, Text: strings.TrimPrefix(err.Error(), "toml: ")}
}

// check holds every value against the bounds in its tags.
func check(v reflect.Value, prefix, name string, lines map[string]int) error {
	for i := range v.NumField() {
		tag := v.Type().Field(i).Tag
		key := prefix + tag.Get("toml")
		field := v.Field(i)
		var text string
		switch field.Kind() {
		case reflect.Struct:
			if err := check(field, key+".", name, lines); err != nil {
				return err
			}
		case reflect.Int, reflect.Int64:
			text = outside(float64(field.Int()), tag)
		case reflect.Float64:
			text = outside(field.Float(), tag)
		case reflect.String:
			text = notOneOf(field.String(), tag.Get("oneof"))
		}
		if text != "" {
			return &Error{File: name, Line: lines[key], Key: key, Text: text}
		}
	}
	return nil
}

func outside(x float64, tag reflect.StructTag) string {
	low, _ := strconv.ParseFloat(tag.Get("min"), 64)
	high, _ := strconv.ParseFloat(tag.Get("max"), 64)
	if x >= low && x <= high { // false for NaN
		return ""
	}
	return fmt.Sprintf("%v is out of bounds: %s to %s %s", x, tag.Get("min"), tag.Get("max"), tag.Get("unit"))
}

func notOneOf(s, values string) string {
	if values == "" {
		return ""
	}
	for v := range strings.FieldsSeq(values) {
		if s == v {
			return ""
		}
	}
	return fmt.Sprintf("%q is none of: %s", s, strings.ReplaceAll(values, " ", ", "))
}

// relations checks what no single key can tell.
func (c *Config) relations(name string, lines map[string]int) error {
	bad := func(key, hint, format string, args ...any) error {
		return &Error{name, lines[key], key, fmt.Sprintf(format, args...), hint}
	}
	l := &c.Line
	switch {
	case l.TravelMS > 0 && l.TravelCounts > 0:
		return bad("line.travel_counts", "leave out line.travel_ms to follow the encoder",
			"travel_ms is set too: travel is a time or encoder counts")
	case l.WindowFromMS >= l.WindowToMS:
		return bad("line.window_from_ms", "", "%d is not before window_to_ms, %d", l.WindowFromMS, l.WindowToMS)
	case l.PulseMaxMS < l.PulseMS:
		return bad("line.pulse_max_ms", "", "%d is less than pulse_ms, %d", l.PulseMaxMS, l.PulseMS)
	case l.DeadlineMS > 0 && l.DeadlineMS <= l.WindowToMS:
		return bad("line.deadline_ms", "both count from the trigger, and the inspection takes its time", "%d is not after window_to_ms, %d", l.DeadlineMS, l.WindowToMS)
	case l.DeadlineMS > 0 && l.TravelMS > 0 && l.DeadlineMS > l.TravelMS-l.MarginMS:
		return bad("line.deadline_ms", "", "%d is later than travel_ms - margin_ms, %d", l.DeadlineMS, l.TravelMS-l.MarginMS)
	case l.TravelMS > 0 && l.TravelMS <= l.MarginMS:
		return bad("line.travel_ms", "", "%d leaves no time before margin_ms, %d", l.TravelMS, l.MarginMS)
	case l.TravelMS > 0 && l.TravelMS <= l.WindowToMS+l.MarginMS:
		return bad("line.window_to_ms", "READY would never be active: shorten the window, or move the sensor away from the rejecter",
			"%d and margin_ms, %d, leave no time to judge before travel_ms, %d", l.WindowToMS, l.MarginMS, l.TravelMS)
	case c.Record.QuotaMiB < 2*c.Record.SegmentMiB:
		return bad("record.quota_mib", "", "%d is less than two segments of segment_mib, %d", c.Record.QuotaMiB, c.Record.SegmentMiB)
	case c.Sim.Length > c.Sim.Pitch:
		return bad("sim.length_mm", "", "%v is more than pitch_mm, %v: parts would overlap", c.Sim.Length, c.Sim.Pitch)
	case c.Sim.Size%16 != 0:
		return bad("sim.size", "", "%d is not a multiple of 16", c.Sim.Size)
	case c.Camera.Kind == "folder" && c.Camera.Folder == "":
		return bad("camera.folder", "set camera.folder to a folder of pictures", "is needed with kind \"folder\"")
	case c.Camera.Kind == "recording" && c.Camera.Recording == "":
		return bad("camera.recording", "record.frames makes one", "is needed with kind \"recording\"")
	case c.Camera.Kind != "simulated" && c.Product == "":
		return bad("product", "cull teach FOLDER -o PRODUCT makes one", "is needed with camera.kind %q", c.Camera.Kind)
	case c.Camera.CheckBlack >= c.Camera.CheckWhite:
		return bad("camera.check_black", "", "%d is not below check_white, %d: no frame could be judged", c.Camera.CheckBlack, c.Camera.CheckWhite)
	case c.Camera.CheckRepeated == 1:
		return bad("camera.check_frozen", "2 or more, or 0 for no check", "1 is every frame")
	case l.ConfirmFromMS >= l.ConfirmToMS:
		return bad("line.confirm_from_ms", "", "%d is not before confirm_to_ms, %d", l.ConfirmFromMS, l.ConfirmToMS)
	case l.QuietMS > 0 && l.QuietMS < 1000:
		return bad("line.quiet_ms", "0 is never", "%d is less than a second", l.QuietMS)
	case l.DriftParts > 0 && l.DriftParts < 20:
		return bad("line.drift_parts", "0 is never, 200 usual", "%d are too few to tell from chance", l.DriftParts)
	case l.QuietCounts > 0 && l.TravelCounts == 0:
		return bad("line.quiet_counts", "set line.travel_counts", "needs an encoder that the line follows")
	case c.Record.Frames != "none" && c.Record.FramesDir == "":
		return bad("record.frames_dir", "set it to a directory of this daemon's own", "is needed with frames %q", c.Record.Frames)
	case c.Record.Frames != "none" && absolute(c.Record.FramesDir) == absolute(c.Record.Dir):
		return bad("record.frames_dir", "choose another directory", "is record.dir too")
	case c.Record.Frames != "none" && c.Record.Dir == "": // its log counts parts on over restarts
		return bad("record.dir", "set it to a directory of this daemon's own", "is needed with frames %q: without a log parts are counted from 1 at every start", c.Record.Frames)
	}
	if c.Camera.Kind == "v4l2" || c.IO.Kind == "gpio" {
		return c.real(bad)
	}
	return nil
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return filepath.Clean(path)
}

// real checks the relations of a line that is not simulated.
func (c *Config) real(bad func(key, hint, format string, args ...any) error) error {
	in, out := &c.IO.In, &c.IO.Out
	switch {
	case c.Camera.Kind != "v4l2":
		return bad("camera.kind", `set camera.kind = "v4l2"`, "%q has no place on a line with io.kind \"gpio\"", c.Camera.Kind)
	case c.IO.Kind != "gpio":
		return bad("io.kind", `set io.kind = "gpio"`, "%q has no place on a line with camera.kind \"v4l2\"", c.IO.Kind)
	case c.Camera.Device == "":
		return bad("camera.device", "ls /dev/v4l/by-path lists the cameras", "is needed with kind \"v4l2\"")
	case c.Camera.Width%2 != 0 && (c.Camera.Format == "YUYV" || c.Camera.Format == "NV12"):
		return bad("camera.width", "", "%d is odd: two pixels of %s share a colour", c.Camera.Width, c.Camera.Format)
	case c.Camera.Height%2 != 0 && c.Camera.Format == "NV12":
		return bad("camera.height", "", "%d is odd: two rows of NV12 share colours", c.Camera.Height)
	case c.Record.Dir == "":
		return bad("record.dir", "set it to a directory of this daemon's own", "is needed: a real line keeps a log of its verdicts")
	case c.Line.TravelMS == 0 && c.Line.TravelCounts == 0:
		return bad("line.travel_ms", "measure the way from sensor to rejecter",
			"travel_ms or travel_counts is needed with io.kind \"gpio\"")
	case out.Reject.Line == "":
		return bad("io.out.reject.line", "gpioinfo lists the lines", "is needed with io.kind \"gpio\"")
	case c.IO.Trigger == "edge" && in.Trigger.Line == "":
		return bad("io.in.trigger.line", "gpioinfo lists the lines", "is needed with trigger_by \"edge\"")
	case c.IO.Trigger == "rate" && c.IO.TriggerHz*float64(c.Line.WindowToMS-c.Line.WindowFromMS) >= 1000:
		return bad("io.trigger_hz", "shorten the window", "%v a second come within the window of %d ms: a frame may be any of several parts'",
			c.IO.TriggerHz, c.Line.WindowToMS-c.Line.WindowFromMS)
	case !c.Camera.Triggered && c.Camera.FPS > 0 && (c.Line.WindowToMS-c.Line.WindowFromMS)*c.Camera.FPS < 1000:
		return bad("line.window_to_ms", "widen the window, or let the sensor trigger the camera (camera.triggered)",
			"in %d ms not every part gets a frame at %v frames/s", c.Line.WindowToMS-c.Line.WindowFromMS, c.Camera.FPS)
	case !c.Camera.Triggered && (c.Line.WindowToMS-c.Line.WindowFromMS)*1000 < c.Camera.Exposure:
		return bad("line.window_to_ms", "widen the window, shorten camera.exposure_us, or let the sensor trigger the camera (camera.triggered)",
			"in %d ms not every part gets a frame that is exposed for %v ms", c.Line.WindowToMS-c.Line.WindowFromMS, float64(c.Camera.Exposure)/1000)
	case !c.Camera.Triggered && c.Camera.StallMS <= c.Camera.frameMS():
		return bad("camera.stall_ms", "set it to the time of several frames",
			"%d is no more than a frame takes, %d: the camera would be lost again and again", c.Camera.StallMS, c.Camera.frameMS())
	case c.IO.Trigger != "edge" && c.Camera.Triggered:
		return bad("camera.triggered", "set io.trigger_by = \"edge\"", "a camera that the sensor triggers needs the sensor's edges")
	case c.IO.Trigger != "edge" && in.Trigger.Line != "":
		return bad("io.in.trigger.line", "leave it out, or set io.trigger_by = \"edge\"", "is not read with trigger_by %q", c.IO.Trigger)
	case c.Line.TravelCounts > 0 && in.Encoder.Line == "":
		return bad("io.in.encoder.line", "gpioinfo lists the lines", "is needed with line.travel_counts")
	case c.IO.EdgesAll && in.Encoder.Line == "":
		return bad("io.encoder_both_edges", "", "is of no use without io.in.encoder.line")
	case in.Direction.Line != "" && in.Encoder.Line == "":
		return bad("io.in.direction.line", "", "is of no use without io.in.encoder.line")
	}
	owner := map[string]string{}
	for _, l := range c.Lines() {
		if strings.HasPrefix(l.Key, "io.in.") && strings.HasPrefix(l.Line, "periph:") { // hostpin.Prefix
			return bad(l.Key, "gpioinfo lists the lines", "%q: pins of periph.io are outputs alone", l.Line)
		}
		if other, ok := owner[l.Line]; ok {
			return bad(l.Key, "each needs a line of its own", "%q is %s too", l.Line, other)
		}
		owner[l.Line] = l.Key
	}
	return nil
}

// frameMS returns how long a frame takes at least, ms, as far as the file tells.
func (c *Camera) frameMS() int {
	ms := c.Exposure / 1000
	if c.FPS > 0 {
		ms = max(ms, 1000/c.FPS)
	}
	return ms
}

// A Named is a GPIO line that the file names.
type Named struct{ Key, Line string }

// Lines returns the GPIO lines that the file names, inputs first.
func (c *Config) Lines() (all []Named) {
	in, out := &c.IO.In, &c.IO.Out
	for _, l := range []Named{
		{"io.in.trigger.line", in.Trigger.Line},
		{"io.in.encoder.line", in.Encoder.Line},
		{"io.in.direction.line", in.Direction.Line},
		{"io.in.confirm.line", in.Confirm.Line},
		{"io.in.reset.line", in.Reset.Line},
		{"io.out.reject.line", out.Reject.Line},
		{"io.out.ready.line", out.Ready.Line},
		{"io.out.busy.line", out.Busy.Line},
		{"io.out.ok.line", out.OK.Line},
		{"io.out.heartbeat.line", out.Heartbeat.Line},
	} {
		if l.Line != "" {
			all = append(all, l)
		}
	}
	return all
}

// positions maps the keys of a document to their lines. The document has been decoded, so
// its syntax is good.
func positions(text []byte) map[string]int {
	lines := map[string]int{}
	var p unstable.Parser
	p.Reset(text)
	table := ""
	for p.NextExpression() {
		e := p.Expression()
		switch e.Kind {
		case unstable.Table:
			key, line := keyOf(&p, e)
			table = key + "."
			lines[key] = line
		case unstable.KeyValue:
			place(&p, e, table, lines)
		}
	}
	return lines
}

// place notes the line of e's key, and of the keys of the tables that are its value.
func place(p *unstable.Parser, e *unstable.Node, table string, lines map[string]int) {
	key, line := keyOf(p, e)
	lines[table+key] = line
	if v := e.Value(); v.Kind == unstable.InlineTable {
		for it := v.Children(); it.Next(); {
			place(p, it.Node(), table+key+".", lines)
		}
	}
}

// keyOf returns the key of a table or a value, dotted, and its line.
func keyOf(p *unstable.Parser, e *unstable.Node) (key string, line int) {
	var parts []string
	for it := e.Key(); it.Next(); {
		n := it.Node()
		parts = append(parts, string(n.Data))
		line = p.Shape(n.Raw).Start.Line
	}
	return strings.Join(parts, "."), line
}

// exactly returns an error where a key is not written as it should be: go-toml takes any case, and so two keys for one.
func exactly(name string, lines map[string]int) error {
	known := map[string]bool{}
	for _, key := range Keys() {
		for table, more := key, true; more; { // the key and its tables
			known[table] = true
			i := strings.LastIndexByte(table, '.')
			table, more = table[:max(i, 0)], i >= 0
		}
	}
	for _, key := range slices.Sorted(maps.Keys(lines)) {
		if !known[key] {
			return &Error{name, lines[key], key, "unknown key", nearest(strings.ToLower(key))}
		}
	}
	return nil
}

// Keys returns all keys, "line.pulse_ms", in the order of the file.
func Keys() []string { return keys(reflect.TypeFor[Config](), "") }

func keys(t reflect.Type, prefix string) (all []string) {
	for i := range t.NumField() {
		f := t.Field(i)
		key := prefix + f.Tag.Get("toml")
		if f.Type.Kind() == reflect.Struct {
			all = append(all, keys(f.Type, key+".")...)
			continue
		}
		all = append(all, key)
	}
	return all
}

// nearest suggests the key that was meant: the one with the fewest edits, if they are
// fewer than half of its letters.
func nearest(key string) string {
	best, fewest := "", len(key)
	for _, k := range Keys() {
		// The last part alone, too: a key in the wrong table.
		d := distance(key, k)
		if base(k) == base(key) {
			d = min(d, 1)
		}
		if d < fewest && 2*d < len(k) {
			best, fewest = k, d
		}
	}
	if best == "" {
		return "systemd/cull.example.toml lists every key"
	}
	return "did you mean " + best + "?"
}

func base(key string) string { return key[strings.LastIndexByte(key, '.')+1:] }

// distance is Levenshtein's: insertions, deletions and substitutions of bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
