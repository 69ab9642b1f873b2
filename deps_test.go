package cull_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// dependencyRules are the walls of the house (doc/architecture.md, "Packages"). The whole dependency tree
// of every package that the pattern matches, as built for the board, must not contain what is forbidden.
// A trailing slash forbids everything below it, except what allowed names.
var dependencyRules = []struct {
	pattern   string
	forbidden []string
	allowed   []string
}{
	{
		pattern: "./device/...",
		forbidden: []string{
			"cull/trainer", "cull/trainer/", "gonum.org/v1/plot/", "testing", "periph.io/x/host/", "periph.io/x/d2xx",
		},
	},
	{
		pattern:   "./trainer/...",
		forbidden: []string{"cull/device", "cull/device/"},
	},
	{
		pattern: "./infer/...",
		forbidden: []string{
			"cull/padim", "cull/reject", "cull/synth", "cull/capture", "cull/capture/", "cull/device/",
			"cull/trainer/", "log", "log/", "net", "net/", "os/exec",
		},
		allowed: []string{"cull/capture"}, // infer/prep reads capture.Frame; see TestOnlyPrepKnowsFrames
	},
	{
		pattern: "./padim/...",
		forbidden: []string{
			"cull/infer", "cull/infer/", "cull/reject", "cull/synth", "cull/capture", "cull/capture/",
			"cull/device/", "cull/trainer/", "log", "log/", "net", "net/", "os/exec",
		},
	},
	{
		pattern: "./reject/...",
		forbidden: []string{
			"cull/infer", "cull/infer/", "cull/padim", "cull/synth", "cull/capture", "cull/device/", "cull/trainer/",
			"periph.io/x/host/", "periph.io/x/d2xx", // they register themselves: -tags periph only
		},
	},
	{
		pattern: "./synth/...",
		forbidden: []string{
			"cull/infer", "cull/infer/", "cull/padim", "cull/reject", "cull/capture", "cull/device/", "cull/trainer/",
		},
	},
	{
		pattern: "./capture",
		forbidden: []string{
			"cull/infer", "cull/infer/", "cull/padim", "cull/reject", "cull/synth", "cull/device/", "cull/trainer/",
			"cull/capture/", "cull/internal/",
		},
	},
}

func TestDependencies(t *testing.T) {
	for _, rule := range dependencyRules {
		for pkg, deps := range boardDeps(t, rule.pattern) {
			for _, dep := range deps {
				if forbids(rule.forbidden, rule.allowed, dep) {
					t.Errorf("%s depends on %s", pkg, dep)
				}
			}
		}
	}
}

// TestPeriphTagHasTheDrivers shows that the rule against periph.io's host drivers forbids something.
func TestPeriphTagHasTheDrivers(t *testing.T) {
	deps := boardDeps(t, "./reject/hostpin", "-tags=periph")["cull/reject/hostpin"]
	if !slices.Contains(deps, "periph.io/x/host/v3/gpioioctl") {
		t.Errorf("reject/hostpin with the tag periph: %v", deps)
	}
}

// TestOnlyPrepKnowsFrames holds the one exception: inside infer, only prep may know capture.
func TestOnlyPrepKnowsFrames(t *testing.T) {
	for pkg, deps := range boardDeps(t, "./infer/...") {
		if strings.HasPrefix(pkg, "cull/infer/prep") {
			continue
		}
		for _, dep := range deps {
			if dep == "cull/capture" {
				t.Errorf("%s depends on %s", pkg, dep)
			}
		}
	}
}

// TestLicences: a copy of a program must carry the licences of what is linked into it.
func TestLicences(t *testing.T) {
	given := ""
	for _, name := range []string{"LICENSE", "LICENSE-third-party"} {
		given += readText(t, name)
	}
	list := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Dir}}{{end}}{{end}}", "./device", "./trainer")
	list.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0")
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatalf("go env: %v", err)
	}
	dirs := map[string]string{"Go": strings.TrimSpace(string(root))}
	for line := range strings.Lines(string(out)) {
		if path, dir, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			dirs[path] = dir
		}
	}
	if len(dirs) < 2 {
		t.Fatal("go list: no module")
	}
	for path, dir := range dirs {
		if !strings.Contains(given, path) {
			t.Errorf("LICENSE-third-party does not name %s", path)
		}
		var files []string
		for _, pattern := range []string{"LICENSE*", "NOTICE*", "THIRD_PARTY_LICENSES/*"} {
			names, _ := filepath.Glob(filepath.Join(dir, pattern))
			files = append(files, names...)
		}
		if len(files) == 0 && path != "Go" { // a distribution's Go keeps it elsewhere
			t.Errorf("%s: no licence in %s", path, dir)
		}
		for _, f := range files {
			if !strings.Contains(given, strings.Trim(readText(t, f), "\n")) {
				t.Errorf("LICENSE-third-party lacks %s of %s", filepath.Base(f), path)
			}
		}
	}
}

func readText(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestForbids(t *testing.T) {
	for _, c := range []struct {
		dep  string
		want bool
	}{{"net", true}, {"net/http", true}, {"network", false}, {"cull/capture", false}, {"cull/capture/v4l2", true}} {
		got := forbids([]string{"net", "net/", "cull/capture", "cull/capture/"}, []string{"cull/capture"}, c.dep)
		if got != c.want {
			t.Errorf("forbids %s: got %v", c.dep, got)
		}
	}
}

func forbids(forbidden, allowed []string, dep string) bool {
	for _, a := range allowed {
		if dep == a {
			return false
		}
	}
	for _, f := range forbidden {
		if dep == f || strings.HasSuffix(f, "/") && strings.HasPrefix(dep, f) {
			return true
		}
	}
	return false
}

// boardDeps lists, for each package of the pattern, everything it pulls in when built for the board.
func boardDeps(t *testing.T, pattern string, flags ...string) map[string][]string {
	t.Helper()
	args := append([]string{"list", "-f", "{{.ImportPath}} {{join .Deps \" \"}}"}, flags...)
	cmd := exec.Command("go", append(args, pattern)...)
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %s: %v", pattern, err)
	}
	deps := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		deps[f[0]] = f[1:]
	}
	if len(deps) == 0 {
		t.Fatalf("go list %s: no package", pattern)
	}
	return deps
}
