// Package quantise turns a float network into the device's int8 model: it
// measures ranges on calibration pictures, rounds weights and biases, and says how
// much was lost.
package quantise

import (
	"fmt"

	"cull/infer/net"
	"cull/trainer/internal/grad"
	"cull/trainer/internal/trunk"
)

// A Network is a graph with float weights, batch normalisation already folded in.
type Network struct {
	Graph   net.Graph
	Filters []grad.Filter // one per node; only a Conv's has weights
	Bias    [][]float32   // one per node; a Conv's is [Out]
}

// FromTrunk folds a trunk into a network with taps "stage1", "stage2", "stage3":
// the residual sums before the ReLU. Where a sum is also the next block's input, a
// second node has it after the ReLU, because the two have different steps.
func FromTrunk(t *trunk.Trunk) *Network {
	n := &Network{Graph: net.Graph{InputChannels: 3}}
	x := n.add(net.Node{Name: "input", Op: net.Input})
	for _, l := range t.Stem {
		x = n.conv(l, x, net.ActReLU)
	}
	for i, stage := range t.Stages {
		for j, b := range stage {
			y := n.conv(b.Conv2, n.conv(b.Conv1, x, net.ActReLU), net.None)
			if b.Smooth {
				w := grad.SkipWindow
				x = n.add(net.Node{
					Name: b.Skip.Name + ".mean", Op: net.AvgPool, In: []int{x},
					Kernel: w.Kernel, Stride: w.Stride, Pad: w.Pad,
				})
			}
			if b.Skip != nil {
				x = n.conv(b.Skip, x, net.None)
			}
			sum := func(name string, act net.Act) int {
				return n.add(net.Node{Name: name, Op: net.Add, In: []int{y, x}, Act: act})
			}
			last := j == len(stage)-1
			if last {
				name := fmt.Sprintf("stage%d", i+1)
				n.Graph.Taps = append(n.Graph.Taps, net.Tap{Name: name, Node: sum(name, net.None)})
			}
			if !last || i < trunk.Stages-1 {
				x = sum(fmt.Sprintf("stage%d.block%d", i+1, j+1), net.ActReLU)
			}
		}
	}
	return n
}

// Project puts a linear map behind tap i, which then gives w x + bias: w is [channels of the tap][outputs].
func (n *Network) Project(i int, w, bias []float32) {
	tap := &n.Graph.Taps[i]
	in := n.Graph.Channels()[tap.Node]
	f := grad.NewFilter(in, len(bias), 1, 1, 1)
	copy(f.W, w)
	k := n.add(net.Node{
		Name: tap.Name + ".projection", Op: net.Conv, In: []int{tap.Node}, Out: f.Out, Kernel: 1, Stride: 1, Groups: 1,
	})
	n.Filters[k], n.Bias[k] = f, bias
	tap.Node = k
}

func (n *Network) add(node net.Node) int {
	n.Graph.Nodes = append(n.Graph.Nodes, node)
	n.Filters = append(n.Filters, grad.Filter{})
	n.Bias = append(n.Bias, nil)
	return len(n.Graph.Nodes) - 1
}

func (n *Network) conv(l *grad.ConvNorm, in int, act net.Act) int {
	f, bias := l.Folded()
	i := n.add(net.Node{
		Name: l.Name, Op: net.Conv, In: []int{in}, Out: f.Out, Kernel: f.Kernel,
		Stride: f.Stride, Pad: f.Kernel / 2, Groups: f.Groups, Act: act,
	})
	n.Filters[i], n.Bias[i] = f, bias
	return i
}

// Run computes every node of the graph for a batch [N][H][W][3]. The sides must be ones
// that the graph accepts (net.Graph.Shapes).
func (n *Network) Run(be grad.Backend, x *grad.Tensor) []*grad.Tensor {
	return n.RunInto(nil, be, x)
}

// RunInto is Run that overwrites the result of an earlier call and takes its memory; nil for none.
func (n *Network) RunInto(out []*grad.Tensor, be grad.Backend, x *grad.Tensor) []*grad.Tensor {
	if out == nil {
		out = make([]*grad.Tensor, len(n.Graph.Nodes))
	}
	out[0] = x
	for i, node := range n.Graph.Nodes {
		switch node.Op {
		case net.Conv:
			in, f := out[node.In[0]], &n.Filters[i]
			out[i] = result(out[i], &node, in, f.Out)
			convolve(be, &node, f, n.Bias[i], out[i], in)
		case net.Add:
			a, b := out[node.In[0]], out[node.In[1]]
			y := grad.Like(out[i], a)
			be.NormAdd(y, a, ones(a.C), make([]float32, a.C), b, ones(a.C))
			if node.Act != net.None {
				be.ReLU(y, y)
			}
			out[i] = y
		case net.ReLU:
			out[i] = grad.Like(out[i], out[node.In[0]])
			be.ReLU(out[i], out[node.In[0]])
		case net.MaxPool, net.AvgPool:
			in := out[node.In[0]]
			out[i] = result(out[i], &node, in, in.C)
			pool(be, &node, out[i], in)
		case net.Input:
		default:
			panic(fmt.Sprintf("quantise: node %d: %s has no float form", i, node.Op))
		}
		if node.Act == net.ActReLU6 {
			clip6(be, out[i])
		}
	}
	return out
}

func ones(n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = 1
	}
	return v
}

// InputStep is the real value of one unit of the int8 picture.
const InputStep = 1 / 127.5

// Int8 brings 8-bit pixels to the device's input: p - 128 clamped to -127..127.
func Int8(dst []int8, pixels []uint8) {
	for i, p := range pixels {
		dst[i] = int8(max(int(p)-128, -127))
	}
}

// Load fills image n of a batch with a picture [H][W][3]: what the device's input
// means in real numbers.
func Load(x *grad.Tensor, n int, pixels []uint8) {
	for y := range x.H {
		row := x.Row(n, y)
		for i, p := range pixels[y*len(row):][:len(row)] {
			row[i] = float32(max(int(p)-128, -127)) * InputStep
		}
	}
}
