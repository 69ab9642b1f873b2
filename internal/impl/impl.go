// Package impl keeps the list of optional kernel implementations: the user
// chooses among them by the environment variable CULL_KERNEL, tests force each
// one in turn (package impltest).
package impl

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// Variable is the environment variable that restricts the implementations: a
// list of names separated by commas. A package that has some of them uses no
// other; a package that has none keeps its choice, unless "generic" is named,
// which leaves it the portable code.
const Variable = "CULL_KERNEL"

const generic = "generic"

// An Entry is one optional implementation.
type Entry struct {
	Pkg, Name string
	Have      bool  // what this CPU offers
	Use       *bool // what the dispatcher reads
	Default   bool  // what the CPU and the user say
}

var entries []Entry

// Register records an optional implementation. Call it from init, in the file
// that declares the assembly; *use must hold the CPU's answer and becomes
// false if the user excludes the implementation.
func Register(pkg, name string, use *bool) {
	entries = append(entries, Entry{Pkg: pkg, Name: name, Have: *use, Use: use})
	names := chosen()
	restricted := slices.Contains(names, generic)
	for _, e := range Entries(pkg) {
		restricted = restricted || slices.Contains(names, e.Name)
	}
	for i := range entries {
		if e := &entries[i]; e.Pkg == pkg {
			e.Default = e.Have && (!restricted || slices.Contains(names, e.Name))
			*e.Use = e.Default
		}
	}
}

// Entries returns the registered implementations of pkg.
func Entries(pkg string) (out []Entry) {
	for _, e := range entries {
		if e.Pkg == pkg {
			out = append(out, e)
		}
	}
	return out
}

// Check reports a name in CULL_KERNEL that no package offers on this CPU.
func Check() error {
	have := []string{generic}
	for _, e := range entries {
		if e.Have && !slices.Contains(have, e.Name) {
			have = append(have, e.Name)
		}
	}
	for _, name := range chosen() {
		if !slices.Contains(have, name) {
			return fmt.Errorf("impl: %s: no kernel %q on this CPU: choose of %s",
				Variable, name, strings.Join(have, ", "))
		}
	}
	return nil
}

// chosen returns the names in CULL_KERNEL, nil when it is empty.
func chosen() []string {
	v := os.Getenv(Variable)
	if v == "" {
		return nil
	}
	return strings.Split(v, ",")
}
