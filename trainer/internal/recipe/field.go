package recipe

import (
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"cull/infer/net"
	"cull/trainer/internal/trunk"
)

// A field is one key of the file.
type field struct {
	key  string // with its tables, dotted
	tag  reflect.StructTag
	v    reflect.Value
	list bool // in an array of tables
}

// fields lists all keys in the order of the structs.
func fields(v reflect.Value, prefix string) (all []field) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		key := prefix + f.Tag.Get("toml")
		switch {
		case f.Type.Kind() == reflect.Struct:
			all = append(all, fields(v.Field(i), key+".")...)
		case f.Type == reflect.TypeFor[[]Source]():
			for j := range v.Field(i).Len() {
				for _, e := range fields(v.Field(i).Index(j), key+".") {
					e.list = true
					all = append(all, e)
				}
			}
		default:
			all = append(all, field{key: key, tag: f.Tag, v: v.Field(i)})
		}
	}
	return all
}

// Check reports the first value out of bounds.
func (r *Recipe) Check() error { return r.check("") }

// check compares every value with its tag's bounds, then what depends on several.
func (r *Recipe) check(text string) error {
	for _, f := range fields(reflect.ValueOf(r).Elem(), "") {
		if err := f.check(); err != nil {
			return fault(text, f.key, err)
		}
	}
	if len(r.Network.Blocks) != trunk.Stages {
		err := fmt.Errorf("%d numbers, want %d", len(r.Network.Blocks), trunk.Stages)
		return fault(text, "network.blocks", err)
	}
	if n := r.Shape().Weights(); n > net.MaxWeights {
		return fault(text, "network.width", fmt.Errorf("%d with blocks %v makes %d weights: a .net file has at most %d",
			r.Network.Width, r.Network.Blocks, n, net.MaxWeights))
	}
	if err := r.Discriminant.check(r.Network); err != nil {
		return fault(text, "discriminant.channels", err)
	}
	if err := r.Loss.check(r.Data); err != nil {
		return fault(text, "loss", err)
	}
	if err := r.Teacher.check(r); err != nil {
		return fault(text, "teacher", err)
	}
	if r.Training.Batch%r.Data.Reuse != 0 {
		err := fmt.Errorf("%d is not a multiple of data.reuse %d", r.Training.Batch, r.Data.Reuse)
		return fault(text, "training.batch", err)
	}
	if _, err := r.Options(r.Data.Size); err != nil {
		return fault(text, "data.synth", err)
	}
	return nil
}

// largest is what the end of a run may hold in memory, bytes.
const largest = 8 << 30

// Sense refuses settings that would do nothing, or need more memory than machines have. A run of before these rules may have
// them and goes on: they are asked of new runs only.
func (r *Recipe) Sense(text string) error {
	d, o, q := &r.Data, &r.Optimiser, &r.Quantise
	// A calibration picture has a twin while it is rendered, 6 bytes a pixel, and as much garbage at most.
	picture := 12 * int64(q.Size) * int64(q.Size)
	// 10 to 18 kB of features were seen to be changed by the defect of a sample at width 32, 48 to 256 px, twice that
	// while the list of them grows.
	sample := 1024 * int64(r.Network.Width)
	pictures, samples := int64(q.Pictures), int64(r.Discriminant.Samples)
	switch {
	case d.Holdout > 0 && d.Folder == "":
		return fault(text, "data.holdout", fmt.Errorf("%v without data.folder: there are no pictures to hold out", d.Holdout))
	case d.Fractals > 0 && d.Folder != "":
		return fault(text, "data.fractals", fmt.Errorf("%d with data.folder: fractals take nothing from pictures, leave one of the two out", d.Fractals))
	case o.Final > o.Rate:
		return fault(text, "optimiser.final_rate", fmt.Errorf("%v is above optimiser.rate %v", o.Final, o.Rate))
	case pictures > largest/picture:
		return fault(text, "quantise.pictures", fmt.Errorf("%d of %d px may take %d GiB of memory: want at most %d",
			pictures, q.Size, pictures*picture>>30, largest/picture))
	case len(r.Discriminant.Channels) > 0 && samples > largest/sample:
		return fault(text, "discriminant.samples", fmt.Errorf("%d may take %d GiB of memory at network.width %d: want at most %d",
			samples, samples*sample>>30, r.Network.Width, largest/sample))
	}
	return nil
}

