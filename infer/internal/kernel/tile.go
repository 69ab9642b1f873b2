package kernel

import "unsafe"

//go:generate go run ./gen

// A tile is the argument of an assembly kernel: count tiles side by side, each
// some output pixels of a row times one block of output channels.
type tile struct {
	in      *int8    // window of the first pixel
	weights *int8    // of the block: [runs][run/depth][channels][depth]
	out     *int8    // first channel of the block of the first pixel
	bias    *int32   // of the block
	scale   *float32 // of the block
	at      *int     // start of each run, relative to the window
	runs    int      // number of runs
	run     int      // bytes of a run, a multiple of family.depth
	step    int      // bytes between neighbouring windows
	advance int      // bytes between the windows of neighbouring tiles
	outStep int      // bytes between neighbouring results
	count   int
	variant int       // 4 * pixels + 2 * (wide block) + (signed activations)
	low     int32     // lower clamp
	mask    [2]uint16 // channels to store, where family.masked
}

// A family describes the tiles of one instruction set.
type family struct {
	isa          isa
	wide, narrow int     // channels of the two kinds of block, equal where there is one kind
	depth        int     // bytes of a window that a kernel takes at a time
	offset       bool    // takes signed activations as unsigned ones, 128 too large
	masked       bool    // stores only the channels in tile.mask; others store whole blocks
	widths       []width // of its tiles, in pixels
}

// An isa names an assembly kernel.
type isa uint8

// A width is one of a family's tiles and its cost relative to the others.
type width struct{ pixels, cost int }

// tiled is a convolution by assembly kernels, dense or grouped.
type tiled struct {
	family  *family
	conv    Conv // without its numbers
	in, out Plane
	at      []int
	run     int
	row     []span
	blocks  []block
	weights []int8
	bias    []int32
	scale   []float32
}

// A block is a run of output channels computed together.
type block struct {
	channel, n int // n real channels from channel on; the rest of the block is padding
	wide       bool
	skip       int // of the group, in bytes from the start of a window
	weights    int // index in tiled.weights
	numbers    int // index in tiled.bias and tiled.scale
}

// A span is count tiles of one width from pixel x on.
type span struct{ x, pixels, count int }

const (
	vectorAlign = 64 // of packed weights: no load crosses a cache line
	maxScratch  = 8 * 16
)

func newTiled(f *family, c Conv, in, out Plane) *tiled {
	t := &tiled{family: f, conv: c, in: in, out: out, row: cut(out.W, f.widths)}
	t.conv.Weights, t.conv.Bias, t.conv.Scale = nil, nil, nil
	var run int
	t.at, run = c.offsets(&in)
	t.run = (run + f.depth - 1) / f.depth * f.depth

	size := 0
	per := out.C / c.Groups
	for g := range c.Groups {
		for q := 0; q < per; {
			b := block{channel: g*per + q, skip: g * (in.C / c.Groups), weights: size, numbers: len(t.bias)}
			b.wide = per-q > f.narrow || f.wide == f.narrow
			b.n = min(t.size(b), per-q)
			q += b.n
			size += t.size(b) * len(t.at) * t.run
			t.packNumbers(&c, b, len(t.at)*run)
			t.blocks = append(t.blocks, b)
		}
	}
	t.weights = aligned[int8](size)
	for _, b := range t.blocks {
		t.pack(c.Weights, b, run)
	}
	t.bias, t.scale = alignedCopy(t.bias), alignedCopy(t.scale)
	return t
}

// size returns the channels of a block, padding included.
func (t *tiled) size(b block) int {
	if b.wide {
		return t.family.wide
	}
	return t.family.narrow
}

// pack lays out the block's weights as [runs][run/depth][size][depth], zeros
// where the block or the run is padded.
func (t *tiled) pack(src []int8, b block, run int) {
	depth, size := t.family.depth, t.size(b)
	for c := range b.n {
		for r := range t.at {
			row := src[((b.channel+c)*len(t.at)+r)*run:][:run]
			at := b.weights + r*t.run*size + c*depth
			for len(row) > 0 {
				n := copy(t.weights[at:at+depth], row)
				row = row[n:]
				at += size * depth
			}
		}
	}
}

