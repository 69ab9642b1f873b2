package commands

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"

	"cull/device/internal/config"
	"cull/device/internal/doctor"
)

const doctorSynopsis = "[--config FILE] [--drive] [--json]"

func doctorCommand() Command {
	return Command{
		Name: "doctor", Synopsis: doctorSynopsis,
		Does: "looks for what keeps the line from working, and says how to mend it",
		Run:  Doctor,
	}
}

// Doctor runs `cull doctor`. A fault is its error.
func Doctor(ctx context.Context, env Env, args []string) error {
	fs := flag.NewFlagSet("doctor", flag.ContinueOnError)
	file := fs.String("config", "", "configuration `file`")
	drive := fs.Bool("drive", false, "drive each free output active for 10 ms: stop the machine first")
	asJSON := fs.Bool("json", false, "answer as JSON")
	rest, err := parse(env, "doctor", doctorSynopsis, fs, args)
	switch {
	case err != nil:
		return err
	case len(rest) > 0:
		return Hint(usagef("doctor: unexpected argument %q", rest[0]), "cull doctor %s", doctorSynopsis)
	case *drive && *file == "":
		return Hint(usagef("doctor: --drive needs --config"), "cull doctor --config FILE --drive")
	}
	o := doctor.Options{Drive: *drive}
	if *file != "" {
		c, err := config.Load(*file)
		if err != nil {
			return withConfigHint(err)
		}
		o.Config = &c
	}
	found := doctor.Examine(ctx, o)
	if o.Config != nil {
		found = append(found, examineModels(o.Config)...)
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

// examineModels looks at network and product, as cull run --check does.
func examineModels(c *config.Config) (found []doctor.Finding) {
	s := station{Config: *c}
	say := func(key, format string, args ...any) {
		found = append(found, doctor.Finding{Check: key, State: doctor.OK, Text: fmt.Sprintf(format, args...)})
	}
	if key, err := s.checkModels(say); err != nil {
		found = append(found, doctor.Finding{Check: key, State: doctor.Fault, Text: err.Error(), Remedy: HintOf(err)})
	}
	return found
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
