package net

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
)

var (
	opNames = []string{
		"input", "conv", "add", "relu", "maxpool", "avgpool", "resize-nearest", "resize-bilinear",
	}
	actNames = []string{"none", "relu", "relu6"}
)

// String returns the operation's name in the file format.
func (o Op) String() string { return name(opNames, int(o)) }

// String returns the activation's name in the file format.
func (a Act) String() string { return name(actNames, int(a)) }

// MarshalText returns the operation's name.
func (o Op) MarshalText() ([]byte, error) { return marshal(opNames, int(o), "operation") }

// MarshalText returns the activation's name.
func (a Act) MarshalText() ([]byte, error) { return marshal(actNames, int(a), "activation") }

// UnmarshalText reads an operation's name.
func (o *Op) UnmarshalText(b []byte) error {
	i, err := unmarshal(opNames, b, "operation")
	*o = Op(i)
	return err
}

// UnmarshalText reads an activation's name.
func (a *Act) UnmarshalText(b []byte) error {
	i, err := unmarshal(actNames, b, "activation")
	*a = Act(i)
	return err
}

func name(names []string, i int) string {
	if i < len(names) {
		return names[i]
	}
	return fmt.Sprintf("unknown(%d)", i)
}

func marshal(names []string, i int, what string) ([]byte, error) {
	if i >= len(names) {
		return nil, fmt.Errorf("net: unknown %s %d", what, i)
	}
	return []byte(names[i]), nil
}

func unmarshal(names []string, b []byte, what string) (int, error) {
	i := slices.Index(names, string(b))
	if i < 0 {
		return 0, fmt.Errorf("net: unknown %s %q", what, b[:min(len(b), 32)])
	}
	return i, nil
}

// Encode returns a valid graph as JSON, the same bytes for the same graph.
func (g *Graph) Encode() ([]byte, error) {
	if err := g.Validate(); err != nil {
		return nil, err
	}
	b, err := json.MarshalIndent(g, "", " ")
	if err != nil {
		return nil, fmt.Errorf("net: %w", err)
	}
	return b, nil
}

// Decode reads what Encode wrote. Unknown fields, anything behind the graph
// and a graph that Validate refuses are errors.
func Decode(b []byte) (*Graph, error) {
	if len(b) > maxText {
		return nil, fmt.Errorf("net: graph of %d bytes, at most %d", len(b), maxText)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	g := new(Graph)
	if err := d.Decode(g); err != nil {
		return nil, fmt.Errorf("net: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("net: data behind the graph")
	}
	if err := g.Validate(); err != nil {
		return nil, err
	}
	return g, nil
}
