package cull_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// binDir holds cull and cull-trainer, built once for every test of this package.
var binDir string

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "cull-bin-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	for name, pkg := range map[string]string{"cull": "./device", "cull-trainer": "./trainer"} {
		cmd := exec.Command("go", "build", "-o", filepath.Join(dir, name), pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "go build %s: %v\n%s", pkg, err, out)
			return 1
		}
	}
	binDir = dir
	return m.Run()
}

// searchPath is PATH with the two programs in front.
func searchPath() string { return binDir + string(os.PathListSeparator) + os.Getenv("PATH") }

// TestScripts runs testdata/script: the programs as a user meets them. A script's files are made by the
// commands it runs, so there is no picture in the repository.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", searchPath())
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"truncate": truncateFile,
			"flip":     flipByte,
		},
	})
}

// truncateFile is the script command `truncate FILE N`: keep the first N bytes.
func truncateFile(ts *testscript.TestScript, neg bool, args []string) {
	var n int64
	if neg || len(args) != 2 {
		ts.Fatalf("usage: truncate FILE N")
	}
	if _, err := fmt.Sscan(args[1], &n); err != nil {
		ts.Fatalf("truncate: %v", err)
	}
	ts.Check(os.Truncate(ts.MkAbs(args[0]), n))
}

// flipByte is the script command `flip FILE N`: invert one bit of byte N (negative: from the end).
func flipByte(ts *testscript.TestScript, neg bool, args []string) {
	var n int
	if neg || len(args) != 2 {
		ts.Fatalf("usage: flip FILE N")
	}
	if _, err := fmt.Sscan(args[1], &n); err != nil {
		ts.Fatalf("flip: %v", err)
	}
	path := ts.MkAbs(args[0])
	b, err := os.ReadFile(path)
	ts.Check(err)
	if n < 0 {
		n += len(b)
	}
	b[n] ^= 1
	ts.Check(os.WriteFile(path, b, 0o644))
}

// TestReadme runs every command of the README's console blocks, in order, in one folder, and compares what
// they print on standard output. In the expected output `…` stands for anything within a line, and a line `…` for any number
// of lines. Commands that start the whole test suite or fetch the repository are checked, not run.
func TestReadme(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the whole README")
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	steps := consoleSteps(string(readme))
	if len(steps) == 0 {
		t.Fatal("README.md: no console block")
	}
	for _, s := range steps {
		if s.prepare(t, root) {
			continue
		}
		where := dir
		if strings.HasPrefix(s.command, "make ") {
			where = root
		}
		cmd := exec.Command("sh", "-ec", s.command)
		cmd.Dir = where
		cmd.Env = append(os.Environ(), "PATH="+searchPath(), "LC_ALL=C.UTF-8", "MAKEFLAGS=--no-print-directory")
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("README.md:%d: %s: %v\n%s%s", s.line, s.command, err, out, stderr.String())
		}
		if s.output != "" && !matchOutput(s.output, string(out)) {
			t.Errorf("README.md:%d: %s\nprinted:\n%s\nREADME says:\n%s", s.line, s.command, out, s.output)
		}
	}
}

// A step is one command of the README and what it is said to print.
type step struct {
	line            int
	command, output string
}

// prepare handles the commands that cannot be run from inside a test and says whether it did.
func (s step) prepare(t *testing.T, root string) bool {
	switch {
	case strings.HasPrefix(s.command, "git clone"), strings.HasPrefix(s.command, "cd cull"):
		return true
	case s.command == "make test":
		ci, err := os.ReadFile(filepath.Join(root, ".ci", "run"))
		if err != nil || !strings.Contains(string(ci), "\nmake test\n") {
			t.Errorf("README.md:%d: .ci/run does not run %q (%v)", s.line, s.command, err)
		}
		return true
	case strings.Contains(s.command, "../shared/data"):
		return true // shown in doc/results.md with the run that printed it
	}
	return false
}

// consoleSteps returns the commands of every ```console block.
func consoleSteps(md string) []step {
	var steps []step
	in := false
	n := 0
	for line := range strings.Lines(md) {
		n++
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "```"):
			in = line == "```console"
		case in && strings.HasPrefix(line, "$ "):
			steps = append(steps, step{line: n, command: line[2:]})
		case in && len(steps) > 0:
			steps[len(steps)-1].output += line + "\n"
		}
	}
	return steps
}

// matchOutput reports whether got is want, where `…` is a wildcard (see TestReadme).
func matchOutput(want, got string) bool {
	w := strings.Split(strings.TrimRight(want, "\n"), "\n")
	g := strings.Split(strings.TrimRight(got, "\n"), "\n")
	return matchLines(w, g)
}

func matchLines(want, got []string) bool {
	if len(want) == 0 {
		return len(got) == 0
	}
	if strings.TrimSpace(want[0]) == "…" {
		for skip := 0; skip <= len(got); skip++ {
			if matchLines(want[1:], got[skip:]) {
				return true
			}
		}
		return false
	}
	return len(got) > 0 && matchLine(want[0], got[0]) && matchLines(want[1:], got[1:])
}

func matchLine(want, got string) bool {
	parts := strings.Split(want, "…")
	if !strings.HasPrefix(got, parts[0]) {
		return false
	}
	got = got[len(parts[0]):]
	for _, p := range parts[1:] {
		i := strings.Index(got, p)
		if i < 0 {
			return false
		}
		got = got[i+len(p):]
	}
	return got == "" || strings.HasSuffix(want, "…")
}

func TestMatchOutput(t *testing.T) {
	for _, c := range []struct {
		want, got string
		match     bool
	}{
		{"a\nb\n", "a\nb\n", true},
		{"a\n", "a\nb\n", false},
		{"score …\n", "score 1.25\n", true},
		{"score … of …\n", "score 1 of 2\n", true},
		{"score …x\n", "score 1y\n", false},
		{"a\n…\nz\n", "a\nb\nc\nz\n", true},
		{"a\n…\nz\n", "a\nb\nc\n", false},
	} {
		if got := matchOutput(c.want, c.got); got != c.match {
			t.Errorf("match %q %q: %v", c.want, c.got, got)
		}
	}
}
