package padim

import (
	"bytes"
	"fmt"
	"testing"
)

// everyModel returns a small model of each kind.
func everyModel(t testing.TB) map[string]*Model {
	t.Helper()
	mask := make([]bool, 16)
	mask[3], mask[9] = true, true
	all := map[string]*Model{}
	for name, o := range map[string]Options{
		"part":     {Mode: Part, Dim: 7},
		"single":   {Mode: Part, Dim: 17, Precision: Single},
		"texture":  {Mode: Texture, Dim: 5},
		"nosearch": {Mode: Part, Dim: 6, NoSearch: true},
		"shared":   {Mode: Part, Dim: 6, Shrinkage: 1},
		"masked":   {Mode: Part, Dim: 4, Mask: mask, Projection: RandomChannels},
		"stock":    {Mode: Stock, Dim: 5},
	} {
		all[name], _ = mustFit(t, newParts(5, 32, 6, 8, 16), o)
	}
	return all
}

func encode(t testing.TB, m *Model) []byte {
	t.Helper()
	b, err := m.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestModelSurvivesItsBytes(t *testing.T) {
	picture := newParts(1, 32, 6, 8, 16).from(77, 1)
	for name, m := range everyModel(t) {
		b := encode(t, m)
		back, err := Parse(b)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if again := encode(t, back); !bytes.Equal(again, b) {
			t.Errorf("%s: bytes change on the way", name)
		}
		want, got := mustScorer(t, m, 1).Score(picture.one(0)), mustScorer(t, back, 3).Score(picture.one(0))
		if got.Score != want.Score || fmt.Sprint(got.Map) != fmt.Sprint(want.Map) {
			t.Errorf("%s: score %v, before %v", name, got.Score, want.Score)
		}
		prefix, err := m.AppendBinary([]byte("abc"))
		if err != nil || !bytes.Equal(prefix[3:], b) {
			t.Errorf("%s: bytes depend on where they are appended", name)
		}
	}
}

func TestTruncatedModelIsRefused(t *testing.T) {
	for name, m := range everyModel(t) {
		b := encode(t, m)
		for n := range b {
			if _, err := Parse(b[:n:n]); err == nil {
				t.Fatalf("%s: %d of %d bytes were accepted", name, n, len(b))
			}
		}
		if _, err := Parse(append(b, 0)); err == nil {
			t.Fatalf("%s: a byte too many was accepted", name)
		}
	}
}

// A flipped bit is refused or gives a model that can be used: nothing panics.
func TestFlippedBitsDoNoHarm(t *testing.T) {
	picture := newParts(1, 32, 6, 8, 16).one(0)
	for name, m := range everyModel(t) {
		b := encode(t, m)
		for i := 0; i < 8*len(b); i += step(i) {
			b[i/8] ^= 1 << (i % 8)
			use(t, b, picture)
			b[i/8] ^= 1 << (i % 8)
		}
		if _, err := Parse(b); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
}

// step returns the distance to the next bit to flip.
func step(i int) int {
	if testing.Short() {
		return 1 + i/50
	}
	return 1 + i/2000
}

// use scores picture with the model in b, if it is one and fits.
func use(t *testing.T, b []byte, picture []Map) {
	m, err := Parse(b)
	if err != nil || m.Check(picture) != nil {
		return
	}
	s := mustScorer(t, m, 1).Score(picture)
	for p, v := range s.Map.Data {
		if v != v || v < 0 {
			t.Fatalf("cell %d scores %v", p, v)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, m := range everyModel(f) {
		f.Add(encode(f, m))
	}
	picture := newParts(1, 32, 6, 8, 16).one(0)
	f.Fuzz(func(t *testing.T, b []byte) { use(t, b, picture) })
}
