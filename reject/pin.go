package reject

import (
	"fmt"

	"periph.io/x/conn/v3/gpio"
)

// Pin makes a Line of a periph.io output pin, for outputs that only periph's
// drivers reach (expanders, FTDI). activeLow inverts: active drives gpio.Low.
// The pin keeps its state until the first Set.
func Pin(p gpio.PinOut, activeLow bool) Line { return pin{p, activeLow} }

type pin struct {
	out       gpio.PinOut
	activeLow bool
}

func (p pin) Set(active bool) error {
	if err := p.out.Out(gpio.Level(active != p.activeLow)); err != nil {
		return fmt.Errorf("reject: pin %s: %w", p.out.Name(), err)
	}
	return nil
}
