// Package kernel holds the inner loops of package infer. An Op is one layer
// bound to its buffers; it computes output rows independently of each other,
// so that goroutines can share a layer.
//
// Every implementation gives the same bits: sums are exact in int32 and there
// is one rounding, in package quant.
package kernel

import (
	"slices"

	"cull/internal/impl"
)

// Pkg is the name under which the implementations are registered (package impl).
const Pkg = "infer/kernel"

// Slack is the number of bytes that must be readable behind the last pixel of
// a Plane: kernels load whole vectors.
const Slack = 64

// Name returns the name of the kernels in use.
func Name() string {
	name := "generic"
	for _, e := range impl.Entries(Pkg) { // in ascending order of speed
		if *e.Use {
			name = e.Name
		}
	}
	return name
}

// A Plane is a feature map inside a border of zeros:
// Data is [Border+H+Border][Border+W+Border][C] int8 and Slack bytes.
type Plane struct {
	Data    []int8
	H, W, C int
	Border  int
}

// Size returns the number of bytes of the plane, Slack not included.
func (p *Plane) Size() int { return (p.H + 2*p.Border) * p.rowStride() }

// rowStride is the distance between rows in bytes.
func (p *Plane) rowStride() int { return (p.W + 2*p.Border) * p.C }

// at returns the index of pixel (y, x), which may lie in the border.
func (p *Plane) at(y, x int) int { return (y+p.Border)*p.rowStride() + (x+p.Border)*p.C }

// Row returns row y without its border, [W][C].
func (p *Plane) Row(y int) []int8 { return p.Data[p.at(y, 0):][: p.W*p.C : p.W*p.C] }

// ClearBorder zeroes the border beside rows y0..y1-1, and above and below the
// plane where those are its first and last.
func (p *Plane) ClearBorder(y0, y1 int) {
	b := p.Border
	if b == 0 {
		return
	}
	if y0 == 0 {
		clear(p.Data[:b*p.rowStride()])
	}
	for y := y0; y < y1; y++ {
		clear(p.Data[p.at(y, -b):p.at(y, 0)])
		clear(p.Data[p.at(y, p.W):p.at(y, p.W+b)])
	}
	if y1 == p.H {
		clear(p.Data[p.at(p.H, -b):][:b*p.rowStride()])
	}
}

// An Op computes rows y0..y1-1 of its result. It is safe for concurrent use on
// different rows.
type Op interface {
	Rows(y0, y1 int)
}

// A Conv is a convolution with bias, requantisation and clamp.
type Conv struct {
	Kernel, Stride, Groups int
	Pad                    int // above and to the left; the rest follows from the planes

	Signed  bool      // the input can be negative
	Lo      int8      // least result: 0 or -127
	Weights []int8    // [Out][Kernel][Kernel][In/Groups], -127..127
	Bias    []int32   // [Out]
	Scale   []float32 // [Out]
}

// NewConv binds a convolution to its planes and packs its weights for the
// kernels in use. The border of in must reach as far as the windows do. It keeps none of c's slices.
func NewConv(c Conv, in, out Plane) Op {
	c.Bias, c.Scale = slices.Clone(c.Bias), slices.Clone(c.Scale)
	if c.Groups == in.C && c.Groups == out.C && in.C > 1 {
		return newDepthwise(c, in, out)
	}
	if f := fastest(); f != nil {
		return newTiled(f, c, in, out)
	}
	return newDense(c, in, out)
}

// offsets returns, relative to the first byte of a window, where its
// contiguous runs start, and the length of a run, in bytes: a row of the window, or,
// with groups, a pixel's share.
func (c *Conv) offsets(in *Plane) (at []int, length int) {
	if c.Groups == 1 {
		for ky := range c.Kernel {
			at = append(at, ky*in.rowStride())
		}
		return at, c.Kernel * in.C
	}
	for ky := range c.Kernel {
		for kx := range c.Kernel {
			at = append(at, ky*in.rowStride()+kx*in.C)
		}
	}
	return at, in.C / c.Groups
}

// window returns the index in in of the first byte of the window of output pixel (y, x).
func (c *Conv) window(in *Plane, y, x int) int { return in.at(y*c.Stride-c.Pad, x*c.Stride-c.Pad) }

// peakMACs is what one turn of the assembly's peak loops does.
const peakMACs = 640

// Peak does at least n multiply-accumulates of the fastest tiles, in registers
// only, and returns how many. Their time is the bound of every convolution;
// the portable code has none and returns 0.
func Peak(n int) int {
	f := fastest()
	if f == nil {
		return 0
	}
	turns := n/peakMACs + 1
	peakLoop(f.isa, turns)
	return turns * peakMACs
}
