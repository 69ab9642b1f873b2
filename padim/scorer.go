package padim

import (
	"fmt"
	"math"
	"slices"

	"cull/padim/internal/kernel"
)

// ScorerOptions are the choices of a scorer.
type ScorerOptions struct {
	Threads int // 0: one. The scores do not depend on it.
}

// Kernel names the instruction set that scoring uses on this CPU: generic, avx2,
// avx512 or neon. The scores do not depend on it.
func Kernel() string { return kernel.Kernel() }

// A Scorer scores pictures, one at a time, with buffers of its own.
type Scorer struct {
	m       *Model
	proj    *projection
	members []member
	team    *team
	sum     func(k int) // phase 1: integer sums of every stage
	judge   func(k int) // phase 2: features and distances
	measure func(k int) // phase 2 on features that are there

	dist   ScoreMap  // Mahalanobis distance a cell
	weight []float32 // with an ignore mask: the filter's answer to the mask
	out    ScoreMap
	tmp    []float32
	best   []float32
}

// A member is the scratch of one goroutine.
type member struct {
	pooled []int16
	column []int32
	y      []float32 // for as many cells as are measured at once
}

// NewScorer returns a scorer of m with buffers of its own.
func (m *Model) NewScorer(o ScorerOptions) (*Scorer, error) {
	if o.Threads < 0 || o.Threads > 1<<10 {
		return nil, fmt.Errorf("padim: scorer: %d threads", o.Threads)
	}
	s := newScorer(m, o.Threads)
	s.proj = newProjection(m.proj)
	return s, nil
}

// newScorer returns a scorer without a projection.
func newScorer(m *Model, threads int) *Scorer {
	s := &Scorer{m: m, team: newTeam(max(threads, 1))}
	pad := kernel.Padded(m.proj.d)
	for range s.team.work {
		s.members = append(s.members, member{
			m.proj.scratch(), make([]int32, 3*pad), make([]float32, kernel.Scratch(m.proj.d)),
		})
	}
	h, w := m.proj.h, m.proj.w
	s.dist = ScoreMap{h, w, make([]float32, h*w)}
	s.out = s.dist
	if m.zoom > 1 {
		s.out = ScoreMap{h * m.zoom, w * m.zoom, make([]float32, h*w*m.zoom*m.zoom)}
	}
	s.tmp = make([]float32, len(s.out.Data))
	s.best = make([]float32, 0, m.top)
	if m.ignore != nil {
		s.weight = make([]float32, h*w)
		for _, p := range m.cells {
			s.weight[p] = 1
		}
		smooth(s.weight, s.tmp, h, w, m.taps)
	}
	s.sum, s.judge, s.measure = s.phaseSum, s.phaseJudge, s.phaseMeasure
	return s
}

func (s *Scorer) phaseSum(k int) {
	for i := range s.proj.sums {
		st := &s.m.proj.stages[i]
		lo, hi := s.team.share(k, st.h/st.down)
		s.proj.sum(i, lo, hi, s.members[k].pooled)
	}
}

func (s *Scorer) phaseJudge(k int) {
	lo, hi := s.team.share(k, s.m.proj.h)
	s.proj.gather(lo, hi, s.members[k].column)
	s.phaseMeasure(k)
}

func (s *Scorer) phaseMeasure(k int) {
	lo, hi := s.team.share(k, s.m.proj.h)
	m, b := s.m, &s.members[k]
	w, pad := m.proj.w, kernel.Padded(m.proj.d)
	y := b.y[:pad]
	if m.product != nil {
		m.product.Norm2(s.dist.Data[lo*w:hi*w], s.proj.x[lo*w*pad:hi*w*pad], b.y)
	}
	for p := lo * w; p < hi*w; p++ {
		if m.ignore != nil && m.ignore[p] {
			s.dist.Data[p] = 0
			continue
		}
		d2 := s.dist.Data[p]
		if m.product == nil {
			x := s.proj.x[p*pad:][:pad]
			d2 = m.norm2(p, x, y)
			if m.nearest {
				d2 = m.search(p, d2, x, y)
			}
		}
		s.dist.Data[p] = float32(math.Sqrt(float64(d2)))
	}
}

// Score judges one picture. It allocates nothing. It panics where Check would fail.
func (s *Scorer) Score(maps []Map) Result {
	if err := s.m.proj.match(maps); err != nil {
		panic(fmt.Sprintf("padim: %v", err))
	}
	s.proj.maps = maps
	s.team.run(s.sum)
	s.team.run(s.judge)
	s.proj.maps = nil
	return s.finish()
}

// scoreFeatures judges features that are computed already.
func (s *Scorer) scoreFeatures(x []float32) Result {
	s.proj = &projection{x: x}
	s.team.run(s.measure)
	return s.finish()
}

// finish makes the score map and the score from the distances.
func (s *Scorer) finish() Result {
	m, out := s.m, s.out
	if m.zoom > 1 {
		s.dist.Resize(out.Data, out.H, out.W)
	}
	smooth(out.Data, s.tmp, out.H, out.W, m.taps)
	for p, w := range s.weight {
		if m.ignore[p] {
			out.Data[p] = 0
		} else {
			out.Data[p] /= w
		}
	}
	return Result{Score: s.topMean(), Map: out}
}

// topMean returns the mean of the m.top highest values of the map, added in
// ascending order.
func (s *Scorer) topMean() float32 {
	heap := s.best[:0] // the highest so far, the lowest of them first
	for _, v := range s.out.Data {
		switch {
		case len(heap) < s.m.top:
			heap = append(heap, v)
			up(heap)
		case v > heap[0]:
			heap[0] = v
			down(heap)
		}
	}
	slices.Sort(heap)
	var sum float32
	for _, v := range heap {
		sum += v
	}
	return sum / float32(len(heap))
}

// up moves the last element of a heap to its place.
func up(h []float32) {
	for i := len(h) - 1; i > 0; {
		parent := (i - 1) / 2
		if h[parent] <= h[i] {
			return
		}
		h[parent], h[i] = h[i], h[parent]
		i = parent
	}
}

// down moves the first element of a heap to its place.
func down(h []float32) {
	for i := 0; ; {
		c := 2*i + 1
		if c >= len(h) {
			return
		}
		if c+1 < len(h) && h[c+1] < h[c] {
			c++
		}
		if h[i] <= h[c] {
			return
		}
		h[i], h[c] = h[c], h[i]
		i = c
	}
}
