package commands

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strings"

	"cull/internal/version"
)

// Table returns the subcommands in the order of the usage.
func Table() []Command {
	return []Command{
		runCommand(),
		captureCommand(),
		teachCommand(),
		inspectCommand(),
		replayCommand(),
		framesCommand(),
		evalCommand(),
		benchCommand(),
		safeCommand(),
		doctorCommand(),
		bundleCommand(),
		versionCommand(),
	}
}

// Usage writes the one-screen summary.
func Usage(w io.Writer) {
	fmt.Fprint(w, "cull: visual inspection for a production line\n\nusage: cull COMMAND [OPTION]... [ARGUMENT]...\n\n")
	for _, c := range Table() {
		fmt.Fprintf(w, "  %-9s %s\n", c.Name, c.Does)
	}
	fmt.Fprint(w, "\ncull COMMAND --help lists a command's options.\n"+
		"Exit codes: 0 done, 1 failed, 2 wrong usage.\n")
}

// Unknown is the error of a command that does not exist.
func Unknown(name string) error {
	for _, c := range Table() {
		if len(name) > 1 && (strings.HasPrefix(c.Name, name) || strings.HasPrefix(name, c.Name)) {
			return Hint(usagef("no command %q", name), "did you mean cull %s?", c.Name)
		}
	}
	return Hint(usagef("no command %q", name), "cull help lists them")
}

func versionCommand() Command {
	return Command{
		Name: "version", Does: "prints version, commit and platform",
		Run: func(_ context.Context, env Env, args []string) error {
			rest, err := parse(env, "version", "", flag.NewFlagSet("version", flag.ContinueOnError), args)
			if err != nil {
				return err
			}
			if len(rest) > 0 {
				return Hint(usagef("version: takes no arguments"), "cull version")
			}
			_, err = fmt.Fprintln(env.Stdout, version.Of("cull"))
			return err
		},
	}
}
