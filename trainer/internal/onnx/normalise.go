package onnx

import (
	"fmt"
	"slices"

	"cull/infer/net"
	"cull/trainer/internal/quantise"
)

// Normalise makes n, whose input is (p/255 - mean)/std of pixel p per channel R, G, B, read
// the device's picture x = (p - 128)/127.5 instead. With
//
//	(p/255 - mean)/std = a x + b, a = 1/(2 std), b = (128/255 - mean)/std
//
// a goes into the weights and b into the biases of the first convolutions. That is exact
// but where a window reaches over the edge: padding was 0 and is b now, grey. Where no mean is above 0 nothing of
// the model's picture is below: a ReLU of it, as quantisers' zero points are, is the picture.
func Normalise(n *quantise.Network, mean, std [3]float64) error {
	if max(mean[0], mean[1], mean[2]) <= 0 {
		passPicture(n)
	}
	for _, t := range n.Graph.Taps {
		if t.Node == 0 {
			return fmt.Errorf("onnx: output %q is the input: it cannot be normalised", t.Name)
		}
	}
	var a, b [3]float64
	for c := range a {
		if !(std[c] > 0) {
			return fmt.Errorf("onnx: deviation %g of channel %d: want more than 0", std[c], c)
		}
		a[c], b[c] = 1/(2*std[c]), (128./255-mean[c])/std[c]
	}
	for i, node := range n.Graph.Nodes {
		for _, in := range node.In {
			if in == 0 && node.Op == net.ReLU {
				return fmt.Errorf("onnx: node %q (relu): the model cuts its picture off at zero: want no mean above 0", node.Name)
			}
			if in == 0 && node.Op != net.Conv {
				return fmt.Errorf("onnx: node %q (%s) reads the input: normalisation needs a convolution there",
					node.Name, node.Op)
			}
		}
		if node.Op != net.Conv || node.In[0] != 0 {
			continue
		}
		f := &n.Filters[i]
		sum := make([]float64, f.Out)
		for k, w := range f.W {
			c := f.Source(k/f.Out, k%f.Out)
			sum[k%f.Out] += float64(w) * b[c]
			f.W[k] = float32(float64(w) * a[c])
		}
		for o, s := range sum {
			n.Bias[i][o] += float32(s)
		}
	}
	return nil
}

// passPicture takes the ReLUs of the picture out of n: what reads them reads the picture.
func passPicture(n *quantise.Network) {
	g := &n.Graph
	for i := len(g.Nodes) - 1; i > 0; i-- {
		if g.Nodes[i].Op != net.ReLU || g.Nodes[i].In[0] != 0 {
			continue
		}
		moved := func(k *int) {
			switch {
			case *k == i:
				*k = 0
			case *k > i:
				*k--
			}
		}
		for _, node := range g.Nodes {
			for k := range node.In {
				moved(&node.In[k])
			}
		}
		for k := range g.Taps {
			moved(&g.Taps[k].Node)
		}
		g.Nodes = slices.Delete(g.Nodes, i, i+1)
		n.Filters = slices.Delete(n.Filters, i, i+1)
		n.Bias = slices.Delete(n.Bias, i, i+1)
	}
}
