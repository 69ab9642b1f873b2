package main

import (
	"os/exec"
	"strings"
	"testing"

	"cull/trainer/internal/recipe"
)

const python = "/usr/bin/python3"

// tiny starts PyTorch on a tiny network, or skips.
func tiny(t *testing.T) *bench {
	t.Helper()
	if testing.Short() {
		t.Skip("starts PyTorch")
	}
	if err := exec.Command(python, "-c", "import numpy, torch").Run(); err != nil {
		t.Skip("needs python3-torch")
	}
	r, text, err := recipe.Read("../../../../recipes/shipped.toml")
	if err != nil {
		t.Fatal(err)
	}
	r.Network.Width, r.Training.Batch = 8, 3
	return &bench{recipe: r, text: text, python: python, script: "torch_step.py"}
}

func TestBothMethodsAgreeWithPyTorchAndAWrongStepDoesNot(t *testing.T) {
	b, dir := tiny(t), t.TempDir()
	const size = 32
	direct, winograd := b.newLearner(size, 1, false), b.newLearner(size, 2, true)
	if err := direct.write(dir); err != nil {
		t.Fatal(err)
	}
	p, err := b.start(dir, "contiguous", size, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	for _, l := range []*learner{direct, winograd} {
		if err := agree(p, dir, l, l.gradient()); err != nil {
			t.Error(err)
		}
	}
	loss := direct.gradient()
	direct.params[3].G[7] += 0.01
	if err := agree(p, dir, direct, loss); err == nil || !strings.Contains(err.Error(), "not the same computation") {
		t.Errorf("a wrong gradient passes: %v", err)
	}
	if err := agree(p, dir, winograd, 1.001*loss); err == nil {
		t.Error("a wrong loss passes")
	}
}
