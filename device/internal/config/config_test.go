package config

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const example = "../../../systemd/cull.example.toml"

// The example is the documentation: it loads, its values are the defaults, and every key
// is there with its unit, its bounds or values, and a comment.
func TestExampleDocumentsEveryKey(t *testing.T) {
	c, err := Load(example)
	if err != nil {
		t.Fatal(err)
	}
	if c != Default() {
		t.Errorf("values differ from the defaults:\n%+v\n%+v", c, Default())
	}
	text, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	document(t, reflect.TypeFor[Config](), "", string(text))
}

// document holds a table of the example against its type. Tables of tables have no heading.
func document(t *testing.T, typ reflect.Type, table, text string) {
	whole := text
	if table != "" && table != "io.in" && table != "io.out" {
		_, after, ok := strings.Cut(text, "\n["+table+"]\n")
		if !ok {
			t.Errorf("no table [%s]", table)
			return
		}
		text, _, _ = strings.Cut(after, "\n[")
	}
	for i := range typ.NumField() {
		f := typ.Field(i)
		key := f.Tag.Get("toml")
		if f.Type.Kind() == reflect.Struct {
			document(t, f.Type, strings.TrimPrefix(table+"."+key, "."), whole)
			continue
		}
		m := regexp.MustCompile(`(?m)((?:^#.*\n)+)` + key + ` = .*$`).FindStringSubmatch(text)
		if m == nil {
			t.Errorf("%s.%s: not there, or without a comment", table, key)
			continue
		}
		want := []string{f.Tag.Get("unit")}
		if low, ok := f.Tag.Lookup("min"); ok {
			want = append(want, low+" to "+f.Tag.Get("max"))
		}
		if values := f.Tag.Get("oneof"); values != "" {
			want = append(want, strings.Fields(values)...)
		}
		for _, w := range want {
			if !strings.Contains(strings.ToLower(m[1]), strings.ToLower(w)) {
				t.Errorf("%s.%s: the comment does not say %q", table, key, w)
			}
		}
	}
}

const (
	realCamera = "product = \"p\"\n[camera]\nkind = \"v4l2\"\n"

	realLine = realCamera + "device = \"vivid\"\ntriggered = true\n[record]\ndir = \"log\"\n[line]\ntravel_ms = 500\n" +
		"[io.in]\ntrigger.line = \"GPIO17\"\n[io.out]\nreject.line = \"GPIO27\"\n[io]\nkind = \"gpio\"\n"
)

func TestRealLine(t *testing.T) {
	c, err := Parse("f", []byte(realLine))
	if err != nil {
		t.Fatal(err)
	}
	want := []Named{{"io.in.trigger.line", "GPIO17"}, {"io.out.reject.line", "GPIO27"}}
	if got := c.Lines(); !slices.Equal(got, want) {
		t.Errorf("lines %v", got)
	}
}

