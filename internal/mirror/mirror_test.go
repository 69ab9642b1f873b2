package mirror_test

import (
	"slices"
	"testing"

	"cull/internal/mirror"
)

// Two rows of three pixels; a channel is 10 times the pixel plus 0, 1, 2.
var picture = []int8{
	0, 1, 2, 10, 11, 12, 20, 21, 22,
	30, 31, 32, 40, 41, 42, 50, 51, 52,
}

func TestPicture(t *testing.T) {
	for m, pixels := range map[mirror.Mirror][]int8{
		mirror.LeftRight: {2, 1, 0, 5, 4, 3},
		mirror.UpDown:    {3, 4, 5, 0, 1, 2},
		mirror.HalfTurn:  {5, 4, 3, 2, 1, 0},
	} {
		got := make([]int8, len(picture))
		m.Picture(got, picture, 3)
		for i, p := range pixels {
			if !slices.Equal(got[3*i:][:3], []int8{10 * p, 10*p + 1, 10*p + 2}) {
				t.Errorf("%v: pixel %d is %v, want pixel %d", m, i, got[3*i:][:3], p)
			}
		}
		again := make([]int8, len(picture))
		if m.Picture(again, got, 3); !slices.Equal(again, picture) {
			t.Errorf("%v: twice is not the picture itself", m)
		}
	}
}

func TestKeeps(t *testing.T) {
	const X, o = true, false
	for _, tc := range []struct {
		name string
		mask []bool
		keep []bool // left-right, up-down, half-turn
	}{
		{"none", nil, []bool{true, true, true}},
		{"a column on the left", []bool{X, o, o, X, o, o}, []bool{false, true, false}},
		{"the upper row", []bool{X, X, X, o, o, o}, []bool{true, false, false}},
		{"two corners", []bool{X, o, o, o, o, X}, []bool{false, false, true}},
		{"bars", []bool{X, o, X, X, o, X}, []bool{true, true, true}},
	} {
		for i, m := range mirror.All {
			if got := m.Keeps(tc.mask, 3); got != tc.keep[i] {
				t.Errorf("%s, %v: %t", tc.name, m, got)
			}
		}
	}
}

func TestNames(t *testing.T) {
	for _, m := range mirror.All {
		text, err := m.MarshalText()
		var back mirror.Mirror
		if err != nil || back.UnmarshalText(text) != nil || back != m || m.String() != string(text) {
			t.Errorf("%v: %q, %v, back %v", m, text, err, back)
		}
	}
	if new(mirror.Mirror).UnmarshalText([]byte("sideways")) == nil {
		t.Error("took an unknown name")
	}
	if _, err := mirror.Mirror(3).MarshalText(); err == nil {
		t.Error("wrote an unknown mirror")
	}
}
