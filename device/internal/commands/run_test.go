package commands

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"cull/device/internal/config"
	"cull/device/internal/doctor"
	"cull/device/internal/record"
)

// A desk is a configuration file for a small, fast line with a log.
type desk struct{ dir, config, log string }

func newDesk(t *testing.T, more string) *desk {
	t.Helper()
	dir := t.TempDir()
	d := &desk{dir, filepath.Join(dir, "cull.toml"), filepath.Join(dir, "log")}
	net := filepath.Join(dir, "random.net")
	writeNetwork(t, net, 1)
	// Generous limits: a busy machine must not change a verdict.
	text := fmt.Sprintf("network = %q\n[line]\nframe_wait_ms = 5000\npulse_late_ms = 5000\n"+
		"[record]\ndir = %q\ngroup_ms = 0\n[sim]\nsize = 64\nteach = 12\nbad = 0.4\n"+
		"pitch_mm = 60\nlength_mm = 30\nnozzle_mm = 900\nspeed_mm_s = 600\nstop_for_ms = 100\n%s",
		net, d.log, more)
	if err := os.WriteFile(d.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *desk) run(t *testing.T, ctx context.Context, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, log bytes.Buffer
	err = Run(ctx, Env{&out, &log}, append([]string{"--config", d.config}, args...))
	return out.String(), log.String(), err
}

// product teaches a product on the built-in network.
func (d *desk) product(t *testing.T) string {
	t.Helper()
	b := newBench(t)
	path := filepath.Join(d.dir, "p.product")
	if err := Teach(t.Context(), Env{&bytes.Buffer{}, &bytes.Buffer{}}, []string{"--size", "64", b.parts, "-o", path}); err != nil {
		t.Fatal(err)
	}
	return path
}

// parts returns the log's parts: id, verdict, score.
func (d *desk) parts(t *testing.T) (lines []string, sum record.Summary) {
	t.Helper()
	for e, err := range record.Read(d.log) {
		if err != nil {
			t.Fatal(err)
		}
		sum.Add(e)
		if e.Kind == record.KindPart {
			score := "none"
			if e.Score != nil {
				score = fmt.Sprintf("%x", *e.Score)
			}
			lines = append(lines, fmt.Sprintf("%04d %s %s", e.Part, e.Verdict, score))
		}
	}
	slices.Sort(lines) // the log has them in the order in which they ended
	return lines, sum
}

func TestRunAccountsForEveryPart(t *testing.T) {
	d := newDesk(t, "")
	out, log, err := d.run(t, t.Context(), "--parts", "15")
	if err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	_, sum := d.parts(t)
	want := fmt.Sprintf("parts 15 pass %d reject %d stop %d\n", sum.Pass, sum.Reject, sum.Stop)
	if out != want || sum.Pass+sum.Reject+sum.Stop != 15 {
		t.Errorf("stdout %q, log %q", out, want)
	}
	for _, message := range []string{"teaching", "taught", "line ready", "summary", "truth of the simulated line"} {
		if !strings.Contains(log, message) {
			t.Errorf("the journal does not say %q:\n%s", message, log)
		}
	}
	if n := strings.Count(log, "part rejected"); n != int(sum.Reject) {
		t.Errorf("%d lines about %d rejects", n, sum.Reject)
	}

	// A second run goes on with the ids, in the same log.
	if _, log, err := d.run(t, t.Context(), "--parts", "3"); err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	if lines, sum := d.parts(t); sum.Parts != 18 || !strings.HasPrefix(lines[17], "0018 ") {
		t.Errorf("log after two runs: %q", lines)
	}
}

// One seed, the same parts: verdicts and scores are equal to the bit.
func TestRunRepeats(t *testing.T) {
	var runs [2]string
	for i := range runs {
		d := newDesk(t, "")
		if _, log, err := d.run(t, t.Context(), "--parts", "12", "--seed", "7"); err != nil {
			t.Fatalf("%v\n%s", err, log)
		}
		lines, _ := d.parts(t)
		runs[i] = strings.Join(lines, "\n")
	}
	if runs[0] != runs[1] {
		t.Errorf("first run\n%s\nsecond run\n%s", runs[0], runs[1])
	}
}

func TestRunInterrupted(t *testing.T) {
	d := newDesk(t, "")
	ctx, cancel := context.WithCancel(t.Context())
	var out bytes.Buffer
	log := &watch{word: "part rejected", seen: cancel}
	if err := Run(ctx, Env{&out, log}, []string{"--config", d.config}); err != nil {
		t.Fatalf("%v\n%s", err, log.text.String())
	}
	_, sum := d.parts(t)
	want := fmt.Sprintf("parts %d pass %d reject %d stop %d\n", sum.Parts, sum.Pass, sum.Reject, sum.Stop)
	if out.String() != want || sum.Parts == 0 {
		t.Errorf("stdout %q, log %q\n%s", out.String(), want, log.text.String())
	}
}

// A watch calls seen when a word is written.
type watch struct {
	text bytes.Buffer
	word string
	seen func()
}

func (w *watch) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(w.word)) {
		w.seen()
	}
	return w.text.Write(p)
}