func TestFaultsNameLineKeyAndRemedy(t *testing.T) {
	for _, tc := range []struct{ name, text, want, hint string }{
		{"unknown key", "[line]\npulse_msec = 3\n", "f.toml:2: line.pulse_msec: unknown key", "did you mean line.pulse_ms?"},
		{"wrong table", "[line]\n\ndir = \"x\"\n", "f.toml:3: line.dir: unknown key", "did you mean record.dir?"},
		{"unknown table", "[modbus]\nport = 3\n", "f.toml:1: modbus: unknown key", "systemd/cull.example.toml lists every key"},
		{"case", "[line]\nPulse_ms = 3\n", "f.toml:2: line.Pulse_ms: unknown key", "did you mean line.pulse_ms?"},
		{"case of a table", "[Line]\npulse_ms = 3\n", "f.toml:1: Line: unknown key", ""},
		{"case within a value", "line = {pulse_ms = 3, PULSE_MAX_MS = 4}\n", "f.toml:1: line.PULSE_MAX_MS: unknown key", "did you mean line.pulse_max_ms?"},
		{"value within a value", "line = {pulse_ms = 0}\n", "f.toml:1: line.pulse_ms: 0 is out of bounds", ""},
		{"bounds", "# comment\n[line]\npulse_ms = 0\n", "f.toml:3: line.pulse_ms: 0 is out of bounds: 1 to 10000 ms", ""},
		{"float bounds", "[sim]\nbad = 1.5\n", "f.toml:2: sim.bad: 1.5 is out of bounds: 0 to 1 share", ""},
		{"not a number", "[sim]\nbad = nan\n", "f.toml:2: sim.bad: NaN is out of bounds: 0 to 1 share", ""},
		{"dotted", "sim.bad = -1\n", "f.toml:1: sim.bad: -1 is out of bounds: 0 to 1 share", ""},
		{"choice", "[line]\noverlap = \"join\"\n", `f.toml:2: line.overlap: "join" is none of: merge, extend`, ""},
		{"no such driver", "[camera]\nkind = \"gige\"\n", `f.toml:2: camera.kind: "gige" is none of: simulated, folder, recording, v4l2`, ""},
		{"type", "[line]\nbacklog = \"eight\"\n", "f.toml:2: line.backlog: ", ""},
		{"syntax", "[line\n", "f.toml:1: ", ""},
		{"both travels", "[line]\ntravel_ms = 100\ntravel_counts = 5\n", "f.toml:3: line.travel_counts: travel_ms is set too", "leave out"},
		{"window", "[line]\nwindow_from_ms = 50\n", "f.toml:2: line.window_from_ms: 50 is not before", ""},
		{"pulse", "[line]\npulse_max_ms = 10\n", "f.toml:2: line.pulse_max_ms: 10 is less than", ""},
		{"deadline", "[line]\ntravel_ms = 100\ndeadline_ms = 95\n", "f.toml:3: line.deadline_ms: 95 is later", ""},
		{"no time to judge", "[line]\ntravel_ms = 70\nwindow_to_ms = 60\n", "f.toml:3: line.window_to_ms: 60 and margin_ms, 10, leave no time", "READY"},
		{"quota", "[record]\nquota_mib = 20\n", "f.toml:2: record.quota_mib: 20 is less than", ""},
		{"overlapping parts", "[sim]\nlength_mm = 500\n", "f.toml:2: sim.length_mm: 500 is more than", ""},
		{"size", "[sim]\nsize = 65\n", "f.toml:2: sim.size: 65 is not a multiple of 16", ""},
		{"one directory", "[record]\ndir = \"a\"\nframes = \"all\"\nframes_dir = \"./a/\"\n", "f.toml:4: record.frames_dir: is record.dir too", "choose another"},
		{"folder", "[camera]\nkind = \"folder\"\n", "f.toml: camera.folder: is needed", "set camera.folder"},
		{"product", "[camera]\nkind = \"folder\"\nfolder = \"x\"\n", "f.toml: product: is needed", "cull teach"},
		{"recording", "[camera]\nkind = \"recording\"\n", "f.toml: camera.recording: is needed", "record.frames"},
		{"confirm", "[line]\nconfirm_from_ms = 500\n", "f.toml:2: line.confirm_from_ms: 500 is not before", ""},
		{"quiet time", "[line]\nquiet_ms = 50\n", "f.toml:2: line.quiet_ms: 50 is less than a second", "0 is never"},
		{"drift", "[line]\ndrift_parts = 19\n", "f.toml:2: line.drift_parts: 19 are too few", "0 is never"},
		{"quiet", "[line]\nquiet_counts = 5\n", "f.toml:2: line.quiet_counts: needs an encoder", "set line.travel_counts"},
		{"frames", "[record]\nframes = \"all\"\n", "f.toml: record.frames_dir: is needed with frames \"all\"", "set it to"},
		{"frames without a log", "[record]\nframes = \"all\"\nframes_dir = \"a\"\n", "f.toml: record.dir: is needed with frames \"all\"", "set it to"},
		{"nested", "[io.in.trigger]\nbias = \"pull\"\n", `f.toml:2: io.in.trigger.bias: "pull" is none of: as-is, off, up, down`, ""},
		{"nested bounds", "[io.in.trigger]\n\ndebounce_us = -1\n", "f.toml:3: io.in.trigger.debounce_us: -1 is out of bounds", ""},
		{"real camera, simulated rest", realCamera, "f.toml: io.kind: \"simulated\" has no place", "set io.kind"},
		{"simulated camera, real rest", "[io]\nkind = \"gpio\"\n", "f.toml: camera.kind: \"simulated\" has no place", "set camera.kind"},
		{"no device", strings.Replace(realLine, "device", "#", 1), "f.toml: camera.device: is needed", "ls /dev/v4l"},
		{"odd width", strings.Replace(realLine, "triggered", "width = 641\ntriggered", 1), "f.toml:5: camera.width: 641 is odd", ""},
		{"odd height", strings.Replace(realLine, "triggered", "format = \"NV12\"\nheight = 481\ntriggered", 1), "f.toml:6: camera.height: 481 is odd", ""},
		{"no log", strings.Replace(realLine, "dir", "#", 1), "f.toml: record.dir: is needed", "set it to"},
		{"no travel", strings.Replace(realLine, "travel_ms", "#", 1), "f.toml: line.travel_ms: travel_ms or travel_counts", "measure"},
		{"no rejecter", strings.Replace(realLine, "reject.line", "#", 1), "f.toml: io.out.reject.line: is needed", "gpioinfo"},
		{"no trigger", strings.Replace(realLine, "trigger.line", "#", 1), "f.toml: io.in.trigger.line: is needed", "gpioinfo"},
		{"no encoder", strings.Replace(realLine, "travel_ms", "travel_counts", 1), "f.toml: io.in.encoder.line: is needed", "gpioinfo"},
		{"no sensor", realLine + "trigger_by = \"rate\"\n", "f.toml:5: camera.triggered: a camera", "set io.trigger_by"},
		{"sensor not read", strings.Replace(realLine, "triggered", "#", 1) + "trigger_by = \"software\"\n", "f.toml:11: io.in.trigger.line: is not read", "leave it out"},
		{"both edges of nothing", realLine + "encoder_both_edges = true\n", "f.toml:16: io.encoder_both_edges: is of no use", ""},
		{"deadline in the window", "[line]\ndeadline_ms = 50\n", "f.toml:2: line.deadline_ms: 50 is not after window_to_ms, 50", "both count"},
		{"black and white", "[camera]\ncheck_black = 250\n", "f.toml:2: camera.check_black: 250 is not below check_white, 250", ""},
		{"slow camera", strings.Replace(realLine, "triggered = true", "fps = 15", 1), "f.toml: line.window_to_ms: in 50 ms not every part gets a frame at 15", "widen"},
		{"slow exposure", strings.Replace(realLine, "triggered = true", "exposure_us = 50100", 1), "f.toml: line.window_to_ms: in 50 ms not every part gets a frame that is exposed for 50.1 ms", "widen"},
		{"stall within an exposure", strings.NewReplacer("triggered = true", "exposure_us = 300000\nstall_ms = 300", "travel_ms", "window_to_ms = 350\ntravel_ms").Replace(realLine), "f.toml:6: camera.stall_ms: 300 is no more than a frame takes, 300: ", "set it"},
		{"stall within a frame", strings.Replace(realLine, "triggered = true", "fps = 25\nstall_ms = 40", 1), "f.toml:6: camera.stall_ms: 40 is no more than a frame takes, 40: ", "set it"},
		{"rate", strings.NewReplacer("triggered", "#", "trigger.line", "#").Replace(realLine) + "trigger_by = \"rate\"\ntrigger_hz = 30\n", "f.toml:17: io.trigger_hz: 30 a second come", "shorten"},
		{"one line twice", strings.Replace(realLine, "GPIO27", "GPIO17", 1), "f.toml:13: io.out.reject.line: \"GPIO17\" is io.in.trigger.line too", "each"},
		{"sensor of periph.io", strings.Replace(realLine, "GPIO17", "periph:GPIO17", 1), "f.toml:11: io.in.trigger.line: \"periph:GPIO17\": pins of periph.io", "gpioinfo"},
		{"twice", "[sim]\nbad = 0.1\nbad = 0.2\n", "f.toml:3: ", ""},
	} {
		c, err := Parse("f.toml", []byte(tc.text))
		e, ok := err.(*Error)
		if !ok || !strings.HasPrefix(e.Error(), tc.want) || !strings.HasPrefix(e.Hint, tc.hint) {
			t.Errorf("%s: err = %v, hint %q\nwant %s", tc.name, err, e.Hint, tc.want)
		}
		if strings.ContainsRune(err.Error(), '\n') {
			t.Errorf("%s: more than one line: %q", tc.name, err)
		}
		if c != Default() {
			t.Errorf("%s: a faulty file leaves values behind", tc.name)
		}
	}
}

