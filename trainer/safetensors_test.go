package main

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cull/infer"
	"cull/trainer/internal/grad"
	"cull/trainer/internal/quantise"
	"cull/trainer/internal/safetensors"
)

// exported runs the export command to a safetensors file.
func exported(t *testing.T, from string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f.safetensors")
	var stderr bytes.Buffer
	if code := run([]string{"export", from, "-o", path}, io.Discard, &stderr); code != exitOK {
		t.Fatalf("exit %d\n%s", code, &stderr)
	}
	return path
}

// readTrunk reads what exported wrote.
func readTrunk(t *testing.T, path string) *quantise.Network {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := safetensors.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	n, err := fromSafeTensors(f)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// tapsOf are the taps, [channel][row][column], of the picture that testdata/trunk.py computes.
func tapsOf(t *testing.T, n *quantise.Network) []float32 {
	t.Helper()
	x := grad.NewTensor(1, 64, 64, 3)
	for y := range 64 {
		row := x.Row(0, y)
		for i := range row {
			row[i] = float32((7*y+3*(i/3)+11*(i%3))%19-9) / 9
		}
	}
	all := n.Run(grad.NewCPU(1), x)
	var taps []float32
	for _, tap := range n.Graph.Taps {
		o := all[tap.Node]
		for c := range o.C {
			for y := range o.H {
				for x := range o.W {
					taps = append(taps, o.Row(0, y)[x*o.C+c])
				}
			}
		}
	}
	return taps
}

// A .net file's weights come back from safetensors: the same rounded numbers, calibrated anew.
func TestSafeTensorsOfANetComeBack(t *testing.T) {
	path := exported(t, "../weights/cull.net")
	m, report := imported(t, path)
	checkReport(t, report, 3, 15)
	want, err := infer.Open("../weights/cull.net")
	if err != nil {
		t.Fatal(err)
	}
	back, _ := m.Graph.Encode()
	if graph, err := want.Graph.Encode(); err != nil || !bytes.Equal(back, graph) {
		t.Errorf("another topology came back (%v)", err)
	}
	t1, _, err := quantise.Trunk(want)
	if err != nil {
		t.Fatal(err)
	}
	n := quantise.FromTrunk(t1)
	for k, p := range quantise.Projections(want) {
		if p.W != nil {
			n.Project(k, p.W, p.Bias)
		}
	}
	a, b := tapsOf(t, n), tapsOf(t, readTrunk(t, path))
	for i := range a {
		if a[i] != b[i] {
			t.Fatalf("tap value %d: %v, want %v", i, b[i], a[i])
		}
	}
}

// A checkpoint's safetensors hold the weights that quantize rounds, and PyTorch computes the same taps from them.
func TestSafeTensorsOfACheckpoint(t *testing.T) {
	for name, text := range map[string]string{
		"tiny": tiny, "discriminant": tiny + "[discriminant]\nchannels = [8, 8, 16]\nsamples = 16\nsize = 64\n",
	} {
		t.Run(name, func(t *testing.T) { testSafeTensorsOfACheckpoint(t, text) })
	}
}

func testSafeTensorsOfACheckpoint(t *testing.T, text string) {
	recipe := put(t, "tiny.toml", text)
	base := strings.TrimSuffix(recipe, ".toml")
	var stderr bytes.Buffer
	if code := run([]string{"pretrain", recipe, "-o", base + ".net"}, nil, &stderr); code != exitOK {
		t.Fatalf("exit %d:\n%s", code, &stderr)
	}
	path := exported(t, base+".ckpt")
	got := tapsOf(t, readTrunk(t, path))
	run, err := openRun(base+".ckpt", "", "", 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := run.Finish(io.Discard); err != nil {
		t.Fatal(err)
	}
	for i, v := range tapsOf(t, run.Float()) {
		if got[i] != v {
			t.Fatalf("tap value %d: %v, that of Finish %v", i, got[i], v)
		}
	}

	python := os.Getenv("CULL_PYTHON")
	if python == "" {
		t.Skip("CULL_PYTHON is not set: want a Python with torch and numpy")
	}
	b, err := exec.Command(python, "testdata/trunk.py", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	if len(b) != 4*len(got) {
		t.Fatalf("PyTorch gives %d bytes, want %d", len(b), 4*len(got))
	}
	var far, largest float64
	for i, v := range got {
		w := float64(math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:])))
		far, largest = max(far, math.Abs(w-float64(v))), max(largest, math.Abs(w))
	}
	t.Logf("%.2g from PyTorch, of a largest value of %.3g", far, largest)
	if far > 1e-4*largest {
		t.Errorf("%.2g from PyTorch, of a largest value of %.3g", far, largest)
	}
}

func TestUnfitProjectionsAreRefused(t *testing.T) {
	recipe := put(t, "tiny.toml", tiny+"[discriminant]\nchannels = [8, 8, 8]\nsamples = 16\nsize = 64\n")
	base := strings.TrimSuffix(recipe, ".toml")
	var stderr bytes.Buffer
	if code := run([]string{"pretrain", recipe, "-o", base + ".net"}, nil, &stderr); code != exitOK {
		t.Fatalf("exit %d:\n%s", code, &stderr)
	}
	b, err := os.ReadFile(exported(t, base+".net"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ from, to, want string }{
		{"stage1.projection.bias", "stage9.projection.bias", "belong together"},
		{"stage2.projection.bias", "stage2.projection.bits", "belong together"},
		{"[8,16,1,1]", "[16,8,1,1]", "shapes"},
	} {
		f, err := safetensors.Parse(bytes.ReplaceAll(b, []byte(c.from), []byte(c.to)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fromSafeTensors(f); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s for %s: error %v, want one with %q", c.to, c.from, err, c.want)
		}
	}
}
