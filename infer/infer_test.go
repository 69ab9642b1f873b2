package infer

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"cull/infer/internal/kernel"
	"cull/infer/net"
	"cull/internal/container"
	"cull/internal/impl"
	"cull/internal/impl/impltest"
)

func newRunner(t testing.TB, m *Model, h, w int, o Options) *Runner {
	t.Helper()
	r, err := m.NewRunner(h, w, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	r.crew.divide(0) // share even the smallest stage
	return r
}

// checkRunner compares a runner with naive: every node, then only the taps
// with buffers shared, one thread and three.
func checkRunner(t *testing.T, m *Model, h, w int, in []int8) {
	t.Helper()
	want := naive(m, h, w, in)
	all := newRunner(t, m, h, w, Options{KeepAll: true})
	all.Run(in)
	for i := range m.Graph.Nodes {
		if got := all.Node(i).Data; !slices.Equal(got, want[i]) {
			k := 0
			for got[k] == want[i][k] {
				k++
			}
			t.Fatalf("node %d %+v: value %d is %d, want %d", i, m.Graph.Nodes[i], k, got[k], want[i][k])
		}
	}
	for _, threads := range []int{1, 3} {
		r := newRunner(t, m, h, w, Options{Threads: threads})
		for run := range 2 { // a second run meets buffers full of the first one's results
			for i, f := range r.Run(in) {
				if !slices.Equal(f.Data, want[m.Graph.Taps[i].Node]) {
					t.Fatalf("%d threads, run %d: tap %d differs", threads, run, i)
				}
			}
		}
	}
}

func TestRunnerEqualsNaive(t *testing.T) {
	impltest.Each(t, kernel.Pkg, func(t *testing.T) {
		for seed := range uint64(150) {
			rng := rand.New(rand.NewPCG(seed, 1))
			m := randomModel(rng)
			h, w := randomSize(m, rng)
			if !t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
				checkRunner(t, m, h, w, randomPicture(m, h, w, rng))
			}) {
				return
			}
		}
	})
}

// Windows of 5 and 7 pixels, and padding on two sides only.
func TestWideAndLopsidedWindowsEqualNaive(t *testing.T) {
	impltest.Each(t, kernel.Pkg, func(t *testing.T) {
		for seed := uint64(0); seed < 60; seed++ {
			rng := rand.New(rand.NewPCG(seed, 4))
			m := lopsidedModel(rng)
			h, w := randomSize(m, rng)
			if !t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
				checkRunner(t, m, h, w, randomPicture(m, h, w, rng))
			}) {
				return
			}
		}
	})
}

func FuzzRunner(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) {
		rng := rand.New(rand.NewPCG(seed, 2))
		m := randomModel(rng)
		h, w := randomSize(m, rng)
		checkRunner(t, m, h, w, randomPicture(m, h, w, rng))
	})
}

// Pictures in a row on more goroutines than processors: helpers oversleep pictures, are held up within tasks and
// overtake each other, and no result is another.
func TestManyGoroutinesManyPictures(t *testing.T) {
	for seed := range uint64(12) {
		m := randomModel(rand.New(rand.NewPCG(seed, 21)))
		const h, w = 48, 40
		one := newRunner(t, m, h, w, Options{})
		var in [3][]int8
		var want [3][][]int8
		for k := range in {
			in[k] = make([]int8, h*w*m.Graph.InputChannels)
			TestPicture(in[k], uint64(k))
			for _, f := range one.Run(in[k]) {
				want[k] = append(want[k], slices.Clone(f.Data))
			}
		}
		r := newRunner(t, m, h, w, Options{Threads: 2 + int(seed)%7})
		for n := range 60 {
			k := n % len(in)
			for i, f := range r.Run(in[k]) {
				if !slices.Equal(f.Data, want[k][i]) {
					t.Fatalf("model %d, picture %d: tap %d differs", seed, n, i)
				}
			}
		}
	}
}

// golden is what every kernel on every CPU must give. It changes only with the
// number format, which changes Version.
const golden = "fba6d192d32fd74815a8fdc8153568f5a90b382eec1fcc789f27e72c36f8d5e3"