func TestChanges(t *testing.T) {
	old, now := Default(), Default()
	now.Line.MarginMS, now.Camera.CheckSharp = 3, 0.1
	now.Line.PulseMS, now.IO.In.Reset.Line = 7, "GPIO4"
	live, fixed := Changes(&old, &now)
	if !slices.Equal(live, []string{"camera.check_sharpness", "line.margin_ms"}) ||
		!slices.Equal(fixed, []string{"io.in.reset.line", "line.pulse_ms"}) {
		t.Errorf("live %v, fixed %v", live, fixed)
	}
}

// The example's head lists what a reload can change.
func TestExampleListsLiveKeys(t *testing.T) {
	text, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(text), "A reload can change")
	list, _, ok := strings.Cut(list, ".\n")
	got := regexp.MustCompile(`[a-z]+_[a-z_]+|uninspected`).FindAllString(list, -1)
	var want []string
	for _, typ := range []reflect.Type{reflect.TypeFor[Camera](), reflect.TypeFor[Line]()} {
		for i := range typ.NumField() {
			if typ.Field(i).Tag.Get("live") == "yes" {
				want = append(want, typ.Field(i).Tag.Get("toml"))
			}
		}
	}
	if !ok || !slices.Equal(got, want) {
		t.Errorf("the example lists\n%v, want\n%v", got, want)
	}
}

