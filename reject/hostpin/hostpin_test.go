package hostpin

import (
	"errors"
	"strings"
	"testing"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpioreg"
	"periph.io/x/conn/v3/gpio/gpiotest"
)

func TestFind(t *testing.T) {
	p := &gpiotest.Pin{N: "FT232H.D4", Num: -1, L: gpio.Low}
	if err := gpioreg.Register(p); err != nil {
		t.Fatal(err)
	}
	defer gpioreg.Unregister("FT232H.D4")
	line, err := find("FT232H.D4", true)
	if err != nil {
		t.Fatal(err)
	}
	if p.L != gpio.High {
		t.Error("not inactive from the start")
	}
	if err := line.Set(true); err != nil || p.L != gpio.Low {
		t.Errorf("active low: %v, drives %v", err, p.L)
	}
	if _, err := find("D5", false); err == nil || !strings.Contains(err.Error(), "FT232H.D4") {
		t.Errorf("an unknown pin: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, ref := range []string{"", "periph:", "LINE1"} {
		if _, err := Open(ref, false); err == nil || errors.Is(err, ErrNoDrivers) {
			t.Errorf("%q: %v", ref, err)
		}
	}
}
