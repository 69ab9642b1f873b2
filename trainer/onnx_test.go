package main

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"cull/infer"
	"cull/infer/net"
	"cull/trainer/internal/onnx"
)

// surfaces writes smooth random pictures to calibrate on.
func surfaces(t *testing.T, n, side int) string {
	t.Helper()
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(7, 1))
	for i := range n {
		img := image.NewRGBA(image.Rect(0, 0, side, side))
		var v [3]float64
		for y := range side {
			for x := range side {
				for c := range v {
					v[c] = 0.9*v[c] + 25*rng.NormFloat64()
				}
				p := func(c int) uint8 { return uint8(min(max(128+v[c], 0), 255)) }
				img.Set(x, y, color.RGBA{p(0), p(1), p(2), 255})
			}
		}
		var b bytes.Buffer
		if err := png.Encode(&b, img); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, strconv.Itoa(i)+".png"), b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// imported runs the import command and returns the model and the report.
func imported(t *testing.T, model string, flags ...string) (*infer.Model, string) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "m.net")
	args := append([]string{
		"import", model, "-o", out, "--size", "64", "--pictures", "8", "--calibrate", surfaces(t, 9, 64),
	}, flags...)
	var stdout, stderr bytes.Buffer
	if code := run(args, &stdout, &stderr); code != exitOK {
		t.Fatalf("exit %d\n%s", code, &stderr)
	}
	m, err := infer.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	return m, stderr.String()
}

// checkReport wants every tap within so many dB of float.
func checkReport(t *testing.T, report string, taps int, least float64) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(report), "\n")
	if len(lines) < taps+1 {
		t.Fatalf("report:\n%s", report)
	}
	for _, l := range lines[1 : taps+1] {
		if snr, err := strconv.ParseFloat(strings.Fields(l)[1], 64); err != nil || snr < least {
			t.Errorf("%q: want at least %g dB (%v)", l, least, err)
		}
	}
}

func TestMobileNetIsImported(t *testing.T) {
	const model = "../../shared/weights/mobilenetv2_imagenet_trunk.onnx"
	if _, err := os.Stat(model); err != nil {
		t.Skip(err)
	}
	m, report := imported(t, model, "--licence", "Apache-2.0")
	checkReport(t, report, 3, 9)
	for i, want := range []struct {
		name           string
		stride, number int
	}{{"stride4", 4, 24}, {"stride8", 8, 32}, {"stride16", 16, 96}} {
		tap := m.Graph.Taps[i]
		if tap.Name != want.name || m.Graph.Stride(tap.Node) != want.stride || len(m.TapStep[i]) != want.number {
			t.Errorf("tap %d: %s, stride %d, %d channels", i, tap.Name, m.Graph.Stride(tap.Node), len(m.TapStep[i]))
		}
	}
	lopsided := 0
	for _, n := range m.Graph.Nodes {
		lopsided += n.PadExtra
	}
	if lopsided != 4 || m.Meta.Sources[0].Licence != "Apache-2.0" {
		t.Errorf("%d convolutions with padding on two sides, want 4; sources %v", lopsided, m.Meta.Sources)
	}
}

// CULL_PYTHON names a Python with torch and torchvision.
func TestTorchvisionResNetIsImported(t *testing.T) {
	python := os.Getenv("CULL_PYTHON")
	if python == "" {
		t.Skip("CULL_PYTHON is not set: want a Python with torch and torchvision")
	}
	model := filepath.Join(t.TempDir(), "resnet18.onnx")
	if b, err := exec.Command(python, "testdata/resnet18.py", model).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	m, report := imported(t, model, "--outputs",
		"/layer1/layer1.1/Add_output_0,/layer2/layer2.1/Add_output_0,/layer3/layer3.1/Add_output_0",
		"--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225")
	checkReport(t, report, 3, 15)
	if n := m.Graph.Nodes[1]; n.Kernel != 7 || n.Act != net.ActReLU {
		t.Errorf("first convolution %+v", n)
	}
	var stdout, stderr bytes.Buffer
	args := []string{"import", model, "-o", "x.net", "--calibrate", "."}
	if code := run(args, &stdout, &stderr); code != exitError || !strings.Contains(stderr.String(), "(Gemm)") {
		t.Errorf("the whole classifier: exit %d, %s", code, &stderr)
	}
}

func TestExportWritesWhatImportReads(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cull.onnx")
	var stdout, stderr bytes.Buffer
	if code := run([]string{"export", "../weights/cull.net", "-o", path}, &stdout, &stderr); code != exitOK {
		t.Fatalf("exit %d\n%s", code, &stderr)
	}
	m, report := imported(t, path)
	checkReport(t, report, 3, 15)
	var again bytes.Buffer
	quantized := filepath.Join(filepath.Dir(path), "int8.onnx")
	if code := run([]string{"export", "../weights/cull.net", "--format", "onnx-int8", "-o", quantized}, &stdout, &again); code != exitOK {
		t.Fatalf("exit %d\n%s", code, &again)
	}
	if code := run([]string{"import", quantized, "-o", path + ".net", "--calibrate", "."}, &stdout, &again); code != exitError ||
		!strings.Contains(again.String(), "is uint8") {
		t.Errorf("the device's arithmetic read as a float network: exit %d, %s", code, &again)
	}
	if len(m.Graph.Taps) != 3 || m.Graph.Taps[0].Name != "stage1" {
		t.Errorf("taps %v", m.Graph.Taps)
	}
}

