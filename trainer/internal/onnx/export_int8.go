package onnx

import (
	"encoding/binary"

	"cull/infer/net"
)

// An int8Builder writes the device's arithmetic. All activations are uint8 of scale 1,
// of zero point 128 (signed) or 0 (after a ReLU), which ONNX Runtime fuses on every
// CPU. With x_scale = y_scale = 1 and w_scale[c] = Scale[c], QLinearConv computes
//
//	y = saturate(rne(float32(acc+bias[c]) * Scale[c]) + zero)
//
// which is the device's rule but for the ends: 255 where the device clamps at 127
// after a ReLU, -128 where it clamps at -127. A Clip mends both.
type int8Builder struct {
	*builder
	signed  []bool
	one     string // scale 1
	zeros   [2]string
	ends    map[int]string
	shifted []int // zero point of every node's value
}

// writeInt8 writes the quantised network.
func (b *builder) writeInt8() {
	q := &int8Builder{
		builder: b, signed: b.net.Graph.Signed(), one: b.floats("one", []float64{1}),
		ends: map[int]string{}, shifted: make([]int, len(b.values)),
	}
	q.zeros = [2]string{q.bytes("zero", 0), q.bytes("zero128", zeroOfBytes)}
	for i := range b.net.Graph.Nodes {
		q.emit(i)
	}
	for _, t := range b.net.Graph.Taps {
		q.tap(t)
	}
	b.steps()
}

func (b *builder) bytes(name string, v ...byte) string {
	if len(v) == 1 {
		return b.constant(name, U8, v)
	}
	return b.constant(name, U8, v, len(v))
}

// end returns a scalar constant for Clip.
func (q *int8Builder) end(v int) string {
	if q.ends[v] == "" {
		q.ends[v] = q.bytes("end", byte(v))
	}
	return q.ends[v]
}

func (q *int8Builder) zero(shift int) string { return q.zeros[shift/zeroOfBytes] }

func axis(v int) Attr { return integer("axis", v) }

// real returns node i's value as float, in its own units, for one reader.
func (q *int8Builder) real(i int, reader string) string {
	return q.node("DequantizeLinear", q.name(reader+"/in"), []string{q.values[i], q.one, q.zero(q.shifted[i])})
}

// rounded turns the float value v into node i's bytes, clamped as the device does.
func (q *int8Builder) rounded(i int, v, out string) {
	zero, lo, hi := 0, "", q.end(127)
	if q.signed[i] {
		zero, lo, hi = zeroOfBytes, q.end(1), ""
	}
	q.shifted[i] = zero
	raw := q.name(out + "/wide")
	q.node("QuantizeLinear", raw, []string{v, q.one, q.zero(zero)})
	q.clip(out, raw, lo, hi)
}

func (q *int8Builder) clip(out, in, lo, hi string) string {
	args := []string{in, lo, hi}
	if hi == "" {
		args = args[:2]
	}
	return q.node("Clip", out, args)
}

func (q *int8Builder) emit(i int) {
	n := &q.net.Graph.Nodes[i]
	if n.Op == net.Input {
		q.shifted[0] = zeroOfBytes
		q.values[0] = q.clip(q.name(picture+"/clipped"), picture, q.end(1), "")
		return
	}
	out := q.name(n.Name)
	q.shifted[i] = q.shifted[n.In[0]]
	from := q.values[n.In[0]]
	switch n.Op {
	case net.Conv:
		q.conv(i, out)
	case net.Add:
		a := q.scaledInput(n.In[0], n.Name+"/a", q.net.Params[i].Scale)
		b := q.scaledInput(n.In[1], n.Name+"/b", q.net.Params[i].ScaleB)
		q.rounded(i, q.node("Add", q.name(n.Name+"/sum"), []string{a, b}), out)
	case net.ReLU:
		q.clip(out, from, q.end(q.shifted[i]), "")
	case net.MaxPool:
		q.node("MaxPool", out, []string{from}, window(n)...)
	case net.AvgPool:
		q.mean(i, out)
	case net.ResizeNearest:
		scales, attrs := q.resize(n)
		q.node("Resize", out, append([]string{from}, scales...), attrs...)
	case net.ResizeBilinear:
		scales, attrs := q.resize(n)
		v := q.node("Resize", q.name(n.Name+"/real"), append([]string{q.real(n.In[0], n.Name)}, scales...), attrs...)
		q.rounded(i, v, out)
	}
	q.values[i] = out
}

// scaledInput returns node i's value times a scale per channel. It is a product and not
// DequantizeLinear's scale, which ONNX Runtime takes for one scale per tensor when it
// fuses a sum, and refuses.
func (q *int8Builder) scaledInput(i int, name string, scale []float32) string {
	c := len(scale)
	return q.node("Mul", q.name(name), []string{
		q.real(i, name), q.floats(name+"/scale", wide(scale), 1, c, 1, 1),
	})
}

func (q *int8Builder) conv(i int, out string) {
	n, p := &q.net.Graph.Nodes[i], &q.net.Params[i]
	w, dims := filters(q.builder, i, func(w int8, _, _ int) byte { return byte(w) })
	q.quantised(i, out, w, dims, p.Bias, wide(p.Scale), n.Groups)
}

// mean writes an average pool as a depthwise convolution with weights of one: its
// integer sum and single product are the device's.
func (q *int8Builder) mean(i int, out string) {
	n, c := &q.net.Graph.Nodes[i], q.net.Graph.Channels()[i]
	w := make([]byte, c*n.Kernel*n.Kernel)
	for k := range w {
		w[k] = 1
	}
	scale := fill(c, float64(q.net.Params[i].Scale[0]))
	q.quantised(i, out, w, []int{c, 1, n.Kernel, n.Kernel}, make([]int32, c), scale, c)
}

// quantised writes a convolution as DequantizeLinear x 3, Conv, QuantizeLinear.
func (q *int8Builder) quantised(i int, out string, w []byte, dims []int, bias []int32, scale []float64, groups int) {
	n := &q.net.Graph.Nodes[i]
	c := len(scale)
	var raw []byte
	for _, v := range bias {
		raw = binary.LittleEndian.AppendUint32(raw, uint32(v))
	}
	scales := q.floats(n.Name+"/scale", scale, c)
	parts := []string{q.real(n.In[0], n.Name)}
	for _, t := range []struct {
		name  string
		kind  Type
		raw   []byte
		shape []int
	}{{"/weight", I8, w, dims}, {"/bias", I32, raw, []int{c}}} {
		value := q.constant(n.Name+t.name+"/int", t.kind, t.raw, t.shape...)
		zero := q.constant(n.Name+t.name+"/zero", t.kind, make([]byte, c*t.kind.size()), c)
		parts = append(parts, q.node("DequantizeLinear", q.name(n.Name+t.name), []string{value, scales, zero}, axis(0)))
	}
	v := q.node("Conv", q.name(n.Name+"/sum"), parts, append(window(n), integer("group", groups))...)
	q.rounded(i, v, out)
}

// tap writes an output: the node's bytes, zero point 128.
func (q *int8Builder) tap(t net.Tap) {
	v := q.values[t.Node]
	if q.shifted[t.Node] == zeroOfBytes {
		q.node("Identity", t.Name, []string{v})
		return
	}
	v = q.real(t.Node, t.Name)
	q.node("QuantizeLinear", t.Name, []string{v, q.one, q.zeros[1]})
}
