// Package version says which build a program is.
package version

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// name is what the build calls itself: -ldflags "-X cull/internal/version.name=v1.2.3".
var name = "(devel)"

// Name is what the build calls itself, (devel) where nothing did.
func Name() string { return name }

// Of is the line that a program's version command prints: version, commit, toolchain, platform.
func Of(program string) string {
	commit, dirty := "unknown", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision" && len(s.Value) >= 12:
				commit = s.Value[:12]
			case s.Key == "vcs.modified" && s.Value == "true":
				dirty = "+changes"
			}
		}
	}
	return fmt.Sprintf("%s %s commit %s%s %s %s/%s",
		program, name, commit, dirty, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
