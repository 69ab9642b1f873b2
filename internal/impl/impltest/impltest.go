// Package impltest runs a test under every implementation this CPU has.
package impltest

import (
	"testing"

	"cull/internal/impl"
)

// Each runs f once per optional implementation of pkg with the others off, and
// once with all off, which leaves the portable Go code.
func Each(t *testing.T, pkg string, f func(t *testing.T)) {
	t.Helper()
	all := impl.Entries(pkg)
	only := func(name string) {
		for _, e := range all {
			*e.Use = e.Have && e.Name == name
		}
	}
	t.Cleanup(func() {
		for _, e := range all {
			*e.Use = e.Default
		}
	})
	only("")
	t.Run("generic", f)
	for _, e := range all {
		t.Run(e.Name, func(t *testing.T) {
			if !e.Have {
				t.Skip("this CPU lacks it")
			}
			only(e.Name)
			f(t)
		})
	}
}
