package onnx

import (
	"cmp"
	"fmt"
	"math"

	"cull/infer/net"
	"cull/trainer/internal/grad"
)

// A filter is a convolution's numbers in the trainer's order.
type filter struct {
	grad.Filter
	bias []float32
}

// filtered adds a convolution for a Conv or BatchNormalization, both folded into one
// where one follows the other.
func (p *importer) filtered(n *Node, w want) (int, error) {
	node := net.Node{Name: w.value, Op: net.Conv, Act: w.act}
	f, in, err := p.fold(n, &node)
	if err != nil {
		return 0, err
	}
	node.In = []int{in}
	node.Out = f.Out
	return p.add(n, node, f), nil
}

// fold returns the filter of n, what it reads, and the geometry in node.
func (p *importer) fold(n *Node, node *net.Node) (f filter, in int, err error) {
	fail := func(err error) (filter, int, error) {
		return filter{}, 0, fmt.Errorf("node %q (%s): %w", n.Name, n.Op, err)
	}
	if err := n.standard(); err != nil {
		return fail(err)
	}
	if n.Op == "Conv" {
		if in, err = p.value(want{n.In[0], net.None}); err != nil {
			return filter{}, 0, err
		}
		if f, err = p.conv(n, node, p.channels(in)); err != nil {
			return fail(err)
		}
		return f, in, nil
	}
	if before := p.made[n.In[0]]; before != nil && before.Op == "Conv" && len(before.In) > 0 {
		if f, in, err = p.fold(before, node); err != nil {
			return filter{}, 0, err
		}
	} else {
		if in, err = p.value(want{n.In[0], net.None}); err != nil {
			return filter{}, 0, err
		}
		f = identity(p.channels(in))
		node.Kernel, node.Stride, node.Groups = 1, 1, f.Groups
	}
	if err := p.normalise(n, &f); err != nil {
		return fail(err)
	}
	return f, in, nil
}

// identity is a depthwise 1x1 convolution by one.
func identity(channels int) filter {
	f := filter{grad.NewFilter(channels, channels, 1, 1, channels), make([]float32, channels)}
	for i := range f.W {
		f.W[i] = 1
	}
	return f
}

// conv reads a Conv over that many channels. Weights [Out][In/Groups][K][K] become
// [K][K][In/Groups][Out].
func (p *importer) conv(n *Node, node *net.Node, channels int) (filter, error) {
	if len(n.In) < 2 {
		return filter{}, fmt.Errorf("no weights")
	}
	w, dims, err := p.tensor(n.In[1])
	if err != nil {
		return filter{}, fmt.Errorf("weights: %w", err)
	}
	groups := n.int("group", 1)
	if len(dims) != 4 || dims[2] != dims[3] || dims[2] < 1 || dims[0] < 1 || groups < 1 ||
		dims[1]*groups != int64(channels) || dims[0]%groups != 0 {
		return filter{}, fmt.Errorf("weights %v, %d groups over %d channels", dims, groups, channels)
	}
	out, share, k := int(dims[0]), int(dims[1]), int(dims[2])
	if err := geometry(n, node, k); err != nil {
		return filter{}, err
	}
	if node.Kernel != k || k%2 == 0 || k > 7 || node.Stride > 2 {
		return filter{}, fmt.Errorf("kernel %d, stride %d, weights %v: want 1, 3, 5 or 7, stride 1 or 2",
			node.Kernel, node.Stride, dims)
	}
	if p.weights += len(w); p.weights > net.MaxWeights { // which many nodes may share in the file
		return filter{}, fmt.Errorf("more than %d weights", net.MaxWeights)
	}
	if err := finite(w); err != nil {
		return filter{}, fmt.Errorf("weights: tensor %q: %w", n.In[1], err)
	}
	node.Groups = int(groups)
	f := filter{grad.Filter{
		In: channels, Out: out, Kernel: k, Stride: node.Stride, Groups: node.Groups,
		W: make([]float32, len(w)),
	}, make([]float32, out)}
	for o := range out {
		for c := range share {
			for i := range k * k {
				f.W[(i*share+c)*out+o] = w[(o*share+c)*k*k+i]
			}
		}
	}
	if len(n.In) > 2 && n.In[2] != "" {
		b, err := p.floats(n.In[2])
		if err == nil && len(b) != out {
			err = fmt.Errorf("%d values, want %d", len(b), out)
		}
		if err == nil {
			err = finite(b)
		}
		if err != nil {
			return filter{}, fmt.Errorf("bias: tensor %q: %w", n.In[2], err)
		}
		copy(f.bias, b)
	}
	return f, nil
}

