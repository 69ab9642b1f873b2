package inspect

import (
	"cull/infer"
	"cull/internal/fixed"
	"cull/padim"
)

// An Extractor turns input pictures, [h][w][3] int8, into feature maps, which
// belong to it until its next Maps.
type Extractor interface {
	Maps(pic []int8) []padim.Map
}

// Taps is an Extractor of a model's taps. Not safe for concurrent use.
type Taps struct {
	runner *infer.Runner
	maps   []padim.Map
}

// NewTaps prepares m for pictures of height x width on that many threads.
func NewTaps(m *infer.Model, height, width, threads int) (*Taps, error) {
	r, err := m.NewRunner(height, width, infer.Options{Threads: threads})
	if err != nil {
		return nil, err
	}
	return &Taps{runner: r}, nil
}

// Maps returns the network's maps.
func (t *Taps) Maps(pic []int8) []padim.Map {
	t.maps = t.maps[:0]
	for _, m := range t.runner.Run(pic) {
		t.maps = append(t.maps, padim.Map(m))
	}
	return t.maps
}

// Close ends the network's threads.
func (t *Taps) Close() { t.runner.Close() }

// extended is an Extractor with the fixed maps behind its own.
type extended struct {
	Extractor
	fixed *fixed.Maps
	maps  []padim.Map
}

// Extend returns an Extractor of e's maps and the fixed ones, which no network need learn, of pictures of
// height x width: what a Network is, for taps that something else computes.
func Extend(e Extractor, height, width int) (Extractor, error) {
	f, err := fixed.New(height, width)
	if err != nil {
		return nil, err
	}
	return &extended{Extractor: e, fixed: f}, nil
}

func (e *extended) Maps(pic []int8) []padim.Map {
	e.maps = e.fixed.Append(append(e.maps[:0], e.Extractor.Maps(pic)...), pic)
	return e.maps
}

// A Network is the Extractor of the line: a model's taps and the fixed maps. Not safe for concurrent use.
type Network struct {
	Taps     *Taps
	extended Extractor
}

// NewNetwork prepares m for pictures of height x width on that many threads.
func NewNetwork(m *infer.Model, height, width, threads int) (*Network, error) {
	taps, err := NewTaps(m, height, width, threads)
	if err != nil {
		return nil, err
	}
	all, err := Extend(taps, height, width)
	if err != nil {
		taps.Close()
		return nil, err
	}
	return &Network{taps, all}, nil
}

// Maps returns the taps' maps and the fixed ones.
func (n *Network) Maps(pic []int8) []padim.Map { return n.extended.Maps(pic) }

// Close ends the network's threads.
func (n *Network) Close() { n.Taps.Close() }
