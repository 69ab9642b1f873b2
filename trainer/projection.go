package main

import (
	"fmt"
	"math"
	"strings"

	"cull/trainer/internal/quantise"
	"cull/trainer/internal/safetensors"
	"cull/trainer/internal/trunk"
)

// A linear map behind tap k, as PyTorch's 1x1 Conv2d has it: weight [outputs][channels][1][1], bias [outputs].
const (
	projection       = ".projection."
	projectionWeight = "stage%d" + projection + "weight"
	projectionBias   = "stage%d" + projection + "bias"
)

// safeTensors are the parameters of a trunk and of the maps behind its taps.
func safeTensors(t *trunk.Trunk, maps []quantise.Projection) *safetensors.File {
	f := t.SafeTensors()
	for k, p := range maps {
		if p.W == nil {
			continue
		}
		outs := len(p.Bias)
		in := len(p.W) / outs
		w := make([]float32, len(p.W))
		for i, v := range p.W {
			w[i%outs*in+i/outs] = v
		}
		f.Tensors = append(f.Tensors, safetensors.Floats(fmt.Sprintf(projectionWeight, k+1), w, outs, in, 1, 1),
			safetensors.Floats(fmt.Sprintf(projectionBias, k+1), p.Bias, outs))
	}
	return f
}

// fromSafeTensors reads what safeTensors wrote.
func fromSafeTensors(f *safetensors.File) (*quantise.Network, error) {
	maps := map[string]*safetensors.Tensor{}
	own := safetensors.File{Meta: f.Meta}
	for i, x := range f.Tensors {
		if strings.Contains(x.Name, projection) {
			maps[x.Name] = &f.Tensors[i]
		} else {
			own.Tensors = append(own.Tensors, x)
		}
	}
	t, err := trunk.FromSafeTensors(&own)
	if err != nil {
		return nil, err
	}
	n := quantise.FromTrunk(t)
	for k := range n.Graph.Taps {
		if err := takeProjection(n, k, maps); err != nil {
			return nil, err
		}
	}
	for name := range maps {
		return nil, fmt.Errorf("tensor %q is not of this network", name)
	}
	return n, nil
}

// takeProjection moves the map behind tap k, if there is one, from maps to n.
func takeProjection(n *quantise.Network, k int, maps map[string]*safetensors.Tensor) error {
	names := [2]string{fmt.Sprintf(projectionWeight, k+1), fmt.Sprintf(projectionBias, k+1)}
	w, b := maps[names[0]], maps[names[1]]
	if w == nil && b == nil {
		return nil
	}
	if w == nil || b == nil {
		return fmt.Errorf("tensors %q belong together: one is missing", names)
	}
	in := n.Graph.Channels()[n.Graph.Taps[k].Node]
	if s := w.Shape; len(s) != 4 || s[0] < 1 || s[1] != in || s[2] != 1 || s[3] != 1 || len(b.Shape) != 1 || b.Shape[0] != s[0] {
		return fmt.Errorf("tensors %q: shapes %v and %v, want [n %d 1 1] and [n]", names, w.Shape, b.Shape, in)
	}
	var v [2][]float32
	for i, x := range []*safetensors.Tensor{w, b} {
		var err error
		if v[i], err = x.Floats(); err != nil {
			return err
		}
		for _, a := range v[i] {
			if math.IsNaN(float64(a)) || math.IsInf(float64(a), 0) {
				return fmt.Errorf("tensor %q: %v is not a finite number", x.Name, a)
			}
		}
		delete(maps, x.Name)
	}
	outs := len(v[1])
	m := make([]float32, len(v[0]))
	for i := range m {
		m[i] = v[0][i%outs*in+i/outs]
	}
	n.Project(k, m, v[1])
	return nil
}
