package onnx

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"cull/infer"
	"cull/infer/net"
)

// everything returns a network that uses every operation, with random numbers.
func everything(rng *rand.Rand) *infer.Model {
	conv := func(name string, in, out, kernel, stride, groups int, act net.Act) net.Node {
		return net.Node{
			Name: name, Op: net.Conv, In: []int{in}, Out: out, Kernel: kernel, Stride: stride,
			Pad: kernel / 2, Groups: groups, Act: act,
		}
	}
	m := &infer.Model{Graph: net.Graph{InputChannels: 3, Nodes: []net.Node{
		{Name: "in"},
		conv("stem", 0, 8, 3, 2, 1, net.ActReLU),
		conv("wide", 1, 16, 1, 1, 1, net.ActReLU6),
		conv("depth", 2, 16, 3, 1, 16, net.ActReLU6),
		conv("thin", 3, 8, 5, 1, 2, net.None),
		{Name: "sum", Op: net.Add, In: []int{1, 4}},
		{Name: "sum.relu", Op: net.Add, In: []int{1, 4}, Act: net.ActReLU},
		{Name: "relu", Op: net.ReLU, In: []int{5}},
		{Name: "most", Op: net.MaxPool, In: []int{5}, Kernel: 3, Stride: 2, Pad: 1},
		{Name: "mean", Op: net.AvgPool, In: []int{6}, Kernel: 3, Stride: 2, Pad: 1},
		{Name: "sum6", Op: net.Add, In: []int{8, 9}, Act: net.ActReLU6},
		{Name: "near", Op: net.ResizeNearest, In: []int{10}, Factor: 2},
		{Name: "smooth", Op: net.ResizeBilinear, In: []int{8}, Factor: 2},
	}, Taps: []net.Tap{{Name: "sum", Node: 5}, {Name: "near", Node: 11}, {Name: "smooth", Node: 12}, {Name: "relu", Node: 7}}}}
	m.Graph.Nodes[1].Pad, m.Graph.Nodes[1].PadExtra = 0, 1
	channels := m.Graph.Channels()
	some := func(n int, lo, hi float32) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = lo + (hi-lo)*rng.Float32()
		}
		return v
	}
	m.Params = make([]infer.Params, len(m.Graph.Nodes))
	for i, n := range m.Graph.Nodes {
		p := &m.Params[i]
		switch n.Op {
		case net.Conv:
			window := n.Kernel * n.Kernel * channels[n.In[0]] / n.Groups
			for range n.Out * window {
				p.Weights = append(p.Weights, int8(rng.IntN(255)-127))
			}
			for range n.Out {
				p.Bias = append(p.Bias, int32(rng.IntN(8000)-4000))
			}
			top := 2.5 / (73 * float32(math.Sqrt(float64(window)))) // some results saturate
			p.Scale = some(n.Out, top/2, top)
		case net.Add:
			p.Scale, p.ScaleB = some(channels[i], 0.3, 1.2), some(channels[i], 0.3, 1.2)
		case net.AvgPool:
			p.Scale = []float32{1.3 / 9}
		}
	}
	for _, t := range m.Graph.Taps {
		m.TapStep = append(m.TapStep, some(channels[t.Node], 0.01, 0.03))
	}
	return m
}

// A ramp is a map of one value per [H][W][C].
type ramp struct {
	h, w, c int
	v       []float64
}

func (r *ramp) at(y, x, c int) float64 {
	if y < 0 || x < 0 || y >= r.h || x >= r.w {
		return 0
	}
	return r.v[(y*r.w+x)*r.c+c]
}

