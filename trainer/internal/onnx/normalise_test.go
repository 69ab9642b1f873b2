package onnx

import (
	"math"
	"strings"
	"testing"

	"cull/trainer/internal/grad"
)

// ImageNet's statistics, as torchvision's models have them.
var mean, std = [3]float64{0.485, 0.456, 0.406}, [3]float64{0.229, 0.224, 0.225}

func TestNormaliseReadsTheDevicesPicture(t *testing.T) {
	before, err := Import(small(), "n")
	if err != nil {
		t.Fatal(err)
	}
	after, err := Import(small(), "n")
	if err != nil {
		t.Fatal(err)
	}
	if err := Normalise(after, mean, std); err != nil {
		t.Fatal(err)
	}
	device, own := grad.NewTensor(1, 8, 8, 3), grad.NewTensor(1, 8, 8, 3)
	for y := range 8 {
		for i := range 24 {
			p := float64(1 + (y*37+i*11)%255)
			device.Row(0, y)[i] = float32((p - 128) / 127.5)
			own.Row(0, y)[i] = float32((p/255 - mean[i%3]) / std[i%3])
		}
	}
	be := grad.NewCPU(1)
	node := before.Graph.Taps[0].Node
	want, got := before.Run(be, own)[node], after.Run(be, device)[node]
	for y := range want.H - 1 { // the last row and column reach over the edge
		for i, v := range want.Row(0, y)[:(want.W-1)*want.C] {
			if g := got.Row(0, y)[i]; math.Abs(float64(g-v)) > 1e-4*(1+math.Abs(float64(v))) {
				t.Errorf("row %d, value %d: %g, want %g", y, i, g, v)
			}
		}
	}
}

func TestNormaliseNeedsAConvolution(t *testing.T) {
	m := small()
	m.Graph.Nodes[0] = Node{Op: "Add", Name: "sum", In: []string{"x", "x"}, Out: []string{"a"}}
	n, err := Import(m, "a")
	if err != nil {
		t.Fatal(err)
	}
	if err := Normalise(n, mean, std); err == nil || !strings.Contains(err.Error(), "(add) reads the input") {
		t.Errorf("error %v", err)
	}
	if n, err = Import(small()); err != nil {
		t.Fatal(err)
	}
	if err := Normalise(n, mean, [3]float64{1, 0, 1}); err == nil {
		t.Error("a deviation of 0: no error")
	}
}
