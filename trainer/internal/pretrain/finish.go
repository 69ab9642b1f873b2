package pretrain

import (
	"fmt"
	"io"
	"path/filepath"

	"cull/infer"
	"cull/trainer/internal/grad"
	"cull/trainer/internal/quantise"
	"cull/trainer/internal/trunk"
)

// Finish makes the int8 model: moving average of the weights, batch-norm statistics
// taken anew, folding, discriminants, calibration, rounding. After quantisation-aware training statistics and
// ranges are those it was made with. Finish writes what was lost to report and leaves the
// run unable to train on.
func (r *Run) Finish(report io.Writer) (*infer.Model, error) {
	if err := r.settled(); err != nil {
		return nil, err
	}
	n := quantise.FromTrunk(r.trunk)
	projections, err := r.projections(n)
	if err != nil {
		return nil, err
	}
	for k, p := range projections {
		n.Project(k, p.W, p.Bias)
	}
	r.float = n
	pictures, err := r.calibration()
	if err != nil {
		return nil, err
	}
	ranges, err := r.calibrate(n, pictures)
	if err != nil {
		return nil, err
	}
	if r.aware != nil {
		copy(ranges, r.ranges) // of the trunk's nodes, which come first
	}
	m, err := quantise.Model(n, ranges)
	if err != nil {
		return nil, err
	}
	r.describe(m)
	if err := m.AddAnswers(64, 96, 1, 2); err != nil {
		return nil, err
	}
	q := r.Recipe.Quantise
	losses, err := quantise.Compare(r.be, n, ranges, m, q.Size, pictures[:min(len(pictures), 16)])
	if err != nil {
		return nil, err
	}
	if err := quantise.Print(report, losses); err != nil {
		return nil, err
	}
	size := max(q.Size, 64) // smaller grids leave too little to score
	ps, err := products(size)
	if err != nil {
		return nil, err
	}
	shifts, err := quantise.CompareScores(r.be, n, m, size, ps)
	if err != nil {
		return nil, err
	}
	return m, quantise.PrintShifts(report, shifts)
}

// Float is the float network of the last Finish, the parent of its model.
func (r *Run) Float() *quantise.Network { return r.float }

// Trunk is what Finish makes int8: the moving average of the weights, batch-norm statistics
// taken anew, and the discriminants behind the taps, nil for none. Like Finish it leaves the run
// unable to train on.
func (r *Run) Trunk() (*trunk.Trunk, []quantise.Projection, error) {
	if err := r.settled(); err != nil {
		return nil, nil, err
	}
	projections, err := r.projections(quantise.FromTrunk(r.trunk))
	return r.trunk, projections, err
}

// settled brings the trunk to what is exported: the moving average of the weights with
// statistics of its own, unless they are frozen.
func (r *Run) settled() error {
	if r.average != nil && r.step > 0 {
		r.average.Store(r.trunk.Params())
	}
	if r.aware != nil {
		return nil
	}
	return r.settle()
}

// calibration renders the pictures of quantise.pictures.
func (r *Run) calibration() ([][]uint8, error) {
	q := r.Recipe.Quantise
	items, err := r.take(q.Size, false, seedCalibrate, q.Pictures)
	if err != nil {
		return nil, err
	}
	pictures := make([][]uint8, len(items))
	for i, it := range items {
		pictures[i] = it.image
	}
	return pictures, nil
}

func (r *Run) calibrate(n *quantise.Network, pictures [][]uint8) (quantise.Ranges, error) {
	q := r.Recipe.Quantise
	return quantise.Calibrate(r.be, n, quantise.Rule{Percentile: q.Percentile}, batches(pictures, q.Size))
}

// settle replaces the running statistics by the mean over training batches.
func (r *Run) settle() error {
	makers, err := r.makers(r.train, r.Recipe.Data.Size, false)
	if err != nil {
		return err
	}
	f := newFeed(makers, uint64(r.Recipe.Data.First)+seedSettle)
	defer f.close()
	items := make([]item, r.Recipe.Training.Batch)
	for i := range r.Recipe.Training.Settle {
		for k := range items {
			if items[k], err = f.next(); err != nil {
				return fmt.Errorf("pretrain: %w", err)
			}
		}
		for _, l := range r.trunk.Layers() {
			l.Momentum = 1 / float32(i+1)
		}
		r.trunk.Forward(r.be, r.load(items, r.pairs), true)
	}
	for _, l := range r.trunk.Layers() {
		l.Momentum = grad.Momentum
	}
	return nil
}

// batches serves pictures eight at a time.
func batches(pictures [][]uint8, size int) func(func(*grad.Tensor)) error {
	const n = 8
	return func(f func(*grad.Tensor)) error {
		for i := 0; i < len(pictures); i += n {
			part := pictures[i:min(i+n, len(pictures))]
			x := grad.NewTensor(len(part), size, size, 3)
			for k, p := range part {
				quantise.Load(x, k, p)
			}
			f(x)
		}
		return nil
	}
}

// describe records where the weights came from.
func (r *Run) describe(m *infer.Model) {
	m.Meta = infer.Meta{
		Name: r.Recipe.Name, CreatedBy: "cull-trainer", Recipe: r.Text, Seed: uint64(r.Recipe.Seed),
		Images: r.Images(),
		Input:  infer.Geometry{Size: 256, Smallest: 64, Multiple: 16},
		Notes: map[string]string{
			"taps": fmt.Sprintf("residual sums before the ReLU, strides 4, 8, 16, %d stages", trunk.Stages),
		},
	}
	if c := r.Recipe.Discriminant.Channels; len(c) > 0 {
		m.Meta.Notes["taps"] += fmt.Sprintf("; a linear discriminant of %v channels behind them", c)
	}
	if t := r.Recipe.Teacher; t.Model != "" {
		m.Meta.Notes["teacher"] = filepath.Base(t.Model) + ", sha256 " + t.SHA256
	}
	for _, s := range r.Recipe.Source {
		m.Meta.Sources = append(m.Meta.Sources, infer.Source{Name: s.Name, Licence: s.Licence, Note: s.Note})
	}
}