// SIGHUP: a good file is in force, a bad one and one that changes too much are refused with their reason.
func TestHold(t *testing.T) {
	wired, bare := config.Default(), config.Default()
	wired.IO.Kind, bare.IO.Kind = "gpio", "gpio"
	wired.IO.In.Reset.Line = "RESET"
	for _, tc := range []struct {
		last        record.Recovery
		wired, bare bool
	}{
		{record.Recovery{}, false, false},
		{record.Recovery{Unclean: true}, true, true},
		{record.Recovery{Failed: true}, true, true}, // systemd starts it again by itself
		{record.Recovery{Stopped: true}, true, false},
	} {
		if a, b := hold(&wired, &tc.last), hold(&bare, &tc.last); a != tc.wired || b != tc.bare {
			t.Errorf("%+v: with RESET %t, without %t", tc.last, a, b)
		}
	}
	if e := ending(true, errors.New("no rejecter")); e.State != record.StateFoul || e.Error == "" {
		t.Errorf("%+v", e)
	}
}

func TestReloadSeesAProductThatHasChanged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "washer.product")
	write := func(text string) {
		if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil { // as cull teach does
			t.Fatal(err)
		}
	}
	write("taught")
	var s station
	s.use("product", path)
	s.use("network", "")
	if err := s.unchanged(); err != nil {
		t.Error(err)
	}
	write("better")
	if err := s.unchanged(); err == nil || !strings.Contains(err.Error(), "product: ") || !strings.Contains(err.Error(), "systemctl restart cull") {
		t.Errorf("err = %v", err)
	}
	os.Remove(path)
	if err := s.unchanged(); err == nil {
		t.Error("a product that is gone")
	}
}

