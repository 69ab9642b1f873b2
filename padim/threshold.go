package padim

// A Method is how a threshold was found.
type Method uint8

// Methods, from the strongest promise to the weakest.
const (
	LeaveOneOut  Method = iota + 1 // every part scored by a model taught without it
	Folds                          // every part scored by a model taught without its block of parts
	Extrapolated                   // beyond the highest score, by an exponential tail: an assumption
)

// String returns the method's name.
func (m Method) String() string {
	switch m {
	case LeaveOneOut:
		return "leave-one-out"
	case Folds:
		return "folds"
	case Extrapolated:
		return "extrapolated"
	}
	return "unknown"
}

// A Threshold is a limit on scores with what is known of its false-reject rate.
type Threshold struct {
	Value  float32
	Target float64 // the false-reject rate asked for
	Method Method
	Parts  int // good parts it rests on
	Rank   int // Value is the Rank-th lowest score; Parts+1 when extrapolated
}

// Smallest returns 1/(Parts+1), the smallest false-reject rate that so many
// good parts can promise without an assumption on their distribution.
func (t Threshold) Smallest() float64 { return 1 / float64(t.Parts+1) }

// Expect returns the false-reject rate to expect and the interval that holds
// the true one with 95 % confidence.
func (t Threshold) Expect() (rate, low, high float64) { return 0, 0, 0 }

// NewThreshold returns the limit that a share target of good parts exceeds,
// from the scores of good parts by models that were not taught them.
func NewThreshold(scores []float32, target float64, m Method) (Threshold, error) {
	return Threshold{}, nil
}
