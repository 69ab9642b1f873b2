package onnx

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Limits, so that a hostile file costs little.
const (
	maxFile  = 1 << 30
	maxNodes = 1 << 16
)

// Parse reads the bytes of an ONNX file. Tensors share b's memory where they can.
// Subgraphs, training information and external data are not read.
func Parse(b []byte) (*Model, error) {
	if len(b) > maxFile {
		return nil, fmt.Errorf("onnx: file of more than %d bytes", maxFile)
	}
	m := new(Model)
	graphs := 0
	err := fields(b, func(d field) error {
		switch d.number {
		case 1:
			return within("ir_version", d.readInt(&m.IR))
		case 2:
			return within("producer_name", d.readString(&m.Producer))
		case 7:
			graphs++
			return within("graph", m.Graph.decode(d))
		case 8:
			return within("opset_import", m.decodeOpset(d))
		case 14:
			m.Meta = append(m.Meta, Entry{})
			return within("metadata_props", m.Meta[len(m.Meta)-1].decode(d))
		}
		return nil
	})
	if err == nil && (graphs != 1 || len(m.Graph.Nodes) == 0) {
		err = fmt.Errorf("%d graphs, %d nodes: not an ONNX model", graphs, len(m.Graph.Nodes))
	}
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	return m, nil
}

// message reads the fields of a nested message.
func (d field) message(f func(field) error) error {
	if err := d.is(wireBytes); err != nil {
		return err
	}
	return fields(d.b, f)
}

func (m *Model) decodeOpset(d field) error {
	var domain string
	var version int64
	err := d.message(func(d field) error {
		switch d.number {
		case 1:
			return d.readString(&domain)
		case 2:
			return d.readInt(&version)
		}
		return nil
	})
	if domain == "" || domain == "ai.onnx" {
		m.Opset = version
	}
	return err
}

func (e *Entry) decode(d field) error {
	return d.message(func(d field) error {
		switch d.number {
		case 1:
			return d.readString(&e.Key)
		case 2:
			return d.readString(&e.Value)
		}
		return nil
	})
}

func (g *Graph) decode(d field) error {
	return d.message(func(d field) error {
		switch d.number {
		case 1:
			if len(g.Nodes) == maxNodes {
				return fmt.Errorf("more than %d nodes", maxNodes)
			}
			g.Nodes = append(g.Nodes, Node{})
			return within(fmt.Sprint("node ", len(g.Nodes)-1), g.Nodes[len(g.Nodes)-1].decode(d))
		case 2:
			return d.readString(&g.Name)
		case 5:
			g.Init = append(g.Init, Tensor{})
			return within(fmt.Sprint("initializer ", len(g.Init)-1), g.Init[len(g.Init)-1].decode(d))
		case 11:
			g.In = append(g.In, Value{})
			return within("input", g.In[len(g.In)-1].decode(d))
		case 12:
			g.Out = append(g.Out, Value{})
			return within("output", g.Out[len(g.Out)-1].decode(d))
		}
		return nil
	})
}

func (n *Node) decode(d field) error {
	list := func(d field, to *[]string) error {
		*to = append(*to, string(d.b))
		return d.is(wireBytes)
	}
	return d.message(func(d field) error {
		switch d.number {
		case 1:
			return list(d, &n.In)
		case 2:
			return list(d, &n.Out)
		case 3:
			return d.readString(&n.Name)
		case 4:
			return d.readString(&n.Op)
		case 5:
			n.Attrs = append(n.Attrs, Attr{})
			a := &n.Attrs[len(n.Attrs)-1]
			err := a.decode(d)
			return within("attribute "+a.Name, err)
		case 7:
			return d.readString(&n.Domain)
		}
		return nil
	})
}

func (a *Attr) decode(d field) error {
	var floats []byte
	err := d.message(func(d field) error {
		switch d.number {
		case 1:
			return d.readString(&a.Name)
		case 2:
			a.F = math.Float32frombits(uint32(d.v))
			return d.is(wire32)
		case 3:
			return d.readInt(&a.I)
		case 4:
			return d.readString(&a.S)
		case 5:
			a.T = new(Tensor)
			return a.T.decode(d)
		case 7:
			return d.readFixed(&floats, 4)
		case 8:
			return d.readInts(&a.Ints)
		case 20:
			return d.readInt((*int64)(&a.Kind))
		}
		return nil
	})
	for ; len(floats) >= 4; floats = floats[4:] {
		a.Floats = append(a.Floats, math.Float32frombits(binary.LittleEndian.Uint32(floats)))
	}
	return err
}

// decode reads a tensor and brings the typed lists of TensorProto to raw bytes.
func (t *Tensor) decode(d field) error {
	var ints []int64 // int32_data, int64_data
	err := d.message(func(d field) error {
		switch d.number {
		case 1:
			return d.readInts(&t.Dims)
		case 2:
			return d.readInt((*int64)(&t.Type))
		case 4:
			return d.readFixed(&t.Raw, 4)
		case 5, 7:
			return d.readInts(&ints)
		case 8:
			return d.readString(&t.Name)
		case 9:
			t.Raw = d.b
			return d.is(wireBytes)
		case 10:
			return d.readFixed(&t.Raw, 8)
		case 13, 14:
			if d.number == 13 || d.v != 0 {
				return fmt.Errorf("tensor %q: its data are in another file", t.Name)
			}
		}
		return nil
	})
	for _, v := range ints {
		for i := range t.Type.size() {
			t.Raw = append(t.Raw, byte(v>>(8*i)))
		}
	}
	return err
}

func (v *Value) decode(d field) error {
	dim := func(d field) error {
		var x Dim
		err := d.message(func(d field) error {
			switch d.number {
			case 1:
				return d.readInt(&x.Size)
			case 2:
				return d.readString(&x.Param)
			}
			return nil
		})
		v.Dims = append(v.Dims, x)
		return err
	}
	shape := func(d field) error {
		if d.number == 1 {
			return dim(d)
		}
		return nil
	}
	tensor := func(d field) error {
		switch d.number {
		case 1:
			return d.readInt((*int64)(&v.Type))
		case 2:
			return d.message(shape)
		}
		return nil
	}
	return d.message(func(d field) error {
		switch d.number {
		case 1:
			return d.readString(&v.Name)
		case 2:
			return d.message(func(d field) error {
				if d.number == 1 {
					return d.message(tensor)
				}
				return nil
			})
		}
		return nil
	})
}
