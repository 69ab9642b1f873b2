package pretrain

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"cull/synth"
	"cull/trainer/internal/recipe"
)

// swatches are a source of one-colour pictures with names.
type swatches []string

func (s swatches) Len() int          { return len(s) }
func (s swatches) Name(i int) string { return s[i] }
func (s swatches) Texture(i int) (*synth.Texture, error) {
	p := synth.Picture{W: 64, H: 64, Pix: bytes.Repeat([]byte{uint8(10 * i)}, 3*64*64)}
	return synth.NewTexture(p, "a", true), nil
}

func TestValidationChangesNoBit(t *testing.T) {
	with := strings.Replace(small, "batch = 4", "batch = 4\nvalidate = 8", 1)
	without := strings.Replace(small, "batch = 4", "batch = 4\nvalidate = 0", 1)
	a, b := start(t, with, 2), start(t, without, 2)
	train(t, a, -1)
	train(t, b, -1)
	if n := len(a.Curve().Validation); n != 4 {
		t.Fatalf("%d validations, want 4", n)
	}
	for _, p := range a.Curve().Validation {
		if p.CellAUROC == nil || *p.CellAUROC <= 0 || *p.CellAUROC > 1 || len(p.Losses) != 3 {
			t.Errorf("validation %+v", p)
		}
	}
	if len(b.Curve().Validation) != 0 {
		t.Error("validations with validate = 0")
	}
	b.Text = a.Text // recorded in the file
	if !bytes.Equal(file(t, a), file(t, b)) {
		t.Error("a run with validations gives other bytes than one without")
	}
}

// A picture that is held out and cannot be read costs no step, and no validation of the run that goes on.
func TestHeldOutPicturesAreReadFirst(t *testing.T) {
	text := strings.Replace(small, "[network]", "folder = \"x\"\nholdout = 0.2\n[network]", 1)
	r, err := recipe.Parse(strings.Replace(text, "batch = 4", "batch = 4\nvalidate = 16", 1))
	if err != nil {
		t.Fatal(err)
	}
	all := swatches{"a.png", "b.png", "c.png", "d.png", "e.png"}
	_, held, err := split(all, 0.2, r.Seed, false)
	if err != nil {
		t.Fatal(err)
	}
	run, err := NewFrom(r, text, torn{all, held[0]}, 1)
	if err != nil {
		t.Fatal(err)
	}
	err = run.Train(t.Context(), func(Progress) error { return nil })
	if !errors.Is(err, errTorn) || run.Images() != 0 {
		t.Errorf("%v after %d samples", err, run.Images())
	}
}

var errTorn = errors.New("torn")

// torn are swatches of which one cannot be read.
type torn struct {
	swatches
	at int
}

func (s torn) Texture(i int) (*synth.Texture, error) {
	if i == s.at {
		return nil, errTorn
	}
	return s.swatches.Texture(i)
}

func TestCurveGoesOnWithoutGapOrDuplicate(t *testing.T) {
	text := strings.Replace(small, "batch = 4", "batch = 4\nvalidate = 8", 1)
	whole, cut := start(t, text, 1), start(t, text, 1)
	train(t, whole, -1)
	train(t, cut, 3)
	b, err := cut.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	c, err := ParseCheckpoint(b)
	if err != nil {
		t.Fatal(err)
	}
	cut = start(t, text, 2)
	if err := cut.Restore(c); err != nil {
		t.Fatal(err)
	}
	train(t, cut, -1)
	want, _ := json.Marshal(whole.Curve())
	got, _ := json.Marshal(cut.Curve())
	if !bytes.Equal(got, want) || len(whole.Curve().Training) != 8 {
		t.Errorf("curve of the resumed run\n%s\nwant\n%s", got, want)
	}
}

func TestHeldOutMaterialsAreNotTrainedOn(t *testing.T) {
	var s swatches
	for m := range 12 {
		for _, n := range []string{"_000.png", "_001.png", "_2.jpg"} {
			s = append(s, "set/"+string(rune('A'+m))+n)
		}
	}
	train, held, err := split(s, 0.25, 7, false)
	if err != nil {
		t.Fatal(err)
	}
	if len(held) != 9 || len(train) != 27 {
		t.Fatalf("%d held, %d trained on: want 9 and 27", len(held), len(train))
	}
	out := map[string]bool{}
	for _, i := range held {
		out[material(s[i])] = true
	}
	for _, i := range train {
		if out[material(s[i])] {
			t.Errorf("%s is trained on, a near duplicate is held out", s[i])
		}
	}
	if again, _, _ := split(s, 0.25, 8, false); len(again) == len(train) && equal(again, train) {
		t.Error("another seed holds out the same")
	}
	if _, _, err := split(s[:1], 0.5, 1, false); err == nil {
		t.Error("one picture is held out of one")
	}
	if _, held, _ := split(s[:3], 0.3, 1, false); len(held) != 1 {
		t.Errorf("few materials: %d pictures held out, want 1", len(held))
	}
}

func equal(a, b []int) bool {
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