func TestGolden(t *testing.T) {
	impltest.Each(t, kernel.Pkg, func(t *testing.T) {
		sum := sha256.New()
		for seed := range uint64(60) {
			rng := rand.New(rand.NewPCG(seed, 3))
			m := randomModel(rng)
			h, w := randomSize(m, rng)
			r := newRunner(t, m, h, w, Options{Threads: 1 + int(seed%2)})
			for range 2 {
				sum.Write([]byte(digest(r.Run(randomPicture(m, h, w, rng)))))
			}
		}
		m := trunk(32)
		r := newRunner(t, m, 64, 64, Options{Threads: 2})
		sum.Write([]byte(digest(r.Run(make([]int8, 64*64*3)))))
		if got := hex.EncodeToString(sum.Sum(nil)); got != golden {
			t.Errorf("digest of all results = %s, want %s", got, golden)
		}
	})
}

// trunk returns the first three stages of a ResNet-18 of the given width, with
// random weights and taps before the last ReLU of each stage.
func trunk(width int) *Model {
	m := &Model{Graph: net.Graph{InputChannels: 3, Nodes: []net.Node{{Name: "in"}}}, Meta: Meta{Name: "trunk"}}
	g := &m.Graph
	add := func(n net.Node) int {
		n.Name = fmt.Sprint("n", len(g.Nodes))
		g.Nodes = append(g.Nodes, n)
		return len(g.Nodes) - 1
	}
	conv := func(in, out, kernel, stride int, act net.Act) int {
		return add(net.Node{
			Op: net.Conv, In: []int{in}, Out: out, Kernel: kernel, Stride: stride,
			Pad: kernel / 2, Groups: 1, Act: act,
		})
	}
	x := conv(0, width, 3, 2, net.ActReLU)
	x = add(net.Node{Op: net.MaxPool, In: []int{x}, Kernel: 3, Stride: 2, Pad: 1})
	for stage := range 3 {
		out := width << stage
		for block := range 2 {
			stride, short := 1, x
			if stage > 0 && block == 0 {
				stride = 2
				short = conv(x, out, 1, 2, net.None)
			}
			y := conv(x, out, 3, stride, net.ActReLU)
			y = conv(y, out, 3, 1, net.None)
			y = add(net.Node{Op: net.Add, In: []int{y, short}})
			if block == 1 {
				g.Taps = append(g.Taps, net.Tap{Name: fmt.Sprint("stage", stage+1), Node: y})
			}
			x = add(net.Node{Op: net.ReLU, In: []int{y}})
		}
	}
	fillRandom(m, rand.New(rand.NewPCG(4, 5)))
	return m
}

func TestTraceComputesWhatRunDoes(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 13))
		m := randomModel(rng)
		h, w := randomSize(m, rng)
		r, in := newRunner(t, m, h, w, Options{}), randomPicture(m, h, w, rng)
		want, last := digest(r.Run(in)), -1
		r.Run(randomPicture(m, h, w, rng))
		got := digest(r.Trace(in, func(node int) {
			if node <= last {
				t.Errorf("seed %d: node %d after %d", seed, node, last)
			}
			last = node
		}))
		if got != want || last < 0 {
			t.Errorf("seed %d: other results, last node %d", seed, last)
		}
	}
}

func TestRunAllocatesNothing(t *testing.T) {
	impltest.Each(t, kernel.Pkg, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(6, 7))
		models := []*Model{trunk(16)}
		for range 10 {
			models = append(models, randomModel(rng))
		}
		for _, m := range models {
			h, w := randomSize(m, rng)
			if m == models[0] {
				h, w = 64, 48
			}
			for _, threads := range []int{1, 2} {
				r := newRunner(t, m, h, w, Options{Threads: threads})
				in := randomPicture(m, h, w, rng)
				if n := testing.AllocsPerRun(3, func() { r.Run(in) }); n != 0 {
					t.Errorf("%d threads: %g allocations a run", threads, n)
				}
			}
		}
	})
}

