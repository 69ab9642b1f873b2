package main

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"cull/infer"
	"cull/trainer/internal/pretrain"
)

const tiny = `
name = "tiny"
[data]
size = 32
[network]
width = 8
blocks = [1, 1, 1]
[training]
images = 16
batch = 4
settle = 2
[quantise]
pictures = 4
size = 32
[[source]]
name = "procedural surfaces"
licence = "Apache-2.0"
`

// put writes text into a file of a new folder.
func put(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPretrainWritesAFileThatRuns(t *testing.T) {
	recipe := put(t, "tiny.toml", tiny)
	out := filepath.Join(filepath.Dir(recipe), "tiny.net")
	var stderr bytes.Buffer
	if code := run([]string{"pretrain", recipe, "--threads", "2", "-o", out}, nil, &stderr); code != exitOK {
		t.Fatalf("exit %d:\n%s", code, stderr.String())
	}
	for _, want := range []string{"16/16 samples", "form", "indirect", "0s left", "SNR dB", "stage3"} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("no %q in\n%s", want, stderr.String())
		}
	}
	m, err := infer.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	if m.Meta.Name != "tiny" || m.Meta.Images != 16 || m.Meta.Recipe != tiny || len(m.Meta.Sources) != 1 {
		t.Errorf("meta %+v", m.Meta)
	}

	again := filepath.Join(filepath.Dir(recipe), "again.net")
	checkpoint := strings.TrimSuffix(out, ".net") + ".ckpt"
	if code := run([]string{"quantize", checkpoint, "-o", again}, nil, &stderr); code != exitOK {
		t.Fatalf("quantize: exit %d:\n%s", code, stderr.String())
	}
	a, _ := os.ReadFile(out)
	b, _ := os.ReadFile(again)
	if !bytes.Equal(a, b) {
		t.Error("quantize and pretrain make different files of one checkpoint")
	}
	plates := filepath.Join(t.TempDir(), "plate")
	plate(t, plates)
	for _, more := range [][]string{nil, {"--parent", checkpoint}} {
		var stdout bytes.Buffer
		args := append([]string{
			"quantize", checkpoint, "-o", again, "--against", plates, "--size", "64", "--seeds", "2",
		}, more...)
		if code := run(args, &stdout, &stderr); code != exitOK {
			t.Fatalf("%v: exit %d:\n%s", args, code, stderr.String())
		}
		if s := stdout.String(); !strings.Contains(s, "plate") || !strings.Contains(s, "100.00") {
			t.Errorf("%v:\n%s", args, s)
		}
		if log := stderr.String(); !strings.Contains(log, "plate, float: ") || !strings.Contains(log, "plate, int8: ") {
			t.Errorf("progress does not say which network is measured:\n%s", log)
		}
	}

	third := filepath.Join(filepath.Dir(recipe), "third.net")
	quantize := []string{checkpoint, "-o", third, "--against", plates, "--size", "64"}
	ctx, cancel := context.WithCancel(context.Background())
	log := canceller{at: "plate, float", cancel: cancel}
	if code := runQuantize(ctx, quantize, io.Discard, &log); code != exitError || !strings.Contains(log.String(), "stopped while measuring; "+third+" is written") {
		t.Errorf("stopped while measuring: exit %d:\n%s", code, log.String())
	}
	if err := os.Remove(third); err != nil {
		t.Fatal(err)
	}
	stderr.Reset()
	if code := runQuantize(ctx, quantize, io.Discard, &stderr); code != exitError || stderr.String() != "cull-trainer: stopped; nothing was written\n" {
		t.Errorf("stopped: exit %d:\n%s", code, stderr.String())
	}
	if _, err := os.Stat(third); err == nil {
		t.Error("stopped, and written")
	}
	untouched := filepath.Join(filepath.Dir(recipe), "untouched.net")
	for _, c := range []struct {
		more []string
		code int
		want string
	}{
		{[]string{"--against", "nowhere"}, exitError, "hint: --against takes folders"},
		{[]string{"--against", plates, "--parent", "nowhere.ckpt"}, exitError, "--parent: "},
		{[]string{"--against", plates, "--parent", again}, exitError, "hint: quantize reads a .ckpt file"},
	} {
		stderr.Reset()
		args := append([]string{"quantize", checkpoint, "-o", untouched}, c.more...)
		if code := run(args, io.Discard, &stderr); code != c.code || !strings.Contains(stderr.String(), c.want) {
			t.Errorf("%v: exit %d:\n%s", c.more, code, stderr.String())
		}
		if _, err := os.Stat(untouched); err == nil {
			t.Fatalf("%v: work was done before the mistake was found", c.more)
		}
	}
}

