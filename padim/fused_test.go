package padim

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"testing"
)

// On arm64 the compiler may turn x*y + z into one instruction with one
// rounding; on amd64 it does not. No such instruction may be in this package.
func TestNothingIsFused(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("no go command to compile with")
	}
	cmd := exec.Command("go", "build", "-gcflags=-S", "cull/padim", "cull/padim/internal/kernel")
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, out.Bytes())
	}
	if !bytes.Contains(out.Bytes(), []byte("padim.addMoments STEXT")) {
		t.Fatal("no listing from the compiler")
	}
	fused := regexp.MustCompile(`\((\S+)\)\s+FN?M(ADD|SUB)[SD]\b.*`)
	for _, m := range fused.FindAll(out.Bytes(), -1) {
		t.Errorf("%s", m)
	}
}
