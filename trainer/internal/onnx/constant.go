package onnx

import (
	"fmt"
	"math"
)

// floats returns the elements of a constant, to be read only.
func (p *importer) floats(name string) ([]float32, error) {
	v, _, err := p.constant(name, 0)
	return v, err
}

// tensor returns a constant: an initialiser, or what Constant, Identity and
// DequantizeLinear make of one.
func (p *importer) tensor(name string) (v []float32, dims []int64, err error) {
	return p.constant(name, 0)
}

const deepest = 16 // operations between a constant and its use

func (p *importer) constant(name string, depth int) (v []float32, dims []int64, err error) {
	if made, ok := p.values[name]; ok {
		return made.v, made.dims, nil
	}
	if t := p.constants[name]; t != nil {
		dims = t.Dims
		v, err = t.Floats()
	} else {
		v, dims, err = p.makeConstant(name, depth)
	}
	if err == nil {
		p.values[name] = values{v, dims}
	}
	return v, dims, err
}

// finite reports the first number that is none.
func finite(v []float32) error {
	for i, x := range v {
		if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
			return fmt.Errorf("value %d is %g", i, x)
		}
	}
	return nil
}

// values are the elements of a constant.
type values struct {
	v    []float32
	dims []int64
}

func (p *importer) makeConstant(name string, depth int) (v []float32, dims []int64, err error) {
	n := p.made[name]
	if n == nil || depth == deepest {
		return nil, nil, fmt.Errorf("%q is not a constant", name)
	}
	switch {
	case n.Op == "Constant":
		if a := n.attr("value"); a != nil && a.T != nil {
			v, err = a.T.Floats()
			return v, a.T.Dims, err
		}
		if a := n.attr("value_float"); a != nil {
			return []float32{a.F}, nil, nil
		}
	case len(n.In) == 0:
	case n.Op == "Identity":
		return p.constant(n.In[0], depth+1)
	case n.Op == "DequantizeLinear":
		if q := p.made[n.In[0]]; q != nil && q.Op == "QuantizeLinear" && len(q.In) > 0 {
			if v, dims, err = p.constant(q.In[0], depth+1); err == nil { // calibration replaces the pair
				_, err = p.pair(n, len(dims), depth+1)
			}
			return v, dims, err
		}
		return p.dequantised(n, depth+1)
	}
	return nil, nil, fmt.Errorf("%q, made by node %q (%s), is not a constant", name, n.Name, n.Op)
}

// dequantised is (x - zero) * scale, per tensor or along an axis.
func (p *importer) dequantised(n *Node, depth int) ([]float32, []int64, error) {
	x, dims, err := p.constant(n.In[0], depth)
	if err != nil {
		return nil, nil, err
	}
	scale, zero, err := p.scaling(n, depth)
	if err != nil {
		return nil, nil, fmt.Errorf("node %q (%s): %w", n.Name, n.Op, err)
	}
	axis, inner := n.axis(len(dims)), 1
	if len(scale) > 1 && (axis < 0 || axis >= int64(len(dims)) || int64(len(scale)) != dims[axis]) {
		return nil, nil, fmt.Errorf("node %q (%s): %d scales for %v, axis %d", n.Name, n.Op, len(scale), dims, axis)
	}
	if len(scale) > 1 {
		for _, d := range dims[axis+1:] {
			inner *= int(d)
		}
	}
	out := make([]float32, len(x))
	for i, v := range x {
		c := i / inner % len(scale)
		out[i] = (v - zero[c]) * scale[c]
	}
	return out, dims, nil
}
