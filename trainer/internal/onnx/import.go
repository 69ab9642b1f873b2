package onnx

import (
	"fmt"
	"math"
	"strings"

	"cull/infer/net"
	"cull/trainer/internal/quantise"
)

// Import builds the part of the model that the named values need, the graph's
// outputs where none is named, as a float network with those values as taps. Batch
// normalisation is folded. Every operation outside doc/onnx.md's list is an error
// that names the node.
func Import(m *Model, outputs ...string) (*quantise.Network, error) {
	p, err := read(m, outputs)
	if err != nil {
		return nil, err
	}
	return p.net, nil
}

// ImportAt is Import of a network for pictures of side x side pixels. It refuses a node whose padding follows from its
// input's side and is another there.
func ImportAt(side int, m *Model, outputs ...string) (*quantise.Network, error) {
	p, err := read(m, outputs)
	if err == nil {
		err = p.checkSame(side)
	}
	if err != nil {
		return nil, err
	}
	return p.net, nil
}

func read(m *Model, outputs []string) (*importer, error) {
	g := &m.Graph
	if len(outputs) == 0 {
		for _, v := range g.Out {
			outputs = append(outputs, v.Name)
		}
	}
	p := &importer{
		net: &quantise.Network{}, made: map[string]*Node{}, constants: map[string]*Tensor{}, values: map[string]values{},
		clipped: map[string]bool{}, done: map[want]int{}, names: map[string]bool{},
	}
	for i := range g.Init {
		p.constants[g.Init[i].Name] = &g.Init[i]
	}
	for i := range g.Nodes {
		for _, out := range g.Nodes[i].Out {
			p.made[out] = &g.Nodes[i]
		}
	}
	if err := p.input(g); err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	for _, name := range outputs {
		i, err := p.value(want{name, net.None})
		if err != nil {
			return nil, fmt.Errorf("onnx: output %q: %w", name, err)
		}
		p.net.Graph.Taps = append(p.net.Graph.Taps, net.Tap{Name: name, Node: i})
	}
	if err := p.net.Graph.Validate(); err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	return p, nil
}

// A want is a value after an activation: an operation whose result is read both with
// and without one becomes two nodes, because the two have different steps.
type want struct {
	value string
	act   net.Act
}

// An importer collects the nodes of a network.
type importer struct {
	net       *quantise.Network
	from      []*Node          // of its nodes, nil for those that stand for none
	made      map[string]*Node // by the values they make
	constants map[string]*Tensor
	values    map[string]values // of constants that were read or made
	clipped   map[string]bool   // what clips found of values
	weights   int               // of all nodes so far
	done      map[want]int      // node of the network; -1 while it is being made
	names     map[string]bool
}

// input finds the picture: the one input that is no constant.
func (p *importer) input(g *Graph) error {
	var in []Value
	for _, v := range g.In {
		if p.constants[v.Name] == nil {
			in = append(in, v)
		}
	}
	switch {
	case len(in) != 1:
		return fmt.Errorf("%d inputs: want one, float [N][3][H][W]", len(in))
	case in[0].Type == U8:
		return fmt.Errorf("input %q is uint8: want float [N][3][H][W]; "+
			"what export --format onnx-int8 wrote is read as its .net file", in[0].Name)
	case in[0].Type != F32 || len(in[0].Dims) != 4 || in[0].Dims[1].Size != 3:
		return fmt.Errorf("input %q: want float [N][3][H][W]", in[0].Name)
	}
	p.net.Graph.InputChannels = 3
	p.done[want{in[0].Name, net.None}] = p.add(nil, net.Node{Name: in[0].Name, Op: net.Input}, filter{})
	return nil
}

