package measure

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

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

// Wilson returns the 95 % score interval of the true rate (Wilson 1927): it
// covers as often as it says on the mean.
func (r Rate) Wilson() (low, high float64) {
	if r.Of == 0 {
		return 0, 1
	}
	const z = 1.959964
	n, p := float64(r.Of), r.Value()
	centre := (p + z*z/(2*n)) / (1 + z*z/n)
	half := float64(z / (1 + z*z/n) * math.Sqrt(p*(1-p)/n+z*z/(4*n*n)))
	return max(0, centre-half), min(1, centre+half)
}
