// Package inspect joins the steps from frame to verdict: prep, what differs in light
// taken off, ignored cells made grey, features of the network and fixed ones, scoring,
// threshold; and teaches: other light, mirrors, goldens. The same code teaches, judges the line and
// evaluates data sets, so a score on the bench is a score on the line.
package inspect

import (
	"cmp"
	"errors"
	"fmt"
	"image"

	"cull/capture"
	"cull/infer/prep"
	"cull/padim"
)

// A Result is the judgement of one frame.
type Result struct {
	Score     float32
	Threshold float32
	Verdict   padim.Verdict
	Map       padim.ScoreMap // belongs to the Inspector until its next Inspect
}

// Margin returns how far the score is below the threshold, as a share of it:
// 1 at score 0, 0 at the threshold, negative for rejects; -1 for a reject at threshold 0.
func (r *Result) Margin() float64 {
	switch {
	case r.Threshold == 0 && r.Verdict == padim.Reject:
		return -1
	case r.Threshold == 0:
		return 0
	}
	return float64(r.Threshold-r.Score) / float64(r.Threshold)
}

// An Inspector judges frames one at a time. Not safe for concurrent use.
type Inspector struct {
	frame     image.Point // size of the good parts' frames; zero: any
	prep      *prep.Prep
	pic       []int8
	view      *view
	extractor Extractor
	scorer    *padim.Scorer
	gate      padim.Gate
	close     func()
}

// ErrGolden reports a golden picture that no longer gets its score: this machine
// computes something else than the one that taught.
var ErrGolden = errors.New("result is not what was taught")

// New returns the inspector of what was taught on features of e over plan, at the threshold of its report.
func New(plan prep.Plan, e Extractor, t *Taught, threads int) (*Inspector, error) {
	p, err := prep.New(plan)
	if err != nil {
		return nil, err
	}
	_, _, cell := t.Model.Grid()
	i := &Inspector{
		prep: p, pic: make([]int8, plan.Height*plan.Width*3),
		view:      newView(t.Light, plan, t.Model.Ignored(), cell),
		extractor: e, gate: padim.Gate{Threshold: t.Report.Threshold.Value},
	}
	if err := t.Model.Check(e.Maps(i.pic)); err != nil {
		return nil, fmt.Errorf("inspect: features do not fit the model: %w", err)
	}
	i.scorer, err = t.Model.NewScorer(padim.ScorerOptions{Threads: threads})
	return i, err
}

// Inspect judges f. It does not keep f.
func (i *Inspector) Inspect(f *capture.Frame) (Result, error) {
	if err := i.Prepare(f); err != nil {
		return Result{}, err
	}
	return i.Judge(), nil
}

// Prepare is the first half of Inspect: after it, f may be released.
func (i *Inspector) Prepare(f *capture.Frame) error {
	if i.frame != (image.Point{}) {
		if err := CheckFormat(i.prep.Plan(), i.frame, image.Pt(f.Width, f.Height)); err != nil {
			return fmt.Errorf("inspect: %s: %w", cmp.Or(f.Name, "frame"), err)
		}
	}
	return i.prep.Apply(i.pic, f)
}

// Picture returns the picture last prepared, [h][w][3], which Judge judges and changes. It belongs to the
// Inspector.
func (i *Inspector) Picture() []int8 { return i.pic }

// Judge is the second half of Inspect: it judges the frame last prepared, once.
func (i *Inspector) Judge() Result {
	i.view.see(i.pic)
	r := i.scorer.Score(i.extractor.Maps(i.pic))
	return Result{
		Score: r.Score, Threshold: i.gate.Threshold, Verdict: i.gate.Decide(r), Map: r.Map,
	}
}

// Close ends the threads of an inspector made by Open.
func (i *Inspector) Close() {
	if i.close != nil {
		i.close()
	}
}

// Plan returns how frames become pictures.
func (i *Inspector) Plan() prep.Plan { return i.prep.Plan() }