// unrounded computes every node of m in float64 by the definitions of
// doc/format-net.md, without rounding and without the clamp at 127 but for a ReLU6.
// Bilinear resizes are for factor 2.
func unrounded(t *testing.T, m *infer.Model, h, w int, in []int8) []*ramp {
	t.Helper()
	shapes, err := m.Graph.Shapes(h, w)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]*ramp, len(shapes))
	for i := range shapes {
		n, p, s := &m.Graph.Nodes[i], &m.Params[i], shapes[i]
		r := &ramp{s.H, s.W, s.C, make([]float64, s.Len())}
		out[i] = r
		for k := range r.v {
			y, x, c := k/s.C/s.W, k/s.C%s.W, k%s.C
			var v float64
			switch n.Op {
			case net.Input:
				v = float64(in[k])
			case net.Conv:
				v = convolved(n, p, out[n.In[0]], s.C, y, x, c)
			case net.Add:
				v = out[n.In[0]].v[k]*float64(p.Scale[c]) + out[n.In[1]].v[k]*float64(p.ScaleB[c])
			case net.ReLU:
				v = max(0, out[n.In[0]].v[k])
			case net.MaxPool, net.AvgPool:
				v = pooled(n, p, out[n.In[0]], y, x, c)
			case net.ResizeNearest:
				v = out[n.In[0]].at(y/n.Factor, x/n.Factor, c)
			case net.ResizeBilinear:
				v = halfway(out[n.In[0]], y, x, c)
			}
			if n.Act != net.None {
				v = max(v, 0)
			}
			if n.Act == net.ActReLU6 {
				v = min(v, 127)
			}
			r.v[k] = v
		}
	}
	return out
}

func convolved(n *net.Node, p *infer.Params, in *ramp, channels, y, x, c int) float64 {
	share := in.c / n.Groups
	first := c / (channels / n.Groups) * share
	sum, k := float64(p.Bias[c]), c*n.Kernel*n.Kernel*share
	for ky := range n.Kernel {
		for kx := range n.Kernel {
			for ci := range share {
				sum += float64(p.Weights[k]) * in.at(y*n.Stride-n.Pad+ky, x*n.Stride-n.Pad+kx, first+ci)
				k++
			}
		}
	}
	return sum * float64(p.Scale[c])
}

func pooled(n *net.Node, p *infer.Params, in *ramp, y, x, c int) float64 {
	sum, most := 0., math.Inf(-1)
	for ky := range n.Kernel {
		for kx := range n.Kernel {
			yy, xx := y*n.Stride-n.Pad+ky, x*n.Stride-n.Pad+kx
			sum += in.at(yy, xx, c)
			if yy >= 0 && xx >= 0 && yy < in.h && xx < in.w {
				most = max(most, in.at(yy, xx, c))
			}
		}
	}
	if n.Op == net.MaxPool {
		return most
	}
	return sum * float64(p.Scale[0])
}

// halfway is the bilinear resize by two with half-pixel centres.
func halfway(in *ramp, y, x, c int) float64 {
	near := func(i, n int) (int, int) { // weights 3/4 and 1/4
		return i / 2, max(0, min(n-1, i/2+2*(i%2)-1))
	}
	y0, y1 := near(y, in.h)
	x0, x1 := near(x, in.w)
	return (9*in.at(y0, x0, c) + 3*in.at(y0, x1, c) + 3*in.at(y1, x0, c) + in.at(y1, x1, c)) / 16
}

// runtime runs a model on ONNX Runtime and returns its outputs' bytes. The folder
// CULL_ORT holds node_modules/onnxruntime-node.
func runtime(t *testing.T, m *Model, h, w int, input []byte) []byte {
	t.Helper()
	dir := os.Getenv("CULL_ORT")
	if dir == "" {
		t.Skip("CULL_ORT is not set: want a folder in which npm installed onnxruntime-node")
	}
	tmp := t.TempDir()
	model, in, out := filepath.Join(tmp, "m.onnx"), filepath.Join(tmp, "in"), filepath.Join(tmp, "out")
	for path, b := range map[string][]byte{model: m.Encode(), in: input} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := m.Graph.In[0].Dims[1].Size
	cmd := exec.Command("node", "testdata/run.js", model, in, fmt.Sprint(c), fmt.Sprint(h), fmt.Sprint(w), out)
	cmd.Env = append(os.Environ(), "NODE_PATH="+filepath.Join(dir, "node_modules"))
	if b, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// planar brings [H][W][C] to [C][H][W].
func planar[T any](v []T, c int) []T {
	out := make([]T, 0, len(v))
	for k := range c {
		for i := k; i < len(v); i += c {
			out = append(out, v[i])
		}
	}
	return out
}

func floatBytes(v []float32) (b []byte) {
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}