// A canceller is a log that cancels when it reads at.
type canceller struct {
	bytes.Buffer
	at     string
	cancel func()
}

func (c *canceller) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(c.at)) {
		c.cancel()
	}
	return c.Buffer.Write(p)
}

func TestInterruptedPretrainSaysHowToGoOn(t *testing.T) {
	recipe := put(t, "tiny.toml", tiny)
	out := filepath.Join(filepath.Dir(recipe), "tiny.net")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var stderr bytes.Buffer
	if code := runPretrain(ctx, []string{recipe, "-o", out}, &stderr); code != exitError {
		t.Fatalf("exit %d:\n%s", code, stderr.String())
	}
	checkpoint := strings.TrimSuffix(out, ".net") + ".ckpt"
	if !strings.Contains(stderr.String(), "--resume "+checkpoint) {
		t.Errorf("no way to go on in\n%s", stderr.String())
	}
	stderr.Reset()
	if code := run([]string{"pretrain", recipe, "--resume", checkpoint, "-o", out}, nil, &stderr); code != exitOK {
		t.Fatalf("exit %d:\n%s", code, stderr.String())
	}
	stderr.Reset()
	code := run([]string{"pretrain", recipe, "--images", "20", "--resume", checkpoint, "-o", out}, nil, &stderr)
	if code != exitError || !strings.Contains(stderr.String(), "another recipe (training.images is 20, there ") {
		t.Errorf("exit %d:\n%s", code, stderr.String())
	}
}

// To go on from one checkpoint does not write over another that is unfinished.
func TestResumeSparesOtherRuns(t *testing.T) {
	a, b := put(t, "a.toml", tiny), put(t, "b.toml", strings.Replace(tiny, "images = 16", "images = 24", 1))
	stopped, cancel := context.WithCancel(context.Background())
	var stderr bytes.Buffer
	outOf := func(recipe string) string { return strings.TrimSuffix(recipe, ".toml") + ".net" }
	if code := run([]string{"pretrain", a, "-o", outOf(a)}, nil, &stderr); code != exitOK {
		t.Fatalf("exit %d:\n%s", code, stderr.String())
	}
	log := canceller{at: "samples/s", cancel: cancel}
	if code := runPretrain(stopped, []string{b, "-o", outOf(b)}, &log); code != exitError || !strings.Contains(log.String(), "go on with --resume") {
		t.Fatalf("exit %d:\n%s", code, log.String())
	}
	stderr.Reset()
	code := run([]string{"pretrain", a, "--resume", checkpointOf(outOf(a)), "-o", outOf(b)}, nil, &stderr)
	if code != exitError || !strings.Contains(stderr.String(), "holds an unfinished run") {
		t.Errorf("exit %d:\n%s", code, stderr.String())
	}
	stderr.Reset()
	if code := run([]string{"pretrain", b, "--resume", checkpointOf(outOf(b)), "-o", outOf(b)}, nil, &stderr); code != exitOK {
		t.Errorf("exit %d:\n%s", code, stderr.String())
	}
}

