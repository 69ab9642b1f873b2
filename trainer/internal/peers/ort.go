package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"cull/infer"
	"cull/trainer/internal/onnx"
	"cull/trainer/internal/peers/turns"
)

// forms are the ways ONNX Runtime is given the network. "int8" is what counts: the
// exported network less the clamps that make its results ours to the bit, because
// ONNX Runtime has no operator with such a clamp and its users would not ask for it.
var forms = []form{
	{"int8", onnx.Int8, false}, {"int8_exact", onnx.Int8, true}, {"fp32", onnx.Float, true},
}

type form struct {
	name   string
	kind   onnx.Form
	clamps bool
}

// export writes the network for pictures of one size, and the picture.
func (a *arena) export(f form, pic []int8) (model, input string, err error) {
	o, err := onnx.Export(a.model, f.kind)
	if err != nil {
		return "", "", err
	}
	o.Graph.In[0].Dims = []onnx.Dim{{Size: 1}, {Size: 3}, {Size: int64(a.h)}, {Size: int64(a.w)}}
	for i, t := range a.maps {
		o.Graph.Out[i].Dims = []onnx.Dim{{Size: 1}, {Size: int64(t.C)}, {Size: int64(t.H)}, {Size: int64(t.W)}}
	}
	if !f.clamps {
		dropClamps(&o.Graph)
	}
	model, input = filepath.Join(a.tmp, f.name+".onnx"), filepath.Join(a.tmp, f.name+".in")
	var raw []byte
	for c := range 3 {
		for i := c; i < len(pic); i += 3 {
			if f.kind == onnx.Float {
				raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(float32(float64(pic[i])/127.5)))
			} else {
				raw = append(raw, byte(int(pic[i])+128))
			}
		}
	}
	if err := os.WriteFile(input, raw, 0o600); err != nil {
		return "", "", err
	}
	return model, input, os.WriteFile(model, o.Encode(), 0o600)
}

// dropClamps takes out the Clip nodes: their readers read what they read.
func dropClamps(g *onnx.Graph) {
	source := make(map[string]string)
	for _, n := range g.Nodes {
		if n.Op == "Clip" {
			source[n.Out[0]] = n.In[0]
		}
	}
	g.Nodes = slices.DeleteFunc(g.Nodes, func(n onnx.Node) bool { return n.Op == "Clip" })
	for _, n := range g.Nodes {
		for i, in := range n.In {
			if s, ok := source[in]; ok {
				n.In[i] = s
			}
		}
		for _, out := range g.Out { // a clamped output: its source takes the name
			if n.Out[0] == source[out.Name] {
				n.Out[0] = out.Name
			}
		}
	}
}

// difference returns how far the outputs of ort.js are from maps, in units of our int8.
func difference(e *turns.Peer, tmp string, f form, maps []infer.Map) (string, error) {
	if err := e.Ask("output "+tmp, &struct{}{}); err != nil {
		return "", err
	}
	worst, differ, total := 0.0, 0, 0
	for k, m := range maps {
		raw, err := os.ReadFile(filepath.Join(tmp, strconv.Itoa(k)))
		if err != nil {
			return "", err
		}
		size := len(raw) / len(m.Data)
		if len(raw) != size*len(m.Data) || size != 1 && size != 4 {
			return "", fmt.Errorf("output %d: %d bytes for %d values", k, len(raw), len(m.Data))
		}
		for i, want := range m.Data {
			at := i%m.C*m.H*m.W + i/m.C // [C][H][W] of [H][W][C]
			got := 0.0
			if size == 1 {
				got = float64(raw[at]) - 128
			} else {
				got = float64(math.Float32frombits(binary.LittleEndian.Uint32(raw[4*at:]))) / float64(m.Step[i%m.C])
			}
			if d := math.Abs(got - float64(want)); d > 0 {
				worst = max(worst, d)
				differ++
			}
			total++
		}
	}
	if f.kind == onnx.Float {
		return fmt.Sprintf("%.1f steps of int8 from ours", worst), nil
	}
	return fmt.Sprintf("%g from ours, %d of %d values differ", worst, differ, total), nil
}
