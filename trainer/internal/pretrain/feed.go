package pretrain

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"cull/internal/control"
	"cull/synth"
	"cull/trainer/internal/loss"
	"cull/trainer/internal/trunk"
)

// Offsets of the seeds of samples that are not trained on, from data.first.
const (
	seedFit       = 1 << 60 // statistics of regression targets
	seedSettle    = 2 << 60 // batch-norm statistics
	seedCalibrate = 3 << 60 // ranges of int8
	seedValidate  = 4 << 60 // validation
	seedProject   = 5 << 60 // discriminants
)

// An item is one sample, ready for the network and the losses.
type item struct {
	twin, image []uint8 // [size][size] R, G, B
	clean       []uint8 // image without the defect; only where a maker is told to keep it
	label       [trunk.Stages][]float32
	maps        [][trunk.Stages][]float32 // per target
	class       int
}

// A maker renders items; one per goroutine.
type maker struct {
	gen    *synth.Generator
	s      synth.Sample
	label  func(s *synth.Sample) []float32
	maps   mapper
	size   int
	labels bool // else pictures only
	clean  bool // the pictures without the defect besides

	classes classes // where a picture has one instead of a score
}

func (m *maker) item(seed uint64) (item, error) {
	if m.classes != nil {
		return m.classes.item(m, seed)
	}
	if err := m.gen.Render(&m.s, seed); err != nil {
		return item{}, err
	}
	it := item{
		twin:  append([]uint8(nil), m.s.Twin.Pix...),
		image: append([]uint8(nil), m.s.Image.Pix...),
	}
	if m.clean {
		it.clean = append([]uint8(nil), m.s.Clean.Pix...)
	}
	if !m.labels {
		return it, nil
	}
	it.label = loss.Labels(m.label(&m.s), m.size, m.size)
	it.maps = m.maps(it.image, m.size)
	return it, nil
}

// A mapper makes the maps of all targets from a picture, for the use of one goroutine.
type mapper func(rgb []uint8, size int) [][trunk.Stages][]float32

// newMapper serves all banks among the targets from one filtering of the picture.
func newMapper(targets []loss.Target) mapper {
	var (
		filters = control.NewBank()
		offsets []float64
		at      []int // places of the banks among the targets
		others  = map[int]func([]uint8, int) [trunk.Stages][]float32{}
	)
	for i, t := range targets {
		if b, ok := t.(bank); ok {
			offsets, at = append(offsets, b.offset), append(at, i)
		} else {
			others[i] = t.NewMaker()
		}
	}
	return func(rgb []uint8, size int) [][trunk.Stages][]float32 {
		all := make([][trunk.Stages][]float32, len(targets))
		if len(at) > 0 {
			for i, maps := range filters.MapsAt(rgb, size, size, offsets...) {
				all[at[i]] = maps
			}
		}
		for i, f := range others {
			all[i] = f(rgb, size)
		}
		return all
	}
}

// depth bounds the items waiting between generators and network.
const depth = 64

