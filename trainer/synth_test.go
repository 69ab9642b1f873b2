package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"image"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cull/synth"
)

// synthRun runs the command and returns its exit code and what it wrote.
func synthRun(args ...string) (code int, stdout, stderr string) {
	var o, e bytes.Buffer
	code = runSynth(context.Background(), args, &o, &e)
	return code, o.String(), e.String()
}

func readPNG(t *testing.T, path string) image.Image {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return img
}

func TestSynthWritesTheRange(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "set")
	code, out, errs := synthRun("--seed", "41", "--count", "40", "--size", "32", "--mask", "scratch", "-o", dir)
	if code != exitOK || out != "40 samples, seeds 41 to 80: "+dir+"\n" {
		t.Fatalf("exit %d, %q, %q", code, out, errs)
	}
	f, err := os.Open(filepath.Join(dir, "samples.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	o := synth.Defaults(32, 32)
	if err := o.Set("mask", "scratch"); err != nil {
		t.Fatal(err)
	}
	g, err := synth.New(o, nil)
	if err != nil {
		t.Fatal(err)
	}
	seed := uint64(41)
	var s synth.Sample
	for lines := bufio.NewScanner(f); lines.Scan(); seed++ {
		var l sampleLine
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			t.Fatal(err)
		}
		if l.Seed != seed || l.Params.Defect.Mask != "scratch" {
			t.Fatalf("line of seed %d, mask %q; want %d, scratch", l.Seed, l.Params.Defect.Mask, seed)
		}
		if err := g.Render(&s, seed); err != nil {
			t.Fatal(err)
		}
		checkWritten(t, dir, l.Name, &s)
	}
	if seed != 81 {
		t.Errorf("the lines end before seed %d", seed)
	}
	var d struct {
		Seed       uint64
		Parameters map[string]string
	}
	b, err := os.ReadFile(filepath.Join(dir, "dataset.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &d); err != nil || d.Seed != 41 || d.Parameters["mask"] != "scratch:1" {
		t.Errorf("dataset.json: %v, %+v", err, d)
	}
}

// checkWritten compares the files of a sample with the sample.
func checkWritten(t *testing.T, dir, name string, s *synth.Sample) {
	t.Helper()
	img := readPNG(t, filepath.Join(dir, "image", name+".png"))
	mask := readPNG(t, filepath.Join(dir, "mask", name+".png")).(*image.Gray)
	score := readPNG(t, filepath.Join(dir, "score", name+".png")).(*image.Gray16)
	for i := range s.Mask {
		x, y := i%32, i/32
		r, g, b, _ := img.At(x, y).RGBA()
		if p := s.Image.Pix[3*i:]; uint8(r>>8) != p[0] || uint8(g>>8) != p[1] || uint8(b>>8) != p[2] {
			t.Fatalf("%s: pixel (%d, %d) differs from the sample", name, x, y)
		}
		if d := float32(mask.GrayAt(x, y).Y)/255 - s.Mask[i]; d > 0.002 || d < -0.002 {
			t.Fatalf("%s: mask off by %v", name, d)
		}
		if d := float32(score.Gray16At(x, y).Y)/65535 - s.Score[i]; d > 1e-5 || d < -1e-5 {
			t.Fatalf("%s: score off by %v", name, d)
		}
	}
}

func TestSynthSheetAndSweep(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "sheet.png")
	code, out, errs := synthRun("--size", "32", "--count", "7", "--sheet", path)
	if code != exitOK || !strings.Contains(out, path) {
		t.Fatalf("exit %d, %q, %q", code, out, errs)
	}
	if b := readPNG(t, path).Bounds(); b.Dx() < 6*32 || b.Dy() < 2*2*32 {
		t.Errorf("a sheet of 7 samples is %v", b)
	}
	both := filepath.Join(dir, "both")
	code, _, errs = synthRun("--size", "16", "--count", "2", "--sheet", filepath.Join(both, "s.png"), "-o", both)
	if code != exitOK {
		t.Fatalf("a sheet in the output folder: exit %d, %q", code, errs)
	}
	readPNG(t, filepath.Join(both, "s.png"))
	readPNG(t, filepath.Join(both, "image", "00000002.png"))
	out = filepath.Join(dir, "sweeps")
	if code, _, errs := synthRun("--size", "16", "--sweep", "all", "-o", out); code != exitOK {
		t.Fatalf("exit %d, %q", code, errs)
	}
	for _, p := range synth.Parameters() {
		if b := readPNG(t, filepath.Join(out, "sweep-"+p.Name+".png")).Bounds(); b.Dy() < 3*16 {
			t.Errorf("the sweep of %s is %v", p.Name, b)
		}
	}
}

