package pretrain

import (
	"slices"

	"cull/internal/measure"
	"cull/trainer/internal/grad"
	"cull/trainer/internal/trunk"
)

const (
	validateSamples = 128 // at most
	validateStage   = 1   // whose grid the cells are
	cellBad         = 0.5 // labels from here on are a defect,
	cellGood        = 0.05
	cellVariance    = 1e-4 // added to variances
)

// due reports whether the step just made ends a stretch of training.validate samples.
func (r *Run) due() bool {
	every, n := r.Recipe.Training.Validate, int64(r.Recipe.Training.Batch)
	if every == 0 {
		return false
	}
	return r.step == r.steps() || r.Images()/every > (r.Images()-n)/every
}

// hold draws the samples of all validations. That comes before any step: a validation that failed after one would be
// missing on the curve of the run that goes on.
func (r *Run) hold() (err error) {
	if r.Recipe.Training.Validate > 0 && r.held == nil {
		r.held, err = r.takeFrom(r.validation, r.Recipe.Data.Size, true, seedValidate, r.validateCount())
	}
	return err
}

// validate measures the network as it is, with its running statistics and, once training is
// quantisation-aware, in the device's arithmetic, on fixed samples that
// are never trained on: their surfaces are cut from the pictures held out, or, where none
// is, they are other samples of the surfaces trained on. It changes nothing that training
// depends on: its samples have seeds of their own and what the terms keep is put back.
func (r *Run) validate() *Point {
	var kept [][]float32
	for _, t := range r.terms {
		for _, s := range t.State() {
			kept = append(kept, slices.Clone(s))
		}
	}
	p := &Point{Images: r.Images(), Losses: map[string]float64{}}
	var bad, good []float64
	n := r.validateBatch()
	for i := 0; i < len(r.held); i += n {
		b, g := r.validatePart(r.held[i:i+n], p.Losses)
		bad, good = append(bad, b...), append(good, g...)
	}
	for name, v := range p.Losses {
		if v /= float64(len(r.held) / n); finite(v) {
			p.Losses[name] = v
		} else {
			delete(p.Losses, name)
		}
	}
	if a := measure.AUROC(good, bad); finite(a) {
		p.CellAUROC = &a
	}
	for _, t := range r.terms {
		for _, s := range t.State() {
			copy(s, kept[0])
			kept = kept[1:]
		}
	}
	return p
}

func (r *Run) validateBatch() int { return min(r.Recipe.Training.Batch, validateSamples) }

func (r *Run) validateCount() int { return validateSamples / r.validateBatch() * r.validateBatch() }

// validatePart adds the losses of a batch to sums and returns the distances of its cells with
// and without defect.
func (r *Run) validatePart(items []item, sums map[string]float64) (bad, good []float64) {
	pairs := r.validation.classes == nil
	taps := r.forward(r.load(items, pairs), false)
	waste := make([]*grad.Tensor, len(taps))
	for i, t := range taps {
		waste[i] = grad.Like(nil, t)
	}
	b := r.batch(items)
	b.Pairs = pairs
	for _, t := range r.terms {
		sums[t.Name()] += t.Apply(r.be, b, taps, waste, t.weight)
	}
	if !pairs {
		return nil, nil
	}
	distances := make([][]float64, len(items))
	r.be.Each(len(items), func(i int) { distances[i] = cells(taps, i, len(items)+i) })
	for i, it := range items {
		for k, v := range it.label[validateStage] {
			switch {
			case v >= cellBad:
				bad = append(bad, distances[i][k])
			case v < cellGood:
				good = append(good, distances[i][k])
			}
		}
	}
	return bad, good
}

// cells returns for every cell of an image how far its features are from those of the clean
// twin, as a detector with one good picture and no correlations has it:
//
//	d(u) = sum over stages s of mean over channels c of (F_s(u)[c] - m_s[c])^2 / (v_s[c] + eps)
//
// m and v the mean and variance of the twin over its cells. Stage 1 is averaged over the
// cells of the grid, stage 3 repeated.
func cells(taps []*grad.Tensor, twin, image int) []float64 {
	h, w := taps[validateStage].H, taps[validateStage].W
	all := make([]float64, h*w)
	for s := range trunk.Stages {
		t := taps[s]
		mean, inverse := spread(t, twin)
		for y := range max(h, t.H) {
			row := t.Row(image, y*t.H/max(h, t.H))
			for x := range max(w, t.W) {
				f := row[x*t.W/max(w, t.W)*t.C:][:t.C]
				var d float64
				for c, v := range f {
					e := float64(v) - mean[c]
					d += e * e * inverse[c]
				}
				share := float64(h*w) / float64(max(h, t.H)*max(w, t.W))
				all[y*h/max(h, t.H)*w+x*w/max(w, t.W)] += d / float64(t.C) * share
			}
		}
	}
	return all
}

// spread returns mean and 1/(variance + eps) of each channel over the cells of picture n.
func spread(t *grad.Tensor, n int) (mean, inverse []float64) {
	mean, inverse = make([]float64, t.C), make([]float64, t.C)
	count := float64(t.H * t.W)
	for y := range t.H {
		for i, v := range t.Row(n, y)[:t.W*t.C] {
			mean[i%t.C] += float64(v) / count
		}
	}
	for y := range t.H {
		for i, v := range t.Row(n, y)[:t.W*t.C] {
			d := float64(v) - mean[i%t.C]
			inverse[i%t.C] += d * d / count
		}
	}
	for c, v := range inverse {
		inverse[c] = 1 / (v + cellVariance)
	}
	return mean, inverse
}
