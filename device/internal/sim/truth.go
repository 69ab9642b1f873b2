package sim

import (
	"slices"

	"cull/device/internal/line"
)

// Truth is what really happened to the parts, as only a simulation can know it.
type Truth struct {
	Parts int // fed
	Bad   int // of them bad

	Removed int // bad parts off the belt: hit by a pulse, or STOP and taken out by hand
	Escaped int // bad parts that passed the nozzle untouched
	Lost    int // good parts that a pulse removed

	Pulses   int // of the nozzle
	OnTarget int // REJECT parts that a pulse removed
	Missed   int // REJECT parts that no pulse hit
	Astray   int // PASS parts that a pulse hit
	Resets   int // by the operator
}

// blow switches the nozzle.
func (b *Belt) blow(active bool) {
	switch {
	case active && !b.pulse:
		b.pulse, b.pulseAt = true, b.pos
		b.truth.Pulses++
	case !active && b.pulse:
		b.hit()
		b.pulse = false
	}
}

// hit removes the parts that were in front of the nozzle since the pulse began.
func (b *Belt) hit() {
	for _, p := range b.onBelt {
		if from := p.front + b.o.Nozzle; b.pos >= from && b.pulseAt <= from+b.o.Length && !p.gone {
			p.removed = true
		}
	}
}

// sweep lets go of parts past the nozzle whose verdict is known.
func (b *Belt) sweep() {
	if b.pulse {
		b.hit()
	}
	for _, p := range b.onBelt {
		p.gone = p.gone || b.pos > p.front+b.o.Nozzle+b.o.Length
	}
	b.onBelt = slices.DeleteFunc(b.onBelt, func(p *item) bool {
		if p.gone && p.ended == p.triggers {
			b.truth.count(p)
			return true
		}
		return false
	})
}

// Verdict tells the belt how a part ended. id counts triggers from 1.
func (b *Belt) Verdict(id uint64, v line.Verdict) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.onBelt {
		if id >= p.id && id < p.id+uint64(p.triggers) {
			p.verdict = max(p.verdict, v)
			p.ended++
		}
	}
}

// Truth returns the account. Call it when the line has ended: parts still on the belt count
// as what their verdict makes of them.
func (b *Belt) Truth() Truth {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.truth
	for _, p := range b.onBelt {
		t.count(p)
	}
	return t
}

func (t *Truth) count(p *item) {
	byHand := p.verdict == line.Stop
	switch {
	case p.bad && (p.removed || byHand):
		t.Removed++
	case p.bad: // past the nozzle, or free to pass it
		t.Escaped++
	case !p.bad && p.removed:
		t.Lost++
	}
	switch {
	case p.verdict == line.Reject && p.removed:
		t.OnTarget++
	case p.verdict == line.Reject:
		t.Missed++
	case p.verdict == line.Pass && p.removed:
		t.Astray++
	}
}
