package main

import (
	"bytes"
	"strings"
	"testing"

	"cull/infer"
	"cull/trainer/internal/onnx"
	"cull/trainer/internal/peers/turns"
	"cull/weights"
)

// Without its clamps the graph must still be one: every input is made before it is
// read, and every output is made.
func TestGraphWithoutClampsIsWhole(t *testing.T) {
	m, err := infer.Parse(weights.Cull())
	if err != nil {
		t.Fatal(err)
	}
	o, err := onnx.Export(m, onnx.Int8)
	if err != nil {
		t.Fatal(err)
	}
	g, nodes := &o.Graph, len(o.Graph.Nodes)
	dropClamps(g)
	made := map[string]bool{"": true} // an absent optional input
	for _, in := range g.In {
		made[in.Name] = true
	}
	for _, c := range g.Init {
		made[c.Name] = true
	}
	for _, n := range g.Nodes {
		if n.Op == "Clip" {
			t.Errorf("%s is still there", n.Name)
		}
		for _, in := range n.In {
			if !made[in] {
				t.Errorf("%s %s reads %q, which nobody made", n.Op, n.Name, in)
			}
		}
		for _, out := range n.Out {
			made[out] = true
		}
	}
	for _, out := range g.Out {
		if !made[out.Name] {
			t.Errorf("nobody makes output %q", out.Name)
		}
	}
	if len(g.Nodes) == nodes {
		t.Error("there was no clamp")
	}
}

func TestReportDividesMedians(t *testing.T) {
	all := []*contestant{
		{name: "ours", Sample: turns.Sample{Wall: []float64{9, 2, 1}, CPU: []float64{4, 1, 1}}},
		{name: "cpu", against: "ours", result: "a_1t", cpu: true, Sample: turns.Sample{Wall: []float64{1, 1, 1}, CPU: []float64{3, 9, 2}}},
		{name: "wall", against: "ours", result: "a_2t", Sample: turns.Sample{Wall: []float64{3, 3, 8}, CPU: []float64{1, 1, 1}}},
		{name: "shown", against: "ours", Sample: turns.Sample{Wall: []float64{1}, CPU: []float64{1}}},
	}
	var out bytes.Buffer
	if err := report(&out, all); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.HasSuffix(got, "\n\nRESULT a_1t 3.00 x\nRESULT a_2t 1.50 x\n") {
		t.Error(got)
	}
}
