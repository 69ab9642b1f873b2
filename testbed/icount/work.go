package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"

	"golang.org/x/sys/unix"

	"cull/capture"
	"cull/infer"
	"cull/infer/net"
	"cull/infer/prep"
	"cull/internal/fixed"
	"cull/internal/light"
	"cull/padim"
	"cull/weights"
)

const (
	side       = 256        // of the input picture, pixels
	parts      = 5          // that the scorers are fitted to: counts do not depend on it
	width      = 640        // of the camera's frame, YUYV
	height     = 480        //
	markOption = 0x63756c6c // of prctl, which the plugin watches
	unmarked   = 0          // phase that is not counted
	network    = "network: "
)

// The scorers to count. A strange picture has a search in every cell.
var scorers = []struct {
	name    string
	fit     padim.Options
	strange bool
}{
	{"part mode, no cell searches", padim.Options{Mode: padim.Part, NoSearch: true}, false},
	{"part mode, every cell searches", padim.Options{Mode: padim.Part}, true},
	{"texture mode", padim.Options{Mode: padim.Texture}, false},
}

// A ledger gives the phases their numbers.
type ledger struct{ phases []phase }

// add returns the number of the phase name, one more MAC count added to it.
func (l *ledger) add(name string, macs int64) int {
	for i := range l.phases {
		if l.phases[i].name == name {
			l.phases[i].macs += macs
			return i + 1
		}
	}
	l.phases = append(l.phases, phase{name: name, macs: macs})
	return len(l.phases)
}

// mark begins phase n.
func mark(n int) {
	_, _, _ = unix.RawSyscall(unix.SYS_PRCTL, markOption, uintptr(n), 0)
}

// count runs f as phase n.
func count(n int, f func()) {
	mark(n)
	f()
	mark(unmarked)
}

// work does each step once between marks and writes what the phases are. The models are in dir, see teach.
func work(w io.Writer, dir string) error {
	m, err := infer.Parse(weights.Cull())
	if err != nil {
		return err
	}
	r, err := m.NewRunner(side, side, infer.Options{})
	if err != nil {
		return err
	}
	defer r.Close()
	debug.SetGCPercent(-1)
	var l ledger
	if err := countPreprocessing(&l); err != nil {
		return err
	}
	countLight(&l)
	maps, err := countNetwork(&l, m, r)
	if err != nil {
		return err
	}
	if maps, err = countFixed(&l, maps); err != nil {
		return err
	}
	for i := range scorers {
		if err := countScorer(&l, maps, i, dir); err != nil {
			return err
		}
	}
	for i, p := range l.phases {
		fmt.Fprintf(w, "phase %d %d %s\n", i+1, p.macs, p.name)
	}
	return nil
}

func countPreprocessing(l *ledger) error {
	p, err := prep.New(prep.Plan{Width: side, Height: side})
	if err != nil {
		return err
	}
	frame := capture.NewFrame(capture.Frame{
		Pix: make([]byte, 2*width*height), Format: capture.YUYV, Width: width, Height: height, Stride: 2 * width,
	}, nil)
	pic := make([]int8, side*side*3)
	count(l.add("preprocessing, 640 x 480 YUYV", 0), func() { err = p.Apply(pic, frame) })
	return err
}

// countLight counts the light of a picture taken off, where it differs from the light taught.
func countLight(l *ledger) {
	meter := light.NewMeter(side, side)
	meter.Add(picture(0))
	n := light.NewNormaliser(meter.Reference(light.MaxStops), side, side, nil, 0)
	pic := light.NewRelighter(side, side, 1, 1).Copy(picture(parts), 0)
	count(l.add("light taken off", 0), func() { n.Normalise(pic) })
}

// countNetwork counts the layers by kind and returns the maps.
func countNetwork(l *ledger, m *infer.Model, r *infer.Runner) ([]padim.Map, error) {
	macs, err := m.Graph.NodeMACs(side, side)
	if err != nil {
		return nil, err
	}
	var numbers []int
	for i := range m.Graph.Nodes {
		numbers = append(numbers, l.add(network+kind(&m.Graph, i), macs[i]))
	}
	numbers = append(numbers, unmarked) // behind the last layer
	pic := picture(parts)
	mark(numbers[0])
	maps := r.Trace(pic, func(node int) { mark(numbers[node+1]) })
	return convert(maps), nil
}

