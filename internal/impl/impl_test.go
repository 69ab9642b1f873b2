package impl

import (
	"strings"
	"testing"
)

func TestVariableRestricts(t *testing.T) {
	defer func(old []Entry) { entries = old }(entries)
	for _, c := range []struct {
		env        string
		slow, fast bool // use after Register; the CPU has both, not fake
		bad        string
	}{
		{"", true, true, ""},
		{"generic", false, false, ""},
		{"fast", false, true, ""},
		{"slow", true, false, ""},
		{"generic,slow", true, false, ""},
		{"other", true, true, `"other"`},
		{"elsewhere", true, true, ""},
		{"fast,fake", false, true, `"fake"`},
	} {
		t.Setenv(Variable, c.env)
		entries = nil
		slow, fast, fake, elsewhere := true, true, false, true
		Register("p", "slow", &slow)
		Register("q", "elsewhere", &elsewhere)
		Register("p", "fast", &fast)
		Register("p", "fake", &fake)
		if slow != c.slow || fast != c.fast || fake {
			t.Errorf("%q: slow %v, fast %v, fake %v", c.env, slow, fast, fake)
		}
		err := Check()
		if (err != nil) != (c.bad != "") || err != nil && !strings.Contains(err.Error(), c.bad) {
			t.Errorf("%q: Check: %v", c.env, err)
		}
		if n := len(Entries("p")); n != 3 {
			t.Errorf("%d entries", n)
		}
	}
}
