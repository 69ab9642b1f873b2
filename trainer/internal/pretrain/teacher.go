package pretrain

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"

	"cull/internal/regular"
	"cull/trainer/internal/grad"
	"cull/trainer/internal/loss"
	"cull/trainer/internal/onnx"
	"cull/trainer/internal/quantise"
	"cull/trainer/internal/recipe"
	"cull/trainer/internal/trunk"
)

// ErrTeacher reports a teacher that cannot be learnt from.
var ErrTeacher = errors.New("teacher")

// teach adds the regression onto the teacher's maps and keeps the file's digest in the
// run's recipe, so that its checkpoints go on with no other teacher.
func (r *Run) teach(rng *rand.Rand) error {
	rec := *r.Recipe
	t := &rec.Teacher
	b, err := regular.ReadFile(t.Model)
	if err != nil {
		return fmt.Errorf("pretrain: %w: %w", ErrTeacher, err)
	}
	digest := fmt.Sprintf("%x", sha256.Sum256(b))
	if t.SHA256 != "" && !strings.EqualFold(t.SHA256, digest) {
		return fmt.Errorf("pretrain: %w: %s: sha256 %s, want %s: give the file the run or recipe is of",
			ErrTeacher, t.Model, digest, t.SHA256)
	}
	t.SHA256 = digest
	target, err := newTeacher(b, t, rec.Data.Size)
	if err != nil {
		return fmt.Errorf("pretrain: %w: %s: %w", ErrTeacher, t.Model, err)
	}
	r.Recipe = &rec
	r.regress(target, rec.Loss.Teacher, rec.Shape(), rng)
	return nil
}

// teacher is a network from elsewhere as a regression target. It sees each picture as
// the trunk does, RGB in -1..1, or as the recipe's mean and std say.
type teacher struct {
	net  *quantise.Network
	node [trunk.Stages]int // at strides 4, 8, 16
}

// newTeacher reads the ONNX file b that rec names. There must be one output for each stride, whose
// map of a picture of size x size pixels is the trunk's in height and width.
func newTeacher(b []byte, rec *recipe.Teacher, size int) (*teacher, error) {
	m, err := onnx.Parse(b)
	if err != nil {
		return nil, err
	}
	var names []string
	if rec.Outputs != "" {
		names = strings.Split(rec.Outputs, ",")
	}
	n, err := onnx.Import(m, names...)
	if err != nil {
		return nil, err
	}
	if len(rec.Mean) > 0 {
		if err := onnx.Normalise(n, [3]float64(rec.Mean), [3]float64(rec.Std)); err != nil {
			return nil, err
		}
	}
	t := &teacher{net: n}
	shapes, err := n.Graph.Shapes(size, size)
	if err != nil {
		return nil, err
	}
	const want = "want one output each at strides 4, 8 and 16"
	for _, tap := range n.Graph.Taps {
		stage, known := map[int]int{4: 0, 8: 1, 16: 2}[n.Graph.Stride(tap.Node)]
		switch {
		case !known:
			return nil, fmt.Errorf("output %q has stride %d: %s", tap.Name, n.Graph.Stride(tap.Node), want)
		case t.node[stage] != 0:
			return nil, fmt.Errorf("output %q is the second at stride %d: %s", tap.Name, 4<<stage, want)
		case shapes[tap.Node].H != size/(4<<stage) || shapes[tap.Node].W != size/(4<<stage):
			return nil, fmt.Errorf("output %q has %d x %d cells at %d px: want %d on each side", tap.Name,
				shapes[tap.Node].H, shapes[tap.Node].W, size, size/(4<<stage))
		}
		t.node[stage] = tap.Node
	}
	for stage, i := range t.node {
		if i == 0 {
			return nil, fmt.Errorf("no output has stride %d: %s", 4<<stage, want)
		}
	}
	return t, nil
}

var _ loss.Target = (*teacher)(nil)

func (t *teacher) Name() string { return "teacher" }

func (t *teacher) Channels() (c [trunk.Stages]int) {
	all := t.net.Graph.Channels()
	for s, i := range t.node {
		c[s] = all[i]
	}
	return c
}

// NewMaker returns a function with its own memory and one thread: pictures are shared
// out over the goroutines that render them.
func (t *teacher) NewMaker() func(rgb []uint8, size int) [trunk.Stages][]float32 {
	be := grad.NewCPU(1)
	var x *grad.Tensor
	var out []*grad.Tensor
	return func(rgb []uint8, size int) (maps [trunk.Stages][]float32) {
		if x == nil || x.H != size {
			x, out = grad.NewTensor(1, size, size, 3), nil
		}
		quantise.Load(x, 0, rgb)
		out = t.net.RunInto(out, be, x)
		for s, i := range t.node {
			m := out[i]
			maps[s] = make([]float32, 0, m.H*m.W*m.C)
			for y := range m.H {
				maps[s] = append(maps[s], m.Row(0, y)...)
			}
		}
		return maps
	}
}
