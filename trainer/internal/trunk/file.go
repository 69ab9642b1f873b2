package trunk

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"

	"cull/trainer/internal/grad"
	"cull/trainer/internal/safetensors"
)

// family is the metadata's "network" of files this package writes and reads.
const family = "cull-trunk-1"

// Limits of a shape that is read, those of a recipe.
const (
	maxWidth  = 256
	maxBlocks = 16
)

// SafeTensors returns the trunk's parameters under PyTorch's names: for each layer
// NAME.conv.weight [out][in][k][k], NAME.norm.weight, .bias, .running_mean and
// .running_var, all F32, and the shape in the metadata.
func (t *Trunk) SafeTensors() *safetensors.File {
	s := t.Shape
	f := &safetensors.File{Meta: map[string]string{
		"format": "pt", "network": family, "width": strconv.Itoa(s.Width), "smooth": strconv.FormatBool(s.Smooth),
		"input": "RGB, (p-128)/127.5 of pixel p", "norm_eps": strconv.FormatFloat(grad.NormEps, 'g', -1, 64),
	}}
	for i, n := range s.Blocks {
		f.Meta[blocksKey(i)] = strconv.Itoa(n)
	}
	for _, l := range t.Layers() {
		c := &l.Filter
		w := make([]float32, len(c.W))
		each(c, func(hwio, oihw int) { w[oihw] = c.W[hwio] })
		f.Tensors = append(f.Tensors, safetensors.Floats(l.Name+".conv.weight", w, c.Out, c.In, c.Kernel, c.Kernel))
		for _, v := range norm(l) {
			f.Tensors = append(f.Tensors, safetensors.Floats(l.Name+v.name, v.v, c.Out))
		}
	}
	return f
}

// FromSafeTensors reads what SafeTensors wrote. Tensors that the shape does not have, or
// that are missing, of another shape or not finite, are errors that name them.
func FromSafeTensors(f *safetensors.File) (*Trunk, error) {
	fail := func(format string, a ...any) (*Trunk, error) { return nil, fmt.Errorf("trunk: "+format, a...) }
	if f.Meta["network"] != family {
		return fail("metadata: network %q, want %q", f.Meta["network"], family)
	}
	var s Shape
	var err error
	if s.Width, err = strconv.Atoi(f.Meta["width"]); err != nil || s.Width < 8 || s.Width > maxWidth || s.Width%8 != 0 {
		return fail("metadata: width %q: want 8 to %d, a multiple of 8", f.Meta["width"], maxWidth)
	}
	for i := range s.Blocks {
		v := f.Meta[blocksKey(i)]
		if s.Blocks[i], err = strconv.Atoi(v); err != nil || s.Blocks[i] < 1 || s.Blocks[i] > maxBlocks {
			return fail("metadata: %s %q: want 1 to %d", blocksKey(i), v, maxBlocks)
		}
	}
	if s.Smooth, err = strconv.ParseBool(f.Meta["smooth"]); err != nil {
		return fail("metadata: smooth %q: want true or false", f.Meta["smooth"])
	}
	left, elements := map[string]*safetensors.Tensor{}, 0
	for i := range f.Tensors {
		left[f.Tensors[i].Name] = &f.Tensors[i]
		elements += len(f.Tensors[i].Data) / 4
	}
	if n := s.Weights(); elements < n { // before memory for them is taken
		return fail("%d numbers, but width %d and blocks %v have %d weights", elements, s.Width, s.Blocks, n)
	}
	take := func(name string, shape ...int) ([]float32, error) {
		x := left[name]
		if x == nil {
			return nil, fmt.Errorf("trunk: no tensor %q", name)
		}
		delete(left, name)
		if !slices.Equal(x.Shape, shape) {
			return nil, fmt.Errorf("trunk: tensor %q: shape %v, want %v", name, x.Shape, shape)
		}
		v, err := x.Floats()
		for _, a := range v {
			if math.IsNaN(float64(a)) || math.IsInf(float64(a), 0) {
				return nil, fmt.Errorf("trunk: tensor %q: %v is not a finite number", name, a)
			}
		}
		return v, err
	}
	t := New(s, rand.New(rand.NewPCG(0, 0)))
	for _, l := range t.Layers() {
		c := &l.Filter
		w, err := take(l.Name+".conv.weight", c.Out, c.In, c.Kernel, c.Kernel)
		if err != nil {
			return nil, err
		}
		each(c, func(hwio, oihw int) { c.W[hwio] = w[oihw] })
		for _, n := range norm(l) {
			v, err := take(l.Name+n.name, c.Out)
			if err != nil {
				return nil, err
			}
			copy(n.v, v)
		}
		if i := slices.IndexFunc(l.Var, func(v float32) bool { return v < 0 }); i >= 0 {
			return fail("tensor %q: variance %v", l.Name+".norm.running_var", l.Var[i])
		}
	}
	for name := range left {
		return fail("tensor %q is not of this network", name)
	}
	return t, nil
}

func blocksKey(stage int) string { return fmt.Sprintf("blocks%d", stage+1) }

// each calls f with the index of every weight in [k][k][in][out] and [out][in][k][k].
func each(c *grad.Filter, f func(hwio, oihw int)) {
	window := c.Kernel * c.Kernel
	for i := range c.W {
		k, in, out := i/(c.In*c.Out), i/c.Out%c.In, i%c.Out
		f(i, (out*c.In+in)*window+k)
	}
}

type named struct {
	name string
	v    []float32
}

func norm(l *grad.ConvNorm) []named {
	return []named{
		{".norm.weight", l.Gamma},
		{".norm.bias", l.Beta},
		{".norm.running_mean", l.Mean},
		{".norm.running_var", l.Var},
	}
}
