package onnx

import (
	"encoding/binary"
	"math"
)

// Encode returns the bytes of the file: the same model, the same bytes.
func (m *Model) Encode() []byte {
	var w writer
	w.int(1, m.IR)
	w.string(2, m.Producer)
	w.message(7, m.Graph.encode)
	w.message(8, func(w *writer) { w.int(2, m.Opset) })
	for _, e := range m.Meta {
		w.message(14, func(w *writer) {
			w.string(1, e.Key)
			w.string(2, e.Value)
		})
	}
	return w
}

func (g *Graph) encode(w *writer) {
	for i := range g.Nodes {
		w.message(1, g.Nodes[i].encode)
	}
	w.string(2, g.Name)
	for i := range g.Init {
		w.message(5, g.Init[i].encode)
	}
	for i := range g.In {
		w.message(11, g.In[i].encode)
	}
	for i := range g.Out {
		w.message(12, g.Out[i].encode)
	}
}

func (n *Node) encode(w *writer) {
	for _, s := range n.In {
		w.bytes(1, []byte(s)) // an absent optional input is an empty string
	}
	for _, s := range n.Out {
		w.bytes(2, []byte(s))
	}
	w.string(3, n.Name)
	w.string(4, n.Op)
	for i := range n.Attrs {
		w.message(5, n.Attrs[i].encode)
	}
	w.string(7, n.Domain)
}

func (a *Attr) encode(w *writer) {
	w.string(1, a.Name)
	switch a.Kind {
	case KindFloat:
		w.float(2, a.F)
	case KindInt:
		w.int(3, a.I)
	case KindString:
		w.bytes(4, []byte(a.S))
	case KindTensor:
		if a.T != nil {
			w.message(5, a.T.encode)
		}
	case KindFloats:
		var p []byte
		for _, v := range a.Floats {
			p = binary.LittleEndian.AppendUint32(p, math.Float32bits(v))
		}
		w.bytes(7, p)
	case KindInts:
		for _, v := range a.Ints {
			w.tag(8, wireVarint) // proto2: not packed
			*w = binary.AppendUvarint(*w, uint64(v))
		}
	}
	w.int(20, int64(a.Kind))
}

func (t *Tensor) encode(w *writer) {
	w.ints(1, t.Dims)
	w.int(2, int64(t.Type))
	w.string(8, t.Name)
	w.bytes(9, t.Raw)
}

func (v *Value) encode(w *writer) {
	w.string(1, v.Name)
	w.message(2, func(w *writer) {
		w.message(1, func(w *writer) {
			w.int(1, int64(v.Type))
			w.message(2, func(w *writer) {
				for _, d := range v.Dims {
					w.message(1, func(w *writer) {
						w.int(1, d.Size)
						w.string(2, d.Param)
					})
				}
			})
		})
	})
}
