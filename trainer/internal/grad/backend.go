package grad

// Shards is the number of fixed parts into which sums over a batch are split.
const Shards = 8

// A Filter is a convolution: weights [Kernel][Kernel][In/Groups][Out].
// Padding is (Kernel-1)/2, so that Stride 1 keeps the size.
type Filter struct {
	In, Out, Kernel, Stride, Groups int
	W                               []float32

	// Winograd lets the backend compute a 3x3 convolution of stride 1 by Winograd's F(2x2, 3x3): fewer
	// products, other roundings. Sums of integers are no longer exact.
	Winograd bool
}

// NewFilter returns a filter of zeros. Kernel is 1 or 3, stride 1 or 2.
func NewFilter(in, out, kernel, stride, groups int) Filter {
	if (kernel != 1 && kernel != 3) || (stride != 1 && stride != 2) ||
		groups < 1 || in%groups != 0 || out%groups != 0 {
		panic("grad: filter shape")
	}
	return Filter{
		In: in, Out: out, Kernel: kernel, Stride: stride, Groups: groups,
		W: make([]float32, kernel*kernel*in/groups*out),
	}
}

// OutSize is the output size for an input of size n: ceil(n/Stride).
func (f *Filter) OutSize(n int) int { return (n + f.Stride - 1) / f.Stride }

// Source is the input channel that element k of output channel out's window
// [Kernel][Kernel][In/Groups] reads.
func (f *Filter) Source(k, out int) int {
	g := f.In / f.Groups
	return out/(f.Out/f.Groups)*g + k%g
}

func (f *Filter) pad() int { return (f.Kernel - 1) / 2 }

// A Backend does the arithmetic of the layers on whole batches. Slices named
// after statistics have one value per channel. Tensors of one call have the same
// shape unless a convolution, pool or resize relates them.
type Backend interface {
	// Name says what computes: "avx512", "avx2", "generic".
	Name() string

	// Conv: y = x * f.
	Conv(y, x *Tensor, f *Filter)
	// ConvInput: dx = gradient of the input, given that of the output.
	ConvInput(dx, dy *Tensor, f *Filter)
	// ConvWeight: dw = gradient of f.W.
	ConvWeight(dw []float32, x, dy *Tensor, f *Filter)

	// Moments: sum = sum of y, sq = sum of y*y over batch and pixels.
	Moments(sum, sq []float64, y *Tensor)
	// Norm: z = y*a + b, then max(., 0) where relu is set.
	Norm(z, y *Tensor, a, b []float32, relu bool)
	// NormAdd: z = y*a + (r*c + b).
	NormAdd(z, y *Tensor, a, b []float32, r *Tensor, c []float32)
	// ReLU: z = max(y, 0).
	ReLU(z, y *Tensor)
	// Mask: dst = src where z > 0, else 0.
	Mask(dst, src, z *Tensor)
	// Sums: where z is not nil g = 0 wherever z <= 0; then
	// s0 = sum of g, s1 = sum of g*(y - mean).
	Sums(s0, s1 []float64, g, y, z *Tensor, mean []float32)
	// NormBack: dst = g*a + (y*b + c). dst may be g.
	NormBack(dst, g, y *Tensor, a, b, c []float32)
	// Add: dst += src.
	Add(dst, src *Tensor)

	// Each runs f(i) for i in 0..n-1 on the backend's threads, in any order.
	Each(n int, f func(i int))
}
