//go:build linux

package wiring

import (
	"testing"
	"time"

	"cull/device/internal/config"
)

// Unless it is configured, what a pulse may be late depends on who times it.
func TestPulsesLate(t *testing.T) {
	for _, c := range []struct {
		kind, line string
		ms         int
		want       time.Duration
	}{
		{"simulated", "", 0, lateGoroutine},
		{"gpio", "chip:17", 0, lateProcess},
		{"gpio", "periph:FT232H.D4", 0, lateGoroutine},
		{"gpio", "chip:17", 5, 5 * time.Millisecond},
	} {
		var o config.Config
		o.IO.Kind, o.IO.Out.Reject.Line, o.Line.PulseLateMS = c.kind, c.line, c.ms
		if got := Pulses(&o).Late; got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
