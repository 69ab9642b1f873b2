package grad

import "math/rand/v2"

// A Block is ResNet's basic block (He et al. 2016, figure 2):
//
//	a = relu(norm1(conv1(x))), p = norm2(conv2(a)) + skip(x), z = relu(p)
//
// skip is the identity, or a normalised 1x1 convolution where the shape changes. With
// Smooth set, a skip of stride 2 averages SkipWindow first and convolves at stride 1, so
// that it sees every pixel (He et al. 2019, ResNet-D).
type Block struct {
	Conv1, Conv2 *ConvNorm
	Skip         *ConvNorm // nil: identity
	Smooth       bool

	A, P, Z *Tensor

	one        []float32 // identity's scale
	bias       []float32 // Conv2.B + Skip.B
	x          *Tensor
	mean, gm   *Tensor // of Smooth: the averaged input and its gradient
	gp, ga, gx *Tensor
}

// SkipWindow is what a smooth skip averages: 3x3 at stride 2, as large as a strided convolution's result.
var SkipWindow = Window{Kernel: 3, Stride: 2, Pad: 1}

// NewBlock returns a block whose first convolution and skip have the stride.
func NewBlock(name string, in, out, stride int, smooth bool, rng *rand.Rand) *Block {
	b := &Block{
		Smooth: smooth && stride == 2,
		Conv1:  NewConvNorm(name+".conv1", in, out, 3, stride, rng),
		Conv2:  NewConvNorm(name+".conv2", out, out, 3, 1, rng),
		one:    make([]float32, out),
		bias:   make([]float32, out),
	}
	for i := range b.one {
		b.one[i] = 1
	}
	if in != out || stride != 1 {
		if b.Smooth {
			stride = 1
		}
		b.Skip = NewConvNorm(name+".skip", in, out, 1, stride, rng)
	}
	return b
}

// Layers lists the convolutions in order of computation.
func (b *Block) Layers() []*ConvNorm {
	if b.Skip == nil {
		return []*ConvNorm{b.Conv1, b.Conv2}
	}
	return []*ConvNorm{b.Conv1, b.Conv2, b.Skip}
}

// Forward computes A, P and Z.
func (b *Block) Forward(be Backend, x *Tensor, train bool) {
	b.x = x
	b.Conv1.Forward(be, x, train)
	y := b.Conv1.Y
	b.A, b.P, b.Z = Like(b.A, y), Like(b.P, y), Like(b.Z, y)
	be.Norm(b.A, y, b.Conv1.A, b.Conv1.B, true)
	b.Conv2.Forward(be, b.A, train)
	r, scale := x, b.one
	copy(b.bias, b.Conv2.B)
	if b.Skip != nil {
		b.Skip.Forward(be, b.skipInput(be), train)
		r, scale = b.Skip.Y, b.Skip.A
		for c, v := range b.Skip.B {
			b.bias[c] += v
		}
	}
	be.NormAdd(b.P, b.Conv2.Y, b.Conv2.A, b.bias, r, scale)
	be.ReLU(b.Z, b.P)
}

// skipInput is what the skip's convolution reads.
func (b *Block) skipInput(be Backend) *Tensor {
	if !b.Smooth {
		return b.x
	}
	x := b.x
	b.mean = fit(b.mean, x.N, SkipWindow.OutSize(x.H), SkipWindow.OutSize(x.W), x.C)
	AvgPool(be, b.mean, x, SkipWindow)
	return b.mean
}

// In is the input of the last Forward.
func (b *Block) In() *Tensor { return b.x }

// Backward takes the gradients of Z and of the tap P, either of them nil, and
// writes the gradient of x to dx. It overwrites gp and Z.
func (b *Block) Backward(be Backend, gz, gp, dx *Tensor) {
	b.gp, b.ga, b.gx = Like(b.gp, b.P), Like(b.ga, b.P), Like(b.gx, dx)
	g := b.gp
	switch {
	case gz == nil:
		g = gp
	case gp == nil:
		be.Mask(g, gz, b.P)
	default:
		be.Mask(g, gz, b.P)
		be.Add(g, gp)
	}
	b.Conv2.Backward(be, b.Z, g, nil, b.A, b.ga) // Z's value is needed no more
	b.Conv1.Backward(be, b.ga, b.ga, b.A, b.x, dx)
	if b.Skip == nil {
		be.Add(dx, g)
		return
	}
	if b.Smooth {
		b.gm = Like(b.gm, b.mean)
		b.Skip.Backward(be, g, g, nil, b.mean, b.gm)
		AvgPoolBack(be, b.gx, b.gm, SkipWindow)
	} else {
		b.Skip.Backward(be, g, g, nil, b.x, b.gx)
	}
	be.Add(dx, b.gx)
}
