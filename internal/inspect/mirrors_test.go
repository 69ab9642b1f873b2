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

// marked is a source of good parts: a ring that is its own mirror image, and a bright square at x, y.
type marked struct{ n, i, x, y int }

func (m *marked) Next(ctx context.Context) (*capture.Frame, error) {
	if m.i == m.n {
		return nil, io.EOF
	}
	m.i++
	return ring(uint64(m.i), m.x, m.y), ctx.Err()
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

// With mirrors taught, good parts pass as before, mirrored ones too, and a part that lies a way round that
// was not taught is rejected.
func TestPartsTheOtherWayRound(t *testing.T) {
	e, err := NewNetwork(network(t), side, side, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	o := options(t)
	taught, err := Learn(context.Background(), &marked{n: 20, x: middle, y: 8}, e, o)
	if err != nil {
		t.Fatal(err)
	}
	in, err := New(o.Plan, e, taught, 1)
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(10) {
		for y, want := range map[int]padim.Verdict{8: padim.Pass, side - 16: padim.Reject} {
			r, err := in.Inspect(ring(500+seed, middle, y))
			if err != nil || r.Verdict != want {
				t.Errorf("part %d, mark at %d: %v (score %v, threshold %v), want %v, %v", seed, y, r.Verdict, r.Score, r.Threshold, want, err)
			}
		}
	}
}
