package onnx

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"

	"cull/infer"
	"cull/infer/net"
)

// A Form is a way to write a network as ONNX.
type Form int

const (
	// Float is the network without rounding and saturation, in real numbers: the input
	// is (p-128)/127.5 of pixel p, the outputs are int8 * step of the taps.
	Float Form = iota
	// Int8 has the device's arithmetic (QuantizeLinear and DequantizeLinear around
	// float operators, which runtimes fuse to integer ones): the input is uint8, the
	// pixel, the outputs are uint8, 128 more than the device's int8.
	Int8
)

const (
	irVersion    = 8
	opsetVersion = 13

	picture     = "image"
	inputStep   = 1 / 127.5 // real value of a unit of the picture
	zeroOfBytes = 128       // of a signed value in a uint8
)

// Export returns the network as an ONNX model. The picture is [N][C][H][W], any
// size; the outputs have the names of the taps.
func Export(m *infer.Model, form Form) (*Model, error) {
	if err := m.Validate(); err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	b := &builder{
		net: m, channels: m.Graph.Channels(), values: make([]string, len(m.Graph.Nodes)),
		taken: map[string]bool{picture: true},
		model: &Model{
			IR: irVersion, Producer: "cull-trainer", Opset: opsetVersion,
			Graph: Graph{Name: m.Meta.Name},
		},
	}
	if b.model.Graph.Name == "" {
		b.model.Graph.Name = "cull"
	}
	for i := range m.Graph.Taps {
		b.taken[m.Graph.Taps[i].Name] = true
	}
	if b.taken[""] || len(b.taken) != len(m.Graph.Taps)+1 {
		return nil, fmt.Errorf("onnx: a tap has the name of the input, %q", picture)
	}
	b.values[0] = picture
	switch form {
	case Float:
		b.writeFloat()
	case Int8:
		b.writeInt8()
	default:
		return nil, fmt.Errorf("onnx: unknown form %d", form)
	}
	b.describe()
	return b.model, b.err
}

// A builder writes one model.
type builder struct {
	net      *infer.Model
	channels []int
	values   []string // name of every node's value
	taken    map[string]bool
	model    *Model
	err      error
}

// name returns want or, where that is taken, a longer name.
func (b *builder) name(want string) string {
	for b.taken[want] {
		want += "_"
	}
	b.taken[want] = true
	return want
}

// node appends an operation with one result of the given name and returns it.
func (b *builder) node(op, out string, in []string, attrs ...Attr) string {
	b.model.Graph.Nodes = append(b.model.Graph.Nodes, Node{
		Op: op, Name: out, In: in, Out: []string{out}, Attrs: attrs,
	})
	return out
}

// constant appends a tensor and returns its name.
func (b *builder) constant(name string, t Type, raw []byte, dims ...int) string {
	name = b.name(name)
	c := Tensor{Name: name, Type: t, Raw: raw}
	for _, d := range dims {
		c.Dims = append(c.Dims, int64(d))
	}
	b.model.Graph.Init = append(b.model.Graph.Init, c)
	return name
}

// floats appends a constant of float32.
func (b *builder) floats(name string, v []float64, dims ...int) string {
	raw := make([]byte, 0, 4*len(v))
	for _, x := range v {
		f := float32(x)
		if math.IsInf(float64(f), 0) && b.err == nil {
			b.err = fmt.Errorf("onnx: %s: %g is not a float32", name, x)
		}
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(f))
	}
	return b.constant(name, F32, raw, dims...)
}

// describe declares inputs, outputs and what a reader must know to use them.
func (b *builder) describe() {
	g, n := &b.model.Graph, &b.net.Graph
	batch := Dim{Param: "N"}
	element := F32
	if len(b.model.Meta) > 0 {
		element = U8
	}
	g.In = []Value{{picture, element, []Dim{
		batch, {Size: int64(n.InputChannels)}, {Param: "H"}, {Param: "W"},
	}}}
	for i, t := range n.Taps {
		side := func(axis string) Dim { return Dim{Param: fmt.Sprintf("tap%d.%s", i, axis)} }
		g.Out = append(g.Out, Value{t.Name, element, []Dim{
			batch, {Size: int64(b.channels[t.Node])}, side("H"), side("W"),
		}})
	}
}

// window returns the attributes of a convolution or pool.
func window(n *net.Node) []Attr {
	k, s, p, e := int64(n.Kernel), int64(n.Stride), int64(n.Pad), int64(n.Pad+n.PadExtra)
	return []Attr{
		{Name: "kernel_shape", Kind: KindInts, Ints: []int64{k, k}},
		{Name: "pads", Kind: KindInts, Ints: []int64{p, p, e, e}},
		{Name: "strides", Kind: KindInts, Ints: []int64{s, s}},
	}
}

// resize returns the attributes and scales of a resize.
func (b *builder) resize(n *net.Node) (in []string, attrs []Attr) {
	f := float64(n.Factor)
	in = []string{"", b.floats(n.Name+"/factor", []float64{1, 1, f, f}, 4)}
	text := func(name, s string) Attr { return Attr{Name: name, Kind: KindString, S: s} }
	if n.Op == net.ResizeBilinear {
		return in, []Attr{text("mode", "linear"), text("coordinate_transformation_mode", "half_pixel")}
	}
	return in, []Attr{
		text("mode", "nearest"), text("nearest_mode", "floor"),
		text("coordinate_transformation_mode", "asymmetric"),
	}
}

func integer(name string, v int) Attr { return Attr{Name: name, Kind: KindInt, I: int64(v)} }

// filters brings node i's weights from [Out][K][K][In/Groups] to ONNX's order,
// [Out][In/Groups][K][K], through f.
func filters[T any](b *builder, i int, f func(w int8, out, in int) T) (v []T, dims []int) {
	n, w := &b.net.Graph.Nodes[i], b.net.Params[i].Weights
	share := b.channels[n.In[0]] / n.Groups
	area := n.Kernel * n.Kernel
	for o := range n.Out {
		for c := range share {
			for k := range area {
				v = append(v, f(w[(o*area+k)*share+c], o, o/(n.Out/n.Groups)*share+c))
			}
		}
	}
	return v, []int{n.Out, share, n.Kernel, n.Kernel}
}

// steps writes the taps' steps as metadata, "step.NAME": numbers separated by spaces.
func (b *builder) steps() {
	for i, t := range b.net.Graph.Taps {
		var s []string
		for _, v := range b.net.TapStep[i] {
			s = append(s, strconv.FormatFloat(float64(v), 'g', -1, 32))
		}
		b.model.Meta = append(b.model.Meta, Entry{"step." + t.Name, strings.Join(s, " ")})
	}
}
