package infer

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"

	"cull/infer/net"
	"cull/internal/container"
	"cull/internal/regular"
)

// The .net format: see doc/format-net.md.
const (
	Kind    = "net"
	Version = 1

	maxFile    = 1 << 28
	maxMeta    = 1 << 20
	maxAnswers = 64
	maxAsked   = 1024    // side of an answer's picture, pixels
	maxWork    = 1 << 36 // of all answers: see cost
)

// Open reads and checks a .net file. It does not replay the known answers: see SelfTest.
func Open(path string) (*Model, error) {
	f, _, err := regular.Open(path)
	if err != nil {
		return nil, fmt.Errorf("infer: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("infer: %w", err)
	}
	m, err := parse(b)
	if err != nil {
		return nil, fmt.Errorf("infer: %s: %w", path, err)
	}
	return m, nil
}

// Parse reads the bytes of a .net file. The model keeps none of them.
func Parse(b []byte) (*Model, error) {
	m, err := parse(b)
	if err != nil {
		return nil, fmt.Errorf("infer: %w", err)
	}
	return m, nil
}

func parse(b []byte) (*Model, error) {
	if len(b) > maxFile {
		return nil, fmt.Errorf("file of more than %d bytes", maxFile)
	}
	f, err := container.Parse(b, Kind, Version)
	if err != nil {
		return nil, err
	}
	m := &Model{digest: f.Digest()}
	for _, s := range []struct {
		name string
		read func([]byte) error
	}{
		{"graph", m.readGraph},
		{"meta", func(b []byte) error { return strict(b, &m.Meta) }},
		{"answers", func(b []byte) error { return strict(b, &m.Answers) }},
	} {
		b, err := f.Section(s.name)
		if err == nil {
			err = s.read(b)
		}
		if err != nil {
			return nil, fmt.Errorf("section %s: %w", s.name, err)
		}
	}
	if err := m.checkAnswers(); err != nil {
		return nil, fmt.Errorf("section answers: %w", err)
	}
	if err := m.readParams(f); err != nil {
		return nil, err
	}
	return m, m.validate()
}

func (m *Model) readGraph(b []byte) error {
	g, err := net.Decode(b)
	if err != nil {
		return err
	}
	m.Graph = *g
	return nil
}

// strict decodes one JSON value without unknown fields and nothing behind it.
func strict(b []byte, v any) error {
	if len(b) > maxMeta {
		return fmt.Errorf("%d bytes, at most %d", len(b), maxMeta)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("data behind the value")
	}
	return nil
}

// readParams cuts the number sections into the nodes' parameters. Their sizes
// follow from the graph and are checked before anything is allocated.
func (m *Model) readParams(f *container.File) error {
	channels := m.Graph.Channels()
	var sum sizes
	for i := range m.Graph.Nodes {
		s := m.sizes(i, channels)
		sum.weights += s.weights
		sum.bias += s.bias
		sum.scale += s.scale + s.scaleB
	}
	steps := 0
	for _, t := range m.Graph.Taps {
		steps += channels[t.Node]
	}
	var r reader
	weights := r.section(f, "weights", sum.weights, 1)
	bias := r.section(f, "bias", sum.bias, 4)
	scale := r.section(f, "scale", sum.scale, 4)
	step := r.section(f, "step", steps, 4)
	if r.err != nil {
		return r.err
	}
	m.Params = make([]Params, len(m.Graph.Nodes))
	for i := range m.Params {
		s, p := m.sizes(i, channels), &m.Params[i]
		p.Weights = cut(&weights, s.weights, 1, func(b []byte) int8 { return int8(b[0]) })
		p.Bias = cut(&bias, s.bias, 4, func(b []byte) int32 { return int32(binary.LittleEndian.Uint32(b)) })
		p.Scale = cut(&scale, s.scale, 4, float)
		p.ScaleB = cut(&scale, s.scaleB, 4, float)
	}
	m.TapStep = make([][]float32, len(m.Graph.Taps))
	for i, t := range m.Graph.Taps {
		m.TapStep[i] = cut(&step, channels[t.Node], 4, float)
	}
	return nil
}

// A reader fetches sections and keeps the first error.
type reader struct{ err error }

func (r *reader) section(f *container.File, name string, n, size int) []byte {
	b, err := f.Section(name)
	if err == nil && len(b) != n*size {
		err = fmt.Errorf("section %s: %d bytes, the graph wants %d", name, len(b), n*size)
	}
	if r.err == nil {
		r.err = err
	}
	return b
}

func float(b []byte) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(b)) }

// cut removes n values of size bytes from the front of b; nil for none.
func cut[T any](b *[]byte, n, size int, value func([]byte) T) []T {
	if n == 0 {
		return nil
	}
	out := make([]T, n)
	for i := range out {
		out[i] = value((*b)[i*size:])
	}
	*b = (*b)[n*size:]
	return out
}

// Encode returns the bytes of a .net file: the same model, the same bytes.
func (m *Model) Encode() ([]byte, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	if err := m.checkAnswers(); err != nil {
		return nil, fmt.Errorf("infer: %w", err)
	}
	graph, err := m.Graph.Encode()
	if err != nil {
		return nil, fmt.Errorf("infer: %w", err)
	}
	meta, err := json.MarshalIndent(m.Meta, "", " ")
	if err != nil {
		return nil, fmt.Errorf("infer: meta: %w", err)
	}
	answers, err := json.MarshalIndent(append([]Answer{}, m.Answers...), "", " ")
	if err != nil {
		return nil, fmt.Errorf("infer: answers: %w", err)
	}
	var weights, bias, scale, step []byte
	for _, p := range m.Params {
		for _, w := range p.Weights {
			weights = append(weights, byte(w))
		}
		for _, v := range p.Bias {
			bias = binary.LittleEndian.AppendUint32(bias, uint32(v))
		}
		scale = appendFloats(appendFloats(scale, p.Scale), p.ScaleB)
	}
	for _, s := range m.TapStep {
		step = appendFloats(step, s)
	}
	b, err := container.Encode(Kind, Version, []container.Section{
		{Name: "meta", Data: meta},
		{Name: "graph", Data: graph},
		{Name: "answers", Data: answers},
		{Name: "weights", Data: weights},
		{Name: "bias", Data: bias},
		{Name: "scale", Data: scale},
		{Name: "step", Data: step},
	})
	if err != nil {
		return nil, fmt.Errorf("infer: %w", err)
	}
	if len(meta) > maxMeta || len(b) > maxFile {
		return nil, fmt.Errorf("infer: meta of %d bytes, file of %d: at most %d and %d",
			len(meta), len(b), maxMeta, maxFile)
	}
	f, err := container.Parse(b, Kind, Version)
	if err != nil {
		return nil, fmt.Errorf("infer: %w", err)
	}
	m.digest = f.Digest()
	return b, nil
}

func appendFloats(b []byte, v []float32) []byte {
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

// WriteFile encodes the model and writes it, all or nothing.
func (m *Model) WriteFile(path string) error {
	b, err := m.Encode()
	if err != nil {
		return err
	}
	if err := container.WriteFile(path, b); err != nil {
		return fmt.Errorf("infer: %w", err)
	}
	return nil
}
