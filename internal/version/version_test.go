package version

import (
	"regexp"
	"runtime"
	"testing"
)

func TestOf(t *testing.T) {
	want := `^cull-trainer \(devel\) commit (unknown|[0-9a-f]{12}(\+changes)?) go\S+ ` + runtime.GOOS + "/" + runtime.GOARCH + "$"
	if got := Of("cull-trainer"); !regexp.MustCompile(want).MatchString(got) || Name() != "(devel)" {
		t.Errorf("%q, %q", got, Name())
	}
}
