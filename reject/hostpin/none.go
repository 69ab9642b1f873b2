//go:build !periph

package hostpin

func load() error { return ErrNoDrivers }
