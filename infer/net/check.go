package net

import (
	"fmt"
	"unicode/utf8"
)

// Limits of a graph, so that a hostile file costs little.
const (
	MaxNodes    = 1024
	MaxTaps     = 16
	MaxChannels = 4096
	MaxSide     = 8192    // of the input, pixels
	MaxWeights  = 1 << 27 // over all nodes
	MaxValues   = 1 << 28 // of one node's result

	maxName   = 64
	maxConv   = 7
	maxPool   = 7
	maxFactor = 8
	maxText   = 1 << 20
)

// Validate reports the first fault of the graph. All other methods need a valid graph.
func (g *Graph) Validate() error {
	if len(g.Nodes) == 0 || len(g.Nodes) > MaxNodes {
		return fmt.Errorf("net: %d nodes: want 1 to %d", len(g.Nodes), MaxNodes)
	}
	if g.InputChannels < 1 || g.InputChannels > MaxChannels {
		return fmt.Errorf("net: inputChannels: %d: want 1 to %d", g.InputChannels, MaxChannels)
	}
	channels := make([]int, len(g.Nodes))
	strides := make([]ratio, len(g.Nodes))
	weights := 0
	names := make(map[string]bool, len(g.Nodes))
	for i := range g.Nodes {
		n := &g.Nodes[i]
		if err := n.check(i); err != nil {
			return fmt.Errorf("net: node %d (%s): %w", i, n.Op, err)
		}
		if !validName(n.Name) || names[n.Name] {
			return fmt.Errorf("net: node %d (%s): name %.64q: empty, too long or repeated", i, n.Op, n.Name)
		}
		names[n.Name] = true
		channels[i], strides[i] = g.InputChannels, ratio{1, 1}
		if i > 0 {
			channels[i] = channels[n.In[0]]
			strides[i] = n.stride(strides[n.In[0]])
		}
		switch n.Op {
		case Conv:
			in := channels[n.In[0]]
			if in%n.Groups != 0 || n.Out%n.Groups != 0 {
				return fmt.Errorf("net: node %d (conv): groups: %d does not divide %d -> %d channels",
					i, n.Groups, in, n.Out)
			}
			channels[i] = n.Out
			weights += n.Out * n.Kernel * n.Kernel * (in / n.Groups)
			if weights > MaxWeights {
				return fmt.Errorf("net: node %d (conv): more than %d weights", i, MaxWeights)
			}
		case Add:
			a, b := n.In[0], n.In[1]
			if channels[a] != channels[b] || strides[a] != strides[b] {
				return fmt.Errorf("net: node %d (add): nodes %d and %d have different shapes", i, a, b)
			}
		}
		if s := strides[i]; s.num > 1<<16 || s.den > 1<<6 {
			return fmt.Errorf("net: node %d (%s): stride %d/%d is out of range", i, n.Op, s.num, s.den)
		}
	}
	return g.checkTaps(strides)
}

func (g *Graph) checkTaps(strides []ratio) error {
	if len(g.Taps) == 0 || len(g.Taps) > MaxTaps {
		return fmt.Errorf("net: %d taps: want 1 to %d", len(g.Taps), MaxTaps)
	}
	names := make(map[string]bool, len(g.Taps))
	for i, t := range g.Taps {
		if !validName(t.Name) || names[t.Name] {
			return fmt.Errorf("net: tap %d: name %.64q: empty, too long or repeated", i, t.Name)
		}
		names[t.Name] = true
		if t.Node < 0 || t.Node >= len(g.Nodes) {
			return fmt.Errorf("net: tap %d (%s): no node %d", i, t.Name, t.Node)
		}
		if strides[t.Node].den != 1 {
			return fmt.Errorf("net: tap %d (%s): node %d is larger than the picture", i, t.Name, t.Node)
		}
	}
	return nil
}

// check looks at what node i says by itself.
func (n *Node) check(i int) error {
	if int(n.Op) >= len(opNames) || int(n.Act) >= len(actNames) {
		return fmt.Errorf("unknown operation or activation")
	}
	if (i == 0) != (n.Op == Input) {
		return fmt.Errorf("node 0, and no other, is the input")
	}
	want := Node{Name: n.Name, Op: n.Op, In: n.In} // zero where the operation has no such field
	inputs := 1
	switch n.Op {
	case Input:
		inputs = 0
	case Conv:
		want.Out, want.Kernel, want.Stride = n.Out, n.Kernel, n.Stride
		want.Pad, want.PadExtra, want.Groups, want.Act = n.Pad, n.PadExtra, n.Groups, n.Act
		switch {
		case n.Out < 1 || n.Out > MaxChannels:
			return fmt.Errorf("out: %d: want 1 to %d", n.Out, MaxChannels)
		case n.Kernel < 1 || n.Kernel > maxConv || n.Kernel%2 == 0:
			return fmt.Errorf("kernel: %d: want 1, 3, 5 or 7", n.Kernel)
		case n.Stride != 1 && n.Stride != 2:
			return fmt.Errorf("stride: %d: want 1 or 2", n.Stride)
		case n.Pad < 0 || n.Pad > n.Kernel/2:
			return fmt.Errorf("pad: %d: want 0 to %d", n.Pad, n.Kernel/2)
		case n.PadExtra < 0 || n.PadExtra > 1 || n.Pad+n.PadExtra > n.Kernel/2:
			return fmt.Errorf("padExtra: %d: want 0 or 1, with pad at most %d", n.PadExtra, n.Kernel/2)
		case n.Groups < 1:
			return fmt.Errorf("groups: %d: want at least 1", n.Groups)
		}
	case Add:
		inputs = 2
		want.Act = n.Act
	case MaxPool, AvgPool:
		want.Kernel, want.Stride, want.Pad = n.Kernel, n.Stride, n.Pad
		switch {
		case n.Kernel < 1 || n.Kernel > maxPool:
			return fmt.Errorf("kernel: %d: want 1 to %d", n.Kernel, maxPool)
		case n.Stride < 1 || n.Stride > n.Kernel:
			return fmt.Errorf("stride: %d: want 1 to the kernel's %d", n.Stride, n.Kernel)
		case n.Pad < 0 || n.Pad > n.Kernel/2 || n.Pad == n.Kernel:
			return fmt.Errorf("pad: %d: want 0 to %d", n.Pad, n.Kernel/2)
		}
	case ResizeNearest, ResizeBilinear:
		want.Factor = n.Factor
		if n.Factor < 2 || n.Factor > maxFactor {
			return fmt.Errorf("factor: %d: want 2 to %d", n.Factor, maxFactor)
		}
	}
	if len(n.In) != inputs {
		return fmt.Errorf("in: %d inputs, want %d", len(n.In), inputs)
	}
	for _, j := range n.In {
		if j < 0 || j >= i {
			return fmt.Errorf("in: %d: want a node before %d", j, i)
		}
	}
	if !sameFields(n, &want) {
		return fmt.Errorf("a field that this operation does not have is set")
	}
	return nil
}

func sameFields(a, b *Node) bool {
	return a.Out == b.Out && a.Kernel == b.Kernel && a.Stride == b.Stride && a.Pad == b.Pad &&
		a.PadExtra == b.PadExtra && a.Groups == b.Groups && a.Factor == b.Factor && a.Act == b.Act
}

func validName(s string) bool {
	return s != "" && len(s) <= maxName && utf8.ValidString(s)
}
