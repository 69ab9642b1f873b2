package commands

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cull/infer"
	"cull/weights"
)

// One weight differs from what the known answers were computed with, as if a bit had
// flipped on the way to the kernels: the line never becomes ready.
func TestWrongWeightStopsTheStart(t *testing.T) {
	m, err := infer.Parse(weights.Cull())
	if err != nil {
		t.Fatal(err)
	}
	w := m.Params[len(m.Params)/2].Weights
	for i := len(m.Params) / 2; len(w) == 0; i++ {
		w = m.Params[i].Weights
	}
	for i := range 16 {
		if w[i] ^= 1 << 6; w[i] == -128 {
			w[i] = -127
		}
	}
	d := newDesk(t, "")
	path := filepath.Join(d.dir, "wrong.net")
	if err := m.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(d.config)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), "random.net", "wrong.net", 1)
	if err := os.WriteFile(d.config, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	_, log, err := d.run(t, context.Background(), "--parts", "1")
	if !errors.Is(err, infer.ErrAnswer) || !strings.Contains(err.Error(), "answer 0") || HintOf(err) == "" {
		t.Errorf("error %v, hint %q", err, HintOf(err))
	}
	if strings.Contains(log, "ready") {
		t.Errorf("the line became ready:\n%s", log)
	}
}
