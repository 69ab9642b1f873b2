//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAccountFails(t *testing.T) {
	const begun = `{"kind":"begin","part_id":1}` + "\n" + `{"kind":"begin","part_id":2}` + "\n"
	const one = `{"kind":"part","part_id":1,"verdict":"PASS"}` + "\n"
	const two = `{"kind":"part","part_id":2,"verdict":"REJECT"}` + "\n"
	for _, tc := range []struct {
		name, log string
		edges     int
		args      string
		ok        bool
	}{
		{"all", begun + one + two, 2, "-want 1,1,0", true},
		{"any number of rejects", begun + one + two, 2, "-want 1,*,0", true},
		{"a torn end", begun + one + two + `{"kind":"pa`, 2, "-want 1,1,0", true},
		{"other verdicts", begun + one + two, 2, "-want 2,0,0", false},
		{"a part that has not ended", begun + one, 1, "", false},
		{"a part that ended twice", begun + one + two + two, 2, "", false},
		{"no verdict", begun + one + strings.Replace(two, "REJECT", "", 1), 2, "", false},
		{"an edge that nobody saw", begun + one + two, 3, "", false},
		{"... in a storm", begun + one + two, 3, "-storm", true},
		{"a part without an edge", begun + one + two, 1, "", false},
		{"... in a storm", begun + one + two, 1, "-storm", false},
	} {
		dir, sent := t.TempDir(), filepath.Join(t.TempDir(), "sent")
		for path, text := range map[string]string{
			filepath.Join(dir, "1.jsonl"): tc.log, sent: strings.Repeat("\n", tc.edges),
		} {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		err := account(append(strings.Fields(tc.args), "-sent", sent, dir))
		if (err == nil) != tc.ok {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	if account([]string{t.TempDir()}) == nil {
		t.Error("no log: no error")
	}
}
