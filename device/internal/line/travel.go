package line

import (
	"slices"
	"time"
)

// speedWindow is how far back the belt's speed is measured. Shorter follows a
// changing speed, longer averages more encoder jitter.
const speedWindow = 40 * time.Millisecond

// delivery is how long an edge of the encoder may take to be known, beside the network: many periods of a fine one. A belt that
// is silent for so long need not have slowed down.
const delivery = 2 * time.Millisecond

// belt predicts when the belt will reach a count, from the encoder's latest edges.
type belt struct {
	enc     Encoder
	samples []sample  // ascending, the newest last: those within speedWindow, at least two
	read    time.Time // when the encoder was last read
	behind  bool      // it had edges then that were not known yet
}

// A sample is what the encoder said.
type sample struct {
	Position
	still time.Time // when the belt was last known to be there
}

// sample reads the encoder.
func (b *belt) sample(now time.Time) {
	p := b.enc.Position()
	b.read, b.behind = now, p.Unread
	if n := len(b.samples); n == 0 || p.At.After(b.samples[n-1].At) {
		b.samples = append(b.samples, sample{p, p.At})
	}
	if !b.behind {
		b.samples[len(b.samples)-1].still = now
	}
	old := 0
	for old < len(b.samples)-2 && now.Sub(b.samples[old].At) > speedWindow {
		old++
	}
	b.samples = b.samples[:copy(b.samples, b.samples[old:])]
}

// eta returns when the belt reaches count at its present speed:
//
//	at + (count - c) * tau,  tau = max((at - at0) / (c - c0), read - at - delivery)
//
// with the newest edge (c, at) and the oldest (c0, at0) of the samples; an encoder that had
// nothing newer to tell when it was read, neither known nor waiting, cannot be faster than one count in that time. Where count was passed by the time of the first
// reading after a stand, so that by tau the belt was there when it was read to be short of it, tau is at most the newest edge's period. It reports
// false while the belt stands short of count: no edge for speedWindow and 4 tau, or too far away.
func (b *belt) eta(count int64) (time.Time, bool) {
	if len(b.samples) == 0 {
		return time.Time{}, false
	}
	first, last := b.samples[0], b.samples[len(b.samples)-1]
	left := count - last.Count
	moved, took := last.Count-first.Count, last.At.Sub(first.At)
	if moved <= 0 || took <= 0 {
		return last.At, left <= 0
	}
	tau, silent := float64(took)/float64(moved), b.read.Sub(last.At)
	if b.behind { // the belt has moved since
		silent = 0
	}
	if left > 0 {
		if silent > speedWindow && float64(silent) > 4*tau {
			return time.Time{}, false
		}
		tau = max(tau, float64(silent-delivery))
	} else if since, ok := b.short(count); ok && last.Period > 0 && -float64(left)*tau > float64(last.At.Sub(since)+delivery) {
		tau = min(tau, float64(last.Period))
	}
	way := float64(left) * tau
	if way > float64(longestWay) {
		return time.Time{}, false
	}
	return last.At.Add(time.Duration(max(way, -float64(longestWay)))), true
}

// short returns when the belt was last known to be short of count; false where no sample tells.
func (b *belt) short(count int64) (time.Time, bool) {
	for _, s := range slices.Backward(b.samples) {
		if s.Count < count {
			return s.still, true
		}
	}
	return time.Time{}, false
}

// longestWay is what a way is known to take at most. The first edge after a night gives a speed by which it takes years,
// more than a time.Duration holds; the next gives a better one.
const longestWay = 24 * time.Hour

// here returns the newest count.
func (b *belt) here() int64 {
	if len(b.samples) == 0 {
		return 0
	}
	return b.samples[len(b.samples)-1].Count
}
