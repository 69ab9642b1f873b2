package onnx

import (
	"fmt"
	"slices"

	"cull/infer/net"
)

// mapDims are the dimensions of a feature map, [N][C][H][W].
const mapDims = 4

// pair returns the QuantizeLinear whose integers n, a DequantizeLinear, brings back to real numbers of that many dimensions.
// The two leave every number where it was, but for rounding and what the type has no room for, only where they have the
// same scales: an error otherwise.
func (p *importer) pair(n *Node, dims, depth int) (*Node, error) {
	q := p.made[n.In[0]]
	if q == nil || q.Op != "QuantizeLinear" || len(q.In) == 0 {
		return nil, fmt.Errorf("input %q is not from a QuantizeLinear", n.In[0])
	}
	fail := func(err error) (*Node, error) { return nil, fmt.Errorf("node %q (%s): %w", q.Name, q.Op, err) }
	if err := q.standard(); err != nil {
		return fail(err)
	}
	scale, zero, err := p.scaling(q, depth)
	if err != nil {
		return fail(err)
	}
	scale2, zero2, err := p.scaling(n, depth)
	if err != nil {
		return nil, err
	}
	if !slices.Equal(scale, scale2) || !slices.Equal(zero, zero2) || len(scale) > 1 && q.axis(dims) != n.axis(dims) {
		return nil, fmt.Errorf("scales of the pair differ: node %q (%s) has another scale, zero point or axis", q.Name, q.Op)
	}
	for _, s := range scale {
		if !(s > 0) {
			return fail(fmt.Errorf("scale %g: want more than 0", s))
		}
	}
	return q, nil
}

// scaling returns the scales and zero points of a QuantizeLinear or DequantizeLinear: one, or one for each place
// along an axis. Of blocks there are others.
func (p *importer) scaling(n *Node, depth int) (scale, zero []float32, err error) {
	if b := n.int("block_size", 0); b != 0 {
		return nil, nil, fmt.Errorf("block_size %d is not supported", b)
	}
	if len(n.In) < 2 {
		return nil, nil, fmt.Errorf("%d inputs: want a scale", len(n.In))
	}
	read := func(name string) ([]float32, error) {
		v, dims, err := p.constant(name, depth)
		if err == nil && (len(v) == 0 || len(dims) > 1 && len(v) > 1) {
			err = fmt.Errorf("%q is %v: want one number, or one dimension", name, dims)
		}
		return v, err
	}
	if scale, err = read(n.In[1]); err != nil {
		return nil, nil, fmt.Errorf("scale: %w", err)
	}
	if len(n.In) < 3 || n.In[2] == "" {
		return scale, make([]float32, len(scale)), nil
	}
	if zero, err = read(n.In[2]); err != nil {
		return nil, nil, fmt.Errorf("zero point: %w", err)
	}
	if len(zero) != len(scale) {
		return nil, nil, fmt.Errorf("%d scales, %d zero points", len(scale), len(zero))
	}
	return scale, zero, nil
}

// axis returns the dimension along which a node's scales lie.
func (n *Node) axis(dims int) int64 {
	a := n.int("axis", 1)
	if a < 0 {
		a += int64(dims)
	}
	return a
}

// cut returns what a QuantizeLinear has no number for. Its zero point is the lowest of its type: for what is below zero.
// Its highest number is besides no more than 6, but for rounding: for what is above 6. uint8 and 0 are
// what is meant where neither zero point nor output_dtype is given.
func (p *importer) cut(n *Node) (net.Act, error) {
	scale, zero, err := p.scaling(n, 0)
	if err != nil {
		return 0, err
	}
	t := Type(n.int("output_dtype", 0))
	if len(n.In) > 2 && n.In[2] != "" {
		z := p.literal(n.In[2])
		if z == nil {
			return 0, fmt.Errorf("zero point %q is not a constant", n.In[2])
		}
		t = z.Type
	}
	var lowest, highest float32
	switch t {
	case U8, 0:
		highest = 255
	case I8:
		lowest, highest = -128, 127
	case U16:
		highest = 65535
	case I16:
		lowest, highest = -32768, 32767
	default:
		return 0, fmt.Errorf("elements of type %d are not supported", t)
	}
	cuts, six := 0, true
	for c, z := range zero {
		if z == lowest {
			cuts++
		}
		six = six && float64(scale[c])*float64(highest-z) <= 6*(1+1e-4)
	}
	switch {
	case cuts == 0:
		return net.None, nil
	case cuts < len(zero):
		return 0, fmt.Errorf("zero point %q: %d of %d channels have no number below zero: want all or none", n.In[2], cuts, len(zero))
	case six:
		return net.ActReLU6, nil
	}
	return net.ActReLU, nil
}

// literal returns the tensor of a constant that was not computed, nil if there is none.
func (p *importer) literal(name string) *Tensor {
	for range deepest {
		if t := p.constants[name]; t != nil {
			return t
		}
		n := p.made[name]
		switch {
		case n == nil:
			return nil
		case n.Op == "Constant" && n.attr("value") != nil:
			return n.attr("value").T
		case n.Op != "Identity" || len(n.In) == 0:
			return nil
		}
		name = n.In[0]
	}
	return nil
}