// A run that was ended while its network was made is no less worth than one that was ended before.
func TestPretrainSparesWhatIsNotWritten(t *testing.T) {
	recipe := put(t, "a.toml", tiny)
	out := strings.TrimSuffix(recipe, ".toml") + ".net"
	pretrain := func(more ...string) (int, string) {
		var stderr bytes.Buffer
		code := run(append([]string{"pretrain", recipe, "-o", out}, more...), nil, &stderr)
		return code, stderr.String()
	}
	if code, said := pretrain(); code != exitOK {
		t.Fatalf("exit %d:\n%s", code, said)
	}
	if code, said := pretrain("--images", "8"); code != exitOK {
		t.Errorf("a new run over a finished one: exit %d:\n%s", code, said)
	}
	other, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(out); err != nil {
		t.Fatal(err)
	}
	const want = "a.net is not written\nhint: go on with --resume"
	if code, said := pretrain(); code != exitError || !strings.Contains(said, want) {
		t.Errorf("exit %d:\n%s", code, said)
	}
	if code, said := pretrain("--images", "8", "--resume", checkpointOf(out)); code != exitOK {
		t.Errorf("exit %d:\n%s", code, said)
	}
	if code, said := pretrain(); code != exitOK {
		t.Errorf("exit %d:\n%s", code, said)
	}
	if err := os.WriteFile(out, other, 0o600); err != nil { // of 8 samples
		t.Fatal(err)
	}
	if code, said := pretrain(); code != exitError || !strings.Contains(said, want) {
		t.Errorf("beside another run's network: exit %d:\n%s", code, said)
	}
}

// What a checkpoint was trained on is asked of every command that renders it again.
func TestCheckpointsKeepToTheirPictures(t *testing.T) {
	recipe := put(t, "a.toml", strings.Replace(tiny, "[network]", "folder = \"parts\"\n[network]", 1))
	dir := filepath.Dir(recipe)
	out, ckpt, more := filepath.Join(dir, "a.net"), filepath.Join(dir, "a.ckpt"), brushedParts(t, 3)
	if err := os.Rename(brushedParts(t, 2), filepath.Join(dir, "parts")); err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	if code := run([]string{"pretrain", recipe, "-o", out}, nil, &stderr); code != exitOK {
		t.Fatalf("exit %d:\n%s", code, stderr.String())
	}
	stderr.Reset()
	again := filepath.Join(dir, "again.net")
	if code := run([]string{"quantize", ckpt, "--folder", filepath.Join(dir, "parts"), "-o", again}, nil, &stderr); code != exitOK {
		t.Fatalf("exit %d:\n%s", code, stderr.String())
	}
	if err := errors.Join(os.RemoveAll(filepath.Join(dir, "parts")), os.Rename(more, filepath.Join(dir, "parts"))); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"pretrain", recipe, "--resume", ckpt, "-o", out},
		{"quantize", ckpt, "--folder", filepath.Join(dir, "parts"), "-o", again},
		{"export", ckpt, "--folder", filepath.Join(dir, "parts"), "-o", filepath.Join(dir, "a.safetensors")},
	} {
		stderr.Reset()
		code := run(args, io.Discard, &stderr)
		if said := stderr.String(); code != exitError || !strings.Contains(said, "parts: checkpoint of other pictures") ||
			!strings.Contains(said, "hint: a checkpoint goes on only with the pictures") && !strings.Contains(said, "hint: --folder takes the pictures") {
			t.Errorf("%s: exit %d:\n%s", args[0], code, said)
		}
	}
}

// A picture that cannot be read costs no training.
func TestPretrainKeepsWhatWasTrained(t *testing.T) {
	folder := t.TempDir()
	for i := range 40 {
		var b bytes.Buffer
		if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 64, 64))); err != nil {
			t.Fatal(err)
		}
		data := b.Bytes()
		if i == 7 {
			data = data[:len(data)-20]
		}
		if err := os.WriteFile(filepath.Join(folder, strconv.Itoa(i)+".png"), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text := strings.Replace(tiny, "images = 16", "images = 4000", 1)
	recipe := put(t, "a.toml", strings.Replace(text, "[network]", "folder = "+strconv.Quote(folder)+"\n[data.synth]\nsource-share = \"0.02\"\n[network]", 1))
	out := filepath.Join(filepath.Dir(recipe), "a.net")
	var stderr bytes.Buffer
	if code := run([]string{"pretrain", recipe, "-o", out}, nil, &stderr); code != exitError || !strings.Contains(stderr.String(), "7.png") ||
		!strings.Contains(stderr.String(), "hint: mend that, then go on with --resume "+checkpointOf(out)) {
		t.Fatalf("exit %d:\n%s", code, stderr.String())
	}
	c, err := pretrain.OpenCheckpoint(checkpointOf(out))
	if err != nil {
		t.Fatal(err)
	}
	if n, _ := c.Images(); n == 0 {
		t.Error("nothing is kept")
	}
}

