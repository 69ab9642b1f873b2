// Package commands is what `cull` does: one function for each subcommand.
//
// A command parses its own arguments, writes its answer to Env.Stdout and its
// log to Env.Stderr, and returns an error instead of exiting. main turns the
// error into the lines `cull: …` and `hint: …` and into the exit code.
package commands

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"cull/internal/container"
)

// An Env is what a command may touch of the world besides the files it is named.
type Env struct {
	Stdout io.Writer // the answer; what a program may read
	Stderr io.Writer // the log; what a technician reads
}

// A Command is one entry of the table that main dispatches on.
type Command struct {
	Name     string // as typed
	Synopsis string // arguments, as in the usage: "[--json] PRODUCT IMAGE..."
	Does     string // one line
	Run      func(ctx context.Context, env Env, args []string) error
}

// ErrUsage is wrapped by errors whose remedy is another command line: exit code 2.
var ErrUsage = errors.New("wrong usage")

// usagef returns an error with the given text that is an ErrUsage.
func usagef(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}

type usageError struct{ error }

func (e *usageError) Is(target error) bool { return target == ErrUsage }
func (e *usageError) Unwrap() error        { return e.error }

// Hint adds the remedy to an error. The text of the error stays as it is; HintOf
// finds the remedy. Hint of nil is nil.
func Hint(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &hinted{err, fmt.Sprintf(format, args...)}
}

// HintOf returns the outermost remedy in err's chain, empty where there is none.
func HintOf(err error) string {
	if h, ok := errors.AsType[*hinted](err); ok {
		return h.hint
	}
	return ""
}

// writable says, before the work of cmd, whether its output can be written.
func writable(cmd, path string) error {
	if err := container.CanWrite(path); err != nil {
		return Hint(fmt.Errorf("%s: %w", cmd, err), "name a file in a folder that exists and may be written to")
	}
	return nil
}

type hinted struct {
	error
	hint string
}

func (h *hinted) Unwrap() error { return h.error }

// parse reads the options of cmd from args, before, between and after the
// positional arguments, which it returns. "--" ends the options. For -h or
// --help it prints the usage and returns flag.ErrHelp, which main takes for
// success; other errors are ErrUsage.
func parse(env Env, cmd string, synopsis string, fs *flag.FlagSet, args []string) ([]string, error) {
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	var rest []string
	for {
		err := fs.Parse(args)
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprintf(env.Stdout, "usage: cull %s %s\n", cmd, synopsis)
			printOptions(env.Stdout, fs)
			return nil, flag.ErrHelp
		}
		if err != nil {
			return nil, Hint(usagef("%s: %w", cmd, err), "cull %s --help lists the options", cmd)
		}
		left := fs.Args()
		if used := len(args) - len(left); used > 0 && args[used-1] == "--" || len(left) == 0 {
			return append(rest, left...), nil
		}
		rest, args = append(rest, left[0]), left[1:]
	}
}

// printOptions lists options as they are documented: two dashes, except for one letter.
func printOptions(w io.Writer, fs *flag.FlagSet) {
	fs.VisitAll(func(f *flag.Flag) {
		value, usage := flag.UnquoteUsage(f)
		dashes := "--"
		if len(f.Name) == 1 {
			dashes = "-"
		}
		head := strings.TrimRight(dashes+f.Name+" "+strings.ToUpper(value), " ")
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0" {
			usage += " (default " + f.DefValue + ")"
		}
		fmt.Fprintf(w, "  %-18s %s\n", head, usage)
	})
}
