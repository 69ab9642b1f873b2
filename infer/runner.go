package infer

import (
	"fmt"

	"cull/infer/internal/kernel"
	"cull/infer/net"
	"cull/internal/impl"
)

// Options of a Runner. The zero value is one thread.
type Options struct {
	Threads int  // goroutines that share a layer's rows; 0 means 1
	KeepAll bool // keep every node's result until the next Run, for Node
}

// A Runner computes one picture size of one model. It is not for concurrent use.
type Runner struct {
	graph  net.Graph
	plan   *plan
	steps  []step
	stages []stage
	input  *kernel.Input
	maps   []Map
	keep   bool
	crew   *crew
	dense  [][]int8 // for Node: node i without its border, made on demand
	length int      // of Run's argument
}

// A step computes one node.
type step struct {
	node int
	op   kernel.Op
	out  kernel.Plane
	tap  []int8 // where the rows are copied to without the border, if anywhere
	cost int    // of one row, multiply-accumulates or the like
}

// A stage is steps that goroutines take some rows through: see stages.
type stage struct {
	steps   []step
	height  int      // rows of every step
	cost    int      // of one row
	windows []window // what its steps read of the stage before
}

// rows computes rows y0..y1-1 of all steps.
func (s *stage) rows(y0, y1 int) {
	for i := range s.steps {
		s.steps[i].rows(y0, y1)
	}
}

// rows computes rows y0..y1-1 of the node with its border.
func (s *step) rows(y0, y1 int) {
	s.out.ClearBorder(y0, y1)
	s.op.Rows(y0, y1)
	if s.tap != nil {
		unborder(s.tap, &s.out, y0, y1)
	}
}

// unborder copies rows y0..y1-1 of p to dst, [H][W][C].
func unborder(dst []int8, p *kernel.Plane, y0, y1 int) {
	for y := y0; y < y1; y++ {
		copy(dst[y*p.W*p.C:], p.Row(y))
	}
}

// NewRunner prepares the model for pictures of h x w pixels: it lays out the
// memory and packs the weights for this CPU.
func (m *Model) NewRunner(h, w int, o Options) (*Runner, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	if err := impl.Check(); err != nil {
		return nil, fmt.Errorf("infer: %w", err)
	}
	const maxThreads = 256
	if o.Threads < 0 || o.Threads > maxThreads {
		return nil, fmt.Errorf("infer: %d threads: want 1 to %d", o.Threads, maxThreads)
	}
	shapes, err := m.Graph.Shapes(h, w)
	if err != nil {
		return nil, fmt.Errorf("infer: %w", err)
	}
	r := &Runner{graph: m.Graph, keep: o.KeepAll, length: shapes[0].Len()}
	if r.plan, err = newPlan(&m.Graph, shapes, o.KeepAll); err != nil {
		return nil, err
	}
	r.bindSteps(m)
	r.bindTaps(m)
	r.bindStages()
	r.crew = newCrew(max(o.Threads, 1), r.stages)
	return r, nil
}

func (r *Runner) bindSteps(m *Model) {
	signed := m.Graph.Signed()
	for i := range m.Graph.Nodes {
		out := r.plan.planes[i]
		if out.Data == nil {
			continue
		}
		s := step{node: i, out: out, op: r.bind(m, i, signed), cost: out.W * out.C}
		if n := &m.Graph.Nodes[i]; i > 0 {
			s.cost *= cost(n, r.plan.planes[n.In[0]].C)
		}
		r.steps = append(r.steps, s)
	}
}

// cost is that of one value of n's result over so many channels: multiply-accumulates or the like.
func cost(n *net.Node, channels int) int {
	switch n.Op {
	case net.Conv:
		return n.Kernel * n.Kernel * channels / n.Groups
	case net.MaxPool, net.AvgPool:
		return n.Kernel * n.Kernel
	case net.Add, net.ResizeBilinear:
		return 8
	}
	return 1
}

