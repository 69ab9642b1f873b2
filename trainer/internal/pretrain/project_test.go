package pretrain

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"cull/trainer/internal/discriminant"
	"cull/trainer/internal/recipe"
)

const projected = small + `
[discriminant]
channels = [8, 8, 16]
samples = 20
size = 48
`

// The maps come at the end: the weights before them are those of the recipe without the key, on any number of
// threads and after a pause.
func TestDiscriminantsComeBehindTheTaps(t *testing.T) {
	plain, run := start(t, small, 1), start(t, projected, 1)
	train(t, plain, -1)
	train(t, run, -1)
	saved, err := plain.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	a, err := plain.Finish(new(bytes.Buffer))
	if err != nil {
		t.Fatal(err)
	}
	b, err := run.Finish(new(bytes.Buffer))
	if err != nil {
		t.Fatal(err)
	}
	for i := range a.Params {
		if !slices.Equal(a.Params[i].Weights, b.Params[i].Weights) {
			t.Errorf("node %s: other weights", a.Graph.Nodes[i].Name)
		}
	}
	channels := b.Graph.Channels()
	for k, want := range []int{8, 8, 16} {
		if c := channels[b.Graph.Taps[k].Node]; c != want {
			t.Errorf("tap %d has %d channels, want %d", k+1, c, want)
		}
	}
	if got := run.Float().Graph.Taps; !slices.Equal(got, b.Graph.Taps) {
		t.Errorf("the float parent has taps %v, want %v", got, b.Graph.Taps)
	}
	want, err := b.Encode()
	if err != nil {
		t.Fatal(err)
	}
	other := start(t, projected, 3)
	train(t, other, -1)
	if !bytes.Equal(file(t, other), want) {
		t.Error("three threads give other bytes than one")
	}
	if !bytes.Equal(file(t, cut(t, projected, 3)), want) {
		t.Error("an interrupted run gives other bytes than a whole one")
	}

	// The trained run without them, finished with them.
	c, err := ParseCheckpoint(saved)
	if err != nil {
		t.Fatal(err)
	}
	later := start(t, projected, 1)
	if err := later.Restore(c); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(file(t, later), want) {
		t.Error("discriminants of a finished run's checkpoint give other bytes than those of a run that had them from its start")
	}

	// After quantisation-aware training the trunk keeps its ranges and the maps get theirs.
	both := start(t, strings.Replace(projected, "[quantise]\n", "[quantise]\naware = 0.5\n", 1), 1)
	train(t, both, -1)
	if m, err := both.Finish(new(bytes.Buffer)); err != nil || len(m.Graph.Nodes) != len(b.Graph.Nodes) {
		t.Errorf("quantisation-aware: %v", err)
	}
}

// Directions of nothing are no network.
func TestDiscriminantsNeedDefects(t *testing.T) {
	r := start(t, strings.Replace(projected, "[network]", "[data.synth]\ndefect-share = \"0\"\n[network]", 1), 1)
	_, err := r.Finish(io.Discard)
	if !errors.Is(err, discriminant.ErrNoDefect) || !strings.Contains(err.Error(), "no visible defect among 20 samples") {
		t.Error(err)
	}
}

// Checkpoints of before the key have none in their identity, and are read.
func TestIdentityWithoutDiscriminants(t *testing.T) {
	r := start(t, small, 1)
	b, err := json.Marshal(kept(r.Recipe))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(b, []byte("Discriminant")) {
		t.Errorf("%s", b)
	}
	saved, err := r.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	c, err := ParseCheckpoint(saved)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.Recipe.Discriminant, recipe.Default().Discriminant; got.Samples != want.Samples || got.Size != want.Size {
		t.Errorf("read as %+v, want %+v", got, want)
	}
	if err := start(t, small, 1).Restore(c); err != nil {
		t.Error(err)
	}
}