// check compares the directions with the channels there are.
func (d *Discriminant) check(n Network) error {
	if len(d.Channels) == 0 {
		return nil
	}
	if len(d.Channels) != trunk.Stages {
		return fmt.Errorf("%d numbers, want %d or none", len(d.Channels), trunk.Stages)
	}
	for i, k := range d.Channels {
		if has := n.Width << i; k > has {
			return fmt.Errorf("%d of stage %d, which has %d", k, i+1, has)
		}
	}
	return nil
}

// check compares the teacher with the loss and the sources.
func (t *Teacher) check(r *Recipe) error {
	named := func(s Source) bool { return s.Name == t.Source }
	switch {
	case r.Loss.Teacher == 0 && t.Model+t.Outputs+t.SHA256+t.Source == "" && len(t.Mean)+len(t.Std) == 0:
		return nil
	case len(t.Mean) != len(t.Std) || len(t.Mean) != 0 && len(t.Mean) != 3:
		return fmt.Errorf("mean and std have %d and %d numbers: want three each, for R, G, B, or none", len(t.Mean), len(t.Std))
	case t.Model == "" || r.Loss.Teacher == 0:
		return fmt.Errorf("model and loss.teacher belong together: set both or neither")
	case !slices.ContainsFunc(r.Source, named):
		return fmt.Errorf("source: %q: want the name of a [[source]], which gives the teacher's licence", t.Source)
	}
	return nil
}

// check compares the terms with the data they need.
func (l *Loss) check(d Data) error {
	other := l.Form + l.Fine + l.Line + l.Direct + l.Indirect + l.Teacher
	switch {
	case other+l.Class == 0:
		return fmt.Errorf("all weights are 0")
	case l.Class > 0 && other > 0:
		return fmt.Errorf("class stands alone: set form, fine, line, direct, indirect and teacher to 0")
	case l.Class > 0 && d.Fractals == 0 && d.Folder == "":
		return fmt.Errorf("class needs data.fractals or data.folder")
	case l.Class == 0 && d.Fractals > 0:
		return fmt.Errorf("data.fractals have classes only: set class, and the other weights to 0")
	}
	return nil
}

func fault(text, key string, err error) error {
	if line := lineOf(text, key); line > 0 {
		return fmt.Errorf("line %d: %s: %w", line, key, err)
	}
	return fmt.Errorf("%s: %w", key, err)
}

