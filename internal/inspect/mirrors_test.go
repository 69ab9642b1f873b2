package inspect

import (
	"context"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"cull/capture"
	"cull/internal/imagefile"
	"cull/internal/mirror"
	"cull/padim"
)

// marked is a source of good parts: a ring that is its own mirror image, and a bright square at x, y; in the last
// other parts at the mirror image's place, left for right.
type marked struct{ n, i, x, y, other int }

func (m *marked) Next(ctx context.Context) (*capture.Frame, error) {
	if m.i == m.n {
		return nil, io.EOF
	}
	m.i++
	x := m.x
	if m.i > m.n-m.other {
		x = side - 8 - m.x
	}
	return ring(uint64(m.i), x, m.y), ctx.Err()
}

func (m *marked) Close() error { return nil }

func ring(seed uint64, markX, markY int) *capture.Frame {
	f := part(seed, false)
	rng := rand.New(rand.NewPCG(seed, 17))
	for i := range f.Pix {
		x, y := i%side, i/side
		dx, dy := 2*x+1-side, 2*y+1-side
		v := 90
		if r := dx*dx + dy*dy; r > 30*30 && r < 40*40 {
			v = 160
		}
		if x >= markX && x < markX+8 && y >= markY && y < markY+8 {
			v = 230
		}
		f.Pix[i] = byte(v + rng.IntN(13) - 6)
	}
	return f
}

const middle = side/2 - 4 // of a mark that is its own mirror image

func TestMirrors(t *testing.T) {
	e, err := NewNetwork(network(t), side, side, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	left := &imagefile.Mask{Width: side, Height: side, Pix: make([]bool, side*side)}
	for i := range left.Pix {
		left.Pix[i] = i%side < 8
	}
	for _, tc := range []struct {
		name   string
		parts  marked
		change func(*Options)
		want   []mirror.Mirror
	}{
		{"the same all ways round", marked{n: 20, x: middle, y: middle}, nil, mirror.All[:]},
		{"a mark above the middle", marked{n: 20, x: middle, y: 8}, nil, []mirror.Mirror{mirror.LeftRight}},
		{"a mark on the left", marked{n: 20, x: 8, y: middle}, nil, []mirror.Mirror{mirror.UpDown}},
		{"a mark in a corner", marked{n: 20, x: 8, y: 8}, nil, nil},
		{"few", marked{n: 8, x: 8, y: middle}, nil, []mirror.Mirror{mirror.UpDown}},
		{"in other light too", marked{n: 20, x: 8, y: middle}, func(o *Options) { o.Light = 1 }, []mirror.Mirror{mirror.UpDown}},
		{"as many as are few", marked{n: fewParts, x: middle, y: middle}, nil, mirror.All[:]},
		{"many", marked{n: fewParts + 1, x: middle, y: middle}, nil, nil},
		{"not wanted", marked{n: 20, x: middle, y: middle}, func(o *Options) { o.NoMirrors = true }, nil},
		{"stock mode", marked{n: 20, x: middle, y: middle}, func(o *Options) { o.Fit.Mode = padim.Stock }, nil},
		{
			"what a mask hides does not come into sight",
			marked{n: 20, x: middle, y: middle},
			func(o *Options) { o.Mask = left },
			[]mirror.Mirror{mirror.UpDown},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := options(t)
			if tc.change != nil {
				tc.change(&o)
			}
			taught, err := Learn(context.Background(), &tc.parts, e, o)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(taught.Mirrors, tc.want) {
				t.Errorf("taught %v, want %v", taught.Mirrors, tc.want)
			}
		})
	}
}

// Good parts with the mark on the left, a few on the right: as many on the right are good with mirrors, and score less than without.
// With the mark below, where no good part has it, a part is rejected with mirrors as without.
func TestMirroredPartsAreTaught(t *testing.T) {
	e, err := NewNetwork(network(t), side, side, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	inspector := func(light float64, noMirrors bool) *Inspector {
		t.Helper()
		o := options(t)
		o.Light, o.NoMirrors = light, noMirrors
		taught, err := Learn(context.Background(), &marked{n: 20, x: 8, y: 8, other: 3}, e, o)
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(taught.Mirrors, mirror.LeftRight) == noMirrors || slices.Contains(taught.Mirrors, mirror.UpDown) {
			t.Fatalf("light %g, no mirrors %t: taught %v", light, noMirrors, taught.Mirrors)
		}
		in, err := New(o.Plan, e, taught, 1)
		if err != nil {
			t.Fatal(err)
		}
		return in
	}
	for _, light := range []float64{0, 1} {
		with, without := inspector(light, false), inspector(light, true)
		var sumWith, sumWithout float32
		for seed := range uint64(8) {
			a, errA := with.Inspect(ring(500+seed, side-16, 8))
			b, errB := without.Inspect(ring(500+seed, side-16, 8))
			if errA != nil || errB != nil || a.Verdict != padim.Pass {
				t.Errorf("light %g, mark on the right: %v, score %v, %v, %v", light, a.Verdict, a.Score, errA, errB)
			}
			sumWith, sumWithout = sumWith+a.Score, sumWithout+b.Score
			if r, err := with.Inspect(ring(500+seed, 8, side-16)); err != nil || r.Verdict != padim.Reject {
				t.Errorf("light %g, mark below: %v, score %v, %v", light, r.Verdict, r.Score, err)
			}
		}
		if sumWith > 0.95*sumWithout {
			t.Errorf("light %g, mark on the right: scores of mean %v, without mirrors %v", light, sumWith/8, sumWithout/8)
		}
	}
}

// A mirror is taken where one in sixteen parts is rejected at most, and its own copies are marked, behind those
// in other light.
func TestPassing(t *testing.T) {
	tried := []mirror.Mirror{mirror.LeftRight, mirror.HalfTurn}
	for _, tc := range []struct {
		parts, rejected int // of the first mirror
		want            []mirror.Mirror
		copies          []bool
	}{
		{15, 0, tried, []bool{true, true, true, true}},
		{15, 1, tried[1:], []bool{true, true, false, true}},
		{16, 1, tried, []bool{true, true, true, true}},
		{31, 2, tried[1:], []bool{true, true, false, true}},
		{32, 2, tried, []bool{true, true, true, true}},
	} {
		r := &padim.Report{Parts: tc.parts, Threshold: padim.Threshold{Value: 5}}
		for i := range tc.parts {
			first := float32(5) // no more than the threshold
			if i < tc.rejected {
				first = 5.1
			}
			r.Tried = append(r.Tried, []float32{first, 4})
		}
		copies := []bool{true, true, false, false}
		if got := passing(tried, r, copies); !slices.Equal(got, tc.want) || !slices.Equal(copies, tc.copies) {
			t.Errorf("%d of %d rejected: %v, copies %v: want %v, %v", tc.rejected, tc.parts, got, copies, tc.want, tc.copies)
		}
	}
	r := &padim.Report{Parts: 1, Tried: [][]float32{{6, 6}}, Threshold: padim.Threshold{Value: 5}}
	if got := passing(tried, r, make([]bool, 2)); got != nil {
		t.Errorf("none passes: %v", got)
	}
}
