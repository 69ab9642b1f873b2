package measure

import "gonum.org/v1/gonum/mathext"

// A Rate is a count out of a number of trials.
type Rate struct{ Count, Of int }

// Value returns Count/Of, NaN for no trials.
func (r Rate) Value() float64 { return float64(r.Count) / float64(r.Of) }

// ClopperPearson returns the exact 95 % interval of the true rate (Clopper and
// Pearson 1934): it covers at least as often as it says.
func (r Rate) ClopperPearson() (low, high float64) {
	const tail = 0.025
	k, n := float64(r.Count), float64(r.Of)
	low, high = 0, 1
	if r.Count > 0 {
		low = mathext.InvRegIncBeta(k, n-k+1, tail)
	}
	if r.Count < r.Of {
		high = mathext.InvRegIncBeta(k+1, n-k, 1-tail)
	}
	return low, high
}
