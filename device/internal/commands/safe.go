package commands

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"cull/device/internal/config"
	"cull/device/internal/journal"
	"cull/device/internal/wiring"
	"cull/reject/gpio"
)

const safeSynopsis = "--config FILE"

func safeCommand() Command {
	return Command{
		Name: "safe", Synopsis: safeSynopsis,
		Does: "drives every output inactive; for ExecStopPost= of the unit",
		Run:  Safe,
	}
}

// safeLimit is how long Safe waits for a line that the ending daemon still holds.
const safeLimit = 3 * time.Second

// Safe runs `cull safe`. An output that cannot be driven does not keep the others from it.
func Safe(ctx context.Context, env Env, args []string) error {
	flags := flag.NewFlagSet("safe", flag.ContinueOnError)
	file := flags.String("config", "", "configuration `file`")
	rest, err := parse(env, "safe", safeSynopsis, flags, args)
	switch {
	case err != nil:
		return err
	case len(rest) > 0:
		return Hint(usagef("safe: unexpected argument %q", rest[0]), "cull safe %s", safeSynopsis)
	case *file == "":
		return Hint(usagef("safe: --config is needed"), "cull safe %s", safeSynopsis)
	}
	j := newReporter(env.Stderr)
	defer j.Close()
	outs, err := outputsOf(*file)
	var failed []error
	if err != nil {
		j.Say(journal.OutputsUnsafe, slog.Any("error", err))
		failed = append(failed, fmt.Errorf("safe: %w", err))
	}
	if err != nil && len(outs) == 0 {
		return withConfigHint(err)
	}
	for i, err := range makeAllSafe(ctx, outs, makeSafe) {
		if err != nil {
			failed = append(failed, fmt.Errorf("safe: %w", err))
			j.Say(journal.OutputsUnsafe, slog.String("output", outs[i].Key), slog.Any("error", err))
		}
	}
	if len(failed) > 0 {
		return Hint(errors.Join(failed...), "switch the machine off, then cull doctor --config %s", *file)
	}
	j.Say(journal.OutputsSafe, slog.Int("outputs", len(outs)))
	return nil
}

// running is the file in the unit's RuntimeDirectory that holds the configuration of the running daemon. systemd removes it
// after ExecStopPost.
const running = "running.toml"

// runtimeDirectory is the first of the unit's, empty without a service manager.
func runtimeDirectory() string {
	dir, _, _ := strings.Cut(os.Getenv("RUNTIME_DIRECTORY"), ":")
	return dir
}

// noteRunning leaves the lines that this daemon drives for Safe: the file may change while the daemon runs.
func noteRunning(c *config.Config) error {
	dir := runtimeDirectory()
	if dir == "" {
		return nil
	}
	return c.Save(filepath.Join(dir, running))
}

// outputsOf returns the outputs that the ended daemon drove, as it drove them, and the others of file. The error says why
// the daemon may have driven others: what it noted cannot be read or, where it noted nothing, the file cannot.
func outputsOf(file string) (outs []wiring.Output, err error) {
	noted := false
	if dir := runtimeDirectory(); dir != "" {
		var c config.Config
		switch c, err = config.LoadSaved(filepath.Join(dir, running)); {
		case err == nil:
			noted, outs = true, wiring.Outputs(&c)
		case errors.Is(err, fs.ErrNotExist):
			err = nil
		}
	}
	c, broken := config.Load(file)
	if broken != nil {
		if noted {
			broken = nil
		}
		return outs, errors.Join(err, broken)
	}
	for _, o := range wiring.Outputs(&c) {
		if !slices.ContainsFunc(outs, func(d wiring.Output) bool { return d.Place() == o.Place() }) {
			outs = append(outs, o)
		}
	}
	return outs, err
}

// makeAllSafe makes all outputs safe at once, for a driver that hangs must not keep the other outputs from it. It returns the
// error of each, or nil.
func makeAllSafe(ctx context.Context, outs []wiring.Output, makeSafe func(context.Context, wiring.Output) error) []error {
	type end struct {
		i   int
		err error
	}
	ends, failed := make(chan end, len(outs)), make([]error, len(outs))
	for i, o := range outs {
		failed[i] = fmt.Errorf("%s: %s: its driver does not answer", o.Key, o.Line)
		go func() { ends <- end{i, makeSafe(ctx, o)} }()
	}
	late := time.After(2 * safeLimit)
	for range outs {
		select {
		case e := <-ends:
			failed[e.i] = e.err
		case <-late:
			return failed
		}
	}
	return failed
}

// makeSafe takes the line, makes it inactive and reads it back. A line
// that the pulse process still holds for a moment is tried again: it makes it safe itself.
func makeSafe(ctx context.Context, o wiring.Output) error {
	late, cancel := context.WithTimeout(ctx, safeLimit)
	defer cancel()
	for {
		line, err := o.Open()
		if err == nil {
			err = line.Set(false)
			if c, ok := line.(io.Closer); ok {
				err = errors.Join(err, c.Close())
			}
			if err != nil {
				err = fmt.Errorf("%s: %w", o.Key, err)
			}
			return err
		}
		if !errors.Is(err, gpio.ErrBusy) {
			return err
		}
		select {
		case <-late.Done():
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}
