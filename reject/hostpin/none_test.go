//go:build !periph

package hostpin

import (
	"errors"
	"testing"
)

func TestDefaultBuildHasNoDrivers(t *testing.T) {
	if _, err := Open("periph:GPIO17", false); !errors.Is(err, ErrNoDrivers) {
		t.Error(err)
	}
}
