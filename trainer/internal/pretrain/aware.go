package pretrain

import (
	"math"

	"cull/trainer/internal/grad"
	"cull/trainer/internal/quantise"
)

// awareFrom is the step at which quantisation-aware training begins, steps() where it never does:
// a share above 0 has one step at least.
func (r *Run) awareFrom() int {
	n := r.steps()
	if r.Recipe.Quantise.Aware == 0 {
		return n
	}
	return n - max(1, int(math.Round(r.Recipe.Quantise.Aware*float64(n))))
}

// openAware makes room in the state for the ranges of quantisation-aware training, zero until
// it begins.
func (r *Run) openAware() {
	if r.Recipe.Quantise.Aware == 0 {
		return
	}
	n := quantise.FromTrunk(r.trunk)
	for _, c := range n.Graph.Channels() {
		r.ranges = append(r.ranges, make([]float32, c))
	}
}

// beginAware goes over to quantisation-aware training: from the moving average of the weights,
// with batch-norm statistics and ranges that stay as they are now.
func (r *Run) beginAware() error {
	if err := r.settled(); err != nil {
		return err
	}
	pictures, err := r.calibration()
	if err != nil {
		return err
	}
	ranges, err := r.calibrate(quantise.FromTrunk(r.trunk), pictures)
	if err != nil {
		return err
	}
	for i := range ranges {
		copy(r.ranges[i], ranges[i])
	}
	if r.average != nil {
		r.average.T[0] = 0
	}
	r.resumeAware()
	return nil
}

// resumeAware makes the training of r.ranges, unless they are still zero.
func (r *Run) resumeAware() {
	if r.ranges == nil || r.ranges[0][0] == 0 {
		return
	}
	r.trunk.Freeze(true)
	r.aware = quantise.NewAware(r.trunk, r.ranges)
}

// forward computes the features of x.
func (r *Run) forward(x *grad.Tensor, train bool) []*grad.Tensor {
	if r.aware != nil {
		return r.aware.Forward(r.be, x)
	}
	return r.trunk.Forward(r.be, x, train)
}

// backward takes the gradients of the last forward's features to the weights.
func (r *Run) backward(gtaps []*grad.Tensor) {
	if r.aware != nil {
		r.aware.Backward(r.be, gtaps)
		return
	}
	r.trunk.Backward(r.be, gtaps)
}