// countFixed counts the maps that no network need learn and appends them.
func countFixed(l *ledger, maps []padim.Map) ([]padim.Map, error) {
	f, err := fixed.New(side, side)
	if err != nil {
		return nil, err
	}
	pic := picture(parts)
	count(l.add("fixed maps", 0), func() { maps = f.Append(maps, pic) })
	return maps, nil
}

// kind names a layer by what decides its speed.
func kind(g *net.Graph, i int) string {
	n := &g.Nodes[i]
	if n.Op != net.Conv {
		return n.Op.String()
	}
	s := fmt.Sprintf("conv %dx%d stride %d", n.Kernel, n.Kernel, n.Stride)
	if c := g.Channels()[n.In[0]]; c < 16 {
		s += fmt.Sprintf(", %d channels", c)
	}
	return s
}

func picture(seed uint64) []int8 {
	pic := make([]int8, side*side*3)
	infer.TestPicture(pic, seed)
	return pic
}

func convert(maps []infer.Map) (out []padim.Map) {
	for _, m := range maps {
		out = append(out, padim.Map(m))
	}
	return out
}

// A pictures is what the scorers are fitted to: the features of drawn pictures.
type pictures struct {
	r     *infer.Runner
	fixed *fixed.Maps
}

func (p pictures) Len() int { return parts }

func (p pictures) Each(f func(i int, maps []padim.Map) error) error {
	for i := range parts {
		pic := picture(uint64(i))
		if err := f(i, p.fixed.Append(convert(p.r.Run(pic)), pic)); err != nil {
			return err
		}
	}
	return nil
}

func modelFile(dir string, scorer int) string {
	return filepath.Join(dir, fmt.Sprint(scorer, ".padim"))
}

// teach writes the models that the scorers are counted with to dir, on the host: under emulation a fit takes long.
func teach(dir string) error {
	m, err := infer.Parse(weights.Cull())
	if err != nil {
		return err
	}
	r, err := m.NewRunner(side, side, infer.Options{})
	if err != nil {
		return err
	}
	defer r.Close()
	fixed, err := fixed.New(side, side)
	if err != nil {
		return err
	}
	for i, s := range scorers {
		m, _, err := padim.Fit(pictures{r, fixed}, s.fit)
		if err != nil {
			return err
		}
		b, err := m.AppendBinary(nil)
		if err != nil {
			return err
		}
		if err := os.WriteFile(modelFile(dir, i), b, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// countScorer counts a scorer. Its multiply-accumulates are those of the triangular factors and, where there are more channels
// than dimensions, of the projection, at the positions of each stage or the cells, whichever are fewer.
func countScorer(l *ledger, maps []padim.Map, scorer int, dir string) error {
	b, err := os.ReadFile(modelFile(dir, scorer))
	if err != nil {
		return err
	}
	m, err := padim.Parse(b)
	if err != nil {
		return err
	}
	s, err := m.NewScorer(padim.ScorerOptions{})
	if err != nil {
		return err
	}
	h, w, _ := m.Grid()
	d := int64(m.Dim())
	gaussians := h * w
	if scorers[scorer].strange {
		gaussians = (3*h - 2) * (3*w - 2)
		maps = strange(maps)
	}
	project, distance, channels := int64(0), int64(gaussians)*d*(d+1)/2, int64(0)
	for _, f := range maps {
		project += int64(min(f.H*f.W, h*w)*f.C) * d
		channels += int64(f.C)
	}
	if channels <= d {
		project = 0
	}
	name := fmt.Sprintf("scorer, %s: %.2f MMAC project, %.2f distance", scorers[scorer].name, float64(project)/1e6, float64(distance)/1e6)
	count(l.add(name, project+distance), func() { s.Score(maps) })
	return nil
}

// strange returns maps like these in which every channel is at its end, far from all that was taught.
func strange(maps []padim.Map) []padim.Map {
	out := slices.Clone(maps)
	for i, m := range out {
		out[i].Data = slices.Repeat([]int8{127}, len(m.Data))
	}
	return out
}
