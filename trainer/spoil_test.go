package main

import (
	"bytes"
	"context"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSpoil(t *testing.T) {
	dir := t.TempDir()
	data, out := filepath.Join(dir, "plate"), filepath.Join(dir, "out")
	for _, name := range []string{"train/good/1.png", "test/good/1.png"} {
		path := filepath.Join(data, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		img := image.NewGray(image.Rect(0, 0, 64, 64))
		for i := range img.Pix {
			img.Pix[i] = uint8(40 + i%64*2)
		}
		if err := png.Encode(&b, img); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"--kinds speck,copy --size 128 --least 2 -o " + out + " " + data, exitOK, "copy on plate"},
		{"-o " + out + " " + data, exitError, "is not empty"},
		{"-h", exitOK, "usage: cull-trainer spoil"},
		{data, exitUsage, "-o DIR is missing"},
		{"-o " + out, exitUsage, "DATASET is missing"},
		{"--kinds dent -o x " + data, exitUsage, `"dent" is no kind of defect`},
		{"--kinds pit,pit -o x " + data, exitUsage, "pit is named twice"},
		{"--size 8 -o x " + data, exitUsage, "--size 8 is not in"},
		{"--least 0 -o x " + data, exitUsage, "--least 0 is not in"},
		{"-o " + filepath.Join(dir, "y") + " " + dir + "/none", exitError, "none"},
	} {
		var stdout, stderr bytes.Buffer
		code := run(append([]string{"spoil"}, strings.Fields(c.args)...), &stdout, &stderr)
		if said := stdout.String() + stderr.String(); code != c.code || !strings.Contains(said, c.says) {
			t.Errorf("spoil %s: code %d, want %d, and %q in:\n%s", c.args, code, c.code, c.says, said)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr bytes.Buffer
	code := runSpoil(ctx, []string{"-o", filepath.Join(dir, "z"), data}, &stdout, &stderr)
	if code != exitError || !strings.Contains(stderr.String(), "cull-trainer: interrupted: nothing is kept\n") {
		t.Errorf("interrupted: code %d, %s", code, stderr.String())
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*z*")); left != nil {
		t.Errorf("interrupted: %v is left", left)
	}
	for _, name := range []string{
		"speck/plate/train/good/0000.png", "copy/plate/test/good/0000.png",
		"copy/plate/test/copy/0000_1.png", "copy/plate/ground_truth/copy/0000_1_mask.png",
	} {
		if _, err := os.Stat(filepath.Join(out, name)); err != nil {
			t.Error(err)
		}
	}
}