func TestImportAndExportNameWhatIsWrong(t *testing.T) {
	junk := filepath.Join(t.TempDir(), "junk.onnx")
	if err := os.WriteFile(junk, []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	tensors := filepath.Join(filepath.Dir(junk), "junk.safetensors")
	if err := os.WriteFile(tensors, []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"import", exitUsage, "needs a model"},
		{"import a.onnx -o a.net", exitUsage, "--calibrate"},
		{"import a.onnx --calibrate . -o a", exitUsage, ".net"},
		{"import a.onnx --calibrate . -o a.net --size 1", exitUsage, "--size 1"},
		{"import a.onnx --calibrate . -o a.net --percentile 101", exitUsage, "--percentile"},
		{"import a.onnx --calibrate . -o a.net --mean 1,2,3", exitUsage, "--std"},
		{"import a.onnx --calibrate . -o a.net --mean 1,2", exitUsage, "three numbers"},
		{"import absent.onnx --calibrate . -o a.net", exitError, "absent.onnx"},
		{"import " + junk + " --calibrate . -o a.net", exitError, "onnx: "},
		{"export", exitUsage, "no network"},
		{"export a.net", exitUsage, "-o"},
		{"export a.net -o a --format png", exitUsage, "png"},
		{"export absent.net -o a.onnx", exitError, "absent.net"},
		{"export a.net -o a.net", exitUsage, "ends in .onnx"},
		{"export a.net -o a.onnx --format safetensors", exitUsage, "ends in .safetensors"},
		{"export a.ckpt -o a.onnx", exitUsage, "quantize"},
		{"export a.net --folder . -o a.onnx", exitUsage, "--folder"},
		{"export absent.ckpt -o a.safetensors", exitError, "absent.ckpt"},
		{"export ../weights/cull.net -o " + filepath.Join(filepath.Dir(junk), "absent", "a.safetensors"), exitError, "absent"},
		{"import " + tensors + " --calibrate . -o a.net", exitError, "safetensors: "},
		{"import " + tensors + " --calibrate . -o a.net --outputs a", exitError, "--outputs"},
	} {
		var stdout, stderr bytes.Buffer
		code := run(strings.Fields(c.args), &stdout, &stderr)
		if code != c.code || !strings.Contains(stderr.String(), c.want) {
			t.Errorf("%s: exit %d, want %d with %q:\n%s", c.args, code, c.code, c.want, &stderr)
		}
	}
}

// A network that takes the pictures it is asked about, but none as small as the usual known answers.
func TestNetworkThatNeedsLargePictures(t *testing.T) {
	m := &onnx.Model{IR: 8, Opset: 13, Graph: onnx.Graph{
		Name: "g", In: []onnx.Value{{Name: "x", Type: onnx.F32, Dims: []onnx.Dim{{Param: "N"}, {Size: 3}, {Param: "H"}, {Param: "W"}}}},
	}}
	last := "x"
	for i := range 5 {
		name := "pool" + strconv.Itoa(i)
		m.Graph.Nodes = append(m.Graph.Nodes, onnx.Node{
			Op: "MaxPool", Name: name, In: []string{last}, Out: []string{name}, Attrs: []onnx.Attr{
				{Name: "kernel_shape", Kind: onnx.KindInts, Ints: []int64{7, 7}}, {Name: "strides", Kind: onnx.KindInts, Ints: []int64{2, 2}},
			},
		})
		last = name
	}
	m.Graph.Out = []onnx.Value{{Name: last, Type: onnx.F32}}
	file := put(t, "pools.onnx", string(m.Encode()))
	if model, _ := imported(t, file, "--size", "256"); len(model.Answers) == 0 {
		t.Error("no known answers")
	}
	var stderr bytes.Buffer
	args := []string{"import", file, "-o", filepath.Join(t.TempDir(), "m.net"), "--size", "64", "--calibrate", surfaces(t, 9, 64)}
	if code := run(args, io.Discard, &stderr); code != exitError || !strings.Contains(stderr.String(), "pools.onnx: net: node 4") ||
		!strings.Contains(stderr.String(), "--size") {
		t.Errorf("exit %d: %s", code, &stderr)
	}
}

// The padding of some networks is right at certain sides only.
func TestSizeMustSuitThePadding(t *testing.T) {
	m := &onnx.Model{IR: 8, Opset: 13, Graph: onnx.Graph{
		Name: "g", In: []onnx.Value{{Name: "x", Type: onnx.F32, Dims: []onnx.Dim{{Param: "N"}, {Size: 3}, {Param: "H"}, {Param: "W"}}}},
		Nodes: []onnx.Node{{Op: "MaxPool", Name: "pool", In: []string{"x"}, Out: []string{"p"}, Attrs: []onnx.Attr{
			{Name: "kernel_shape", Kind: onnx.KindInts, Ints: []int64{2, 2}},
			{Name: "strides", Kind: onnx.KindInts, Ints: []int64{2, 2}},
			{Name: "auto_pad", Kind: onnx.KindString, S: "SAME_UPPER"},
		}}},
		Out: []onnx.Value{{Name: "p", Type: onnx.F32}},
	}}
	file := put(t, "same.onnx", string(m.Encode()))
	imported(t, file, "--size", "66")
	var stderr bytes.Buffer
	args := []string{"import", file, "-o", filepath.Join(t.TempDir(), "m.net"), "--size", "65", "--calibrate", "."}
	if code := run(args, io.Discard, &stderr); code != exitError || !strings.Contains(stderr.String(), `node "pool" (MaxPool): auto_pad SAME_UPPER`) ||
		!strings.Contains(stderr.String(), "choose --size, a multiple of 2") {
		t.Errorf("exit %d: %s", code, &stderr)
	}
}