func TestLoadMissingFile(t *testing.T) {
	if _, err := Load("no/such/file"); !os.IsNotExist(unwrapAll(err)) {
		t.Errorf("err = %v", err)
	}
}

func unwrapAll(err error) error {
	for {
		u, ok := err.(interface{ Unwrap() error })
		if !ok {
			return err
		}
		if _, ok := err.(*os.PathError); ok {
			return err
		}
		err = u.Unwrap()
	}
}

func FuzzParse(f *testing.F) {
	text, err := os.ReadFile(example)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte("[line]\npulse_ms = 0x10\n[sim]\nbad = inf"))
	f.Add([]byte("a.b.c = [1, {x = 2}]\n[[line]]\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := Parse("f", text)
		if err != nil {
			if _, ok := err.(*Error); !ok {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		if err := check(reflect.ValueOf(c), "", "f", nil); err != nil {
			t.Fatalf("accepted: %v", err)
		}
	})
}

func TestSaveIsReadBack(t *testing.T) {
	c := Default()
	c.Product, c.Line.PulseMS, c.Camera.Gain, c.IO.In.Encoder.Line, c.Sim.Jitter = "a \"b\"\n", 7, 3, "x:1", 0.123456789
	path := filepath.Join(t.TempDir(), "c.toml")
	if err := c.Save(path); err != nil {
		t.Fatal(err)
	}
	got, err := Load(path)
	if err != nil || got != c {
		t.Errorf("%+v, %v", got, err)
	}
}

// A camera can be used before the rest of the line is written down, but not with a value or key that has no sense.
func TestLoadCameraNeedsNoWholeLine(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cull.toml")
	for text, fine := range map[string]bool{
		"[camera]\nkind = \"v4l2\"\ndevice = \"/dev/video7\"\n":            true,
		"[camera]\nkind = \"v4l2\"\ndevice = \"/dev/video7\"\nwidth = 3\n": false,
		"[camera]\nkind = \"v4l2\"\n[line]\ntravel = 3\n":                  false,
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := LoadCamera(file)
		if (err == nil) != fine || fine && c.Device != "/dev/video7" {
			t.Errorf("%q: %+v, %v", text, c, err)
		}
		if _, err := Load(file); err == nil {
			t.Errorf("%q is a line", text)
		}
	}
}

func TestByteOrderMarkIsPassedOver(t *testing.T) {
	c, err := Parse("f.toml", []byte("\ufeff[line]\npulse_ms = 7\n"))
	if err != nil || c.Line.PulseMS != 7 {
		t.Errorf("%v, pulse of %d ms", err, c.Line.PulseMS)
	}
}
