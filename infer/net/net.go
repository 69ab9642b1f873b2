// Package net describes a convolutional network as data: layers, edges and
// shapes. It holds no weight and does no arithmetic.
//
// A Graph is a list of nodes in an order in which they can be computed: node i
// reads nodes before i only, node 0 is the input picture. Everything is fully
// convolutional: the same graph runs at any input size, and Shapes says what
// comes out.
package net

// An Op is what a node computes.
type Op uint8

// Operations. Padding of a Conv or AvgPool is with zeros; padding of a MaxPool never wins.
const (
	Input          Op = iota // the picture, Graph.InputChannels channels
	Conv                     // Kernel 1, 3, 5 or 7, Stride 1 or 2, Pad, PadExtra, Groups (== channels: depthwise)
	Add                      // sum of two nodes of one shape
	ReLU                     // max(x, 0), same scale as its input
	MaxPool                  // Kernel x Kernel window, Stride, Pad
	AvgPool                  // Kernel x Kernel window, Stride, Pad; padding counts as zeros in the mean
	ResizeNearest            // Factor times larger
	ResizeBilinear           // Factor times larger, half-pixel centres (align_corners false)
)

// An Act is the activation a Conv or Add ends with. It decides the range of
// the int8 result: None gives -127..127, the others 0..127.
type Act uint8

// Activations. ReLU6 is kept apart from ReLU for export; in int8 both are the clamp at 0
// because the scale already puts 127 at or below six.
const (
	None Act = iota
	ActReLU
	ActReLU6
)

// A Node is one layer.
type Node struct {
	Name string `json:"name"`
	Op   Op     `json:"op"`
	In   []int  `json:"in,omitempty"` // indices of the nodes it reads: 1, for Add 2, for Input 0

	Out    int `json:"out,omitempty"`    // Conv: output channels
	Kernel int `json:"kernel,omitempty"` // Conv, pools: side of the square window
	Stride int `json:"stride,omitempty"` // Conv, pools
	Pad    int `json:"pad,omitempty"`    // Conv, pools: on all four sides
	Groups int `json:"groups,omitempty"` // Conv: 1 is dense
	Factor int `json:"factor,omitempty"` // resizes
	Act    Act `json:"act,omitempty"`    // Conv, Add

	// PadExtra, 0 or 1, is padding beyond Pad on the right and at the bottom, as in networks
	// from TensorFlow: Conv.
	PadExtra int `json:"padExtra,omitempty"`
}

// A Tap names a node whose int8 result is a feature map.
type Tap struct {
	Name string `json:"name"`
	Node int    `json:"node"`
}

// A Graph is a network without its weights.
type Graph struct {
	InputChannels int    `json:"inputChannels"`
	Nodes         []Node `json:"nodes"`
	Taps          []Tap  `json:"taps"`
}

// A Shape is the size of a node's result, stored [H][W][C].
type Shape struct{ H, W, C int }

// Len returns the number of values of the shape.
func (s Shape) Len() int { return s.H * s.W * s.C }
