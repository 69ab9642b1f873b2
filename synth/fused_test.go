package synth

import (
	"os"
	"os/exec"
	"regexp"
	"testing"
)

// TestNothingIsFused compiles for arm64 and reads the listing: a fused multiply-add rounds
// once where amd64 rounds twice.
func TestNothingIsFused(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the package for arm64")
	}
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Skipf("no go command: %v", err)
	}
	cmd := exec.Command(goTool, "build", "-gcflags=-S", "cull/synth", "cull/internal/exact")
	cmd.Env = append(os.Environ(), "GOARCH=arm64", "GOOS=linux", "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%.2000s", err, out)
	}
	if !regexp.MustCompile(`\bFMUL[SD]\b`).Match(out) {
		t.Fatal("the listing has no multiplication: it is not what this test thinks")
	}
	fused := regexp.MustCompile(`\(([^()]*\.go:\d+)\)\s+FN?M(ADD|SUB)[SD]\b`)
	for _, m := range fused.FindAllSubmatch(out, -1) {
		t.Errorf("%s: %s", m[1], m[0])
	}
}
