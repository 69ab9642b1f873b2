package commands

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"

	"cull/device/internal/config"
	"cull/device/internal/doctor"
)

const doctorSynopsis = "[--config FILE] [--drive] [--json]"

var unitUser = doctor.User // another in tests

func doctorCommand() Command {
	return Command{
		Name: "doctor", Synopsis: doctorSynopsis,
		Does: "looks for what keeps the line from working, and says how to mend it",
		Run:  Doctor,
	}
}

// Doctor runs `cull doctor`. A fault is its error.
func Doctor(ctx context.Context, env Env, args []string) error {
	flags := flag.NewFlagSet("doctor", flag.ContinueOnError)
	file := flags.String("config", "", "configuration `file`")
	drive := flags.Bool("drive", false, "drive each free output active for 10 ms: stop the machine first")
	asJSON := flags.Bool("json", false, "answer as JSON")
	rest, err := parse(env, "doctor", doctorSynopsis, flags, args)
	switch {
	case err != nil:
		return err
	case len(rest) > 0:
		return Hint(usagef("doctor: unexpected argument %q", rest[0]), "cull doctor %s", doctorSynopsis)
	case *drive && *file == "":
		return Hint(usagef("doctor: --drive needs --config"), "cull doctor --config FILE --drive")
	}
	o := doctor.Options{Drive: *drive, User: unitUser}
	if *file != "" {
		c, err := config.Load(*file)
		if err != nil {
			return withConfigHint(err)
		}
		o.Config = &c
	}
	found := doctor.Examine(ctx, o)
	if o.Config != nil {
		found = append(append(found, examineFile(*file)...), examineModels(o.Config)...)
	}
	faults := 0
	for _, f := range found {
		if f.State == doctor.Fault {
			faults++
		}
	}
	if *asJSON {
		e := json.NewEncoder(env.Stdout)
		e.SetIndent("", "  ")
		err = e.Encode(found)
	} else {
		err = printFindings(env, found)
	}
	if err == nil && faults > 0 {
		err = fmt.Errorf("doctor: faults: %d", faults)
	}
	return err
}

// examineFile tells of a configuration that the daemon's user may not read: root has read it.
func examineFile(file string) []doctor.Finding {
	err := doctor.As(unitUser, func() error {
		_, err := config.Load(file)
		return err
	})
	if err == nil {
		return nil
	}
	return []doctor.Finding{{Check: "config", State: doctor.Fault, Text: err.Error(), Remedy: readable(file)}}
}

// readable is the remedy of a file that the daemon's user may not read.
func readable(path string) string {
	return "chmod a+r " + doctor.Quoted(path) + "; namei -l " + doctor.Quoted(path) + " shows whether the daemon's user may look into its folders"
}

// examineModels looks at network and product, as cull run --check does, with what the daemon's user may read.
func examineModels(c *config.Config) (found []doctor.Finding) {
	s := station{Config: *c}
	say := func(key, format string, args ...any) {
		found = append(found, doctor.Finding{Check: key, State: doctor.OK, Text: fmt.Sprintf(format, args...)})
	}
	var key string
	err := doctor.As(unitUser, func() (err error) {
		key, err = s.checkModels(say)
		return err
	})
	if err == nil {
		return found
	}
	mend := HintOf(err)
	if errors.Is(err, fs.ErrPermission) {
		mend = readable(map[string]string{"network": c.Network, "product": c.Product}[key])
	}
	return append(found, doctor.Finding{Check: key, State: doctor.Fault, Text: err.Error(), Remedy: mend})
}

func printFindings(env Env, found []doctor.Finding) error {
	for _, f := range found {
		if _, err := fmt.Fprintf(env.Stdout, "%-8s %s: %s\n", f.State, f.Check, f.Text); err != nil {
			return err
		}
		if f.Remedy != "" {
			if _, err := fmt.Fprintf(env.Stdout, "         %s\n", f.Remedy); err != nil {
				return err
			}
		}
	}
	return nil
}
