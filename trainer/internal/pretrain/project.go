package pretrain

import (
	"fmt"
	"math"

	"cull/trainer/internal/discriminant"
	"cull/trainer/internal/grad"
	"cull/trainer/internal/quantise"
	"cull/trainer/internal/trunk"
)

// projections are the recipe's discriminants for the taps of n: cells of a surface vary about
// their mean over the picture, for it is the same surface everywhere.
func (r *Run) projections(n *quantise.Network) ([]quantise.Projection, error) {
	o := r.Recipe.Discriminant
	if len(o.Channels) == 0 {
		return nil, nil
	}
	makers, err := r.makers(origin{source: r.train.source, bare: true}, o.Size, true)
	if err != nil {
		return nil, err
	}
	for _, m := range makers {
		m.clean, m.maps = true, newMapper(nil)
	}
	feed := newFeed(makers, uint64(r.Recipe.Data.First)+seedProject)
	defer feed.close()
	var views [trunk.Stages]*view
	for k, tap := range n.Graph.Taps {
		c := n.Graph.Channels()[tap.Node]
		views[k] = &view{Discriminant: discriminant.New(c), node: tap.Node, mean: make([]float64, c)}
	}
	x := grad.NewTensor(2, o.Size, o.Size, 3)
	var out []*grad.Tensor
	for range o.Samples {
		it, err := feed.next()
		if err != nil {
			return nil, fmt.Errorf("pretrain: discriminant: %w", err)
		}
		quantise.Load(x, 0, it.clean)
		quantise.Load(x, 1, it.image)
		out = n.RunInto(out, r.be, x)
		r.be.Each(len(views), func(k int) { views[k].add(out[views[k].node], it.label[k]) })
	}
	var all []quantise.Projection
	for k, v := range views {
		p, err := v.end(o.Channels[k], o.Samples)
		if err != nil {
			return nil, fmt.Errorf("pretrain: discriminant of stage %d: %w", k+1, err)
		}
		all = append(all, p)
	}
	return all, nil
}

// A view is what one tap sees of the samples.
type view struct {
	*discriminant.Discriminant
	node  int
	mean  []float64 // [channels], sum over samples of the mean over cells
	cells int

	by    []float32 // [..][channels]: what defects change in the cells where they are seen
	label []float32 // [..]
}

// add takes a surface without, t's first picture, and with a defect. Both are brought to a variance of 1 of the
// clean cells, summed over channels: a surface of high contrast counts no more than another.
func (v *view) add(t *grad.Tensor, label []float32) {
	clean, image := smoothed(t, 0), smoothed(t, 1)
	v.cells = len(label)
	mean := make([]float64, t.C)
	for i, a := range clean {
		mean[i%t.C] += a / float64(v.cells)
	}
	var square float64
	dev := make([]float64, len(clean))
	for i, a := range clean {
		dev[i] = a - mean[i%t.C]
		square += dev[i] * dev[i]
	}
	for c, a := range mean {
		v.mean[c] += a
	}
	if square == 0 {
		return
	}
	v.Normal(dev, float64(v.cells)/square)
	scale := math.Sqrt(float64(v.cells) / square)
	for cell, score := range label {
		if score < discriminant.Seen {
			continue
		}
		for i := cell * t.C; i < (cell+1)*t.C; i++ {
			v.by = append(v.by, float32((image[i]-clean[i])*scale))
		}
		v.label = append(v.label, score)
	}
}

// smoothed is picture n of a tap as the detector averages it.
func smoothed(t *grad.Tensor, n int) []float64 {
	v := make([]float64, 0, t.H*t.W*t.C)
	for y := range t.H {
		for _, a := range t.Row(n, y) {
			v = append(v, float64(a))
		}
	}
	out := make([]float64, len(v))
	discriminant.Smooth(out, v, t.H, t.W, t.C)
	return out
}

// end returns the map onto k directions, with the bias that brings the samples' mean to 0.
func (v *view) end(k, samples int) (p quantise.Projection, err error) {
	if err := v.Factor(float64(samples*v.cells), 0); err != nil {
		return p, err
	}
	channels := len(v.mean)
	by := make([]float64, channels)
	for i := range v.label {
		for c, a := range v.by[i*channels:][:channels] {
			by[c] = float64(a)
		}
		v.Change(by, v.label[i:i+1])
	}
	if p.W, _, err = v.Directions(k); err != nil {
		return p, fmt.Errorf("%w among %d samples", err, samples)
	}
	for c := range v.mean {
		v.mean[c] /= float64(samples)
	}
	p.Bias = discriminant.Bias(p.W, v.mean)
	return p, nil
}
