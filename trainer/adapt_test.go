package main

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cull/infer"
	"cull/internal/imagefile"
	"cull/synth"
	"cull/trainer/internal/adapt"
	"cull/weights"
)

// brushedParts writes good parts of a procedural product.
func brushedParts(t *testing.T, n int) string {
	t.Helper()
	o := synth.Defaults(64, 64)
	for _, set := range [][2]string{
		{"family", "brushed"},
		{"source-share", "0"},
		{"scene", "0"},
		{"contrast", "1"},
		{"level", "0.5"},
		{"gamma", "1"},
	} {
		if err := o.Set(set[0], set[1]); err != nil {
			t.Fatal(err)
		}
	}
	g, err := synth.New(o, nil)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var s synth.Sample
	for i := range n {
		if err := g.Render(&s, uint64(i)); err != nil {
			t.Fatal(err)
		}
		img := image.NewNRGBA(image.Rect(0, 0, 64, 64))
		for k := range 64 * 64 {
			copy(img.Pix[4*k:], s.Clean.Pix[3*k:3*k+3])
			img.Pix[4*k+3] = 255
		}
		var b bytes.Buffer
		if err := png.Encode(&b, img); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%03d.png", i)), b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// One direction a tap from one defect cannot help: refused, and nothing is written.
func TestAdaptRefusesWhatDoesNotHelp(t *testing.T) {
	out := filepath.Join(t.TempDir(), "a.net")
	var stderr bytes.Buffer
	args := []string{"adapt", brushedParts(t, 24), "--size", "64", "--defects", "1", "--share", "0.01", "-o", out}
	if code := run(args, nil, &stderr); code != exitError {
		t.Fatalf("exit %d\n%s", code, &stderr)
	}
	for _, want := range []string{"24 good parts", "no gain", "hint: go on with the parent"} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("no %q in\n%s", want, &stderr)
		}
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("a network that does not help was written")
	}
}

// What helps is a network like any other, and its file says what it was made from.
func TestAdaptDescribesItsNetwork(t *testing.T) {
	parent, err := infer.Parse(weights.Cull())
	if err != nil {
		t.Fatal(err)
	}
	child := *parent
	r := &adapt.Result{Model: &child, Parts: 60, Gain: adapt.Gain{Parent: 0.6, Child: 0.7, D: 0.1, Low: 0.05, High: 0.15}}
	j := adaptJob{o: adapt.Defaults(), out: filepath.Join(t.TempDir(), "a.net")}
	j.describe(r, parent, "/parts/good")
	var stderr bytes.Buffer
	if code := deliver(r.Model, j.out, &stderr); code != exitOK {
		t.Fatalf("exit %d\n%s", code, &stderr)
	}
	m, err := infer.Open(j.out)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"adapted from": fmt.Sprintf("%x", parent.Digest()),
		"adapted on":   "60 good parts of good, 400 defects, share 0.25, seed 1",
		"adapted gain": "0.600 -> 0.700, gain +0.100 (95 %: +0.050 to +0.150)",
	} {
		if !strings.Contains(m.Meta.Notes[key], want) {
			t.Errorf("note %q is %q, want %q in it", key, m.Meta.Notes[key], want)
		}
	}
	if m.Meta.Recipe != parent.Meta.Recipe || parent.Meta.Notes["adapted from"] != "" {
		t.Error("the parent's recipe is lost, or its notes are changed")
	}
}

// Of a folder of many, only what is drawn is read.
func TestAdaptReadsWhatItDraws(t *testing.T) {
	dir := brushedParts(t, 1)
	one := filepath.Join(dir, "000.png")
	for i := range adapt.MaxParts {
		if err := os.Link(one, filepath.Join(dir, fmt.Sprintf("%03d.png", i+1))); err != nil {
			t.Fatal(err)
		}
	}
	files, err := imagefile.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	j := adaptJob{o: adapt.Defaults()}
	j.o.Size = 64
	drawn := adapt.Draw(files, j.o.Seed)
	for _, f := range files {
		if slices.Contains(drawn, f) {
			continue
		}
		if err := errors.Join(os.Remove(f), os.WriteFile(f, []byte("no picture"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if parts, err := j.parts(t.Context(), dir); err != nil || len(parts) != adapt.MaxParts {
		t.Errorf("%d parts, %v", len(parts), err)
	}
}

func TestAdaptNamesWhatIsWrong(t *testing.T) {
	few, alike := brushedParts(t, 3), brushedParts(t, 1)
	one, err := os.ReadFile(filepath.Join(alike, "000.png"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range adapt.MinParts {
		if err := os.WriteFile(filepath.Join(alike, fmt.Sprintf("%03d.png", i)), one, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"adapt", exitUsage, "folder of good parts"},
		{"adapt " + few, exitUsage, "-o"},
		{"adapt " + few + " -o a.net --size 65", exitUsage, "--size 65"},
		{"adapt " + few + " -o a.net --defects 0", exitUsage, "--defects 0"},
		{"adapt " + few + " -o a.net --share 2", exitUsage, "--share 2"},
		{"adapt " + few + " -o a.net --seed 65537", exitUsage, "--seed 65537"},
		{"adapt " + few + " -o a.net", exitError, "3, want at least 20"},
		{"adapt " + alike + " --size 64 -o a.net", exitError, "1, want at least 20: 19 of 20 pictures are copies\nhint: add pictures of good parts"},
		{"adapt absent -o a.net", exitError, "absent"},
		{"adapt " + few + " --net absent.net -o a.net", exitError, "absent.net"},
	} {
		var stderr bytes.Buffer
		code := run(strings.Fields(c.args), nil, &stderr)
		if code != c.code || !strings.Contains(stderr.String(), c.want) {
			t.Errorf("%s: exit %d, want %d with %q:\n%s", c.args, code, c.code, c.want, &stderr)
		}
	}
}
