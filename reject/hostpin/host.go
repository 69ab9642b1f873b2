//go:build periph

package hostpin

import (
	"errors"
	"fmt"

	"periph.io/x/host/v3"
	_ "periph.io/x/host/v3/ftdi" // in a build with cgo only
)

// Built reports whether this build has host drivers: nil or ErrNoDrivers.
func Built() error { return nil }

// load starts the drivers of this machine, once. A driver that fails is no error: the pin asked for may be another's.
func load() error {
	state, err := host.Init()
	if err != nil {
		return fmt.Errorf("host drivers: %w", err)
	}
	if len(state.Loaded) > 0 {
		return nil
	}
	var failed []error
	for _, f := range state.Failed {
		failed = append(failed, f.Err)
	}
	return fmt.Errorf("no host driver works here: %w", errors.Join(failed...))
}
