// Package hostpin finds reject lines by the names of periph.io's host drivers, for pins that the kernel's GPIO character
// device does not reach: an FTDI adapter, or a board's own registry names.
//
// The drivers are in a build with the tag periph only: they register themselves when imported, and one of them
// drives a Raspberry Pi's pins past the kernel. An expander that has a kernel driver (MCP23017, PCA9555, ...) needs none of
// this: it is a chip of the character device, which reject/gpio drives.
//
// Such a pin has no descriptor that another process could inherit. Its pulses are timed by a reject.Queue in the process
// that opened it, with that process's jitter, and nobody makes it inactive after SIGKILL.
package hostpin

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpioreg"

	"cull/reject"
)

// Prefix marks a pin of periph.io in a configuration: "periph:FT232H.D4".
const Prefix = "periph:"

// ErrNoDrivers says that this build has no host drivers.
var ErrNoDrivers = errors.New("this build has no periph.io host drivers: build with -tags periph")

// Open returns the line that ref names: Prefix and a name or number of periph.io's registry. It is made inactive.
func Open(ref string, activeLow bool) (reject.Line, error) {
	name, is := strings.CutPrefix(ref, Prefix)
	if !is || name == "" {
		return nil, fmt.Errorf("hostpin: %q: want %sNAME", ref, Prefix)
	}
	if err := load(); err != nil {
		return nil, fmt.Errorf("hostpin: %s: %w", ref, err)
	}
	return find(name, activeLow)
}

func find(name string, activeLow bool) (reject.Line, error) {
	p := gpioreg.ByName(name)
	if p == nil {
		return nil, fmt.Errorf("hostpin: periph.io knows no pin %q; it knows: %s", name, known())
	}
	line := reject.Pin(outOnly{p}, activeLow)
	if err := line.Set(false); err != nil {
		return nil, fmt.Errorf("hostpin: %s: made inactive: %w", name, err)
	}
	return line, nil
}

// outOnly hides the input side, whose functions may turn an output round.
type outOnly struct{ gpio.PinOut }

// known names the registry's pins, sorted.
func known() string {
	var names []string
	for _, p := range gpioreg.All() {
		names = append(names, p.Name())
	}
	if len(names) == 0 {
		return "none"
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
