package cull_test

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"testing"
)

// On arm64 the compiler may turn x*y + z into one instruction with one rounding;
// on amd64 it does not. No such instruction may be in the packages that make a
// verdict or a figure (padim and synth look after themselves).
func TestNothingIsFused(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles for arm64")
	}
	cmd := exec.Command("go", "build", "-gcflags=-S",
		"cull/infer/...", "cull/internal/control", "cull/internal/evaluate", "cull/internal/exact", "cull/internal/fixed/...", "cull/internal/inspect",
		"cull/internal/light", "cull/internal/measure", "cull/internal/mirror", "cull/internal/product")
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, out.Bytes())
	}
	if !bytes.Contains(out.Bytes(), []byte("prep.newAxis STEXT")) {
		t.Fatal("no listing from the compiler")
	}
	fused := regexp.MustCompile(`\((\S+)\)\s+FN?M(ADD|SUB)[SD]\b.*`)
	for _, m := range fused.FindAll(out.Bytes(), -1) {
		t.Errorf("%s", m)
	}
}
