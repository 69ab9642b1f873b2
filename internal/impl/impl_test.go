package impl

import (
	"strings"
	"testing"
)

func TestVariableRestricts(t *testing.T) {
	defer func(old []Entry) { entries = old }(entries)
	for _, c := range []struct {
		env        string
		fast, fake bool // use after Register; the CPU has fast, not fake
		bad        string
	}{
		{"", true, false, ""},
		{"generic", false, false, ""},
		{"fast", true, false, ""},
		{"other", false, false, `"other"`},
		{"fast,fake", true, false, `"fake"`},
	} {
		t.Setenv(Variable, c.env)
		entries = nil
		fast, fake := true, false
		Register("p", "fast", &fast)
		Register("p", "fake", &fake)
		if fast != c.fast || fake != c.fake {
			t.Errorf("%q: fast %v, fake %v", c.env, fast, fake)
		}
		err := Check()
		if (err != nil) != (c.bad != "") || err != nil && !strings.Contains(err.Error(), c.bad) {
			t.Errorf("%q: Check: %v", c.env, err)
		}
		if n := len(Entries("p")); n != 2 {
			t.Errorf("%d entries", n)
		}
	}
}
