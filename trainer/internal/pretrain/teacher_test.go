package pretrain

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cull/trainer/internal/onnx"
	"cull/trainer/internal/recipe"
	"cull/trainer/internal/trunk"
)

// teacherFile writes five convolutions of stride 2, outputs s2 to s32, with weights of a seed.
func teacherFile(t *testing.T, seed uint64, outputs ...string) string {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	m := &onnx.Model{IR: 8, Opset: 13}
	g := &m.Graph
	g.In = []onnx.Value{{Name: "x", Type: onnx.F32, Dims: []onnx.Dim{{Param: "N"}, {Size: 3}, {Param: "H"}, {Param: "W"}}}}
	in, from := "x", 3
	for i, out := range []string{"s2", "s4", "s8", "s16", "s32"} {
		channels := 3 + i
		var raw []byte
		for range channels * from * 9 {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(float32(rng.NormFloat64())))
		}
		g.Init = append(g.Init, onnx.Tensor{
			Name: "w" + out, Type: onnx.F32, Dims: []int64{int64(channels), int64(from), 3, 3}, Raw: raw,
		})
		g.Nodes = append(g.Nodes, onnx.Node{Op: "Conv", In: []string{in, "w" + out}, Out: []string{out}, Attrs: []onnx.Attr{
			{Name: "strides", Kind: onnx.KindInts, Ints: []int64{2, 2}},
			{Name: "pads", Kind: onnx.KindInts, Ints: []int64{1, 1, 1, 1}},
		}})
		in, from = out, channels
	}
	for _, o := range outputs {
		g.Out = append(g.Out, onnx.Value{Name: o, Type: onnx.F32})
	}
	path := filepath.Join(t.TempDir(), "t.onnx")
	if err := os.WriteFile(path, m.Encode(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// taught is the small recipe with a teacher.
func taught(model, more string) string {
	text := strings.Replace(small, "[loss]\n", "[loss]\nteacher = 1.0\n", 1)
	return text + fmt.Sprintf("[teacher]\nmodel = %q\nsource = \"T\"\n%s\n[[source]]\nname = \"T\"\nlicence = \"MIT\"\n", model, more)
}

func TestTeacherIsLearntAndNamed(t *testing.T) {
	model := teacherFile(t, 1, "s16", "s4", "s8") // in any order
	r := start(t, taught(model, ""), 1)
	for s, want := range [trunk.Stages]int{4, 5, 6} {
		if got := r.targets[1].Channels()[s]; got != want {
			t.Errorf("stage %d: %d channels, want %d", s, got, want)
		}
	}
	train(t, r, 3)
	saved, err := r.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	train(t, r, -1)
	want := file(t, r)
	c, err := ParseCheckpoint(saved)
	if err != nil {
		t.Fatal(err)
	}
	r = start(t, taught(model, ""), 3)
	if err := r.Restore(c); err != nil {
		t.Fatal(err)
	}
	train(t, r, -1)
	m, err := r.Finish(new(bytes.Buffer))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := m.Encode(); err != nil || !bytes.Equal(got, want) {
		t.Errorf("another number of threads and a pause give other bytes (%v)", err)
	}
	if note := m.Meta.Notes["teacher"]; note != "t.onnx, sha256 "+r.Recipe.Teacher.SHA256 || len(r.Recipe.Teacher.SHA256) != 64 {
		t.Errorf("note %q", note)
	}

	other := teacherFile(t, 2, "s4", "s8", "s16")
	if err := start(t, taught(other, ""), 1).Restore(c); !errors.Is(err, ErrRecipe) {
		t.Errorf("another teacher: error %v, want ErrRecipe", err)
	}
	c.Recipe.Teacher.Model = other
	if _, err := New(c.Recipe, c.Text, "", 1); !errors.Is(err, ErrTeacher) || !strings.Contains(err.Error(), "sha256") {
		t.Errorf("the checkpoint's recipe with another teacher: error %v, want ErrTeacher", err)
	}
}

func TestUnfitTeachersAreRefused(t *testing.T) {
	good := teacherFile(t, 1, "s4", "s8", "s16")
	for _, c := range []struct{ model, more, want string }{
		{"absent.onnx", "", "absent.onnx"},
		{good, `outputs = "s4,s8,s32"`, `"s32" has stride 32`},
		{good, `outputs = "s2,s8,s16"`, `"s2" has stride 2`},
		{good, `outputs = "s4,s8"`, "no output has stride 16"},
		{good, `outputs = "s4,none"`, `"none"`},
		{good, `sha256 = "00"`, "want 00"},
	} {
		text := taught(c.model, c.more)
		r, err := recipe.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := New(r, text, "", 1); !errors.Is(err, ErrTeacher) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: error %v, want one with %q", c.model, c.more, err, c.want)
		}
	}
	for _, text := range []string{
		taught(good, "mean = [0.5, 0.5, 0.5]"),
		taught(good, "mean = [0.5]\nstd = [0.2]"),
		taught(good, "mean = [0.5, 0.5, 0.5]\nstd = [0.2, 0.2, 0.0]"),
		strings.Replace(taught(good, ""), "teacher = 1.0", "", 1),
		strings.Replace(taught(good, ""), `source = "T"`, "", 1),
		strings.Replace(small, "[loss]\n", "[loss]\nteacher = 1.0\n", 1),
	} {
		if _, err := recipe.Parse(text); err == nil || !strings.Contains(err.Error(), "teacher") {
			t.Errorf("error %v, want one that names the teacher:\n%s", err, text)
		}
	}
}

// A teacher whose input is normalised gives the maps of one whose weights take -1..1: with mean 128/255 and
// deviation 1/2 only the scale 255/127.5/2 = 1 is left.
func TestTeacherSeesItsOwnInput(t *testing.T) {
	model := teacherFile(t, 1, "s4", "s8", "s16")
	rgb := make([]byte, 3*32*32)
	for i := range rgb {
		rgb[i] = byte(i * 37)
	}
	maps := func(more string) []float32 {
		r := start(t, taught(model, more), 1)
		return r.targets[1].NewMaker()(rgb, 32)[0]
	}
	plain := maps("")
	same := maps("mean = [0.5019607843137255, 0.5019607843137255, 0.5019607843137255]\nstd = [0.5, 0.5, 0.5]")
	double := maps("mean = [0.5019607843137255, 0.5019607843137255, 0.5019607843137255]\nstd = [0.25, 0.25, 0.25]")
	var scale float64
	for _, v := range plain {
		scale = max(scale, math.Abs(float64(v)))
	}
	for i, v := range plain {
		if d := math.Abs(float64(same[i] - v)); d > 1e-5*scale {
			t.Fatalf("value %d: %g, want %g", i, same[i], v)
		}
		if d := math.Abs(float64(double[i] - 2*v)); d > 1e-5*scale {
			t.Fatalf("value %d at half the deviation: %g, want %g", i, double[i], 2*v)
		}
	}
}

// BenchmarkTeacher is one 96-px picture through MobileNetV2 up to stride 16.
func BenchmarkTeacher(b *testing.B) {
	file, err := os.ReadFile("../../../../shared/weights/mobilenetv2_imagenet_trunk.onnx")
	if err != nil {
		b.Skip(err)
	}
	t, err := newTeacher(file, new(recipe.Teacher), 96)
	if err != nil {
		b.Fatal(err)
	}
	f, rgb := t.NewMaker(), make([]uint8, 96*96*3)
	for i := range rgb {
		rgb[i] = uint8(i * i >> 5)
	}
	for b.Loop() {
		f(rgb, 96)
	}
}
