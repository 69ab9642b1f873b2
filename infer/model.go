// Package infer runs an int8 convolutional network: Model is what a .net file
// holds, Runner turns a picture into feature maps. doc/format-net.md gives the
// file byte by byte, doc/architecture.md the arithmetic.
package infer

import (
	"fmt"
	"math"

	"cull/infer/internal/kernel"
	"cull/infer/net"
	"cull/infer/quant"
)

// Kernel returns the name of the kernels in use on this CPU.
func Kernel() string { return kernel.Name() }

// Peak does at least n multiply-accumulates of the kernels in use, in
// registers only, and returns how many: their time is the bound of every
// convolution. Without assembly there is no such bound and it returns 0.
func Peak(n int) int { return kernel.Peak(n) }

// Params are the numbers of one node. Nodes without numbers have the zero Params.
type Params struct {
	Weights []int8    // Conv: [Out][Kernel][Kernel][In/Groups], -127..127
	Bias    []int32   // Conv: [Out], in units of the accumulator
	Scale   []float32 // Conv: [Out]; Add: [C] of the first input; AvgPool: [1], the window's sum to its result
	ScaleB  []float32 // Add: [C] of the second input
}

// A Model is a network with its weights and where they came from. A Runner
// keeps no reference to it.
type Model struct {
	Graph   net.Graph
	Params  []Params    // one per node
	TapStep [][]float32 // one per tap, [C]: real value = int8 * step
	Meta    Meta
	Answers []Answer

	digest [32]byte
}

// Meta says how a model came to be. It decides no result.
type Meta struct {
	Name      string            `json:"name"`
	CreatedBy string            `json:"createdBy,omitempty"` // program and version
	Recipe    string            `json:"recipe,omitempty"`    // the text of the recipe file
	Seed      uint64            `json:"seed,omitempty"`
	Images    int64             `json:"images,omitempty"` // training images seen
	Sources   []Source          `json:"sources,omitempty"`
	Input     Geometry          `json:"input"`
	Notes     map[string]string `json:"notes,omitempty"`
}

// A Source is a data set that shaped the weights.
type Source struct {
	Name    string `json:"name"`
	Licence string `json:"licence"`
	Note    string `json:"note,omitempty"`
}

// Geometry is the picture size a network was made for: advice, any size runs.
type Geometry struct {
	Size     int `json:"size,omitempty"`     // usual side, pixels
	Smallest int `json:"smallest,omitempty"` // side below which features mean little, pixels
	Multiple int `json:"multiple,omitempty"` // sides should be a multiple of this, pixels
}

const maxSide = 4096 // of what is usual or least, pixels

// Validate reports the first fault of a model: graph, sizes, ranges, scales,
// and accumulators that could overflow.
func (m *Model) Validate() error {
	if err := m.validate(); err != nil {
		return fmt.Errorf("infer: %w", err)
	}
	return nil
}

func (m *Model) validate() error {
	for _, v := range []int{m.Meta.Input.Size, m.Meta.Input.Smallest, m.Meta.Input.Multiple} {
		if v < 0 || v > maxSide {
			return fmt.Errorf("input sides %+v: must be 0 to %d pixels", m.Meta.Input, maxSide)
		}
	}
	if err := m.Graph.Validate(); err != nil {
		return err
	}
	if len(m.Params) != len(m.Graph.Nodes) {
		return fmt.Errorf("%d params for %d nodes", len(m.Params), len(m.Graph.Nodes))
	}
	channels := m.Graph.Channels()
	for i := range m.Graph.Nodes {
		if err := m.checkNode(i, channels); err != nil {
			n := &m.Graph.Nodes[i]
			return fmt.Errorf("node %d (%s %s): %w", i, n.Op, n.Name, err)
		}
	}
	if len(m.TapStep) != len(m.Graph.Taps) {
		return fmt.Errorf("steps for %d taps, graph has %d", len(m.TapStep), len(m.Graph.Taps))
	}
	for i, t := range m.Graph.Taps {
		if err := checkScales(m.TapStep[i], channels[t.Node], func(int) int64 { return quant.Max }); err != nil {
			return fmt.Errorf("tap %d (%s): step: %w", i, t.Name, err)
		}
	}
	return nil
}

func (m *Model) checkNode(i int, channels []int) error {
	n, p, want := &m.Graph.Nodes[i], &m.Params[i], m.sizes(i, channels)
	if len(p.Weights) != want.weights || len(p.Bias) != want.bias {
		return fmt.Errorf("%d weights and %d biases, want %d and %d",
			len(p.Weights), len(p.Bias), want.weights, want.bias)
	}
	bound := func(int) int64 { return quant.Max }
	switch n.Op {
	case net.Conv:
		reach := make([]int64, n.Out)
		window := want.weights / n.Out
		for c := range reach {
			var err error
			if reach[c], err = filterReach(p.Weights[c*window:][:window], p.Bias[c]); err != nil {
				return fmt.Errorf("channel %d: %w", c, err)
			}
		}
		bound = func(c int) int64 { return reach[c] }
	case net.AvgPool:
		bound = func(int) int64 { return int64(n.Kernel*n.Kernel) * quant.Max }
	}
	if err := checkScales(p.Scale, want.scale, bound); err != nil {
		return err
	}
	return checkScales(p.ScaleB, want.scaleB, bound)
}

// filterReach returns the largest magnitude a filter's accumulator can have, bias
// included, or an error if int32 cannot hold it.
func filterReach(w []int8, bias int32) (int64, error) {
	sum, least := 0, int8(0)
	for _, v := range w {
		least = min(least, v)
		sum += max(int(v), -int(v))
	}
	if least == math.MinInt8 {
		return 0, fmt.Errorf("a weight is -128")
	}
	reach := int64(sum)*quant.Max + max(int64(bias), -int64(bias))
	if reach > math.MaxInt32 {
		return 0, fmt.Errorf("sum of |weights| * 127 + |bias| is %d: could overflow int32", reach)
	}
	return reach, nil
}

func checkScales(s []float32, want int, bound func(c int) int64) error {
	if len(s) != want {
		return fmt.Errorf("%d scales, want %d", len(s), want)
	}
	for c, v := range s {
		if err := quant.CheckScale(v, bound(c)); err != nil {
			return fmt.Errorf("channel %d: %w", c, err)
		}
	}
	return nil
}

// sizes are the lengths of a node's Params.
type sizes struct{ weights, bias, scale, scaleB int }

func (m *Model) sizes(i int, channels []int) (s sizes) {
	n := &m.Graph.Nodes[i]
	switch n.Op {
	case net.Conv:
		s.weights = n.Out * n.Kernel * n.Kernel * (channels[n.In[0]] / n.Groups)
		s.bias, s.scale = n.Out, n.Out
	case net.Add:
		s.scale, s.scaleB = channels[i], channels[i]
	case net.AvgPool:
		s.scale = 1
	}
	return s
}

// Digest returns the digest of the file the model was parsed from or last
// encoded to (container.File.Digest), zero before either.
func (m *Model) Digest() [32]byte { return m.digest }
