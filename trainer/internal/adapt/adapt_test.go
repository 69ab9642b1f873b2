package adapt

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"cull/infer"
	"cull/trainer/internal/grad"
	"cull/trainer/internal/quantise"
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

func small() Options {
	o := Defaults()
	o.Size, o.Steps = 64, 3
	return o
}

// The same arguments give the same network whatever the number of threads.
func TestRunIsRepeatable(t *testing.T) {
	pictures, parent := grain(20, 64), shipped(t)
	var digests [2][32]byte
	for i := range digests {
		o := small()
		o.Threads, o.SpoolDir = 1+i, t.TempDir()
		r, err := Run(context.Background(), parent, pictures, o)
		if err != nil && !errors.Is(err, ErrNoGain) {
			t.Fatal(err)
		}
		if r.Trained != 14 || r.Held != 6 || len(r.Gain.Kinds) != len(kinds) {
			t.Errorf("%d trained, %d held, gain %v", r.Trained, r.Held, r.Gain)
		}
		digests[i] = r.Model.Digest()
	}
	if digests[0] != digests[1] {
		t.Error("another number of threads, another network")
	}
	if digests[0] == parent.Digest() {
		t.Error("nothing was learnt")
	}
}

// A network is no better than itself, and held-out parts are not among those trained on.
func TestNoGainOverOneself(t *testing.T) {
	o, m := small(), shipped(t)
	o.SpoolDir = t.TempDir()
	pictures := grain(20, 64)
	train, held := divide(pictures, o)
	for _, a := range train {
		for _, b := range held {
			if &a[0] == &b[0] {
				t.Fatal("a held-out part is trained on")
			}
		}
	}
	g, err := measureGain(context.Background(), m, m, train, held, o)
	if err != nil {
		t.Fatal(err)
	}
	if g.D != 0 || g.Low > 0 {
		t.Errorf("gain over itself: %v", g)
	}
	if k := g.Kinds[0]; k.Parent < 0.6 {
		t.Errorf("visible defects are not seen: AUROC %.3f", k.Parent)
	}
}

// keep's gradient equals differences of its value.
func TestKeepGradient(t *testing.T) {
	o := small()
	o.Keep = 3
	s, err := newSession(shipped(t), grain(1, 64), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.draw(0); err != nil {
		t.Fatal(err)
	}
	for i := range s.samples {
		quantise.Load(s.x, i, s.samples[i].Twin.Pix)
		quantise.Load(s.x, o.Batch+i, s.samples[i].Image.Pix)
	}
	taps := s.child.Forward(s.be, s.x, true)
	fresh := func() {
		s.gtaps = nil
		for _, tap := range taps {
			s.gtaps = append(s.gtaps, grad.Like(nil, tap))
		}
	}
	fresh()
	if d := s.keep(taps, o.Batch); d != 0 {
		t.Errorf("distance %v before any step", d)
	}
	r := rand.New(rand.NewPCG(1, 1))
	for k, tap := range taps {
		v := tap.Row(1, 2)
		for i := range v {
			v[i] += float32(r.NormFloat64()) / s.inverse[k][i%tap.C]
		}
	}
	fresh()
	before := s.keep(taps, o.Batch)
	for k, tap := range taps {
		g := append([]float32(nil), s.gtaps[k].Row(1, 2)...)
		i := r.IntN(len(g))
		step := 0.1 / s.inverse[k][i%tap.C]
		tap.Row(1, 2)[i] += step
		fresh()
		up := s.keep(taps, o.Batch)
		tap.Row(1, 2)[i] -= 2 * step
		fresh()
		down := s.keep(taps, o.Batch)
		tap.Row(1, 2)[i] += step
		if want := o.Keep * (up - down) / float64(2*step); math.Abs(want-float64(g[i])) > 0.02*math.Abs(want)+1e-7 {
			t.Errorf("stage %d: gradient %v, differences %v", k, g[i], want)
		}
	}
	for k := range taps {
		for _, v := range s.gtaps[k].Row(o.Batch, 2) {
			if v != 0 {
				t.Fatal("pictures with a defect are held too")
			}
		}
	}
	if before <= 0 {
		t.Errorf("distance %v", before)
	}
}