// add appends a node, made of from, under its name or, where that is taken or unfit, another.
func (p *importer) add(from *Node, n net.Node, f filter) int {
	const most = 64 // bytes of a name in a .net file
	i := len(p.net.Graph.Nodes)
	n.Name = strings.ToValidUTF8(n.Name, "_")
	for k := i; n.Name == "" || len(n.Name) > most || p.names[n.Name]; k++ {
		n.Name = fmt.Sprintf("node %d", k)
	}
	p.names[n.Name] = true
	p.net.Graph.Nodes = append(p.net.Graph.Nodes, n)
	p.from = append(p.from, from)
	p.net.Filters = append(p.net.Filters, f.Filter)
	p.net.Bias = append(p.net.Bias, f.bias)
	return i
}

// channels returns the channels of a node that was added.
func (p *importer) channels(i int) int { return p.net.Graph.Channels()[i] }

// value returns the network's node for a value, adding what it needs.
func (p *importer) value(w want) (int, error) {
	if i, ok := p.done[w]; ok {
		if i < 0 {
			return 0, fmt.Errorf("value %q depends on itself", w.value)
		}
		return i, nil
	}
	n := p.made[w.value]
	_, picture := p.done[want{w.value, net.None}] // where no node makes it
	switch {
	case len(p.net.Graph.Nodes) >= net.MaxNodes:
		return 0, fmt.Errorf("more than %d nodes", net.MaxNodes)
	case n == nil && !picture:
		return 0, fmt.Errorf("no node makes the value %q", w.value)
	}
	p.done[w] = -1
	var i int
	var err error
	if n == nil {
		i, err = p.rectified(w)
	} else {
		i, err = p.operation(n, w)
	}
	if err != nil {
		return 0, err
	}
	p.done[w] = i
	return i, nil
}

// operation adds the node that makes w.
func (p *importer) operation(n *Node, w want) (int, error) {
	fail := func(err error) (int, error) { return 0, fmt.Errorf("node %q (%s): %w", n.Name, n.Op, err) }
	if err := n.standard(); err != nil {
		return fail(err)
	}
	if len(n.In) == 0 || n.Out[0] != w.value {
		return fail(fmt.Errorf("has no input, or not its first output is used"))
	}
	switch n.Op {
	case "Identity", "Relu", "Clip", "DequantizeLinear":
		from, err := p.activation(n, w.act)
		if err != nil {
			return fail(err)
		}
		return p.value(from) // its errors name nodes of their own
	case "QuantizeLinear":
		return fail(fmt.Errorf("its result is integers: choose the value before it or behind the DequantizeLinear"))
	case "Conv", "BatchNormalization":
		return p.filtered(n, w)
	}
	node, within := net.Node{Name: w.value, Act: w.act}, net.None
	switch n.Op {
	case "Add":
		node.Op = net.Add
	case "MaxPool", "AveragePool":
		if n.Op == "MaxPool" {
			node.Act, within = net.None, w.act // the largest of what is rectified or clipped is the same
		} else if w.act != net.None {
			return p.rectified(w)
		}
		if err := pooling(n, &node); err != nil {
			return fail(err)
		}
	case "GlobalAveragePool", "Gemm", "Flatten":
		return fail(fmt.Errorf("its result is no feature map: choose outputs before it"))
	default:
		return fail(fmt.Errorf("operation not supported"))
	}
	if node.Op == net.Add && len(n.In) != 2 {
		return fail(fmt.Errorf("%d inputs, want 2", len(n.In)))
	}
	for _, in := range n.In {
		if _, _, err := p.constant(in, 0); err == nil || p.constants[in] != nil {
			return fail(fmt.Errorf("input %q is a constant", in))
		}
		i, err := p.value(want{in, within})
		if err != nil {
			return 0, err
		}
		node.In = append(node.In, i)
	}
	return p.add(n, node, filter{}), nil
}

// standard reports an operation that is not one of ONNX itself.
func (n *Node) standard() error {
	if n.Domain != "" && n.Domain != "ai.onnx" {
		return fmt.Errorf("operations of the domain %q are not supported", n.Domain)
	}
	return nil
}

