package padim

import (
	"encoding/binary"
	"math"
	"testing"
)

// The largest numbers that a file may hold give a score.
func TestLargestModelScoresFinite(t *testing.T) {
	const channels = 512
	var s kept
	for i := range 5 {
		m := Map{H: 2, W: 2, C: channels, Stride: 8, Data: make([]int8, 4*channels), Step: make([]float32, channels)}
		for k := range m.Step {
			m.Step[k] = 1
		}
		for k := range m.Data {
			m.Data[k] = int8((k*(i+3))%200 - 100)
		}
		s = append(s, []Map{m})
	}
	m, _, err := Fit(s, Options{Mode: Texture, Projection: Identity, Precision: Single, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	for k := range m.mean {
		m.mean[k] = -maxFeature
	}
	with := func(factor float64) []byte {
		for k := 0; k+4 <= len(m.factor); k += 4 {
			if binary.LittleEndian.Uint32(m.factor[k:]) != 0 {
				binary.LittleEndian.PutUint32(m.factor[k:], math.Float32bits(float32(factor)))
			}
		}
		b, err := m.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if _, err := Parse(with(maxFactor(channels) * 1.01)); err == nil {
		t.Error("a larger factor was read")
	}
	largest, err := Parse(with(maxFactor(channels)))
	if err != nil {
		t.Fatal(err)
	}
	sc, err := largest.NewScorer(ScorerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if r := sc.Score(s[0]); math.IsInf(float64(r.Score), 0) || math.IsNaN(float64(r.Score)) || r.Score == 0 {
		t.Errorf("score %v", r.Score)
	}
}
