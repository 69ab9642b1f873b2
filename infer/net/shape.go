package net

import "fmt"

// A ratio is num/den in lowest terms: input pixels between a node's neighbours.
type ratio struct{ num, den int }

func (n *Node) stride(in ratio) ratio {
	switch n.Op {
	case Conv, MaxPool, AvgPool:
		in.num *= n.Stride
	case ResizeNearest, ResizeBilinear:
		in.den *= n.Factor
	}
	a, b := in.num, in.den
	for b != 0 {
		a, b = b, a%b
	}
	return ratio{in.num / a, in.den / a}
}

// Stride returns the number of input pixels between neighbours of node i's
// result, 0 where that is not a whole number (a result larger than the input).
func (g *Graph) Stride(i int) int {
	s := g.strideOf(i)
	if s.den != 1 {
		return 0
	}
	return s.num
}

func (g *Graph) strideOf(i int) ratio {
	if i == 0 {
		return ratio{1, 1}
	}
	// In[0] < i: follow first inputs down to the picture, then apply upwards.
	n := &g.Nodes[i]
	return n.stride(g.strideOf(n.In[0]))
}

// Channels returns the number of channels of every node's result.
func (g *Graph) Channels() []int {
	c := make([]int, len(g.Nodes))
	for i := range g.Nodes {
		switch n := &g.Nodes[i]; n.Op {
		case Input:
			c[i] = g.InputChannels
		case Conv:
			c[i] = n.Out
		default:
			c[i] = c[n.In[0]]
		}
	}
	return c
}

// Signed reports for every node whether its result can be negative.
func (g *Graph) Signed() []bool {
	s := make([]bool, len(g.Nodes))
	for i := range g.Nodes {
		switch n := &g.Nodes[i]; n.Op {
		case Input:
			s[i] = true
		case Conv, Add:
			s[i] = n.Act == None
		case ReLU:
		default:
			s[i] = s[n.In[0]]
		}
	}
	return s
}

// Shapes returns the shape of every node's result for a picture of h x w pixels.
func (g *Graph) Shapes(h, w int) ([]Shape, error) {
	if h < 1 || w < 1 || h > MaxSide || w > MaxSide {
		return nil, fmt.Errorf("net: picture of %d x %d pixels: sides must be 1 to %d", h, w, MaxSide)
	}
	channels := g.Channels()
	shapes := make([]Shape, len(g.Nodes))
	for i := range g.Nodes {
		n := &g.Nodes[i]
		s := Shape{h, w, channels[i]}
		if i > 0 {
			in := shapes[n.In[0]]
			s.H, s.W = n.side(in.H), n.side(in.W)
		}
		if s.H < 1 || s.W < 1 {
			return nil, fmt.Errorf("net: node %d (%s): picture of %d x %d pixels is too small", i, n.Op, h, w)
		}
		if int64(s.H)*int64(s.W) > int64(MaxValues/s.C) {
			return nil, fmt.Errorf("net: node %d (%s): picture of %d x %d pixels is too large", i, n.Op, h, w)
		}
		if n.Op == Add && shapes[n.In[1]] != s {
			return nil, fmt.Errorf("net: node %d (add): %v + %v at a picture of %d x %d pixels",
				i, s, shapes[n.In[1]], h, w)
		}
		shapes[i] = s
	}
	return shapes, nil
}

// side maps a side of the input to that of the result: floor((n + 2 Pad + PadExtra - Kernel) / Stride) + 1.
func (n *Node) side(in int) int {
	switch n.Op {
	case Conv, MaxPool, AvgPool:
		if in += 2*n.Pad + n.PadExtra - n.Kernel; in < 0 {
			return 0
		}
		return in/n.Stride + 1
	case ResizeNearest, ResizeBilinear:
		return in * n.Factor
	}
	return in
}

// MACs returns the multiply-accumulates of all convolutions for a picture of h x w pixels.
func (g *Graph) MACs(h, w int) (int64, error) {
	nodes, err := g.NodeMACs(h, w)
	var sum int64
	for _, n := range nodes {
		sum += n
	}
	return sum, err
}

// NodeMACs returns those of every node, 0 where it is no convolution.
func (g *Graph) NodeMACs(h, w int) ([]int64, error) {
	shapes, err := g.Shapes(h, w)
	if err != nil {
		return nil, err
	}
	macs := make([]int64, len(g.Nodes))
	for i := range g.Nodes {
		if n := &g.Nodes[i]; n.Op == Conv {
			window := n.Kernel * n.Kernel * (shapes[n.In[0]].C / n.Groups)
			macs[i] = int64(shapes[i].Len()) * int64(window)
		}
	}
	return macs, nil
}
