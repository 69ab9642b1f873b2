//go:build !periph

package hostpin

// Built reports whether this build has host drivers: nil or ErrNoDrivers.
func Built() error { return ErrNoDrivers }

func load() error { return ErrNoDrivers }