// Buffers that live at the same time must not overlap, and sharing must save memory.
func TestPlanDoesNotAlias(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 8))
		var lives []life
		total := 0
		for i := range 1 + rng.IntN(30) {
			l := life{node: i, from: i, to: i + rng.IntN(6), size: arenaAlign * (1 + rng.IntN(50))}
			lives = append(lives, l)
			total += l.size
		}
		end := place(lives)
		if end > total {
			t.Fatalf("seed %d: %d bytes for %d", seed, end, total)
		}
		for i, a := range lives {
			if a.at < 0 || a.at+a.size > end {
				t.Fatalf("seed %d: %+v outside the arena of %d", seed, a, end)
			}
			for _, b := range lives[:i] {
				if a.from <= b.to && b.from <= a.to && a.at < b.at+b.size && b.at < a.at+a.size {
					t.Fatalf("seed %d: %+v and %+v overlap", seed, a, b)
				}
			}
		}
	}
	m := trunk(32)
	shapes, _ := m.Graph.Shapes(256, 256)
	small, err := newPlan(&m.Graph, shapes, false)
	if err != nil {
		t.Fatal(err)
	}
	large, err := newPlan(&m.Graph, shapes, true)
	if err != nil {
		t.Fatal(err)
	}
	if n := slices.Max(small.stage) + 1; n != 3+6*2 {
		t.Errorf("%d stages: want input, stem, pool and two a block", n)
	}
	if small.arena > large.arena/2 {
		t.Errorf("arena %d, without reuse %d", small.arena, large.arena)
	}
}

func TestKnownAnswers(t *testing.T) {
	m := randomModel(rand.New(rand.NewPCG(9, 9)))
	if err := m.AddAnswers(40, 36, 1, 2); err != nil {
		t.Fatal(err)
	}
	for _, threads := range []int{1, 2} {
		if err := m.SelfTest(threads); err != nil {
			t.Fatal(err)
		}
	}
	for i := range m.Params {
		if s := m.Params[i].Scale; len(s) > 0 && m.Graph.Nodes[i].Op == net.Conv {
			s[0] *= 4
		}
	}
	if err := m.SelfTest(1); !errors.Is(err, ErrAnswer) {
		t.Errorf("changed scale: %v", err)
	}
}

// A wrong kernel result must be noticed: here one bit of a packed weight flips
// after the runner was made. A flip can be without consequence (a channel that
// is always 0 for this picture, padding), but mostly is not.
func TestKnownAnswersFindAFlippedWeight(t *testing.T) {
	impltest.Each(t, kernel.Pkg, func(t *testing.T) {
		m := trunk(16)
		if err := m.AddAnswers(64, 64, 1); err != nil {
			t.Fatal(err)
		}
		r := newRunner(t, m, 64, 64, Options{})
		if got := r.Answer(1); got != m.Answers[0] {
			t.Fatalf("answer %v, want %v", got, m.Answers[0])
		}
		flips, noticed := 0, 0
		for i := range r.steps {
			if m.Graph.Nodes[i].Op != net.Conv {
				continue
			}
			packed := reflect.ValueOf(r.steps[i].op).Elem().FieldByName("weights")
			bytes := unsafe.Slice((*byte)(packed.UnsafePointer()), packed.Len())
			for k := range 4 {
				at := k * len(bytes) / 4
				bytes[at] ^= 1 << 6
				flips++
				if r.Answer(1) != m.Answers[0] {
					noticed++
				}
				bytes[at] ^= 1 << 6
			}
		}
		if noticed*2 < flips {
			t.Errorf("%d of %d flips noticed", noticed, flips)
		}
		if r.Answer(1) != m.Answers[0] {
			t.Error("flipped back, the answer is still wrong")
		}
	})
}

// The generator of the test pictures is part of the format.
func TestTestPicture(t *testing.T) {
	in := make([]int8, 12)
	TestPicture(in, 0) // SplitMix64 of seed 0 starts e220a8397b1dcdaf 6e789e6aa1b965f4
	want := []int8{-0x51, -0x33, 0x1d, 0x7b, 0x39, -0x58, 0x20, -0x1e, -0x0c, 0x65, -0x47, -0x5f}
	if !slices.Equal(in, want) {
		t.Errorf("%x, want %x", in, want)
	}
}

func TestFileRoundTrip(t *testing.T) {
	dir := t.TempDir()
	for seed := range uint64(30) {
		m := randomModel(rand.New(rand.NewPCG(seed, 10)))
		m.Meta = Meta{Name: "n", Recipe: "lr = 1e-3\n", Seed: 1 << 63, Sources: []Source{{"a", "CC0", ""}}}
		m.Answers = []Answer{{1, 2, 3, "00"}}
		path := filepath.Join(dir, "a.net")
		if err := m.WriteFile(path); err != nil {
			t.Fatal(err)
		}
		got, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", m) {
			t.Fatalf("seed %d: read back\n%+v\nwant\n%+v", seed, got, m)
		}
		a, _ := os.ReadFile(path)
		if b, err := got.Encode(); err != nil || !slices.Equal(a, b) {
			t.Fatalf("seed %d: second encoding differs (%v)", seed, err)
		}
	}
}

