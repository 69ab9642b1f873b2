package recipe

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
)

const example = "../../../recipes/example.toml"

// The example lists every key; CULL_WRITE=1 rewrites it.
func TestExampleIsTheDefaultsWithTheirMeaning(t *testing.T) {
	d := Default()
	var want bytes.Buffer
	if err := Write(&want, &d); err != nil {
		t.Fatal(err)
	}
	// A source needs a name: the example gives one.
	text := strings.Replace(want.String(), `name = ""`, `name = "my textures"`, 1)
	text = strings.Replace(text, `licence = ""`, `licence = "CC0-1.0"`, 1)
	if os.Getenv("CULL_WRITE") != "" {
		if err := os.WriteFile(example, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != text {
		t.Error("recipes/example.toml is not what Write gives: run this test with CULL_WRITE=1")
	}
	r, _, err := Read(example)
	if err != nil {
		t.Fatal(err)
	}
	r.Source, r.Data.Synth = nil, nil
	if !reflect.DeepEqual(*r, d) {
		t.Errorf("the example reads as\n%+v, want the defaults\n%+v", *r, d)
	}
}

func TestCommittedRecipesAreValid(t *testing.T) {
	entries, err := os.ReadDir("../../../recipes")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".toml") {
			continue
		}
		r, text, err := Read("../../../recipes/" + e.Name())
		if err == nil {
			err = r.Sense(text)
		}
		if err != nil {
			t.Error(err)
		}
	}
}

// sensible is Parse of the recipe of a new run.
func sensible(text string) (*Recipe, error) {
	r, err := Parse(text)
	if err == nil {
		err = r.Sense(text)
	}
	return r, err
}

func TestFaultsNameLineAndKey(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"seed = 1\nsead = 2\n", "line 2: sead: unknown key"},
		{"[loss]\nL_direct.imgae = 1\n", "line 2: loss.L_direct.imgae: unknown key"},
		{"[training]\nbatch = \"x\"\n", "line 2: training.batch"},
		{"[training]\n\nbatch = 0 # none\n", "line 3: training.batch: 0: want 1 to 4096 samples"},
		{"[data]\nsize = 100\n", "line 2: data.size: 100: want a multiple of 16 px"},
		{"[data]\nlabel = \"best\"\n", "line 2: data.label: \"best\": want one of visible, relative, formula"},
		{"[network]\nblocks = [2, 2]\n", "line 2: network.blocks: 2 numbers, want 3"},
		{"[network]\nblocks = [2, 2, 99]\n", "line 2: network.blocks: 99: want 1 to 16"},
		{"[network]\nwidth = 256\nblocks = [1, 1, 8]\n", "line 2: network.width: 256 with blocks [1 1 8] makes "},
		{"[loss]\nform = 0.0\nindirect = 0.0\n", "line 1: loss: all weights are 0"},
		{"[optimiser]\nrate = nan\n", "line 2: optimiser.rate: NaN: want 0 to 10"},
		{"[data.synth]\nsigma-z = \"1\"\n", "data.synth"},
		{"[data]\nreuse = 3\n", "training.batch: 32 is not a multiple of data.reuse 3"},
		{"[[source]]\nname = \"a\"\n", "source.licence: empty"},
		{"seed = 9007199254740993\n", "line 1: seed: 9007199254740993: want 0 to 9007199254740992"},
		{"[data]\nholdout = 0.1\n", "line 2: data.holdout: 0.1 without data.folder"},
		{"[optimiser]\nrate = 1e-7\n", "optimiser.final_rate: 1e-06 is above optimiser.rate 1e-07"},
		{"[data.synth]\nmask = \"gmm:1,gmm:0\"\n", "gmm is named twice"},
		{"[quantise]\npictures = 100000\n", "line 2: quantise.pictures: 100000 of 128 px may take 18 GiB of memory: want at most 43690"},
		{
			"[discriminant]\nchannels = [8, 8, 8]\nsamples = 10000000\n",
			"line 3: discriminant.samples: 10000000 may take 305 GiB of memory at network.width 32: want at most 262144",
		},
		{"a = [\n", "line"},
	} {
		_, err := sensible(c.text)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.text, err, c.want)
		}
	}
}

// A FIFO is refused, not waited for.
func TestOnlyFilesAreRead(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "r.toml")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Read(fifo); err == nil || !strings.Contains(err.Error(), "r.toml: not a regular file") {
		t.Error(err)
	}
}

// The recipe of a run that goes on may be of before a rule for new ones.
func TestRulesOfNewRunsAreNotOfOld(t *testing.T) {
	r, err := Parse("[data]\nholdout = 0.1\n[optimiser]\nrate = 1e-7\n[quantise]\npictures = 100000\n")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Check(); err != nil {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	b, err := os.ReadFile(example)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(b))
	f.Add("[network]\nblocks = []\n")
	f.Fuzz(func(t *testing.T, text string) {
		if r, err := Parse(text); err == nil {
			r.Shape()
		}
	})
}

func TestClassificationStandsAlone(t *testing.T) {
	const alone = "[loss]\nform = 0.0\nindirect = 0.0\nclass = 1.0\n"
	for text, want := range map[string]string{
		"[data]\nfractals = 4\n" + alone:                 "",
		"[data]\nfolder = \"x\"\n" + alone:               "",
		"[data]\nfolder = \"x\"\nfractals = 4\n" + alone: "data.fractals: 4 with data.folder",
		alone:                    "class needs data.fractals or data.folder",
		"[data]\nfractals = 4\n": "classes only",
		"[data]\nfractals = 4\n[loss]\nclass = 1.0\n":      "class stands alone",
		"[data]\nfractals = 4\n" + alone + "line = 1.0\n":  "class stands alone",
		"[loss]\nform = 0.0\nindirect = 0.0\nline = 1.0\n": "",
	} {
		_, err := sensible(text)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
