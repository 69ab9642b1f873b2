package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"cull/trainer/internal/grad"
	"cull/trainer/internal/peers/turns"
	"cull/trainer/internal/trunk"
)

// A learner is our side: the trunk, its optimiser, and one batch.
type learner struct {
	be      grad.Backend
	trunk   *trunk.Trunk
	params  []grad.Param
	opt     grad.Optimiser
	rate    float64
	x       *grad.Tensor
	targets []*grad.Tensor
	gtaps   []*grad.Tensor
}

func (b *bench) newLearner(size, threads int, winograd bool) *learner {
	rng := rand.New(rand.NewPCG(1, 1))
	n := b.recipe.Training.Batch
	l := &learner{be: grad.NewCPU(threads), trunk: trunk.New(b.recipe.Shape(), rng), rate: b.recipe.Optimiser.Rate}
	l.trunk.Winograd(winograd)
	l.params = l.trunk.Params()
	l.opt = grad.NewAdamW(l.params, b.recipe.Optimiser.Decay)
	l.x = normal(rng, n, size, 3)
	for s := range trunk.Stages {
		l.targets = append(l.targets, normal(rng, n, size>>(2+s), l.trunk.Shape.Channels(s)))
		l.gtaps = append(l.gtaps, grad.Like(nil, l.targets[s]))
	}
	return l
}

// normal is a tensor of n square images, normally distributed.
func normal(rng *rand.Rand, n, size, c int) *grad.Tensor {
	t := grad.NewTensor(n, size, size, c)
	for i := range n {
		for y := range size {
			row := t.Row(i, y)
			for j := range row {
				row[j] = float32(rng.NormFloat64())
			}
		}
	}
	return t
}

// gradient leaves the gradients in params and returns the loss.
func (l *learner) gradient() float64 {
	var loss float64
	for s, tap := range l.trunk.Forward(l.be, l.x, true) {
		g, target := l.gtaps[s], l.targets[s]
		k := 1 / float32(tap.N*tap.H*tap.W*tap.C)
		parts := make([]float64, tap.N)
		l.be.Each(tap.N, func(n int) {
			for y := range tap.H {
				p, t, d := tap.Row(n, y), target.Row(n, y), g.Row(n, y)
				var sum float32
				for i, v := range p {
					e := v - t[i]
					sum += e * e
					d[i] = e * k
				}
				parts[n] += float64(sum)
			}
		})
		for _, p := range parts {
			loss += 0.5 * p * float64(k)
		}
	}
	l.trunk.Backward(l.be, l.gtaps)
	return loss
}

// step is one step of training.
func (l *learner) step() {
	l.gradient()
	l.opt.Step(l.params, l.rate)
}

// start starts a process of torch_step.py.
func (b *bench) start(dir, layout string, size, threads int) (*turns.Peer, error) {
	s := b.recipe.Shape()
	blocks := strings.Trim(strings.ReplaceAll(fmt.Sprint(s.Blocks), " ", ","), "[]")
	p, err := turns.Start(b.python, b.script, dir, fmt.Sprint(threads), layout, fmt.Sprint(s.Width), blocks,
		fmt.Sprint(b.recipe.Training.Batch), fmt.Sprint(size), fmt.Sprint(b.recipe.Optimiser.Rate),
		fmt.Sprint(b.recipe.Optimiser.Decay))
	if err != nil {
		return nil, fmt.Errorf("%s with torch and numpy is needed (Debian: apt-get install python3-torch): %w", b.python, err)
	}
	return p, nil
}

// pause is between turns: a pool that spins after its work must not do so in another's turn.
const pause = 50 * time.Millisecond

// steps compares whole training steps of pictures of a size.
func (b *bench) steps(size int) error {
	dir, err := os.MkdirTemp("", "cull-train-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := b.newLearner(size, 1, false).write(dir); err != nil {
		return err
	}
	for _, threads := range []int{1, 2} {
		if err := b.compare(dir, size, threads); err != nil {
			return err
		}
	}
	return nil
}

// stepsPerTurn is how many steps a contestant does before the next one's turn.
const stepsPerTurn = 2

