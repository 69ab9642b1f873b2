package padim

// A ScoreMap is the Mahalanobis distance at every cell, [H][W], row by row,
// smoothed. Ignored cells are 0.
type ScoreMap struct {
	H, W int
	Data []float32
}

// A Result is the judgement of one picture before a threshold.
type Result struct {
	Score float32  // of the picture: the higher, the farther from the good parts
	Map   ScoreMap // belongs to the Scorer until its next Score
}

// A Verdict is the answer for one part.
type Verdict uint8

// Verdicts. The zero value is Reject: a part without a verdict must not pass.
const (
	Reject Verdict = iota
	Pass
)

// String returns PASS or REJECT.
func (v Verdict) String() string {
	if v == Pass {
		return "PASS"
	}
	return "REJECT"
}

// A Gate turns scores into verdicts.
type Gate struct{ Threshold float32 }

// Decide passes a part whose score is at most the threshold. A score that is
// not a number is a reject.
func (g Gate) Decide(r Result) Verdict {
	if r.Score <= g.Threshold {
		return Pass
	}
	return Reject
}