func (f *field) check() error {
	switch f.v.Kind() {
	case reflect.String:
		if f.list && f.v.String() == "" && !strings.HasSuffix(f.key, ".note") {
			return fmt.Errorf("empty")
		}
		if one := f.tag.Get("oneof"); one != "" && !slices.Contains(strings.Fields(one), f.v.String()) {
			return fmt.Errorf("%q: want one of %s", f.v.String(), strings.Join(strings.Fields(one), ", "))
		}
	case reflect.Int, reflect.Int64:
		return f.whole(f.v.Int())
	case reflect.Float64:
		return f.bounds(f.v.Float())
	case reflect.Slice:
		for i := range f.v.Len() {
			e := field{key: f.key, tag: f.tag, v: f.v.Index(i)}
			if err := e.check(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *field) bounds(v float64) error {
	low, _ := strconv.ParseFloat(f.tag.Get("min"), 64)
	high, _ := strconv.ParseFloat(f.tag.Get("max"), 64)
	if !(v >= low && v <= high) {
		return f.outside(v)
	}
	return nil
}

// whole is bounds of an integer, which a float64 might round into them.
func (f *field) whole(v int64) error {
	low, _ := strconv.ParseInt(f.tag.Get("min"), 10, 64)
	high, _ := strconv.ParseInt(f.tag.Get("max"), 10, 64)
	if v < low || v > high {
		return f.outside(v)
	}
	if k, err := strconv.ParseInt(f.tag.Get("multiple"), 10, 64); err == nil && v%k != 0 {
		return fmt.Errorf("%v: want a multiple of %v%s", v, k, f.unit())
	}
	return nil
}

func (f *field) outside(v any) error {
	return fmt.Errorf("%v: want %s to %s%s", v, f.tag.Get("min"), f.tag.Get("max"), f.unit())
}

func (f *field) unit() string {
	if u := f.tag.Get("unit"); u != "" {
		return " " + u
	}
	return ""
}

// lineOf finds the line that sets a dotted key, 0 when none does.
func lineOf(text, key string) int {
	table := ""
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			table = strings.Trim(strings.SplitN(line, "#", 2)[0], "[] ") + "."
			if table == key+"." {
				return i + 1
			}
			continue
		}
		name, _, found := strings.Cut(line, "=")
		if found && table+strings.TrimSpace(name) == key {
			return i + 1
		}
	}
	return 0
}

// Write prints r as a recipe file in which every key has its meaning, unit and bounds.
func Write(w io.Writer, r *Recipe) error {
	p := &printer{w: w}
	p.line("# Recipe of cull-trainer pretrain. Keys may be left out; unknown keys are errors.\n" +
		"# Each key: meaning, unit, range. The values here are the defaults.")
	table := ""
	for _, f := range fields(reflect.ValueOf(r).Elem(), "") {
		if f.list {
			continue
		}
		t, name := "", f.key
		if i := strings.LastIndexByte(f.key, '.'); i >= 0 {
			t, name = f.key[:i], f.key[i+1:]
		}
		if f.v.Kind() == reflect.Map {
			p.synth(f)
			continue
		}
		if t != table {
			p.line("\n[%s]", t)
			table = t
		}
		p.line("# %s\n%s = %s", f.doc(), name, literal(f.v))
	}
	sources := r.Source
	if len(sources) == 0 {
		sources = []Source{{}}
	}
	for _, s := range sources {
		p.line("\n[[source]] # of the pictures; any number of these")
		for _, f := range fields(reflect.ValueOf(&s).Elem(), "source.") {
			p.line("# %s\n%s = %s", f.doc(), strings.TrimPrefix(f.key, "source."), literal(f.v))
		}
	}
	return p.err
}

type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, a ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", a...)
	}
}

func (p *printer) synth(f field) {
	p.line("\n[%s]\n# %s: name = \"3\" or \"1:18\"", f.key, f.doc())
	m := f.v.Interface().(map[string]string)
	for _, k := range sortedKeys(m) {
		p.line("%s = %q", k, m[k])
	}
}

func (f *field) doc() string {
	s := f.tag.Get("doc")
	if one := f.tag.Get("oneof"); one != "" {
		return s + ": " + strings.Join(strings.Fields(one), ", ")
	}
	if f.tag.Get("max") == "" {
		return s
	}
	s += fmt.Sprintf(" (%s to %s", f.tag.Get("min"), f.tag.Get("max"))
	if u := f.tag.Get("unit"); u != "" {
		s += " " + u
	}
	if k := f.tag.Get("multiple"); k != "" {
		s += ", a multiple of " + k
	}
	return s + ")"
}

func literal(v reflect.Value) string {
	switch v.Kind() {
	case reflect.String:
		return strconv.Quote(v.String())
	case reflect.Float64:
		s := strconv.FormatFloat(v.Float(), 'g', -1, 64)
		if !strings.ContainsAny(s, ".e") {
			s += ".0"
		}
		return s
	case reflect.Slice:
		var parts []string
		for i := range v.Len() {
			parts = append(parts, literal(v.Index(i)))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return fmt.Sprint(v.Interface())
}

// Difference names the first key in which r is not other, with both values; empty where all are the same. What JSON
// leaves out changes no weights and does not count.
func (r *Recipe) Difference(other *Recipe) string {
	here, there := fields(reflect.ValueOf(r).Elem(), ""), fields(reflect.ValueOf(other).Elem(), "")
	for i, f := range here {
		if i == len(there) || there[i].key != f.key {
			return "source"
		}
		if a, b := literal(f.v), literal(there[i].v); a != b && f.tag.Get("json") != "-" {
			return fmt.Sprintf("%s is %s, there %s", f.key, a, b)
		}
	}
	if len(there) > len(here) {
		return "source"
	}
	return ""
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
