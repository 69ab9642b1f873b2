package adapt

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"cull/infer"
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
		for k, node := range parent.Graph.Nodes {
			if strings.HasSuffix(node.Name, ".projection") {
				continue // the child has its own
			}
			a, b := parent.Params[k], r.Model.Params[k]
			for j, w := range a.Weights {
				if b.Weights[j] != w {
					t.Fatalf("node %d (%s): weight %d is %d, the parent's %d", k, node.Name, j, b.Weights[j], w)
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

// A part that is there twice, once held out and once fitted to, would prove a gain that is none.
func TestCopiesAreLeftOut(t *testing.T) {
	parts := grain(20, 64)
	var results []*Result
	for _, p := range [][][]uint8{parts, append(slices.Clone(parts), parts...)} {
		r, err := Run(t.Context(), shipped(t), p, small(t))
		if err != nil && !errors.Is(err, ErrNoGain) {
			t.Fatal(err)
		}
		results = append(results, r)
	}
	once, twice := results[0], results[1]
	if twice.Parts != 20 || once.Copies != 0 || twice.Copies != 20 || once.Gain != twice.Gain || once.Model.Digest() != twice.Model.Digest() {
		t.Errorf("%d parts, %d copies, %v, without them %v", twice.Parts, twice.Copies, twice.Gain, once.Gain)
	}
	_, err := Run(t.Context(), shipped(t), slices.Repeat(grain(2, 64), MinParts), small(t))
	if !errors.Is(err, ErrTooFew) || !strings.HasSuffix(err.Error(), ": 2, want at least 20: 38 of 40 pictures are copies") {
		t.Error(err)
	}
}

// Of many parts, those are drawn that were when all were read first.
func TestDraw(t *testing.T) {
	var files []string
	for i := range 300 {
		files = append(files, strconv.Itoa(i))
	}
	for _, n := range []int{1, MinParts, MaxParts, MaxParts + 1, 300} {
		drawn := Draw(files[:n], 7)
		if len(drawn) != min(n, MaxParts) {
			t.Fatalf("%d of %d", len(drawn), n)
		}
		for i, k := range rand.New(rand.NewPCG(7, 0x70617274)).Perm(n)[:len(drawn)] {
			if drawn[i] != files[k] {
				t.Fatalf("part %d of %d is %s, want %s", i, n, drawn[i], files[k])
			}
		}
	}
}

func TestTooFewParts(t *testing.T) {
	if _, err := Run(context.Background(), shipped(t), grain(MinParts-1, 64), small(t)); !errors.Is(err, ErrTooFew) {
		t.Error(err)
	}
}
