package onnx

import (
	"fmt"

	"cull/infer/net"
	"cull/trainer/internal/quantise"
)

// Normalise makes n, whose input is (p/255 - mean)/std of pixel p per channel R, G, B, read
// the device's picture x = (p - 128)/127.5 instead. With
//
//	(p/255 - mean)/std = a x + b, a = 1/(2 std), b = (128/255 - mean)/std
//
// a goes into the weights and b into the biases of the first convolutions. That is exact
// but where a window reaches over the edge: padding was 0 and is b now, grey.
func Normalise(n *quantise.Network, mean, std [3]float64) error {
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
