// Command cull is visual inspection for a production line: it takes camera frames, scores
// parts against the good ones it was taught, and fires the rejecter.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"cull/device/internal/commands"
	"cull/reject/pulse"
)

// Exit codes.
const (
	done   = 0
	failed = 1
	usage  = 2
)

func main() {
	pulse.Child() // this binary may be the pulse process
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the program at once, but not the echo of the first.
	context.AfterFunc(ctx, func() { time.AfterFunc(time.Second, stop) })
	code := run(ctx, commands.Env{Stdout: os.Stdout, Stderr: os.Stderr}, os.Args[1:])
	stop()
	os.Exit(code)
}

// run dispatches to a command and turns its error into what the user reads.
func run(ctx context.Context, env commands.Env, args []string) int {
	if len(args) == 0 {
		commands.Usage(env.Stderr)
		return usage
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		if len(args) == 1 {
			commands.Usage(env.Stdout)
			return done
		}
		args = []string{args[1], "--help"}
	case "--version":
		args[0] = "version"
	}
	for _, c := range commands.Table() {
		if c.Name == args[0] {
			return report(env.Stderr, c.Run(ctx, env, args[1:]))
		}
	}
	return report(env.Stderr, commands.Unknown(args[0]))
}

func report(w io.Writer, err error) int {
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return done
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(w, "cull: interrupted")
		return failed
	}
	fmt.Fprintf(w, "cull: %v\n", err)
	if hint := commands.HintOf(err); hint != "" {
		fmt.Fprintf(w, "hint: %s\n", hint)
	}
	if errors.Is(err, commands.ErrUsage) {
		return usage
	}
	return failed
}
