package loss

import (
	"math"
	"math/rand/v2"

	"cull/trainer/internal/grad"
	"cull/trainer/internal/trunk"
)

// A Target makes the maps a Regress term learns to predict from a picture: a bank
// of formula-defined filters, or a teacher network.
type Target interface {
	Name() string
	Channels() [trunk.Stages]int
	// NewMaker returns a function for the use of one goroutine: pixels are size x
	// size, bytes R, G, B; map s is [size/4>>s][size/4>>s][Channels()[s]].
	NewMaker() func(rgb []uint8, size int) [trunk.Stages][]float32
}

// Regress is dense regression: the sum over stages of the mean smooth L1 distance
// between a 1x1 convolution of the tap and the target's map, each channel of the
// target brought to mean 0 and deviation 1 (over the pictures given to Fit).
type Regress struct {
	target    Target
	index     int // in Batch.Maps
	heads     [trunk.Stages]*head
	mean, inv [trunk.Stages][]float32
}

// NewRegress returns the term whose maps are Batch.Maps[index].
func NewRegress(t Target, index int, shape trunk.Shape, rng *rand.Rand) *Regress {
	r := &Regress{target: t, index: index}
	for s, n := range t.Channels() {
		r.heads[s] = newHead(t.Name()+string(rune('1'+s)), shape.Channels(s), n, rng)
		r.mean[s], r.inv[s] = make([]float32, n), make([]float32, n)
	}
	return r
}

// Fit takes the mean and deviation of every channel from some pictures' maps.
func (r *Regress) Fit(maps [][trunk.Stages][]float32) {
	for s, n := range r.target.Channels() {
		sum, square := make([]float64, n), make([]float64, n)
		count := 0.0
		for _, m := range maps {
			for i, v := range m[s] {
				sum[i%n] += float64(v)
				square[i%n] += float64(v) * float64(v)
			}
			count += float64(len(m[s]) / n)
		}
		for c := range n {
			mean := sum[c] / count
			r.mean[s][c] = float32(mean)
			r.inv[s][c] = float32(1 / (math.Sqrt(max(0, square[c]/count-mean*mean)) + 1e-4))
		}
	}
}

// Name is the target's.
func (r *Regress) Name() string { return r.target.Name() }

// Pairs is false: only the images with defects are regressed.
func (r *Regress) Pairs() bool { return false }

// Params lists the heads.
func (r *Regress) Params() (all []grad.Param) {
	for _, h := range r.heads {
		all = append(all, h.params()...)
	}
	return all
}

// State lists the channel statistics.
func (r *Regress) State() (all [][]float32) {
	for s := range r.mean {
		all = append(all, r.mean[s], r.inv[s])
	}
	return all
}

// Apply see Term.
func (r *Regress) Apply(be grad.Backend, b *Batch, taps, gtaps []*grad.Tensor, weight float64) float64 {
	var total float64
	for s, h := range r.heads {
		x := b.Images(taps[s])
		out := h.forward(be, x)
		channels := len(r.mean[s])
		scale := weight / float64(b.N*x.H*x.W*channels)
		values := make([]float64, b.N)
		be.Each(b.N, func(n int) {
			values[n] = r.image(out, b.Maps[r.index][n][s], n, s, float32(scale))
		})
		total += sum(values) / float64(b.N*x.H*x.W*channels)
		h.backward(be, x, b.Images(gtaps[s]))
	}
	return total
}

// image replaces the prediction of image n by its gradient and returns the sum of losses.
func (r *Regress) image(out *grad.Tensor, want []float32, n, s int, scale float32) (total float64) {
	mean, inv := r.mean[s], r.inv[s]
	for y := range out.H {
		row := out.Row(n, y)
		for x := range out.W {
			p := row[x*out.C : (x+1)*out.C]
			t := want[(y*out.W+x)*len(mean):][:len(mean)]
			var part float32
			for c, v := range t {
				l, g := huber(p[c]-(v-mean[c])*inv[c], 1)
				part += l
				p[c] = g * scale
			}
			clear(p[len(mean):])
			total += float64(part)
		}
	}
	return total
}
