package main

import (
	"bytes"
	"context"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"cull/trainer/internal/table"
)

// plate writes noisy pictures in MVTec AD layout, bad ones with a bright square.
func plate(t *testing.T, dir string) {
	t.Helper()
	for _, part := range []struct {
		folder string
		n      int
	}{{"train/good", 12}, {"test/good", 3}, {"test/spot", 3}} {
		folder := filepath.Join(dir, part.folder)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		for i := range part.n {
			rng := rand.New(rand.NewPCG(uint64(i), uint64(len(part.folder))))
			img := image.NewGray(image.Rect(0, 0, 64, 64))
			for k := range img.Pix {
				img.Pix[k] = uint8(100 + rng.IntN(12))
			}
			for k := 0; part.folder == "test/spot" && k < 100; k++ {
				img.SetGray(20+k%10, 20+k/10, color.Gray{Y: 230})
			}
			var b bytes.Buffer
			if err := png.Encode(&b, img); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(folder, strconv.Itoa(i)+".png"), b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestTableWritesTextJSONAndReport(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "plate")
	plate(t, dir)
	out := filepath.Join(t.TempDir(), "out")
	args := []string{"table", "--size", "64", "--seeds", "2", "--rows", "dagm,handmade", dir, "-o", out}
	var stdout, stderr bytes.Buffer
	if code := run(args, &stdout, &stderr); code != exitOK {
		t.Fatalf("exit %d:\n%s", code, stderr.String())
	}
	if s := stdout.String(); !strings.Contains(s, "not measured: needs --dagm DIR") || !strings.Contains(s, "hand-made") {
		t.Errorf("text:\n%s", s)
	}
	data, err := os.ReadFile(filepath.Join(out, "table.json"))
	if err != nil {
		t.Fatal(err)
	}
	var got table.Table
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Rows) != 2 || got.Rows[0].Missing == "" || got.Rows[1].Mean.ImageAUROC.N != 2 {
		t.Errorf("JSON: %s", data)
	}
	page, err := os.ReadFile(filepath.Join(out, "report.html"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"data:image/jpeg", "data:image/png", "<svg", "y standard deviation", "handmade: spot"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("no %q in the report", want)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	stderr.Reset()
	if code := runTable(ctx, args[1:], &stdout, &stderr); code != exitError || !strings.Contains(stderr.String(), "goes on") {
		t.Errorf("interrupted: exit %d, %s", code, stderr.String())
	}
}

func TestTableNamesMistakes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "plate")
	plate(t, dir)
	out := t.TempDir()
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{nil, exitUsage, "needs a data set"},
		{[]string{dir}, exitUsage, "needs -o"},
		{[]string{dir, "-o", out, "--seeds", "0"}, exitUsage, "--seeds 0"},
		{[]string{dir, "-o", out, "--size", "100"}, exitUsage, "--size 100"},
		{[]string{dir, "-o", out, "--rows", "moon"}, exitError, `no row "moon"`},
		{[]string{dir, "-o", out, "--net", "a"}, exitError, "want NAME=F.net"},
		{[]string{dir, "-o", out, "--net", "a=missing.net"}, exitError, "missing.net"},
		{[]string{dir, dir, "-o", out}, exitError, "plate is given twice"},
		{[]string{out, "-o", out}, exitError, "hint:"},
		{[]string{dir, "-o", out, "--imagenet", "a.onnx"}, exitError, "--textures"},
	} {
		var stdout, stderr bytes.Buffer
		code := run(append([]string{"table"}, c.args...), &stdout, &stderr)
		if code != c.code || !strings.Contains(stderr.String(), c.want) {
			t.Errorf("%q: exit %d, want %d with %q:\n%s", c.args, code, c.code, c.want, stderr.String())
		}
	}
}
