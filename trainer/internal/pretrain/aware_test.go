package pretrain

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"
)

// Half of small's 8 steps.
var aware = strings.Replace(small, "[quantise]\n", "[quantise]\naware = 0.5\n", 1)

// Before the phase, at its start and within it: the ranges come from the checkpoint.
func TestInterruptedInQuantisationAwareTraining(t *testing.T) {
	whole := start(t, aware, 1)
	train(t, whole, 4)
	if whole.aware != nil || whole.ranges[1][0] != 0 {
		t.Fatal("begun before its share of the run")
	}
	train(t, whole, 5)
	if whole.aware == nil || whole.ranges[1][0] == 0 {
		t.Fatal("not begun")
	}
	ranges, mean := slices.Clone(whole.ranges[1]), slices.Clone(whole.trunk.Stem[0].Mean)
	train(t, whole, -1)
	if !slices.Equal(ranges, whole.ranges[1]) || !slices.Equal(mean, whole.trunk.Stem[0].Mean) {
		t.Error("ranges or statistics moved")
	}
	m, err := whole.Finish(io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	for k, tap := range m.Graph.Taps {
		for c, step := range m.TapStep[k] {
			if w := whole.ranges[tap.Node][c] / 127; step != w {
				t.Fatalf("tap %d, channel %d: step %g, trained with %g", k, c, step, w)
			}
		}
	}
	want, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}

	other := start(t, aware, 3)
	train(t, other, -1)
	if !bytes.Equal(file(t, other), want) {
		t.Error("three threads give other bytes than one")
	}
	if !bytes.Equal(file(t, cut(t, aware, 4, 6)), want) {
		t.Error("an interrupted run gives other bytes than a whole one")
	}
	plain := start(t, small, 1)
	train(t, plain, -1)
	if bytes.Equal(file(t, plain), want) {
		t.Error("quantisation-aware training changes nothing")
	}
}

// Checkpoints of before the key have none in their identity.
func TestIdentityWithoutQuantisationAwareTraining(t *testing.T) {
	b, err := json.Marshal(kept(start(t, small, 1).Recipe))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(b, []byte("Aware")) {
		t.Errorf("%s", b)
	}
}

func TestASmallShareIsOneStep(t *testing.T) {
	r := start(t, strings.Replace(aware, "aware = 0.5", "aware = 0.001", 1), 1)
	train(t, r, -1)
	if r.aware == nil {
		t.Error("no step was quantisation-aware")
	}
}
