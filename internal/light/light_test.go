package light

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"slices"
	"testing"
	"unsafe"

	"cull/internal/exact"
)

const w, h = 96, 64

// part is a picture of a surface with noise: a disc on a background, in colour.
func part(seed uint64) []int8 {
	rng := exact.NewRand(seed, 5)
	pic := make([]int8, 3*w*h)
	for i := range w * h {
		x, y := i%w-w/2, i/w-h/2
		level := [3]float64{90, 80, 60}
		if x*x+y*y < 20*20 {
			level = [3]float64{130, 140, 150}
		}
		for k := range level {
			pic[3*i+k] = int8(level[k] + rng.Range(-8, 8) - 128)
		}
	}
	return pic
}

func reference(stops float64) *Reference {
	m := NewMeter(w, h)
	for seed := range uint64(10) {
		m.Add(part(seed))
	}
	return m.Reference(stops)
}

// apart is the mean distance of two pictures.
func apart(a, b []int8) float64 {
	s := 0.
	for i := range a {
		s += math.Abs(float64(a[i]) - float64(b[i]))
	}
	return s / float64(len(a))
}

func TestLightIsTakenOff(t *testing.T) {
	ref := reference(1)
	n, r := NewNormaliser(ref, w, h, nil, 0), NewRelighter(w, h, 1, 7)
	before, after, worst := 0., 0., 0.
	for i := range 40 {
		pic := part(100)
		relit := slices.Clone(r.Copy(pic, i))
		before += apart(pic, relit)
		n.Normalise(relit)
		n.Normalise(pic)
		d := apart(pic, relit)
		after, worst = after+d, max(worst, d)
	}
	// What is left: stray light, rounding in the dark and the shape of a slope.
	if before < 40*10 || after > 40*1 || worst > 3 {
		t.Errorf("of %.1f levels %.1f are left, %.1f at worst", before/40, after/40, worst)
	}
}

func TestStainIsLeft(t *testing.T) {
	n := NewNormaliser(reference(1), w, h, nil, 0)
	pic := part(100)
	stained := slices.Clone(pic)
	for i := range w * h {
		if x, y := i%w, i/w; x < 32 && y < 32 { // a sixth of the picture
			for k := range 3 {
				stained[3*i+k] += 40
			}
		}
	}
	n.Normalise(pic)
	n.Normalise(stained)
	var in, out float64
	for i := range w * h {
		d := math.Abs(float64(pic[3*i]) - float64(stained[3*i]))
		if x, y := i%w, i/w; x < 32 && y < 32 {
			in += d / (32 * 32)
		} else {
			out += d / (w*h - 32*32)
		}
	}
	if in < 35 || out > 2 {
		t.Errorf("a stain of 40 levels has %.1f, the rest changes by %.1f", in, out)
	}
}

// More than what was asked for is no light: a part that is too dark, or of another colour, stays so.
func TestNoMoreIsTakenOffThanAsked(t *testing.T) {
	const stops = 0.5
	n := NewNormaliser(reference(stops), w, h, nil, 0)
	mean := func(pic []int8, k int) (s float64) {
		for i := k; i < len(pic); i += 3 {
			s += (float64(pic[i]) + 128) / (w * h)
		}
		return s
	}
	good := part(100)
	bad := slices.Clone(good)
	for i := range bad {
		bad[i] = int8((int(bad[i])+128)/3 - 128)
	}
	most := mean(bad, 1)*math.Exp2(stops/2.2)*1.1 + 2
	if n.Normalise(bad); mean(bad, 1) > most {
		t.Errorf("a dark part has %.1f, want at most %.1f", mean(bad, 1), most)
	}
	red := slices.Clone(good)
	for i := 0; i < len(red); i += 3 {
		red[i] = int8(min(127, (int(red[i])+128)*3/2-128))
	}
	n.Normalise(red)
	n.Normalise(good)
	if ratio := mean(red, 0) / mean(red, 2) / (mean(good, 0) / mean(good, 2)); ratio < 1.35 {
		t.Errorf("of half as much red again %.2f is left", ratio)
	}
}

// What changes in ignored cells changes nothing elsewhere, to the bit.
func TestIgnoredCellsTellNothing(t *testing.T) {
	const cell = 8
	ignore := make([]bool, w/cell*(h/cell))
	ignore[0], ignore[15], ignore[len(ignore)-1] = true, true, true
	n := NewNormaliser(reference(1), w, h, ignore, cell)
	a := part(100)
	b := slices.Clone(a)
	for i := range w * h {
		if ignore[i/w/cell*(w/cell)+i%w/cell] {
			b[3*i], b[3*i+1], b[3*i+2] = 127, -127, 0
		}
	}
	n.Normalise(a)
	n.Normalise(b)
	for i := range w * h {
		if !ignore[i/w/cell*(w/cell)+i%w/cell] && (a[3*i] != b[3*i] || a[3*i+1] != b[3*i+1] || a[3*i+2] != b[3*i+2]) {
			t.Fatalf("pixel %d,%d: %v, %v", i%w, i/w, a[3*i:][:3], b[3*i:][:3])
		}
	}
}