// rewrite returns the file with one section replaced and the digests renewed.
func rewrite(t *testing.T, b []byte, name string, change func([]byte) []byte) []byte {
	t.Helper()
	f, err := container.Parse(b, Kind, Version)
	if err != nil {
		t.Fatal(err)
	}
	sections := f.Sections()
	for i, s := range sections {
		if s.Name == name {
			sections[i].Data = change(slices.Clone(s.Data))
		}
	}
	b, err = container.Encode(Kind, Version, sections)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// answers is a section of n answers for pictures of h x w pixels.
func answers(n, h, w int) []byte {
	one := fmt.Sprintf(`{"h":%d,"w":%d,"seed":1,"sha256":"00"}`, h, w)
	return []byte("[" + strings.Repeat(one+",", n-1) + one + "]")
}

// Known answers are replayed at every start.
func TestAnswersThatTakeLongAreRefused(t *testing.T) {
	m := trunk(32)
	macs, err := m.Graph.MACs(1024, 1024)
	if err != nil {
		t.Fatal(err)
	}
	m.Answers = slices.Repeat([]Answer{{H: 1024, W: 1024}}, int(maxWork/macs)+1)
	if _, err := m.Encode(); err == nil || !strings.Contains(err.Error(), "too long for a self-test") {
		t.Errorf("%d answers: %v", len(m.Answers), err)
	}
	m.Answers = m.Answers[:len(m.Answers)/2]
	if _, err := m.Encode(); err != nil {
		t.Errorf("%d answers: %v", len(m.Answers), err)
	}
}

// Taps that are copied out of their borders are memory like any other.
func TestCopiesOfTapsAreCounted(t *testing.T) {
	g := net.Graph{InputChannels: 5, Nodes: []net.Node{{Name: "x", Op: net.Input}}}
	for i := range 12 {
		g.Nodes = append(g.Nodes, net.Node{
			Name: fmt.Sprint("n", i), Op: net.Conv, In: []int{i}, Out: 5, Kernel: 3, Stride: 1, Pad: 1, Groups: 5,
		})
		g.Taps = append(g.Taps, net.Tap{Name: fmt.Sprint("t", i), Node: i})
	}
	for side, fits := range map[int]bool{64: true, net.MaxSide / 2: false} {
		shapes, err := g.Shapes(side, side)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := newPlan(&g, shapes, false); (err == nil) != fits {
			t.Errorf("%d pixels: %v", side, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	m := trunk(8)
	good, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	for _, c := range []struct {
		section, want string
		change        func([]byte) []byte
	}{
		{"weights", "-128", func(b []byte) []byte { b[5] = 0x80; return b }},
		{"weights", "bytes, the graph wants", func(b []byte) []byte { return b[1:] }},
		{"bias", "overflow", func(b []byte) []byte { le.PutUint32(b, 1<<31-1); return b }},
		{"scale", "scale NaN", func(b []byte) []byte { le.PutUint32(b, 0x7fc00000); return b }},
		{"scale", "scale -0.5", func(b []byte) []byte { le.PutUint32(b, 0xbf000000); return b }},
		{"scale", "scale +Inf", func(b []byte) []byte { le.PutUint32(b, 0x7f800000); return b }},
		{"step", "tap 0", func(b []byte) []byte { le.PutUint32(b, 0); return b }},
		{"graph", "unknown field", func(b []byte) []byte { return []byte(`{"x":1}`) }},
		{"graph", "behind", func(b []byte) []byte { return append(b, "{}"...) }},
		{"graph", "0 nodes", func(b []byte) []byte { return []byte(`{}`) }},
		{"meta", "meta", func(b []byte) []byte { return nil }},
		{"answers", "answers", func(b []byte) []byte { return []byte("{}") }},
		{"answers", "section answers: 65 answers", func(b []byte) []byte { return answers(65, 8, 8) }},
		{"answers", "answer 1: picture of 8 x 1025 pixels", func(b []byte) []byte { return []byte(`[{"h":8,"w":8},{"h":8,"w":1025}]`) }},
		{"answers", "answer 0: picture of 0 x 8 pixels", func(b []byte) []byte { return answers(1, 0, 8) }},
	} {
		_, err := Parse(rewrite(t, good, c.section, c.change))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.section, err, c.want)
		}
	}
	if _, err := Parse(good[:len(good)-1]); !errors.Is(err, container.ErrTruncated) {
		t.Errorf("truncated: %v", err)
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none.net")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
}

func TestParseTruncatedAtEveryByte(t *testing.T) {
	m := randomModel(rand.New(rand.NewPCG(11, 11)))
	good, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for n := range good {
		if _, err := Parse(good[:n]); err == nil {
			t.Fatalf("the first %d bytes parse", n)
		}
	}
}

func FuzzParse(f *testing.F) {
	m := randomModel(rand.New(rand.NewPCG(12, 12)))
	good, err := m.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add("graph", []byte(`{"inputChannels":3,"nodes":[{"name":"a","op":"input"}],"taps":[{"name":"a","node":0}]}`))
	f.Add("scale", make([]byte, 64))
	f.Add("", good)
	f.Fuzz(func(t *testing.T, section string, data []byte) {
		if section != "" {
			file, err := container.Parse(good, Kind, Version)
			if err != nil {
				t.Fatal(err)
			}
			sections := file.Sections()
			for i := range sections {
				if sections[i].Name == section {
					sections[i].Data = data
				}
			}
			if data, err = container.Encode(Kind, Version, sections); err != nil {
				t.Fatal(err)
			}
		}
		m, err := Parse(data)
		if err != nil {
			return
		}
		if _, err := m.Encode(); err != nil {
			t.Fatalf("parsed, but does not encode: %v", err)
		}
		r, err := m.NewRunner(8, 8, Options{})
		if err == nil {
			r.Run(make([]int8, 64*m.Graph.InputChannels))
			r.Close()
		}
	})
}

func TestNewRunnerRefuses(t *testing.T) {
	m := trunk(16)
	for _, c := range []struct {
		h, w int
		o    Options
		want string
	}{
		{0, 8, Options{}, "picture"},
		{8, 1 << 20, Options{}, "picture"},
		{8192, 8192, Options{KeepAll: true}, "bytes"},
		{64, 64, Options{Threads: -1}, "threads"},
	} {
		_, err := m.NewRunner(c.h, c.w, c.o)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestNewRunnerRefusesUnknownKernel(t *testing.T) {
	t.Setenv(impl.Variable, "abacus")
	_, err := trunk(8).NewRunner(64, 64, Options{})
	if err == nil || !strings.Contains(err.Error(), `CULL_KERNEL: no kernel "abacus"`) {
		t.Errorf("error %v", err)
	}
}

func BenchmarkNewRunner(b *testing.B) {
	m := trunk(32)
	for b.Loop() {
		newRunner(b, m, 256, 256, Options{})
	}
}

func BenchmarkTrunk(b *testing.B) {
	for _, threads := range []int{1, 2} {
		b.Run(fmt.Sprintf("width=32/side=256/threads=%d", threads), func(b *testing.B) { benchmarkTrunk(b, threads) })
	}
}

// BenchmarkKernels has the trunk under every implementation this CPU has.
func BenchmarkKernels(b *testing.B) {
	all := impl.Entries(kernel.Pkg)
	only := func(name string) {
		for _, e := range all {
			*e.Use = e.Have && e.Name == name
		}
	}
	defer func() {
		for _, e := range all {
			*e.Use = e.Default
		}
	}()
	for _, e := range append([]impl.Entry{{Name: "generic", Have: true}}, all...) {
		if e.Have {
			only(e.Name)
			b.Run(e.Name, func(b *testing.B) { benchmarkTrunk(b, 1) })
		}
	}
}

// benchmarkTrunk reports the best run beside the best that the arithmetic alone allows,
// taken in turn: neither is disturbed by what else the machine does.
func benchmarkTrunk(b *testing.B, threads int) {
	m := trunk(32)
	r := newRunner(b, m, 256, 256, Options{Threads: threads})
	r.crew.divide(smallStage)
	macs, _ := m.Graph.MACs(256, 256)
	in := make([]int8, 256*256*3)
	TestPicture(in, 1)
	best, peak, did := time.Hour, time.Hour, 0
	for b.Loop() {
		start := time.Now()
		r.Run(in)
		best = min(best, time.Since(start))
		start = time.Now()
		did = Peak(1 << 22)
		peak = min(peak, time.Since(start))
	}
	b.ReportMetric(2*float64(macs)/best.Seconds()/1e9, "GOP/s")
	b.ReportMetric(best.Seconds()*1e3, "ms")
	if did > 0 {
		b.ReportMetric(2*float64(did)/peak.Seconds()/1e9, "peak-GOP/s")
	}
}