// A feed renders items on goroutines and delivers them in the order of their
// seeds, however many goroutines there are. Item i waits in slot i mod depth; room
// has a token for each item that may be begun, so two never want the same slot.
type feed struct {
	slots  [depth]chan result
	room   chan struct{}
	at     uint64
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

type result struct {
	item
	err error
}

// newFeed starts the goroutines, one per maker; the first item has seed base.
func newFeed(makers []*maker, base uint64) *feed {
	ctx, cancel := context.WithCancel(context.Background())
	f := &feed{cancel: cancel, room: make(chan struct{}, depth)}
	for i := range f.slots {
		f.slots[i] = make(chan result, 1)
		f.room <- struct{}{}
	}
	var next atomic.Uint64
	for _, m := range makers[:min(len(makers), depth)] {
		f.wg.Go(func() {
			for {
				select {
				case <-f.room:
				case <-ctx.Done():
					return
				}
				i := next.Add(1) - 1
				it, err := m.item(base + i)
				f.slots[i%depth] <- result{it, err}
			}
		})
	}
	return f
}

// next waits for the next item.
func (f *feed) next() (item, error) {
	r := <-f.slots[f.at%depth]
	f.at++
	f.room <- struct{}{}
	return r.item, r.err
}

// close stops the goroutines and waits for them.
func (f *feed) close() {
	f.cancel()
	f.wg.Wait()
}

// poolSize is how many samples are kept for showing them again.
const poolSize = 1024

// A pool shows every sample about reuse times: a batch is 1/reuse new samples, the
// rest are drawn from the last poolSize.
type pool struct {
	f     *feed
	reuse int
	seed  uint64
	items []item // ring, item i at i mod poolSize; empty at reuse 1
	fresh int    // items taken from the feed
}

// newPool is in the state it would have after steps batches of n.
func newPool(makers []*maker, base, seed uint64, reuse, n, steps int) (*pool, error) {
	p := &pool{reuse: reuse, seed: seed}
	p.fresh = steps * n / reuse
	keep := 0
	if reuse > 1 {
		p.items = make([]item, poolSize)
		keep = min(p.fresh, poolSize)
	}
	p.f = newFeed(makers, base+uint64(p.fresh-keep))
	p.fresh -= keep
	for range keep {
		if _, err := p.draw(); err != nil {
			p.f.close()
			return nil, err
		}
	}
	return p, nil
}

// draw takes a new item into the ring.
func (p *pool) draw() (item, error) {
	it, err := p.f.next()
	if err != nil {
		return it, err
	}
	if p.reuse > 1 {
		p.items[p.fresh%poolSize] = it
	}
	p.fresh++
	return it, nil
}

// batch returns n items for a step.
func (p *pool) batch(n, step int) ([]item, error) {
	var all []item
	for range n / p.reuse {
		it, err := p.draw()
		if err != nil {
			return nil, err
		}
		all = append(all, it)
	}
	if p.reuse > 1 {
		r := rand.New(rand.NewPCG(p.seed, uint64(step)))
		for len(all) < n {
			all = append(all, p.items[r.IntN(min(p.fresh, poolSize))])
		}
	}
	return all, nil
}

// bank is the formula bank, with an offset of its logarithm, as a regression target.
type bank struct {
	name   string
	offset float64
}

var (
	form = bank{"form", control.Offset}
	fine = bank{"fine", 0.0005}
)

func (b bank) Name() string              { return b.name }
func (bank) Channels() [trunk.Stages]int { return control.BankChannels }
func (b bank) NewMaker() func([]uint8, int) [trunk.Stages][]float32 {
	c := control.NewBank()
	return func(rgb []uint8, size int) [trunk.Stages][]float32 { return c.MapsAt(rgb, size, size, b.offset)[0] }
}

// line is what the bank sees of lines as a regression target.
type line struct{}

func (line) Name() string { return "line" }
func (line) Channels() (n [trunk.Stages]int) {
	for s := range n {
		n[s] = control.LineChannels
	}
	return n
}

func (line) NewMaker() func([]uint8, int) [trunk.Stages][]float32 {
	c := control.NewBank()
	return func(rgb []uint8, size int) [trunk.Stages][]float32 { return c.Lines(rgb, size, size) }
}

// labels are the scores a recipe can name.
var labels = map[string]func(s *synth.Sample) []float32{
	"visible":  func(s *synth.Sample) []float32 { return s.Visible },
	"relative": func(s *synth.Sample) []float32 { return s.Relative },
	"formula":  func(s *synth.Sample) []float32 { return s.Score },
}

// makers returns one maker per thread for pictures of a size.
func (r *Run) makers(from origin, size int, everything bool) ([]*maker, error) {
	o, err := from.options(r.Recipe, size)
	if err != nil {
		return nil, fmt.Errorf("pretrain: %w", err)
	}
	all := make([]*maker, r.threads)
	for i := range all {
		g, err := synth.New(o, from.source)
		if err != nil {
			return nil, fmt.Errorf("pretrain: %w", err)
		}
		all[i] = &maker{gen: g, size: size, labels: everything, label: labels[r.Recipe.Data.Label], classes: from.classes}
		all[i].maps = newMapper(r.targets)
	}
	return all, nil
}
