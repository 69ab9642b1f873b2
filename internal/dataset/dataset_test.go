package dataset

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cull/internal/imagefile"
)

// tree makes empty files under a new folder.
func tree(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, n := range names {
		path := filepath.Join(dir, filepath.FromSlash(n))
		folder := filepath.Dir(path)
		if strings.HasSuffix(n, "/") {
			folder = path
		}
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		if folder == path {
			continue
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

var mvtec = []string{
	"tile/train/good/001.png", "tile/train/good/000.png", "tile/train/good/notes.txt", "tile/license.txt",
	"tile/test/good/000.png", "tile/test/crack/000.png", "tile/test/oil/000.jpg",
	"tile/ground_truth/crack/000_mask.png", "tile/ground_truth/oil/000_mask.png",
}

func TestMVTecLayout(t *testing.T) {
	dir := tree(t, append(slices.Clone(mvtec), "readme/a.txt")...)
	for _, path := range []string{dir, filepath.Join(dir, "tile")} {
		cs, err := Open(path)
		if err != nil || len(cs) != 1 || cs[0].Name != "tile" {
			t.Fatalf("%s: %+v, %v", path, cs, err)
		}
		c := cs[0]
		if len(c.Train) != 2 || filepath.Base(c.Train[0]) != "000.png" {
			t.Errorf("train: %v", c.Train)
		}
		if !c.HasMasks() || len(c.Test) != 3 {
			t.Errorf("test: %+v", c.Test)
		}
		for _, it := range c.Test {
			if it.Good != (it.Kind == "good") || it.Good != (it.Mask == "") {
				t.Errorf("%+v", it)
			}
		}
	}
}

func TestBTADLayout(t *testing.T) {
	dir := tree(t, "01/train/ok/0.bmp", "01/test/ok/1.bmp", "01/test/ko/2.bmp", "01/ground_truth/ko/2.png",
		"02/train/ok/0.png", "02/test/ok/1.png", "02/test/ko/2.png", "02/ground_truth/ko/2.bmp")
	cs, err := Open(dir)
	if err != nil || len(cs) != 2 {
		t.Fatalf("%+v, %v", cs, err)
	}
	for _, c := range cs {
		if !c.HasMasks() || c.Test[0].Kind != "ko" || c.Test[0].Good || !c.Test[1].Good {
			t.Errorf("%+v", c)
		}
	}
}

func TestMVTecAD2Layout(t *testing.T) {
	dir := tree(t, "can/train/good/000_regular.png", "can/validation/good/000_regular.png", "can/test_private/000_regular.png",
		"can/test_public/good/000_overexposed.png", "can/test_public/bad/001_regular.png",
		"can/test_public/ground_truth/bad/001_regular_mask.png")
	cs, err := Open(dir)
	if err != nil || len(cs) != 1 || len(cs[0].Train) != 1 || len(cs[0].Test) != 2 {
		t.Fatalf("%+v, %v", cs, err)
	}
	if c := cs[0]; !c.HasMasks() || c.Test[0].Kind != "bad" || c.Test[0].Good || !c.Test[1].Good {
		t.Errorf("%+v", c)
	}
}

// Capitals or small letters, as cameras and other systems write them: a good kind is no defect and a mask is found.
func TestNamesInCapitals(t *testing.T) {
	cs, err := Open(tree(t, "Train/Good/0.png", "TEST/Good/0.png", "TEST/Scratch/IMG_1.PNG", "TEST/Scratch/img_1.png",
		"TEST/Scratch/pit.png", "Ground_Truth/scratch/IMG_1_mask.png", "Ground_Truth/scratch/img_1_mask.png", "Ground_Truth/scratch/Pit_mask.PNG"))
	if err != nil || len(cs) != 1 || len(cs[0].Train) != 1 || len(cs[0].Test) != 4 || !cs[0].HasMasks() {
		t.Fatalf("%+v, %v", cs, err)
	}
	for _, it := range cs[0].Test {
		if it.Good != (it.Kind == "Good") || !it.Good && filepath.Base(it.Mask)[1:3] != filepath.Base(it.Path)[1:3] {
			t.Errorf("%+v", it)
		}
	}
}

// What is exactly so called goes before what is so called but for capitals, whatever the ending.
func TestExactNamesGoFirst(t *testing.T) {
	cs, err := Open(tree(t, "train/Good/0.png", "train/ok/0.png", "test/ok/0.png", "test/bad/A.png", "test/bad/a.png",
		"ground_truth/bad/a_mask.png", "ground_truth/bad/A.png"))
	if err != nil {
		t.Fatal(err)
	}
	if train := filepath.Base(filepath.Dir(cs[0].Train[0])); train != "ok" {
		t.Errorf("train/%s", train)
	}
	for i, want := range []string{"A.png", "a_mask.png"} {
		if got := filepath.Base(cs[0].Test[i].Mask); got != want {
			t.Errorf("mask of %s: %s", cs[0].Test[i].Path, got)
		}
	}
}

// One mask or folder for two names, or two for one, would be a guess.
func TestNamesThatDifferInCapitalsAlone(t *testing.T) {
	for _, c := range []struct{ names, a, b string }{
		{"test/bad/A.png test/bad/a.png ground_truth/bad/A_mask.png", "test/bad/A.png", "test/bad/a.png"},
		{"test/bad/A.png test/bad/a.png ground_truth/bad/a_mask.png", "test/bad/A.png", "test/bad/a.png"},
		{"test/bad/Ab.png test/bad/aB.png ground_truth/bad/ab_mask.png", "test/bad/Ab.png", "test/bad/aB.png"},
		{"test/bad/a.png ground_truth/bad/A_mask.png ground_truth/bad/a_Mask.png", "ground_truth/bad/A_mask.png", "ground_truth/bad/a_Mask.png"},
		{"test/Bad/0.png test/bad/0.png ground_truth/bad/0_mask.png", "test/Bad", "test/bad"},
		{"Test/bad/0.png TEST/bad/0.png", "TEST", "Test"},
		{"test/bad/0.png train/OK/0.png train/Ok/0.png", "train/OK", "train/Ok"},
	} {
		names := strings.Fields(c.names)
		if !strings.Contains(c.names, "train") {
			names = append(names, "train/good/0.png")
		}
		dir := tree(t, names...)
		_, err := Open(dir)
		want := filepath.Join(dir, c.a) + " and " + filepath.Join(dir, c.b) + ": "
		if !errors.Is(err, ErrCase) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", c.names, err, want)
		}
	}
	if _, err := Open(tree(t, "train/good/0.png", "test/good/0.png", "test/bad/a.png", "test/bad/a.jpg", "ground_truth/bad/a_mask.png")); err != nil {
		t.Errorf("one mask of two pictures: %v", err)
	}
}

func TestNoMasksAtAll(t *testing.T) {
	cs, err := Open(tree(t, "train/good/0.png", "test/good/0.png", "test/bad/0.png"))
	if err != nil || cs[0].HasMasks() {
		t.Errorf("%+v, %v", cs, err)
	}
}

func TestMasksOfSomeKinds(t *testing.T) {
	cs, err := Open(tree(t, "train/good/0.png", "test/good/0.png", "test/bad/0.png", "test/bad/1.png", "test/worse/0.png", "ground_truth/worse/0_mask.png"))
	if err != nil || cs[0].HasMasks() || !slices.Equal(cs[0].Unmasked(), []string{"bad"}) {
		t.Errorf("%+v, %v", cs, err)
	}
}

func TestErrorsNameTheFolder(t *testing.T) {
	for _, c := range []struct {
		names []string
		want  error
		text  string
	}{
		{[]string{"a.png"}, ErrLayout, ""},
		{[]string{"train/bad/0.png"}, ErrLayout, ""},
		{[]string{"train/good/"}, imagefile.ErrNone, "train/good"},
		{[]string{"train/good/0.png"}, fs.ErrNotExist, "test"},
		{[]string{"train/good/0.png", "test/x.txt"}, imagefile.ErrNone, "test"},
		{[]string{"train/good/0.png", "test/crack/"}, imagefile.ErrNone, "test/crack"},
		{
			[]string{"train/good/0.png", "test/crack/0.png", "test/crack/1.png", "ground_truth/crack/0_mask.png"},
			ErrMask, "test/crack/1.png",
		},
		{
			[]string{"train/good/0.png", "test/crack/0.png", "test/crack/1.png", "ground_truth/crack/a.png"},
			ErrMasks, "ground_truth/crack/0_mask.png",
		},
	} {
		dir := tree(t, c.names...)
		_, err := Open(dir)
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), filepath.Join(dir, filepath.FromSlash(c.text))) {
			t.Errorf("%v: %v", c.names, err)
		}
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
}

func TestSubsetIsRandomAndRepeatable(t *testing.T) {
	var paths []string
	for c := 'a'; c <= 'z'; c++ {
		paths = append(paths, string(c))
	}
	a, b, other := Subset(paths, 8, 1), Subset(paths, 8, 1), Subset(paths, 8, 2)
	if !slices.Equal(a, b) || slices.Equal(a, other) || slices.Equal(a, paths[:8]) {
		t.Errorf("%v, %v, %v", a, b, other)
	}
	if !slices.IsSorted(a) || len(slices.Compact(a)) != 8 {
		t.Errorf("%v: not eight different ones in order", a)
	}
	for _, n := range []int{0, -1, 26, 99} {
		if !slices.Equal(Subset(paths, n, 1), paths) {
			t.Errorf("n = %d: not all", n)
		}
	}
}

// What programs leave behind is neither a category nor a kind of defect.
func TestHiddenFoldersArePassedOver(t *testing.T) {
	root := tree(t, "plate/train/good/1.png", "plate/test/good/1.png", "plate/test/.ipynb_checkpoints/1.png", ".trash/train/good/1.png")
	cs, err := Open(root)
	if err != nil || len(cs) != 1 || len(cs[0].Test) != 1 {
		t.Errorf("%+v, %v", cs, err)
	}
}
