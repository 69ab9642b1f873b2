package padim

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"testing"

	"cull/internal/exact"
)

// parityBound is the largest relative difference from the numpy
// implementation (float64) that a score or a map may have. Float32 features,
// factors and sums give about 1e-6.
const parityBound = 1e-5

type parityCase struct {
	Channels []int
	Mask     []bool
	Results  []struct {
		Score float64
		Map   []float64
	}
	LeftOut []float64 `json:"left_out"`
}

func readParity(t *testing.T) map[string]parityCase {
	t.Helper()
	b, err := os.ReadFile("testdata/parity.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases map[string]parityCase
	if err := json.Unmarshal(b, &cases); err != nil {
		t.Fatal(err)
	}
	return cases
}

// draw and parityPicture are those of testdata/parity.py.
func draw(n uint64, keys ...int) int {
	z := uint64(0)
	for _, k := range keys {
		z = exact.Mix(z ^ (uint64(k) + 0x9e3779b97f4a7c15))
	}
	return int(z % n)
}

func parityPicture(i int) []Map {
	var maps []Map
	for s, st := range [][2]int{{4, 8}, {8, 12}, {16, 16}} {
		side, ch := 64/st[0], st[1]
		m := Map{H: side, W: side, C: ch, Stride: st[0]}
		for p := range side * side {
			for c := range ch {
				v := draw(81, s, p, c) - 40 + (draw(31, 100+i, s, c)-15)*(1+c%2) + draw(29, 200+i, s, p, c) - 14
				m.Data = append(m.Data, int8(min(max(v, -127), 127)))
			}
		}
		for c := range ch {
			m.Step = append(m.Step, float32(1+c%5)/64)
		}
		maps = append(maps, m)
	}
	return maps
}

func paritySamples(n int) kept {
	var k kept
	for i := range n {
		k = append(k, parityPicture(i))
	}
	return k
}

func near(got, want float64) bool {
	return math.Abs(got-want) <= parityBound*math.Max(math.Abs(want), 1e-3)
}

func TestParityWithNumpy(t *testing.T) {
	cases := readParity(t)
	part := Options{Mode: Part, Projection: Identity, Top: 0.02, Precision: Single}
	with := func(change func(*Options)) Options {
		o := part
		change(&o)
		return o
	}
	for _, c := range []struct {
		name string
		o    Options
	}{
		{"part", part},
		{"shared", with(func(o *Options) { o.Shrinkage = 1 })},
		{"noregion", with(func(o *Options) { o.Region = -1 })},
		{"nosearch", with(func(o *Options) { o.NoSearch = true })},
		{"texture", with(func(o *Options) { o.Mode = Texture })},
		{"masked", part},
		{"masked_texture", with(func(o *Options) { o.Mode = Texture })},
		{"cell16", with(func(o *Options) { o.Cell = 16 })},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := cases[c.name]
			c.o.Mask = want.Mask
			m, _ := mustFit(t, paritySamples(12), c.o)
			s := mustScorer(t, m, 1)
			for i, w := range want.Results {
				got := s.Score(parityPicture(1000 + i))
				compare(t, fmt.Sprintf("picture %d", i), got.Map.Data, w.Map)
				if !near(float64(got.Score), w.Score) {
					t.Errorf("picture %d: score %v, want %v", i, got.Score, w.Score)
				}
			}
		})
	}
}

func compare(t *testing.T, name string, got []float32, want []float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", name, len(got), len(want))
	}
	for p := range want {
		if !near(float64(got[p]), want[p]) {
			t.Fatalf("%s: value %d: got %v, want %v", name, p, got[p], want[p])
		}
	}
}

func TestStockParityWithNumpy(t *testing.T) {
	want := readParity(t)["stock"]
	m, r := mustFit(t, paritySamples(12), Options{Mode: Stock, Channels: want.Channels})
	s := mustScorer(t, m, 2)
	for i, w := range want.Results {
		got := s.Score(parityPicture(1000 + i))
		if got.Map.H != 64 || got.Map.W != 64 {
			t.Fatalf("score map is %dx%d, the picture 64x64", got.Map.H, got.Map.W)
		}
		var sampled []float32
		for y := 0; y < 64; y += 5 {
			for x := 0; x < 64; x += 7 {
				sampled = append(sampled, got.Map.Data[y*64+x])
			}
		}
		compare(t, fmt.Sprintf("picture %d", i), sampled, w.Map)
		if !near(float64(got.Score), w.Score) {
			t.Errorf("picture %d: score %v, want %v", i, got.Score, w.Score)
		}
	}
	compare(t, "left-out scores (closed form)", r.Scores, want.LeftOut)
}
