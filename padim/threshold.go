package padim

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mathext"
)

// A Method is how a threshold was found.
type Method uint8

// Methods, from the strongest promise to the weakest.
const (
	// LeaveOneOut: the conformal order statistic of scores by models taught
	// without the part scored.
	LeaveOneOut Method = iota + 1
	// Folds: the same, the models taught without the part's block of parts.
	Folds
	// Extrapolated beyond the highest score by an exponential tail, which is an
	// assumption on the distribution of good parts.
	Extrapolated
)

var methodNames = [...]string{LeaveOneOut: "leave-one-out", Folds: "folds", Extrapolated: "extrapolated"}

// String returns the method's name as in files and reports.
func (m Method) String() string {
	if m > 0 && int(m) < len(methodNames) {
		return methodNames[m]
	}
	return fmt.Sprintf("Method(%d)", uint8(m))
}

// MarshalText returns the method's name.
func (m Method) MarshalText() ([]byte, error) {
	if m == 0 || int(m) >= len(methodNames) {
		return nil, fmt.Errorf("padim: threshold method %d: unknown", uint8(m))
	}
	return []byte(methodNames[m]), nil
}

// UnmarshalText reads a method's name.
func (m *Method) UnmarshalText(text []byte) error {
	for i, name := range methodNames {
		if i > 0 && string(text) == name {
			*m = Method(i)
			return nil
		}
	}
	return fmt.Errorf("padim: threshold method %q: unknown", text)
}

// A Threshold is a limit on scores with what is known of its false-reject rate.
type Threshold struct {
	Value  float32
	Target float64 // the false-reject rate asked for
	Method Method
	Parts  int // good parts it rests on
	Rank   int // Value is the Rank-th lowest of their scores; Parts+1: above all
}

// Smallest returns 1/(Parts+1), the smallest false-reject rate that so many
// good parts can promise whatever their distribution.
func (t Threshold) Smallest() float64 { return 1 / float64(t.Parts+1) }

// Expect returns the false-reject rate to expect and the 95 % interval of the
// true one.
//
// Above the k-th lowest of n exchangeable scores lies, of further ones, a share
// with the distribution Beta(n+1-k, k) (Vovk, 2012), mean (n+1-k)/(n+1).
// Left-out scores are exchangeable up to the difference one part makes to the
// model. An extrapolated threshold is expected to keep its target; without its
// assumption it is no worse than the highest score, which is where the upper
// bound comes from.
func (t Threshold) Expect() (rate, low, high float64) {
	n := float64(t.Parts)
	if t.Rank > t.Parts {
		return t.Target, 0, mathext.InvRegIncBeta(1, n, 0.975)
	}
	above, k := n+1-float64(t.Rank), float64(t.Rank)
	return above / (n + 1), mathext.InvRegIncBeta(above, k, 0.025), mathext.InvRegIncBeta(above, k, 0.975)
}

// NewThreshold returns the limit that a share target of good parts exceeds,
// from scores of good parts by models that were not taught them, m says how.
//
// Where n scores suffice, target >= 1/(n+1), it is the k-th lowest,
// k = ceil((n+1)(1-target)), the conformal quantile. Else it lies above the
// highest, under the assumption that the excesses of the upper quarter, r of
// them, over the next score u are exponential with mean e: then
//
//	P(score > u + e f) = (r+1)/(n+1) (1 + f/r)^-r
//
// for a further part, e's own uncertainty included, and f is such that this is
// the target. Tails heavier than exponential break the promise; the Mahalanobis
// distance of Gaussian features has a lighter one.
func NewThreshold(scores []float32, target float64, m Method) (Threshold, error) {
	n := len(scores)
	t := Threshold{Target: target, Method: m, Parts: n}
	if n < 2 {
		return t, errors.New("padim: threshold: fewer than two scores")
	}
	if !(target > 0 && target < 1) {
		return t, fmt.Errorf("padim: threshold: target false-reject rate %g is not within 0 and 1", target)
	}
	for i, s := range scores {
		if !(math.Abs(float64(s)) <= math.MaxFloat32) {
			return t, fmt.Errorf("padim: threshold: score %d is %g", i, s)
		}
	}
	s := slices.Clone(scores)
	slices.Sort(s)
	// (n+1)(1-target) just above an integer by rounding is that integer.
	t.Rank = max(1, int(math.Ceil(float64(float64(n+1)*(1-target))-1e-9)))
	if t.Rank <= n {
		t.Value = s[t.Rank-1]
		return t, nil
	}
	t.Rank, t.Method, t.Value = n+1, Extrapolated, extrapolate(s, target)
	return t, nil
}

// extrapolate returns u + e f of NewThreshold for ascending scores s.
func extrapolate(s []float32, target float64) float32 {
	n := len(s)
	r := min((n+3)/4+1, n-1)
	u := float64(s[n-1-r])
	e := 0.0
	for _, v := range s[n-r:] {
		e += float64(v) - u
	}
	e /= float64(r)
	f := float64(r) * (root(float64(r+1)/(float64(n+1)*target), r) - 1)
	return max(float32(u+float64(e*f)), s[n-1])
}

// root returns y >= 1 with y^r = v >= 1, by bisection: no math function, so the
// same bits on every CPU.
func root(v float64, r int) float64 {
	lo, hi := 1.0, max(v, 1)
	for range 64 {
		mid := lo + float64((hi-lo)/2)
		p := 1.0
		for k := 0; k < r && p <= v; k++ {
			p *= mid
		}
		if p <= v {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo
}
