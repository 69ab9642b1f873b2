package line

import (
	"math"
	"slices"
)

// A drift compares the scores of the newest parts that passed with those of the good parts that were taught, whatever their
// distribution: how often one of the first is higher than one of the second, equal ones counted as half (the Mann-Whitney
// statistic over the number of pairs). One half where they are alike.
type drift struct {
	taught []float64 // left-out scores, ascending
	newest []int     // of each part twice the number of taught scores below its own, and once of those equal; a ring
	seen   int64     // parts so far
	sum    int64     // of newest
	told   bool
}

// Good parts that were not taught have shares of 0.41 to 0.64 on five real sets, those of drifts that cost image AUROC begin at 0.69
// (doc/results.md). deviations are for what few taught parts leave open.
const (
	leastDrift = 0.2 // of the share, from one half
	deviations = 4
)

// watch begins to compare parts at a time, 0: none.
func (d *drift) watch(taught []float64, parts int) {
	*d = drift{taught: slices.Sorted(slices.Values(taught)), newest: make([]int, parts)}
}

// on reports whether there is something to compare.
func (d *drift) on() bool { return len(d.newest) > 0 && len(d.taught) > 0 }

// add takes the score of a part that passed. It reports whether that makes it known that the scores have drifted, which it does once
// until they have come half the way back.
func (d *drift) add(score float64) bool {
	if !d.on() {
		return false
	}
	below, _ := slices.BinarySearch(d.taught, score)
	upTo, _ := slices.BinarySearch(d.taught, math.Nextafter(score, math.Inf(1)))
	at := d.seen % int64(len(d.newest))
	d.sum += int64(below + upTo - d.newest[at])
	d.newest[at] = below + upTo
	d.seen++
	share, known := d.share()
	if !known {
		return false
	}
	off := math.Abs(share - 0.5)
	switch limit := d.limit(); {
	case off >= limit && !d.told:
		d.told = true
		return true
	case off < limit/2:
		d.told = false
	}
	return false
}

// share returns how often one of the newest parts scores higher than a taught one; false while there are too few of either.
func (d *drift) share() (float64, bool) {
	if !d.on() || d.seen < int64(len(d.newest)) {
		return 0, false
	}
	return float64(d.sum) / (2 * float64(len(d.taught)) * float64(len(d.newest))), true
}

// limit is how far from one half the share may be: deviations of the Mann-Whitney statistic of parts that are alike, and at
// least leastDrift.
func (d *drift) limit() float64 {
	n, m := float64(len(d.taught)), float64(len(d.newest))
	return max(leastDrift, deviations*math.Sqrt((n+m+1)/(12*n*m)))
}
