package pretrain

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"

	"cull/internal/container"
)

// A Curve is the course of a run. Its JSON is a stable format.
type Curve struct {
	Name       string  `json:"name"`               // of the recipe
	Of         int64   `json:"of"`                 // samples of the whole run
	Held       int     `json:"held_out,omitempty"` // pictures never trained on
	Training   []Point `json:"training"`
	Validation []Point `json:"validation,omitempty"`
}

// A Point is a place of a curve. Losses are unweighted; of the training they are means since
// the point before.
type Point struct {
	Images int64              `json:"images"` // samples shown so far
	Rate   float64            `json:"rate,omitempty"`
	Losses map[string]float64 `json:"losses"`
	// CellAUROC, of validation only, is how well cells with a defect stand out; nil where
	// the samples have none.
	CellAUROC *float64 `json:"cell_auroc,omitempty"`
}

// Names are the losses' in alphabetical order.
func (p *Point) Names() []string { return slices.Sorted(maps.Keys(p.Losses)) }

// A recorder keeps the curve; it is part of the checkpoint.
type recorder struct {
	Curve Curve     `json:"curve"`
	Sum   []float64 `json:"sum"` // of each loss since the last point
	N     int       `json:"n"`
}

// curvePoints is about how many points of training a curve has.
const curvePoints = 400

// add takes a step's losses and makes a point now and then; last is the run's last step.
func (c *recorder) add(p *Progress, step, steps int) {
	if c.Sum == nil {
		c.Sum = make([]float64, len(p.Losses))
	}
	for i, l := range p.Losses {
		c.Sum[i] += l.Value
	}
	c.N++
	if step%max(1, steps/curvePoints) != 0 && step != steps {
		return
	}
	point := Point{Images: p.Images, Rate: p.Rate, Losses: map[string]float64{}}
	for i, l := range p.Losses {
		point.Losses[l.Name] = c.Sum[i] / float64(c.N)
		c.Sum[i] = 0
	}
	c.N = 0
	c.Curve.Training = append(c.Curve.Training, point)
}

// Curve is the course of the run so far, on loan.
func (r *Run) Curve() *Curve { return &r.record.Curve }

// SaveCurve writes the curve as JSON.
func (r *Run) SaveCurve(path string) error {
	b, err := json.MarshalIndent(r.Curve(), "", " ")
	if err != nil {
		return fmt.Errorf("pretrain: curve: %w", err)
	}
	if err := container.WriteFile(path, append(b, '\n')); err != nil {
		return fmt.Errorf("pretrain: curve: %w", err)
	}
	return nil
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