// The last seed there is.
func TestSynthLastSeed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "set")
	args := []string{"--seed", "18446744073709551615", "--count", "1", "--size", "16", "-o", dir}
	if code, out, errs := synthRun(args...); code != exitOK || !strings.Contains(out, "seeds 18446744073709551615 to 18446744073709551615") {
		t.Fatalf("exit %d, %q, %q", code, out, errs)
	}
	readPNG(t, filepath.Join(dir, "image", "18446744073709551615.png"))
}

// A link to an empty folder, often on another disk, stays, and its folder is filled.
func TestSynthFollowsALink(t *testing.T) {
	dir := t.TempDir()
	there, link := filepath.Join(dir, "there"), filepath.Join(dir, "link")
	if err := errors.Join(os.Mkdir(there, 0o755), os.Symlink(there, link)); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := synthRun("--count", "1", "--size", "16", "-o", link); code != exitOK {
		t.Fatalf("exit %d, %q", code, errs)
	}
	if to, err := os.Readlink(link); err != nil || to != there {
		t.Errorf("the link leads to %q, %v", to, err)
	}
	readPNG(t, filepath.Join(there, "image", "00000001.png"))
	if code, _, errs := synthRun("--count", "1", "--size", "16", "-o", link); code != exitError || !strings.Contains(errs, "is not empty") {
		t.Errorf("once more: exit %d, %q", code, errs)
	}
}

func TestSynthHelpListsEveryParameter(t *testing.T) {
	code, out, _ := synthRun("-h")
	if code != exitOK {
		t.Errorf("exit %d", code)
	}
	for _, p := range synth.Parameters() {
		if !strings.Contains(out, "--"+p.Name) {
			t.Errorf("no --%s in the help", p.Name)
		}
	}
}

func TestSynthErrors(t *testing.T) {
	dir := t.TempDir()
	full := filepath.Join(dir, "full")
	broken := filepath.Join(dir, "broken")
	for _, d := range []string{full, broken} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(d, "a.png"), []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	out := filepath.Join(dir, "out")
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{nil, exitUsage, "-o DIR"},
		{[]string{"--sweep", "mask"}, exitUsage, "-o DIR"},
		{[]string{"--sweep", "size-y", "-o", out}, exitUsage, "sigma-y, elongated"},
		{[]string{"--sigma-z", "1", "-o", out}, exitUsage, "no option --sigma-z"},
		{[]string{"--sigma-y", "1000", "-o", out}, exitUsage, "sigma-y: 1000:1000 is not in"},
		{[]string{"--count", "0", "-o", out}, exitUsage, "--count 0"},
		{[]string{"--count", "3", "--sweep", "mask", "-o", out}, exitUsage, "--count is of samples"},
		{[]string{"--mask", "gmm:1,gmm:0", "-o", out}, exitUsage, "mask: gmm is named twice"},
		{[]string{"--size", "8", "-o", out}, exitUsage, "size 8x8"},
		{[]string{"--seed", "18446744073709551615", "-o", out}, exitUsage, "passes 2^64"},
		{[]string{"-o", out, "more"}, exitUsage, "unexpected argument"},
		{[]string{"--size", "1024", "--count", "65", "--sheet", out}, exitUsage, "at most 64 samples of 1024 px"},
		{[]string{"-o", full}, exitError, "is not empty"},
		{[]string{"-o", "."}, exitError, "names no new folder"},
		{[]string{"-o", filepath.Join(dir, "no", "where")}, exitError, "parent of the output"},
		{[]string{"--sheet", filepath.Join(dir, "no", "sheet.png")}, exitError, "a folder that exists"},
		{[]string{"--sheet", filepath.Join(dir, "no", "sheet.png"), "-o", out}, exitError, "a folder that exists"},
		{[]string{"--sheet", full}, exitError, "full cannot be written: it is a folder"},
		{[]string{"--normals", filepath.Join(dir, "none"), "-o", out}, exitError, "none"},
		{[]string{"--normals", broken, "--source-share", "1", "-o", out}, exitError, "a.png"},
	} {
		code, said, errs := synthRun(c.args...)
		if code != c.code || !strings.Contains(errs, c.want) || said != "" {
			t.Errorf("%q: exit %d, %q; want %d, ...%s...", c.args, code, errs, c.code, c.want)
		}
		if !strings.HasPrefix(errs, "cull-trainer: ") || strings.Count(errs, "\n") > 2 {
			t.Errorf("%q: not one line and a hint: %q", c.args, errs)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 2 {
		t.Errorf("failures left something behind: %v", entries)
	}
}

func TestSheetEndsWhenInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	j := &synthJob{opts: synth.Defaults(32, 32), count: 4, size: 32}
	if err := j.drawSheet(ctx, io.Discard); err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("%v", err)
	}
}
