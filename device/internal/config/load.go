package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
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
func Load(path string) (Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return Config{}, fmt.Errorf("config: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err != nil {
		return Config{}, fmt.Errorf("config: %w", err)
	}
	return Parse(path, text)
}

// Parse reads the text of a file; name is for its errors.
func Parse(name string, text []byte) (Config, error) {
	c := Default()
	if len(text) > MaxFile {
		return c, &Error{File: name, Text: fmt.Sprintf("larger than %d bytes", MaxFile)}
	}
	d := toml.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return Default(), fault(name, err)
	}
	lines := positions(text)
	if err := check(reflect.ValueOf(c), "", name, lines); err != nil {
		return Default(), err
	}
	if err := c.relations(name, lines); err != nil {
		return Default(), err
	}
	return c, nil
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
	case l.DeadlineMS > 0 && l.TravelMS > 0 && l.DeadlineMS > l.TravelMS-l.MarginMS:
		return bad("line.deadline_ms", "", "%d is later than travel_ms - margin_ms, %d", l.DeadlineMS, l.TravelMS-l.MarginMS)
	case l.TravelMS > 0 && l.TravelMS <= l.MarginMS:
		return bad("line.travel_ms", "", "%d leaves no time before margin_ms, %d", l.TravelMS, l.MarginMS)
	case c.Record.QuotaMiB < 2*c.Record.SegmentMiB:
		return bad("record.quota_mib", "", "%d is less than two segments of segment_mib, %d", c.Record.QuotaMiB, c.Record.SegmentMiB)
	case c.Sim.Length > c.Sim.Pitch:
		return bad("sim.length_mm", "", "%v is more than pitch_mm, %v: parts would overlap", c.Sim.Length, c.Sim.Pitch)
	case c.Camera.Kind == "folder" && c.Camera.Folder == "":
		return bad("camera.folder", "set camera.folder to a folder of pictures", "is needed with kind \"folder\"")
	case c.Camera.Kind == "folder" && c.Product == "":
		return bad("product", "cull teach FOLDER -o PRODUCT makes one", "is needed with camera.kind \"folder\"")
	}
	return nil
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
		if e.Kind != unstable.KeyValue && e.Kind != unstable.Table {
			continue
		}
		var parts []string
		line := 0
		for it := e.Key(); it.Next(); {
			n := it.Node()
			parts = append(parts, string(n.Data))
			line = p.Shape(n.Raw).Start.Line
		}
		key := strings.Join(parts, ".")
		if e.Kind == unstable.Table {
			table = key + "."
			lines[key] = line
			continue
		}
		lines[table+key] = line
	}
	return lines
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
