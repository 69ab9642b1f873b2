// Cull-trainer makes the weights that cull runs: semi-formula pictures, pre-training,
// int8 export.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"syscall"

	"cull/internal/container"
	"cull/internal/imagefile"
	"cull/internal/version"
	"cull/trainer/internal/pretrain"
)

const usage = `usage: cull-trainer COMMAND [arguments]

  synth     write pictures of the semi-formula data set
  pretrain  train a network from a recipe and write its int8 .net file
  adapt     fit a network to a product's good parts
  quantize  make the .net file of a checkpoint; measure int8 against float
  import    make the .net file of a network from elsewhere (ONNX, safetensors)
  table     measure features from many sources on data sets
  spoil     draw defects on a data set's good pictures, to find what features do not see
  export    write a .net file as ONNX or safetensors, a checkpoint as safetensors
  version   print version, commit and platform

cull-trainer COMMAND -h describes a command.
`

// Exit codes.
const (
	exitOK    = 0
	exitError = 1 // the work failed
	exitUsage = 2 // the command line is wrong
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	switch args[0] {
	case "synth":
		return runSynth(ctx, args[1:], stdout, stderr)
	case "pretrain":
		return runPretrain(ctx, args[1:], stderr)
	case "quantize":
		return runQuantize(ctx, args[1:], stdout, stderr)
	case "adapt":
		return runAdapt(ctx, args[1:], stderr)
	case "import":
		stop() // it writes one file at its end: a signal ends it at once
		return runImport(args[1:], stderr)
	case "table":
		return runTable(ctx, args[1:], stdout, stderr)
	case "spoil":
		return runSpoil(ctx, args[1:], stdout, stderr)
	case "export":
		stop() // as import
		return runExport(args[1:], stderr)
	case "version", "--version":
		fmt.Fprintln(stdout, version.Of("cull-trainer"))
		return exitOK
	case "help", "-h", "--help":
		fmt.Fprint(stdout, usage)
		return exitOK
	}
	fmt.Fprintf(stderr, "cull-trainer: no command %q\nhint: cull-trainer help lists them\n", args[0])
	return exitUsage
}

// parse parses flags and the one positional argument, in any order.
func parse(f *flag.FlagSet, args []string) (positional string, err error) {
	for {
		if err := parseFlags(f, args); err != nil {
			return "", err
		}
		if f.NArg() == 0 {
			return positional, nil
		}
		if positional != "" {
			return "", fmt.Errorf("unexpected argument %q", f.Arg(0))
		}
		positional, args = f.Arg(0), f.Args()[1:]
	}
}

// parseFlags is f.Parse, which leaves errors to be printed by misuse: -h alone prints the usage.
func parseFlags(f *flag.FlagSet, args []string) error {
	w, usage := f.Output(), f.Usage
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	err := f.Parse(args)
	f.SetOutput(w)
	f.Usage = usage
	if errors.Is(err, flag.ErrHelp) && usage != nil {
		usage()
	}
	return err
}

// misuse reports a wrong command line.
func misuse(f *flag.FlagSet, err error) int {
	if errors.Is(err, flag.ErrHelp) {
		return exitOK
	}
	fmt.Fprintf(f.Output(), "cull-trainer: %v\nhint: cull-trainer %s -h\n", err, f.Name())
	return exitUsage
}

// writable says, before the work, whether its output can be written.
func writable(path string, stderr io.Writer) bool {
	err := container.CanWrite(path)
	if err != nil {
		fail(stderr, err, "name a file in a folder that exists and may be written to")
	}
	return err == nil
}

// A hinted error knows a remedy.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }

// fail reports an error in one line and what to do in a second: the error's own remedy, hint, or what is general.
func fail(w io.Writer, err error, hint string) int {
	fmt.Fprintf(w, "cull-trainer: %v\n", err)
	var h hinted
	errors.As(err, &h)
	if hint = cmp.Or(h.hint, hint, remedy(err)); hint != "" {
		fmt.Fprintf(w, "hint: %s\n", hint)
	}
	return exitError
}

// remedy is the hint of errors that any command can meet, empty for others.
func remedy(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "a path counts from the working directory"
	case errors.Is(err, imagefile.ErrNone):
		return "put pictures into the folder, or name another"
	case errors.Is(err, container.ErrForeign), errors.Is(err, container.ErrKind):
		return "pretrain writes .ckpt and .net files"
	case errors.Is(err, pretrain.ErrLarge):
		return "lower network.width, network.blocks or data.fractals"
	case imagefile.Remedy(err) != "":
		return imagefile.Remedy(err)
	case isDiskFull(err):
		return "the disk is full: make room"
	}
	return ""
}

// isDiskFull reports whether there is no room for what was to be written.
func isDiskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}