func TestRunReloads(t *testing.T) {
	d := newDesk(t, "")
	text, err := os.ReadFile(d.config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	log := &steps{}
	hup := func(text string) {
		if err := os.WriteFile(d.config, []byte(text), 0o600); err != nil {
			t.Error(err)
		}
		syscall.Kill(os.Getpid(), syscall.SIGHUP)
	}
	log.on = []step{
		{"part rejected", func() { hup(strings.Replace(string(text), "[line]", "[line]\nrejects_alarm = 1", 1)) }},
		{"configuration reloaded\" changed=line.rejects_alarm", func() {}},
		{"many rejects in a row\" parts=1", func() { hup(string(text) + "bad = 2\n") }},
		{"configuration not reloaded, the old one stays", func() {
			hup(strings.Replace(string(text), "[line]", "[line]\nrejects_alarm = 1\npulse_ms = 50", 1))
		}},
		{"line.pulse_ms cannot change while the line runs", func() {
			os.Chtimes(filepath.Join(d.dir, "random.net"), time.Time{}, time.Unix(1e9, 0))
			hup(strings.Replace(string(text), "[line]", "[line]\nrejects_alarm = 1", 1))
		}},
		{"random.net has changed, and a reload does not load it", cancel},
	}
	if err := Run(ctx, Env{&bytes.Buffer{}, log}, []string{"--config", d.config}); err != nil {
		t.Fatal(err)
	}
	if len(log.on) > 0 {
		t.Errorf("%q was not said:\n%s", log.on[0].word, log.text.String())
	}
}

// steps does one thing after the other, each when its word is written.
type steps struct {
	text bytes.Buffer
	on   []step
}

type step struct {
	word string
	then func()
}

func (s *steps) Write(p []byte) (int, error) {
	if len(s.on) > 0 && bytes.Contains(p, []byte(s.on[0].word)) {
		then := s.on[0].then
		s.on = s.on[1:]
		then()
	}
	return s.text.Write(p)
}

func TestRunOnAFolder(t *testing.T) {
	b := newBench(t)
	product := b.path("p.product")
	if err := Teach(t.Context(), Env{&bytes.Buffer{}, &bytes.Buffer{}},
		[]string{"--net", b.net, "--size", "64", b.parts, "-o", product}); err != nil {
		t.Fatal(err)
	}
	config := b.path("cull.toml")
	text := fmt.Sprintf("product = %q\nnetwork = %q\n[camera]\nkind = \"folder\"\nfolder = %q\n"+
		"[line]\npulse_late_ms = 5000\n[sim]\npitch_mm = 60\nlength_mm = 30\nnozzle_mm = 600\nspeed_mm_s = 600\n", product, b.net, b.parts)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, log bytes.Buffer
	if err := Run(t.Context(), Env{&out, &log}, []string{"--config", config}); err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	if !regexp.MustCompile(`^parts 20 pass \d+ reject \d+ stop 0\n$`).MatchString(out.String()) {
		t.Errorf("stdout %q\n%s", out.String(), log.String())
	}
}

// Parts that pass, but score as only the worst of the taught ones did: the journal says so, and the summary how much.
func TestRunSaysThatScoresHaveDrifted(t *testing.T) {
	b := newBench(t)
	product := b.path("p.product")
	mustCull(t, "teach", "--net", b.net, "--size", "64", "--no-mirrors", b.parts, "-o", product)
	inspect := []string{"inspect", "--json", "--net", b.net, product}
	for seed := range uint64(60) {
		path := b.path(fmt.Sprintf("candidate%d.png", seed))
		writePart(t, path, 1000+seed, false)
		inspect = append(inspect, path)
	}
	var a inspectAnswer
	if err := json.Unmarshal([]byte(mustCull(t, inspect...)), &a); err != nil {
		t.Fatal(err)
	}
	worst := a.Images[0]
	for _, one := range a.Images {
		if one.Verdict == "PASS" && (one.Score > worst.Score || worst.Verdict != "PASS") {
			worst = one
		}
	}
	picture, err := os.ReadFile(worst.Image)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		folder  string
		of      int // parts that score so, of 24
		drifted bool
	}{{"drifted", 24, true}, {"one", 1, false}} {
		folder := b.path(tc.folder)
		for i := range 24 {
			path := filepath.Join(folder, fmt.Sprintf("%02d.png", i))
			if writePart(t, path, 2000+uint64(i), false); i < tc.of {
				if err := os.WriteFile(path, picture, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		config := b.path(tc.folder + ".toml")
		text := fmt.Sprintf("product = %q\nnetwork = %q\n[camera]\nkind = \"folder\"\nfolder = %q\n[line]\nframe_wait_ms = 5000\npulse_late_ms = 5000\ndrift_parts = 20\n"+
			"[sim]\npitch_mm = 60\nlength_mm = 30\nnozzle_mm = 600\nspeed_mm_s = 600\n", product, b.net, folder)
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var out, log bytes.Buffer
		if err := Run(t.Context(), Env{&out, &log}, []string{"--config", config}); err != nil {
			t.Fatalf("%v\n%s", err, log.String())
		}
		said := regexp.MustCompile(`have drifted from those of the parts taught" parts=20 higher_than_taught=(1|0\.9)`).MatchString(log.String())
		summed := regexp.MustCompile(`msg=summary .* higher_than_taught=`).MatchString(log.String())
		if said != tc.drifted || !summed {
			t.Errorf("%s: said %t, summary %t\n%s", tc.folder, said, summed, log.String())
		}
	}
}

func TestRunMistakes(t *testing.T) {
	d := newDesk(t, "")
	file := func(name, format string, args ...any) string {
		path := filepath.Join(d.dir, name)
		if err := os.WriteFile(path, fmt.Appendf(nil, format, args...), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const realLine = "product = %q\n[camera]\nkind = \"v4l2\"\ndevice = \"/dev/no-camera\"\nwidth = %d\nheight = %d\n[record]\ndir = %q\n[line]\n" +
		"travel_ms = 500\n[io]\nkind = \"gpio\"\nin.trigger.line = \"no-chip:1\"\nout.reject.line = \"no-chip:2\"\n"
	typo := file("typo.toml", "[line]\npuls_ms = 3\n")
	real := file("real.toml", realLine, d.product(t), 64, 64, d.log)
	large := file("large.toml", realLine, d.product(t), 1280, 720, d.log)
	gone := file("gone.toml", "product = \"no/such.product\"\n")
	noNet := file("no-net.toml", "network = %q\n", typo)
	noProduct := file("no-product.toml", "product = %q\n", d.dir)
	noDir := file("no-dir.toml", "[record]\ndir = %q\n", typo)
	noPictures := file("no-pictures.toml", "product = %q\n[camera]\nkind = \"folder\"\nfolder = %q\n", d.product(t), t.TempDir())
	noFolder := file("no-folder.toml", "product = %q\n[camera]\nkind = \"folder\"\nfolder = \"no/such\"\n", d.product(t))
	noFile := file("no-file.toml", "product = %q\n[camera]\nkind = \"recording\"\nrecording = \"no/such\"\n", d.product(t))
	below := file("below.toml", "[record]\ndir = %q\n", typo+"/log")
	noCamera := file("no-camera.toml", strings.Replace(realLine, "/dev/no-camera", "/dev/null", 1), d.product(t), 64, 64, d.log)
	noRecording := file("no-recording.toml", "product = %q\n[camera]\nkind = \"recording\"\nrecording = %q\n", d.product(t), t.TempDir())
	for _, tc := range []struct {
		args       []string
		want, hint string
		usage      bool
	}{
		{[]string{"--config", typo}, "typo.toml:2: line.puls_ms: unknown key", "did you mean line.pulse_ms?", false},
		{[]string{"--config", "no/such.toml"}, "no such file", "", false},
		{[]string{"--config", gone, "--check"}, "no/such.product", "working directory", false},
		{[]string{"--config", real}, "io.in.trigger.line: gpio: ", "gpioinfo", false},
		{[]string{"--config", real, "--check"}, "run: camera.device: stat /dev/no-camera: no such file", "/dev/v4l/by-path", false},
		{[]string{"--config", large, "--check"}, "camera.width, camera.height: 1280x720, good parts 64x64", "width = 64", false},
		{[]string{"--config", noNet, "--check"}, "typo.toml: container: not a cull file", "name a .net file, or none", false},
		{[]string{"--config", noProduct, "--check"}, "not a regular file", "name a .product file", false},
		{[]string{"--config", below, "--check"}, "typo.toml is no directory", "choose a directory", false},
		{[]string{"--config", noCamera, "--check"}, "camera.device: /dev/null is no video device", "/dev/v4l/by-path", false},
		{[]string{"--config", noDir, "--check"}, "typo.toml is no directory", "choose a directory", false},
		{[]string{"--config", noPictures, "--check"}, "camera.folder", "put pictures", false},
		{[]string{"--config", noRecording, "--check"}, "camera.recording", "record.frames", false},
		{[]string{"--config", gone}, "run: product: product: container: open no/such.product", "working directory", false},
		{[]string{"--config", noFolder}, "run: camera.folder: imagefile: open no/such: no such file", "working directory", false},
		{[]string{"--config", noFolder, "--check"}, "run: camera.folder: imagefile: open no/such: no such file", "working directory", false},
		{[]string{"--config", noPictures}, "run: camera.folder: ", "put pictures into the folder", false},
		{[]string{"--config", noFile}, "run: camera.recording: recording: stat no/such: no such file", "working directory", false},
		{[]string{"--config", noRecording}, "run: camera.recording: ", "record.frames", false},
		{[]string{"--check"}, "--check needs --config", "cull run --config", true},
		{[]string{"--parts", "-1"}, "--parts", "", true},
		{[]string{"--parts", "x"}, "invalid value", "--help", true},
		{[]string{"now"}, "unexpected argument", "cull run", true},
	} {
		err := Run(t.Context(), Env{&bytes.Buffer{}, &bytes.Buffer{}}, tc.args)
		if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(HintOf(err), tc.hint) ||
			errors.Is(err, ErrUsage) != tc.usage || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v (hint %q)", tc.args, err, HintOf(err))
		}
	}
	for _, file := range []struct{ config, want string }{
		{gone, "fault    product: product: container: open no/such.product: no such file or directory\n         the path counts from the working directory\n"},
		{noNet, "fault    network: infer: " + typo + ": container: not a cull file\n         name a .net file, or none"},
	} {
		var out bytes.Buffer
		if err := Doctor(t.Context(), Env{&out, &bytes.Buffer{}}, []string{"--config", file.config}); err == nil || !strings.Contains(out.String(), file.want) {
			t.Errorf("doctor: %v, no %q in\n%s", err, file.want, out.String())
		}
	}
	out, _, err := d.run(t, t.Context(), "--check")
	if err != nil || out != "network: "+filepath.Join(d.dir, "random.net")+" is random\n"+d.config+": ok\n" {
		t.Errorf("--check: %q, %v", out, err)
	}
}

// What root reads the daemon may not be allowed to.
func TestDoctorReadsAsTheDaemonsUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	unitUser = "nobody"
	defer func() { unitUser = doctor.User }()
	d := newDesk(t, "")
	product := d.product(t)
	file := filepath.Join(d.dir, "line.toml")
	if err := os.WriteFile(file, fmt.Appendf(nil, "product = %q\n", product), 0o644); err != nil {
		t.Fatal(err)
	}
	for dir := d.dir; len(dir) > len(os.TempDir()); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	examine := func() string {
		var out bytes.Buffer
		Doctor(t.Context(), Env{&out, &bytes.Buffer{}}, []string{"--config", file}) //nolint:errcheck // its findings are looked at
		return out.String()
	}
	if out := examine(); !strings.Contains(out, "\nok       product: ") || strings.Contains(out, "config: ") {
		t.Fatalf("all may read:\n%s", out)
	}
	if doctor.As(unitUser, func() error { return os.WriteFile(file, nil, 0) }) == nil {
		t.Skip("a name space without that user")
	}
	for path, want := range map[string]string{
		file:    "fault    config: config: open " + file + ": permission denied\n         chmod a+r " + file,
		product: "fault    product: product: container: open " + product + ": permission denied\n         chmod a+r " + product,
	} {
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
		if out := examine(); !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestBundle(t *testing.T) {
	b := newBench(t)
	product := b.path("p.product")
	env := func(out *bytes.Buffer) Env { return Env{out, &bytes.Buffer{}} }
	if err := Teach(t.Context(), env(&bytes.Buffer{}),
		[]string{"--net", b.net, "--size", "64", b.parts, "-o", product}); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		args []string
		want []string
	}{
		{[]string{"show", b.net}, []string{"kind      ", "net, version 1", "weights", "self-test", "signed", "no"}},
		{[]string{"show", product}, []string{"product, version 6", "64 x 64", "20 good parts", "threshold", "golden"}},
		{[]string{"verify", b.net}, []string{": ok, "}},
		{[]string{"verify", "--net", b.net, product}, []string{": ok, ", "4 golden pictures reproduced"}},
	} {
		var out bytes.Buffer
		if err := Bundle(t.Context(), env(&out), tc.args); err != nil {
			t.Errorf("%q: %v", tc.args, err)
		}
		for _, w := range tc.want {
			if !strings.Contains(out.String(), w) {
				t.Errorf("%q does not say %q:\n%s", tc.args, w, out.String())
			}
		}
	}

	data, err := os.ReadFile(product)
	if err != nil {
		t.Fatal(err)
	}
	flipped, other := b.path("flipped.product"), b.path("other.net")
	data[len(data)/2] ^= 1
	os.WriteFile(flipped, data, 0o600)
	writeNetwork(t, other, 2)
	for _, tc := range []struct {
		args       []string
		want, hint string
		usage      bool
	}{
		{[]string{"verify", flipped}, "corrupted", "copy the file again", false},
		{[]string{"show", b.good}, "not a cull file", "cull teach writes", false},
		{[]string{"show", b.path("none")}, "no such file", "", false},
		{[]string{"show", b.dir}, "not a regular file", "", false},
		{[]string{"verify", "--net", other, product}, "taught on another network", "--net", false},
		{[]string{"show"}, "want a verb and a file", "show|verify", true},
		{[]string{"sing", product}, "no verb", "show|verify", true},
	} {
		err := Bundle(t.Context(), env(&bytes.Buffer{}), tc.args)
		if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(HintOf(err), tc.hint) ||
			errors.Is(err, ErrUsage) != tc.usage {
			t.Errorf("%q: %v (hint %q)", tc.args, err, HintOf(err))
		}
	}
}

func TestTableAndUsage(t *testing.T) {
	var out bytes.Buffer
	Usage(&out)
	if n := strings.Count(out.String(), "\n"); n > 24 {
		t.Errorf("usage has %d lines: not one screen", n)
	}
	for _, c := range Table() {
		if !strings.Contains(out.String(), "  "+c.Name+" ") {
			t.Errorf("usage does not list %s", c.Name)
		}
		var help bytes.Buffer
		if c.Synopsis == "" {
			continue
		}
		if err := c.Run(t.Context(), Env{&help, &help}, []string{"--help"}); err == nil ||
			!strings.HasPrefix(help.String(), "usage: cull "+c.Name+" "+c.Synopsis) {
			t.Errorf("%s --help: %v\n%s", c.Name, err, help.String())
		}
	}
	if err := Unknown("inspekt"); !errors.Is(err, ErrUsage) {
		t.Error(err)
	}
}