func (b *bench) compare(dir string, size, threads int) error {
	ours := []*learner{b.newLearner(size, threads, false), b.newLearner(size, threads, true)}
	layouts := []string{"channels_last", "contiguous"}
	var contestants []func(int) (turns.Sample, error)
	var losses []float64
	var version string
	for _, l := range ours {
		contestants = append(contestants, turns.Ours(l.step))
		losses = append(losses, l.gradient())
	}
	for _, layout := range layouts {
		p, err := b.start(dir, layout, size, threads)
		if err != nil {
			return err
		}
		defer p.Stop()
		version = p.Version
		for i, l := range ours {
			if err := agree(p, dir, l, losses[i]); err != nil {
				return fmt.Errorf("%d px, %d threads, %s: %w", size, threads, layout, err)
			}
		}
		contestants = append(contestants, p.Run)
	}
	times := make([]turns.Sample, len(contestants))
	for i := range b.rounds + 1 {
		for k, run := range contestants {
			time.Sleep(pause)
			s, err := run(stepsPerTurn)
			if err != nil {
				return err
			}
			if i > 0 { // the first warms up
				times[k].Append(s)
			}
		}
	}
	best := 0.0
	name := "cull " + ours[0].be.Name()
	for k, name := range append([]string{name, name + " winograd"}, layouts...) {
		cpu, wall := turns.Median(times[k].CPU), turns.Median(times[k].Wall)
		if k >= len(ours) {
			name = "torch " + version + " " + name
		}
		fmt.Printf("%d px, %d threads, %-30s %8.1f ms CPU, %8.1f ms wall a step, %5.0f images per CPU second\n", size, threads,
			name, cpu, wall, 1e3*float64(b.recipe.Training.Batch)/cpu)
		if k >= len(ours) && (best == 0 || cpu < best) {
			best = cpu
		}
	}
	for k, name := range methods {
		fmt.Printf("RESULT train_torch%s_%dt%s %.2f x\n", name, threads, suffix(size), best/turns.Median(times[k].CPU))
	}
	return nil
}

// methods are the names of our two ways to convolve in results: direct, and by Winograd.
var methods = [2]string{"", "_winograd"}

func method(winograd bool) string {
	if winograd {
		return methods[1]
	}
	return methods[0]
}

// suffix tells the sizes' results apart; the recipe's own has none.
func suffix(size int) string {
	if size == 96 {
		return ""
	}
	return fmt.Sprintf("_%d", size)
}

// agree checks that the peer computes the loss that l holds, and that l's gradients are about as near to
// the peer's in float64 as the peer's own in float32.
func agree(p *turns.Peer, dir string, l *learner, loss float64) error {
	var a struct{ Loss float64 }
	if err := p.Ask("gradient", &a); err != nil {
		return err
	}
	raw, err := os.ReadFile(filepath.Join(dir, "g.bin"))
	if err != nil {
		return err
	}
	raw64, err := os.ReadFile(filepath.Join(dir, "g64.bin"))
	if err != nil {
		return err
	}
	ours := l.flat(func(p grad.Param) []float32 { return p.G })
	if len(raw) != 4*len(ours) || len(raw64) != 8*len(ours) {
		return fmt.Errorf("%d gradients, ours %d", len(raw)/4, len(ours))
	}
	var mine, theirs, norm float64
	for i, v := range ours {
		exact := math.Float64frombits(binary.LittleEndian.Uint64(raw64[8*i:]))
		t := float64(math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))) - exact
		m := float64(v) - exact
		mine, theirs, norm = mine+m*m, theirs+t*t, norm+exact*exact
	}
	dl, dm, dt := math.Abs(a.Loss-loss)/loss, math.Sqrt(mine/norm), math.Sqrt(theirs/norm)
	fmt.Printf("loss %.6f, PyTorch's differs by %.1e of it; gradients from PyTorch's in float64, of their norm: "+
		"ours %.1e, PyTorch's in float32 %.1e\n", loss, dl, dm, dt)
	if !(dl <= lossTolerance && dm <= max(gradientTolerance, gradientTimes*dt)) {
		return fmt.Errorf("not the same computation: the loss may differ by %g, the gradients by %g or %g times PyTorch's",
			lossTolerance, gradientTolerance, gradientTimes)
	}
	return nil
}

// flat returns the values of all parameters in PyTorch's order, convolutions [out][in][k][k].
func (l *learner) flat(of func(grad.Param) []float32) (v []float32) {
	i := 0
	for _, layer := range l.trunk.Layers() {
		f := &layer.Filter
		w := of(l.params[i])
		for out := range f.Out {
			for in := range f.In {
				for k := range f.Kernel * f.Kernel {
					v = append(v, w[(k*f.In+in)*f.Out+out])
				}
			}
		}
		v = append(append(v, of(l.params[i+1])...), of(l.params[i+2])...)
		i += 3
	}
	return v
}

// write leaves weights, pictures and targets for the peers.
func (l *learner) write(dir string) error {
	var targets []float32
	for _, t := range l.targets {
		targets = append(targets, planar(t)...)
	}
	for name, v := range map[string][]float32{
		"w.bin": l.flat(func(p grad.Param) []float32 { return p.W }), "x.bin": planar(l.x), "t.bin": targets,
	} {
		raw, err := binary.Append(nil, binary.LittleEndian, v)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), raw, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// planar is a tensor's inside as [N][C][H][W].
func planar(t *grad.Tensor) (v []float32) {
	for n := range t.N {
		for c := range t.C {
			for y := range t.H {
				row := t.Row(n, y)
				for i := c; i < len(row); i += t.C {
					v = append(v, row[i])
				}
			}
		}
	}
	return v
}