// packNumbers appends the block's biases and scales.
func (t *tiled) packNumbers(c *Conv, b block, window int) {
	for i := range t.size(b) {
		bias, scale := int32(0), float32(1)
		if i < b.n {
			bias, scale = c.Bias[b.channel+i], c.Scale[b.channel+i]
			if t.family.offset && c.Signed {
				for _, w := range c.Weights[(b.channel+i)*window:][:window] {
					bias -= 128 * int32(w) // modulo 2^32, as the kernel's sums are
				}
			}
		}
		t.bias = append(t.bias, bias)
		t.scale = append(t.scale, scale)
	}
}

// aligned returns n zeros at a multiple of vectorAlign.
func aligned[T int8 | int32 | float32](n int) []T {
	var zero T
	size := int(unsafe.Sizeof(zero))
	buf := make([]T, n+vectorAlign/size)
	skip := -int(uintptr(unsafe.Pointer(&buf[0]))) & (vectorAlign - 1) / size
	return buf[skip:][:n:n]
}

func alignedCopy[T int8 | int32 | float32](v []T) []T {
	out := aligned[T](len(v))
	copy(out, v)
	return out
}

// cut divides a row of w pixels into tiles at the least total cost, equal widths
// side by side.
func cut(w int, widths []width) []span {
	cost := make([]int, w+1)
	last := make([]int, w+1)
	for x := 1; x <= w; x++ {
		cost[x] = -1
		for _, t := range widths {
			if t.pixels <= x && (cost[x] < 0 || cost[x-t.pixels]+t.cost < cost[x]) {
				cost[x], last[x] = cost[x-t.pixels]+t.cost, t.pixels
			}
		}
	}
	count := make(map[int]int)
	for x := w; x > 0; x -= last[x] {
		count[last[x]]++
	}
	var spans []span
	x := 0
	for _, t := range widths {
		if n := count[t.pixels]; n > 0 {
			spans = append(spans, span{x, t.pixels, n})
			x += n * t.pixels
		}
	}
	return spans
}

func (t *tiled) Rows(y0, y1 int) {
	for i := range t.blocks {
		b := &t.blocks[i]
		for y := y0; y < y1; y++ {
			for _, s := range t.row {
				t.span(b, y, s)
			}
		}
	}
}

// span computes one block of channels of one span of row y.
func (t *tiled) span(b *block, y int, s span) {
	step := t.conv.Stride * t.in.C
	a := tile{
		in:      &t.in.Data[t.conv.window(&t.in, y, s.x)+b.skip],
		weights: &t.weights[b.weights],
		out:     &t.out.Data[t.out.at(y, s.x)+b.channel],
		bias:    &t.bias[b.numbers],
		scale:   &t.scale[b.numbers],
		at:      &t.at[0],
		runs:    len(t.at),
		run:     t.run,
		step:    step,
		advance: step * s.pixels,
		outStep: t.out.C,
		count:   s.count,
		variant: 4 * s.pixels,
		low:     int32(t.conv.Lo),
	}
	size := t.size(*b)
	if b.wide {
		a.variant += 2
	}
	if t.conv.Signed {
		a.variant++
	}
	if t.family.masked {
		bits := uint32(1)<<b.n - 1
		a.mask = [2]uint16{uint16(bits), uint16(bits >> 16)}
	} else if b.n < size {
		t.spanByScratch(a, b, y, s, size)
		return
	}
	runTile(t.family.isa, &a)
}

// spanByScratch is for blocks with padding and kernels that store it: each
// tile goes to a buffer of its own first.
func (t *tiled) spanByScratch(a tile, b *block, y int, s span, size int) {
	var scratch [maxScratch]int8
	row := t.out.Row(y)
	a.outStep = size
	for i := range s.count {
		x := s.x + i*s.pixels
		a.in = &t.in.Data[t.conv.window(&t.in, y, x)+b.skip]
		a.out, a.count = &scratch[0], 1
		runTile(t.family.isa, &a)
		for p := range s.pixels {
			copy(row[(x+p)*t.out.C+b.channel:][:b.n], scratch[p*size:])
		}
	}
}