// bind returns the operation of node i.
func (r *Runner) bind(m *Model, i int, signed []bool) kernel.Op {
	n, p, out := &m.Graph.Nodes[i], &m.Params[i], r.plan.planes[i]
	lo := int8(0)
	if signed[i] {
		lo = -127
	}
	var in kernel.Plane
	if len(n.In) > 0 {
		in = r.plan.planes[n.In[0]]
	}
	switch n.Op {
	case net.Conv:
		return kernel.NewConv(kernel.Conv{
			Kernel: n.Kernel, Stride: n.Stride, Pad: n.Pad, Groups: n.Groups,
			Signed: signed[n.In[0]], Lo: lo, Weights: p.Weights, Bias: p.Bias, Scale: p.Scale,
		}, in, out)
	case net.Add:
		b := r.plan.planes[n.In[1]]
		return kernel.NewAdd(in, b, out, p.Scale, p.ScaleB, lo)
	case net.ReLU:
		return kernel.NewReLU(in, out)
	case net.MaxPool:
		return kernel.NewMaxPool(in, out, n.Kernel, n.Stride, n.Pad)
	case net.AvgPool:
		return kernel.NewAvgPool(in, out, n.Kernel, n.Stride, n.Pad, p.Scale[0], lo)
	case net.ResizeNearest:
		return &kernel.Nearest{In: in, Out: out, Factor: n.Factor}
	case net.ResizeBilinear:
		return &kernel.Bilinear{In: in, Out: out, Factor: n.Factor}
	}
	r.input = &kernel.Input{Out: out}
	return r.input
}

// bindTaps makes the maps. A tap without a border is its node's buffer, which
// the plan keeps alive; others get a copy of their own, made row by row.
func (r *Runner) bindTaps(m *Model) {
	copies := make(map[int][]int8)
	for i, t := range m.Graph.Taps {
		p := &r.plan.planes[t.Node]
		data := p.Data[:min(len(p.Data), p.H*p.W*p.C)]
		if p.Border > 0 {
			if copies[t.Node] == nil {
				copies[t.Node] = make([]int8, p.H*p.W*p.C)
			}
			data = copies[t.Node]
		}
		r.maps = append(r.maps, Map{
			H: p.H, W: p.W, C: p.C, Stride: m.Graph.Stride(t.Node),
			Data: data, Step: append([]float32(nil), m.TapStep[i]...),
		})
	}
	k := 0
	for i := range m.Graph.Nodes {
		if r.plan.planes[i].Data != nil {
			r.steps[k].tap = copies[i]
			k++
		}
	}
}

// bindStages cuts the steps into stages.
func (r *Runner) bindStages() {
	last, k := -1, 0
	for i, now := range r.plan.stage {
		if r.plan.planes[i].Data == nil {
			continue
		}
		if now != last {
			r.stages = append(r.stages, stage{steps: r.steps[k:k:len(r.steps)], height: r.steps[k].out.H})
		}
		s := &r.stages[now]
		for _, j := range r.graph.Nodes[i].In {
			if r.plan.stage[j] == now-1 {
				s.windows = append(s.windows, windowOf(&r.graph.Nodes[i]))
			}
		}
		s.steps = s.steps[:len(s.steps)+1]
		s.cost += r.steps[k].cost
		last, k = now, k+1
	}
}

// Run computes the taps of a picture, [h][w][InputChannels] in -127..127. The
// maps are valid until the next Run. It allocates nothing.
func (r *Runner) Run(in []int8) []Map {
	if len(in) != r.length {
		panic(fmt.Sprintf("infer: Run: %d values, want %d", len(in), r.length))
	}
	r.input.In = in
	r.crew.run()
	r.input.In = nil
	return r.maps
}

// Trace does what Run does, on the calling goroutine alone and node by node, and
// calls done after each: the time between two calls is what the latter's node costs.
func (r *Runner) Trace(in []int8, done func(node int)) []Map {
	if len(in) != r.length {
		panic(fmt.Sprintf("infer: Trace: %d values, want %d", len(in), r.length))
	}
	r.input.In = in
	for i := range r.steps {
		s := &r.steps[i]
		s.rows(0, s.out.H)
		done(s.node)
	}
	r.input.In = nil
	return r.maps
}

// Node returns the result of node i of the last Run; its Step is nil. It needs
// KeepAll and allocates on first use of a node.
func (r *Runner) Node(i int) Map {
	if !r.keep {
		panic("infer: Node without KeepAll")
	}
	if r.dense == nil {
		r.dense = make([][]int8, len(r.graph.Nodes))
	}
	p := &r.plan.planes[i]
	if r.dense[i] == nil {
		r.dense[i] = make([]int8, p.H*p.W*p.C)
	}
	unborder(r.dense[i], p, 0, p.H)
	return Map{H: p.H, W: p.W, C: p.C, Stride: r.graph.Stride(i), Data: r.dense[i]}
}

// Close ends the runner's goroutines and waits for them. The runner must not
// be used afterwards; its maps stay valid.
func (r *Runner) Close() { r.crew.close() }
