package adapt

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"cull/infer"
	"cull/padim"
	"cull/weights"
)

func shipped(t *testing.T) *infer.Model {
	t.Helper()
	m, err := infer.Parse(weights.Cull())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// grain are pictures of one texture.
func grain(n, size int) (all [][]uint8) {
	r := rand.New(rand.NewPCG(5, 5))
	for range n {
		p := make([]uint8, 3*size*size)
		for i := range size * size {
			v := uint8(100 + 40*math.Sin(float64(i%size)/3) + 8*r.NormFloat64())
			p[3*i], p[3*i+1], p[3*i+2] = v, v, v
		}
		all = append(all, p)
	}
	return all
}

func small(t *testing.T) Options {
	o := Defaults()
	o.Size, o.Defects, o.SpoolDir = 64, 10, t.TempDir()
	return o
}

// The same arguments give the same network whatever the number of threads; the parent is in it as it was.
func TestRunIsRepeatable(t *testing.T) {
	pictures, parent := grain(20, 64), shipped(t)
	var digests [2][32]byte
	for i := range digests {
		o := small(t)
		o.Threads = 1 + i
		r, err := Run(context.Background(), parent, pictures, o)
		if err != nil && !errors.Is(err, ErrNoGain) {
			t.Fatal(err)
		}
		if r.Parts != 20 {
			t.Errorf("%d parts", r.Parts)
		}
		digests[i] = r.Model.Digest()
		for k := range parent.Graph.Nodes {
			a, b := parent.Params[k], r.Model.Params[k]
			for j, w := range a.Weights {
				if b.Weights[j] != w {
					t.Fatalf("node %d (%s): weight %d is %d, the parent's %d", k, parent.Graph.Nodes[k].Name, j, b.Weights[j], w)
				}
			}
		}
	}
	if digests[0] != digests[1] {
		t.Error("another number of threads, another network")
	}
}

// A network is no better than itself.
func TestNoGainOverOneself(t *testing.T) {
	o, m := small(t), shipped(t)
	pictures := grain(20, 64)
	g, err := measureGain(context.Background(), m, m, pictures[:14], pictures[14:], o)
	if err != nil {
		t.Fatal(err)
	}
	if g.D != 0 || g.Low > 0 {
		t.Errorf("gain over itself: %v", g)
	}
	if g.Parent < 0.6 || g.Child != g.Parent {
		t.Errorf("visible defects are not seen: AUROC %.3f", g.Parent)
	}
}

func TestTooFewParts(t *testing.T) {
	if _, err := Run(context.Background(), shipped(t), grain(MinParts-1, 64), small(t)); !errors.Is(err, ErrTooFew) {
		t.Error(err)
	}
}

// Channel 1 varies little on good parts and defects move it: it is found, beside one that varies a lot.
func TestDirections(t *testing.T) {
	const channels, parts = 4, 200
	r := rand.New(rand.NewPCG(3, 3))
	deviation := []float64{5, 0.5, 2, 3}
	d := newDiscriminant(padim.Map{H: 2, W: 2, C: channels})
	draw := func() []float64 {
		v := make([]float64, 4*channels)
		for i := range v {
			v[i] = 7 + deviation[i%channels]*r.NormFloat64()
		}
		return v
	}
	good := make([][]float64, parts)
	for i := range good {
		good[i] = draw()
		d.center(good[i], parts)
	}
	for _, v := range good {
		d.spread(v)
	}
	if err := d.factor(); err != nil {
		t.Fatal(err)
	}
	for range 50 {
		clean := draw()
		image := append([]float64(nil), clean...)
		for cell := range 4 {
			image[cell*channels+1] += 2
			image[cell*channels] += r.NormFloat64()
		}
		d.damage(clean, image, []float32{1, 0.5, 0, 1})
	}
	w, bias, scale, err := d.directions(1)
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(float64(w[1])*0.5) < 0.95 || math.Abs(float64(scale[0])-1) > 0.1 {
		t.Errorf("weights %v, deviation %v: want channel 1 alone, brought to 1", w, scale)
	}
	for c, v := range w {
		if c != 1 && math.Abs(float64(v)*deviation[c]) > 0.2 {
			t.Errorf("weights %v: channel %d is in the direction", w, c)
		}
	}
	at := bias[0]
	for _, v := range w {
		at += 7 * v
	}
	if math.Abs(float64(at)) > 0.3 {
		t.Errorf("good parts' mean is at %v, want 0", at)
	}
}