// Directions in which no defect stands out would be any: there is no network, and the training is kept.
func TestDiscriminantsWithoutADefect(t *testing.T) {
	recipe := put(t, "a.toml", tiny+"[data.synth]\ndefect-share = \"0\"\n[discriminant]\nchannels = [8, 8, 8]\nsamples = 16\nsize = 48\n")
	out := filepath.Join(filepath.Dir(recipe), "a.net")
	var stderr bytes.Buffer
	if code := run([]string{"pretrain", recipe, "-o", out}, nil, &stderr); code != exitError ||
		!strings.Contains(stderr.String(), "no visible defect among 16 samples\nhint: the checkpoint has the training: pretrain --resume ") {
		t.Errorf("exit %d:\n%s", code, stderr.String())
	}
	stderr.Reset()
	if code := run([]string{"quantize", checkpointOf(out), "-o", out}, nil, &stderr); code != exitError ||
		!strings.Contains(stderr.String(), "\nhint: the checkpoint has the training: pretrain --resume ") {
		t.Errorf("quantize: exit %d:\n%s", code, stderr.String())
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("a network was written")
	}
}

func TestMistakesAreNamedInOneLineWithAHint(t *testing.T) {
	recipe := put(t, "tiny.toml", tiny)
	out := filepath.Join(filepath.Dir(recipe), "x.net")
	folder := filepath.Join(filepath.Dir(recipe), "x2.net")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	bad := put(t, "bad.toml", "[data]\nfolder = \"nowhere\"\n")
	idle := put(t, "idle.toml", strings.Replace(tiny, "[network]", "holdout = 0.5\n[network]", 1))
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{nil, exitUsage, "usage:"},
		{[]string{"fly"}, exitUsage, `no command "fly"`},
		{[]string{"pretrain"}, exitUsage, "pretrain needs a recipe"},
		{[]string{"pretrain", recipe}, exitUsage, "needs -o"},
		{[]string{"pretrain", recipe, recipe, "-o", out}, exitUsage, "unexpected argument"},
		{[]string{"pretrain", recipe, "--threads", "0", "-o", out}, exitUsage, "--threads 0"},
		{[]string{"pretrain", recipe, "--bogus", "-o", out}, exitUsage, "-bogus"},
		{[]string{"quantize", "a.ckpt", "--bogus"}, exitUsage, "-bogus"},
		{[]string{"pretrain", recipe, "-o", folder}, exitError, "x2.net cannot be written: it is a folder"},
		{[]string{"pretrain", "missing.toml", "-o", out}, exitError, "missing.toml"},
		{[]string{"pretrain", bad, "-o", out}, exitError, "data.folder"},
		{[]string{"pretrain", idle, "-o", out}, exitError, "idle.toml: line 5: data.holdout: 0.5 without data.folder"},
		{[]string{"pretrain", idle, "--resume", recipe, "-o", out}, exitError, "not a cull file"}, // of before that rule
		{[]string{"pretrain", recipe, "-o", "/nowhere/x.net"}, exitError, "hint:"},
		{[]string{"pretrain", recipe, "--resume", recipe, "-o", out}, exitError, "not a cull file"},
		{[]string{"quantize", "-o", out}, exitUsage, "needs a checkpoint"},
		{[]string{"quantize", "a.ckpt", "-o", out, "--parent", "b.ckpt"}, exitUsage, "--parent is for --against"},
		{[]string{"quantize", recipe, "-o", out}, exitError, "not a cull file"},
	} {
		var stdout, stderr bytes.Buffer
		if code := run(c.args, &stdout, &stderr); code != c.code || !strings.Contains(stderr.String(), c.want) {
			t.Errorf("%q: exit %d, want %d with %q:\n%s", c.args, code, c.code, c.want, stderr.String())
		}
		if lines := strings.Count(stderr.String(), "\n"); c.args != nil && lines > 2 {
			t.Errorf("%q: %d lines:\n%s", c.args, lines, stderr.String())
		}
	}
}

func TestVersion(t *testing.T) {
	var out bytes.Buffer
	if code := run([]string{"version"}, &out, io.Discard); code != exitOK || !strings.HasPrefix(out.String(), "cull-trainer (devel) commit ") {
		t.Errorf("exit %d, %q", code, out.String())
	}
}
