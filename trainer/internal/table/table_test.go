package table

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"cull/infer"
	"cull/internal/dataset"
	"cull/internal/evaluate"
	"cull/padim"
	"cull/recipes"
	"cull/trainer/internal/adapt"
	"cull/trainer/internal/pictures"
	"cull/trainer/internal/recipe"
	"cull/weights"
)

const side = 64

// part writes a noisy plate, with a bright square where bad.
func part(t *testing.T, path string, seed uint64, bad bool) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 9))
	img := image.NewGray(image.Rect(0, 0, side, side))
	square := image.Rect(20, 24, 30, 34)
	for i := range img.Pix {
		img.Pix[i] = uint8(100 + i%side/2 + rng.IntN(11))
		if p := image.Pt(i%side, i/side); bad && p.In(square) {
			img.SetGray(p.X, p.Y, color.Gray{Y: 220})
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := png.Encode(f, img); err != nil {
		t.Fatal(err)
	}
}

func plates(t *testing.T) []dataset.Category {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "plate")
	for i := range 16 {
		part(t, filepath.Join(dir, "train/good", strconv.Itoa(i)+".png"), uint64(i), false)
	}
	for i := range 5 {
		part(t, filepath.Join(dir, "test/good", strconv.Itoa(i)+".png"), uint64(100+i), false)
		part(t, filepath.Join(dir, "test/spot", strconv.Itoa(i)+".png"), uint64(200+i), true)
	}
	sets, err := dataset.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return sets
}

func pick(t *testing.T, names ...string) (rows []Row) {
	t.Helper()
	for _, n := range names {
		for _, r := range Rows() {
			if r.Name == n {
				rows = append(rows, r)
			}
		}
	}
	return rows
}

func TestAbsentDataAreNamedAndTheRestIsMeasured(t *testing.T) {
	rows := pick(t, "imagenet", "btad-direct", "dagm", "everything", "handmade", "grey")
	o := Options{
		Seeds: 2, Size: side, Train: 12, Threads: 1, SpoolDir: t.TempDir(), Dir: t.TempDir(),
		Fit: padim.Options{Mode: padim.Part, TargetFRR: 0.05},
	}
	calls := 0
	table, err := Run(context.Background(), rows, plates(t), o, func(*Table) error { calls++; return nil })
	if err != nil {
		t.Fatal(err)
	}
	if calls != len(rows) || len(table.Rows) != len(rows) {
		t.Fatalf("%d rows, %d calls", len(table.Rows), calls)
	}
	for i, want := range []string{"--imagenet", "--btad DIR", "--dagm DIR", "--textures DIR"} {
		if r := table.Rows[i]; !strings.Contains(r.Missing, want) || r.Cells != nil {
			t.Errorf("%s: %q, %d cells, want %s", r.Name, r.Missing, len(r.Cells), want)
		}
	}
	for _, r := range table.Rows[4:] {
		c := r.Cells[0]
		if c.Category != "plate" || len(c.Seeds) != 2 || len(c.Scores) != 10 || c.ImageAUROC.N != 2 {
			t.Errorf("%s: %d seeds, %d scores, %+v", r.Name, len(c.Seeds), len(c.Scores), c.ImageAUROC)
		}
		if c.ImageAUROC.Mean < 0.9 || c.PixelAUROC.N != 0 {
			t.Errorf("%s: %v, pixels without masks %v", r.Name, c.ImageAUROC, c.PixelAUROC)
		}
	}
	var text bytes.Buffer
	if err := table.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"not measured: needs --btad DIR", "hand-made filters", "plate", "±"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, text.String())
		}
	}
}

// One row's failure leaves the others measured.
func TestAFailedRowSaysWhyAndTheOthersGoOn(t *testing.T) {
	sets := plates(t)
	o := Options{
		Seeds: 1, Size: side, Train: 3, Threads: 1, SpoolDir: t.TempDir(), Dir: t.TempDir(),
		Fit: padim.Options{Mode: padim.Part, TargetFRR: 0.05},
	}
	table, err := Run(context.Background(), pick(t, "handmade", "dagm"), sets, o, func(*Table) error { return nil })
	if !errors.Is(err, padim.ErrTooFew) || !strings.Contains(err.Error(), "handmade") {
		t.Errorf("three pictures: %v", err)
	}
	if len(table.Rows) != 2 || table.Rows[0].Missing == "" || table.Rows[0].Cells != nil {
		t.Errorf("%+v", table.Rows)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if table, err := Run(ctx, pick(t, "handmade"), sets, o, func(*Table) error { return nil }); table != nil ||
		!errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v, %v", table, err)
	}
}

func TestSpread(t *testing.T) {
	s := NewSpread([]evaluate.Figure{0.8, evaluate.Figure(math.NaN()), 0.9, 1})
	if s.N != 3 || math.Abs(float64(s.Mean)-0.9) > 1e-12 || math.Abs(float64(s.SD)-0.1) > 1e-12 {
		t.Errorf("%+v", s)
	}
	if s := NewSpread(nil); s.N != 0 || s.String() != "–" {
		t.Errorf("of nothing: %+v %v", s, s)
	}
	if s := NewSpread([]evaluate.Figure{0.5}); s.String() != "0.500" {
		t.Errorf("of one: %v", s)
	}
}

