package grad

// convArgs describes one tile of a direct convolution: up to maxPairs pairs of
// neighbouring output pixels times the kernel's channels. The window of a pixel is
// runs contiguous runs of runLen values. Strides ending in Skip or Pix are in bytes.
type convArgs struct {
	in0, in1, in2, in3     *float32 // first value of the window of each pair's first pixel
	w                      *float32 // weights [k][out] from the tile's first channel
	out0, out1, out2, out3 *float32
	pix                    int // from one pixel's window to the next one's
	runLen                 int // values
	runs                   int
	runSkip                int // from a run's end to the next run's start
	wSkip                  int // from one k to the next
	outPix                 int
}

const maxPairs = 4

// weightArgs describes a tile of a weight gradient: some neighbouring values of the window's row times
// some output channels, summed over rows x cols pixels and added to out.
type weightArgs struct {
	x, dy, out    *float32
	xPix, dyPix   int
	rows, cols    int
	xSkip, dySkip int // from a row's end to the next row's start
	outSkip       int
}

// elemArgs describes an element-wise loop over one vector of channels. The
// tensors have one geometry.
type elemArgs struct {
	p0, p1, p2 *float32
	c0, c1, c2 *float32
	rows, cols int
	pix, skip  int
}

// tileArgs describes a Winograd transform of a row of tiles: 4x4 or 2x2 pixels on the one side, 16 planes on the other,
// there with four columns to a row. Rows, columns and skips are bytes.
type tileArgs struct {
	in, out         *float32
	inRow, inCol    int
	outRow, outCol  int
	inSkip, outSkip int // from a tile's last vector to the next tile's first
	vectors, tiles  int // a vector is of neighbouring channels
}

type elemOp int

const (
	opMoments  elemOp = iota // c0 += p0, c1 += p0*p0
	opNorm                   // p0 = p1*c0 + c1
	opNormReLU               // p0 = max(p1*c0 + c1, 0)
	opNormAdd                // p0 = p1*c0 + (p2*c2 + c1)
	opReLU                   // p0 = max(p1, 0)
	opSums                   // c1 += p0, c2 += p0*(p1 - c0)
	opMaskSums               // p0 = p2 > 0 ? p0 : 0, then opSums
	opNormBack               // p0 = p1*c0 + (p2*c1 + c2)
	opMask                   // p0 = p2 > 0 ? p1 : 0
	opAdd                    // p0 += p1
	elemOps
)

// A convKernel computes some pairs of pixels of width channels.
type convKernel struct {
	pairs, width int
	run          func(*convArgs)
}

// A weightKernel computes depth values of the window's row times width output channels.
type weightKernel struct {
	depth, width int
	run          func(*weightArgs)
}

type elemKernels struct {
	lanes int
	op    [elemOps]func(*elemArgs)
	tile  [tileOps]func(*tileArgs)
}

// kernels is one implementation; each list is in descending size. Empty lists
// leave everything to the generic loops.
type kernels struct {
	name   string
	conv   []convKernel
	weight []weightKernel
	elem   []elemKernels
	peak   peakLoop
}

// A peakLoop does n turns of flops floating-point operations each, in registers only.
type peakLoop struct {
	flops int
	run   func(n int)
}

var generic = kernels{name: "generic"}