// rectified adds the activation of a value that has none of its own: the picture, or an AveragePool's.
func (p *importer) rectified(w want) (int, error) {
	if w.act != net.ActReLU {
		return 0, fmt.Errorf("value %q: a clip at 6 of the picture or behind an AveragePool is not supported", w.value)
	}
	i, err := p.value(want{w.value, net.None})
	if err != nil {
		return 0, err
	}
	return p.add(nil, net.Node{Name: w.value + ".relu", Op: net.ReLU, In: []int{i}}, filter{}), nil
}

// activation returns what act over n, an operation value by value, is over the value that n reads.
func (p *importer) activation(n *Node, act net.Act) (want, error) {
	from := want{n.In[0], act}
	switch n.Op {
	case "Relu":
		from.act = max(act, net.ActReLU) // the clip at 6, if any, stays outside
	case "Clip":
		lo, hi, err := p.bounds(n)
		switch {
		case err != nil:
			return want{}, err
		case lo == 0 && hi == 6:
			from.act = net.ActReLU6
		case lo == 0 && hi >= math.MaxFloat32:
			from.act = max(act, net.ActReLU)
		case lo <= -math.MaxFloat32 && hi >= math.MaxFloat32: // nothing is cut
		default:
			return want{}, fmt.Errorf("bounds %g and %g: want 0 and 6, or 0 alone", lo, hi)
		}
	case "DequantizeLinear": // calibration replaces the pair, but for an activation that quantisers leave to it
		q, err := p.pair(n, mapDims, 0)
		if err != nil {
			return want{}, err
		}
		cut, err := p.cut(q)
		if err != nil {
			return want{}, fmt.Errorf("node %q (%s): %w", q.Name, q.Op, err)
		}
		from.value = q.In[0]
		if cut == net.ActReLU6 && !p.clips(from.value) {
			cut = net.ActReLU
		}
		from.act = max(act, cut)
	}
	return from, nil
}

// clips reports whether a clip at 6 of a value finds a node that can have it: what works value by value and maximum
// pools let it through to a convolution or sum. The picture and an AveragePool have none.
func (p *importer) clips(value string) bool {
	if known, ok := p.clipped[value]; ok {
		return known
	}
	p.clipped[value] = false // where it depends on itself
	n, found := p.made[value], false
	if n != nil && len(n.In) > 0 {
		switch n.Op {
		case "AveragePool":
		case "Identity", "Relu", "Clip", "MaxPool", "QuantizeLinear", "DequantizeLinear":
			found = p.clips(n.In[0])
		default:
			found = true
		}
	}
	p.clipped[value] = found
	return found
}

// bounds returns the ends of a Clip, by input (opset 11) or attribute (6).
func (p *importer) bounds(n *Node) (lo, hi float32, err error) {
	lo, hi = -math.MaxFloat32, math.MaxFloat32
	for i, b := range []*float32{&lo, &hi} {
		if a := n.attr([]string{"min", "max"}[i]); a != nil {
			*b = a.F
		}
		if len(n.In) <= i+1 || n.In[i+1] == "" {
			continue
		}
		v, err := p.floats(n.In[i+1])
		if err != nil {
			return 0, 0, err
		}
		if len(v) != 1 {
			return 0, 0, fmt.Errorf("bound %q has %d values", n.In[i+1], len(v))
		}
		*b = v[0]
	}
	return lo, hi, nil
}

// pooling reads a pool's attributes.
func pooling(n *Node, node *net.Node) error {
	node.Op = net.MaxPool
	if n.Op == "AveragePool" {
		node.Op = net.AvgPool
	}
	if err := geometry(n, node, 0); err != nil {
		return err
	}
	switch {
	case n.int("ceil_mode", 0) != 0:
		return fmt.Errorf("ceil_mode is not supported")
	case node.PadExtra != 0:
		return fmt.Errorf("pads %v: want the same on all sides", n.attr("pads"))
	case node.Op == net.AvgPool && node.Pad > 0 && n.int("count_include_pad", 0) == 0:
		return fmt.Errorf("padding that the mean leaves out is not supported")
	}
	return nil
}