func TestRecipesOfTheRows(t *testing.T) {
	for _, r := range Rows() {
		if r.recipe == "" {
			continue
		}
		text, err := recipes.Table(r.recipe)
		if err != nil {
			t.Fatal(err)
		}
		rec, err := recipe.Parse(text)
		if err != nil {
			t.Errorf("%s: %v", r.recipe, err)
			continue
		}
		if (rec.Data.Folder != "") != (r.needs != "") {
			t.Errorf("%s: data.folder %q, needs %q", r.recipe, rec.Data.Folder, r.needs)
		}
	}
}

// A row with a teacher says that it lacks one, and never passes for semi-formula.
func TestTeacherIsARowOfItsOwn(t *testing.T) {
	rows := pick(t, Teacher)
	o := &Options{Data: map[string]string{"textures": "textures"}}
	if got := o.missing(&rows[0]); got != "needs --imagenet F.onnx" {
		t.Errorf("missing: %q", got)
	}
	if !strings.Contains(rows[0].Note, "not semi-formula") {
		t.Errorf("note %q", rows[0].Note)
	}
}

// DAGM's defective pictures are those with a label; BTAD's good pictures alone make normals.
func TestLayouts(t *testing.T) {
	dir := t.TempDir()
	for _, p := range []string{
		"Class1/Train/0001.PNG", "Class1/Train/0002.PNG", "Class2/Test/0001.PNG", "Class1/Train/Label/0002_label.PNG",
		"Class1/Test/0003.PNG", "Class1/Test/Label/0003_Label.png",
	} {
		part(t, filepath.Join(dir, "dagm [1]", p), 1, false)
	}
	if err := os.WriteFile(filepath.Join(dir, "dagm [1]", "Class1.zip"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	part(t, filepath.Join(dir, "dagm [1]", ".trash", "1.png"), 1, false)
	for _, p := range []string{"01/train/ok/1.png", "01/test/ok/2.png", "01/test/ko/3.png"} {
		part(t, filepath.Join(dir, "btad", p), 1, false)
	}
	classes := func(fs []pictures.File, err error) string {
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, f := range fs {
			all = append(all, f.Class)
		}
		return strings.Join(all, ", ")
	}
	if got := classes(dagm(filepath.Join(dir, "dagm [1]"))); got != "Class1, Class1 bad, Class1 bad, Class2" {
		t.Errorf("DAGM: %s", got)
	}
	if all, err := tree(filepath.Join(dir, "dagm [1]")); err != nil || len(all) != 6 {
		t.Errorf("a tree: %v, %v", all, err)
	}
	if got := classes(btad(filepath.Join(dir, "btad"), true)); got != "01, 01 bad" {
		t.Errorf("BTAD: %s", got)
	}
	if got := classes(btad(filepath.Join(dir, "btad"), false)); got != "01" {
		t.Errorf("BTAD, good: %s", got)
	}
	if _, err := dagm(filepath.Join(dir, "btad")); !errors.Is(err, ErrDAGM) {
		t.Errorf("BTAD read as DAGM: %v", err)
	}
	for _, part := range []string{"Train", "Test"} {
		if err := os.RemoveAll(filepath.Join(dir, "dagm [1]", "Class1", part, "Label")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := dagm(filepath.Join(dir, "dagm [1]")); !errors.Is(err, ErrLabels) {
		t.Errorf("DAGM without labels: %v", err)
	}
}

// Another seed, length, recipe, picture or teacher is another network.
func TestFingerprint(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.png")
	part(t, path, 1, false)
	r := recipe.Default()
	files := []pictures.File{{Path: path, Class: "a"}}
	seen := map[string]bool{}
	add := func(text string) {
		t.Helper()
		id, err := fingerprint(text, &r, files)
		if err != nil {
			t.Fatal(err)
		}
		if seen[id] {
			t.Errorf("%s was there before", id)
		}
		seen[id] = true
	}
	add("x")
	add("y")
	r.Seed++
	add("y")
	r.Training.Images++
	add("y")
	files[0].Class = "b"
	add("y")
	r.Teacher.Model = filepath.Join(t.TempDir(), "t.onnx")
	for _, weights := range []string{"one", "two"} { // of one name and size
		if err := os.WriteFile(r.Teacher.Model, []byte(weights), 0o600); err != nil {
			t.Fatal(err)
		}
		add("y")
	}
}

// Other pictures, options or weights are another adapted network, whatever their number and the set's name.
func TestAdaptedNetworksAreNotMistaken(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a", "1.png"), filepath.Join(dir, "b", "1.png")
	part(t, a, 1, false)
	part(t, b, 2, true)
	m, err := infer.Parse(weights.Cull())
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, c := range []struct {
		path string
		size int
	}{{a, 64}, {b, 64}, {a, 96}} {
		name, err := adaptedName(m, "set", []string{c.path}, adapt.Options{Size: c.size})
		if err != nil || seen[name] {
			t.Errorf("%v: %s, %v", c, name, err)
		}
		seen[name] = true
	}
}
