// Package trunk is the network that is trained: stages 1 to 3 of a narrow
// ResNet-18 whose features are read before the last ReLU of each stage.
package trunk

import (
	"fmt"
	"math/rand/v2"

	"cull/trainer/internal/grad"
)

// Stages is the number of stages and taps: strides 4, 8 and 16.
const Stages = 3

// A Shape is a member of the family.
type Shape struct {
	Width  int         // channels of stage 1; stages 2 and 3 have twice and four times as many
	Blocks [Stages]int // residual blocks of each stage
	Smooth bool        // skips of stride 2 average before they convolve, see grad.Block
}

// Channels is the number of channels of stage s, counted from 0.
func (s Shape) Channels(stage int) int { return s.Width << stage }

// Weights is the number of weights of the convolutions.
func (s Shape) Weights() int {
	n := 3*9*s.Width + 9*s.Width*s.Width // the stem
	in := s.Width
	for i, blocks := range s.Blocks {
		out := s.Channels(i)
		if i > 0 {
			n += in * out // the first block's skip
		}
		n += 9*in*out + (2*blocks-1)*9*out*out
		in = out
	}
	return n
}

// A Trunk is the network in float32, with its activations.
type Trunk struct {
	Shape  Shape
	Stem   [2]*grad.ConvNorm // 3x3 stride 2 each
	Stages [Stages][]*grad.Block

	x     *grad.Tensor
	stem  [2]*grad.Tensor
	gstem *grad.Tensor                 // gradient of stem[0]
	gin   map[*grad.Block]*grad.Tensor // gradient of a block's input
}

// New returns a trunk with He weights drawn from rng.
func New(s Shape, rng *rand.Rand) *Trunk {
	w := s.Width
	t := &Trunk{Shape: s, gin: map[*grad.Block]*grad.Tensor{}}
	t.Stem[0] = grad.NewConvNorm("stem1", 3, w, 3, 2, rng)
	t.Stem[1] = grad.NewConvNorm("stem2", w, w, 3, 2, rng)
	in := w
	for i := range t.Stages {
		for j := range s.Blocks[i] {
			stride := 1
			if i > 0 && j == 0 {
				stride = 2
			}
			name := fmt.Sprintf("stage%d.block%d", i+1, j+1)
			t.Stages[i] = append(t.Stages[i], grad.NewBlock(name, in, s.Channels(i), stride, s.Smooth, rng))
			in = s.Channels(i)
		}
	}
	return t
}

// Forward computes the features of the pictures x [N][H][W][3]: one tensor per
// stage, signed, at strides 4, 8, 16. They are the trunk's until the next call.
func (t *Trunk) Forward(be grad.Backend, x *grad.Tensor, train bool) []*grad.Tensor {
	t.x = x
	for i, l := range t.Stem {
		l.Forward(be, x, train)
		t.stem[i] = grad.Like(t.stem[i], l.Y)
		be.Norm(t.stem[i], l.Y, l.A, l.B, true)
		x = t.stem[i]
	}
	taps := make([]*grad.Tensor, 0, Stages)
	for _, stage := range t.Stages {
		for _, b := range stage {
			b.Forward(be, x, train)
			x = b.Z
		}
		taps = append(taps, stage[len(stage)-1].P)
	}
	return taps
}

// Backward takes the gradients of the features of the last Forward, overwrites
// them, and leaves the gradients of all parameters in Params.
func (t *Trunk) Backward(be grad.Backend, gtaps []*grad.Tensor) {
	var gz *grad.Tensor
	for i := Stages - 1; i >= 0; i-- {
		stage := t.Stages[i]
		for j := len(stage) - 1; j >= 0; j-- {
			b := stage[j]
			var gp *grad.Tensor
			if j == len(stage)-1 {
				gp = gtaps[i]
			}
			t.gin[b] = grad.Like(t.gin[b], b.In())
			b.Backward(be, gz, gp, t.gin[b])
			gz = t.gin[b]
		}
	}
	t.gstem = grad.Like(t.gstem, t.stem[0])
	t.Stem[1].Backward(be, gz, gz, t.stem[1], t.stem[0], t.gstem)
	t.Stem[0].Backward(be, t.gstem, t.gstem, t.stem[0], t.x, nil)
}

// Layers lists all convolutions in order of computation.
func (t *Trunk) Layers() []*grad.ConvNorm {
	all := append([]*grad.ConvNorm(nil), t.Stem[:]...)
	for _, stage := range t.Stages {
		for _, b := range stage {
			all = append(all, b.Layers()...)
		}
	}
	return all
}

// Freeze makes training use the running statistics as constants, or the batch's again.
func (t *Trunk) Freeze(frozen bool) {
	for _, l := range t.Layers() {
		l.Frozen = frozen
	}
}

// Winograd lets training compute 3x3 convolutions of stride 1 with fewer products, or all of them: see grad.Filter.
func (t *Trunk) Winograd(on bool) {
	for _, l := range t.Layers() {
		l.Filter.Winograd = on
	}
}

// Params lists what is learnt.
func (t *Trunk) Params() []grad.Param {
	var all []grad.Param
	for _, l := range t.Layers() {
		all = append(all, l.Params()...)
	}
	return all
}

// Statistics lists the running means and variances of batch normalisation.
func (t *Trunk) Statistics() [][]float32 {
	var all [][]float32
	for _, l := range t.Layers() {
		all = append(all, l.Mean, l.Var)
	}
	return all
}