// normalise folds gamma (y - mean) / sqrt(var + epsilon) + beta into f.
func (p *importer) normalise(n *Node, f *filter) error {
	if len(n.In) != 5 || n.int("training_mode", 0) != 0 {
		return fmt.Errorf("%d inputs, want 5, and no training mode", len(n.In))
	}
	var v [4][]float32 // gamma, beta, mean, variance
	for i := range v {
		var err error
		if v[i], err = p.floats(n.In[i+1]); err != nil {
			return err
		}
		if len(v[i]) != f.Out {
			return fmt.Errorf("input %q has %d values, want %d", n.In[i+1], len(v[i]), f.Out)
		}
		if err := finite(v[i]); err != nil {
			return fmt.Errorf("tensor %q: %w", n.In[i+1], err)
		}
	}
	epsilon := 1e-5
	if a := n.attr("epsilon"); a != nil {
		epsilon = float64(a.F)
	}
	for c := range f.Out {
		if !(float64(v[3][c])+epsilon > 0) {
			return fmt.Errorf("tensor %q: variance %d is %g: want more than %g", n.In[4], c, v[3][c], -epsilon)
		}
		scale := float64(v[0][c]) / math.Sqrt(float64(v[3][c])+epsilon)
		for k := c; k < len(f.W); k += f.Out {
			f.W[k] = float32(float64(f.W[k]) * scale)
		}
		f.bias[c] = float32((float64(f.bias[c])-float64(v[2][c]))*scale + float64(v[1][c]))
	}
	if err := cmp.Or(finite(f.W), finite(f.bias)); err != nil {
		return fmt.Errorf("folded into the convolution before it: %w: out of the range of float32", err)
	}
	return nil
}

// geometry reads kernel (by default that of the weights), stride and padding of a
// convolution or pool.
func geometry(n *Node, node *net.Node, kernel int) error {
	square := func(name string, or int) (int, error) {
		a := n.attr(name)
		if a == nil {
			return or, nil
		}
		if len(a.Ints) != 2 || a.Ints[0] != a.Ints[1] || a.Ints[0] < 1 || a.Ints[0] > net.MaxSide {
			return 0, fmt.Errorf("%s %v: want two equal numbers", name, a.Ints)
		}
		return int(a.Ints[0]), nil
	}
	var err error
	if node.Kernel, err = square("kernel_shape", kernel); err != nil {
		return err
	}
	if node.Stride, err = square("strides", 1); err != nil {
		return err
	}
	if d, err := square("dilations", 1); err != nil || d != 1 {
		return fmt.Errorf("dilations are not supported")
	}
	return padding(n, node)
}

// padding reads pads or auto_pad. SAME_UPPER is taken at sides that the stride
// divides, where it does not depend on the side.
func padding(n *Node, node *net.Node) error {
	auto := ""
	if a := n.attr("auto_pad"); a != nil {
		auto = a.S
	}
	switch auto {
	case "", "NOTSET":
		a := n.attr("pads")
		if a == nil {
			return nil
		}
		v := a.Ints
		if len(v) != 4 || v[0] != v[1] || v[2] != v[3] || v[0] < 0 || v[2] < v[0] || v[2] > v[0]+1 {
			return fmt.Errorf("pads %v: want the same above and left, and the same or one more below and right", v)
		}
		node.Pad, node.PadExtra = int(v[0]), int(v[2]-v[0])
	case "VALID":
	case "SAME_UPPER":
		total := max(node.Kernel-node.Stride, 0)
		node.Pad, node.PadExtra = total/2, total%2
	default:
		return fmt.Errorf("auto_pad %q is not supported", auto)
	}
	return nil
}

// checkSame reports a node whose SAME_UPPER is other padding at pictures of side x side pixels than padding took: as much
// as gives ceil(n / stride) of a side n. A picture that is too small is not its concern.
func (p *importer) checkSame(side int) error {
	g := &p.net.Graph
	shapes, err := g.Shapes(side, side)
	if err != nil {
		return nil
	}
	for i, from := range p.from {
		if from != nil && from.Op == "BatchNormalization" {
			from = p.made[from.In[0]] // the convolution that it was folded into
		}
		n := &g.Nodes[i]
		if from == nil || n.Kernel == 0 || from.attr("auto_pad") == nil || from.attr("auto_pad").S != "SAME_UPPER" {
			continue
		}
		in := shapes[n.In[0]].H
		if want := max((in-1)/n.Stride*n.Stride+n.Kernel-in, 0); want != 2*n.Pad+n.PadExtra {
			return fmt.Errorf("onnx: node %q (%s): auto_pad SAME_UPPER over %d pixels, which its stride %d does not divide: choose --size, a multiple of %d",
				from.Name, from.Op, in, n.Stride, g.Stride(i))
		}
	}
	return nil
}

// int returns an attribute, or another value where it is absent.
func (n *Node) int(name string, or int64) int64 {
	if a := n.attr(name); a != nil {
		return a.I
	}
	return or
}