// Whatever a camera delivers has an answer.
func TestAnyPicture(t *testing.T) {
	n := NewNormaliser(reference(MaxStops), w, h, nil, 0)
	for _, v := range []int8{-127, 0, 127} {
		pic := slices.Repeat([]int8{v}, 3*w*h)
		n.Normalise(pic)
		if !grey(pic) {
			t.Errorf("a picture of %d without colour has some", v)
		}
		if slices.Contains(pic, -128) {
			t.Errorf("a picture of %d has a value that is none", v)
		}
	}
	everything := slices.Repeat([]bool{true}, w*h/64)
	pic := part(3)
	NewNormaliser(reference(1), w, h, everything, 8).Normalise(pic)
	if !slices.Equal(pic, part(3)) {
		t.Error("a picture that tells nothing changed")
	}
	small := make([]int8, 3*8*8)
	m := NewMeter(8, 8)
	m.Add(small)
	NewNormaliser(m.Reference(1), 8, 8, nil, 0).Normalise(small)
	if slices.ContainsFunc(small, func(v int8) bool { return v != 0 }) {
		t.Error("a picture smaller than a block changed")
	}
}

func TestNormalisedPicturesAreTheSameOnEveryCPU(t *testing.T) {
	n, r := NewNormaliser(reference(1.5), w, h, nil, 0), NewRelighter(w, h, 1.5, 7)
	sum := sha256.New()
	for i := range 20 {
		pic := r.Copy(part(uint64(i)), i)
		n.Normalise(pic)
		sum.Write(unsafe.Slice((*byte)(unsafe.Pointer(&pic[0])), len(pic)))
	}
	const want = "1cda3846f15107a12cb2eac25663bfc02107f53701f9a3e8d49be18137c56011"
	if got := hex.EncodeToString(sum.Sum(nil)); got != want {
		t.Errorf("digest %s, want %s", got, want)
	}
}

func TestReferenceChecks(t *testing.T) {
	good := reference(1)
	if err := good.Check(w, h); err != nil {
		t.Error(err)
	}
	for name, r := range map[string]*Reference{
		"no stops":       {0, good.Levels},
		"too many stops": {MaxStops + 1, good.Levels},
		"no number":      {math.NaN(), good.Levels},
		"a level short":  {1, good.Levels[1:]},
		"a level of -1":  {1, append(slices.Clone(good.Levels[1:]), -1)},
		"a level of NaN": {1, append(slices.Clone(good.Levels[1:]), float32(math.NaN()))},
	} {
		if r.Check(w, h) == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestLevelsOfBlocks(t *testing.T) {
	const w, h = 50, 37 // columns and rows behind the last block
	rng := exact.NewRand(4, 4)
	for range 50 {
		pic := make([]int8, 3*w*h)
		most := 200 + rng.IntN(56)
		for i := range pic {
			pic[i] = int8(1 + rng.IntN(most) - 128)
		}
		b := newBlocks(w, h)
		b.measure(pic)
		for at := range b.clipped {
			var sum [3]int
			clipped := false
			for i := range Block * Block {
				x, y := at%b.w*Block+i%Block, at/b.w*Block+i/Block
				for k := range sum {
					v := int(pic[3*(y*w+x)+k]) + 128
					sum[k] += v
					clipped = clipped || v > full
				}
			}
			for k, s := range sum {
				if want := exact.Log(float64(s)/(Block*Block) + dark); b.level[3*at+k] != want {
					t.Fatalf("block %d, channel %d: %v, want %v", at, k, b.level[3*at+k], want)
				}
			}
			if b.clipped[at] != clipped {
				t.Fatalf("block %d: clipped %v, want %v", at, b.clipped[at], clipped)
			}
		}
	}
}

func TestNormaliseDoesNotAllocate(t *testing.T) {
	n, pic := NewNormaliser(reference(1), w, h, nil, 0), part(1)
	if a := testing.AllocsPerRun(5, func() { n.Normalise(pic) }); a != 0 {
		t.Errorf("%v allocations", a)
	}
}

func BenchmarkNormalise(b *testing.B) {
	const side = 256
	r := NewRelighter(side, side, 1, 1)
	m := NewMeter(side, side)
	m.Add(make([]int8, 3*side*side))
	n, pic := NewNormaliser(m.Reference(1), side, side, nil, 0), r.Copy(make([]int8, 3*side*side), 1)
	b.SetBytes(int64(len(pic)))
	for b.Loop() {
		n.Normalise(pic)
	}
}
