package infer

import (
	"math"
	"sync"
	"sync/atomic"

	"cull/infer/net"
)

// smallStage is the cost below which a stage is not divided: handing it over takes longer.
const smallStage = 1 << 19

// turns is how many tasks a stage has for each goroutine: evens out an unevenly loaded machine.
const turns = 4

// A task is some rows of a stage.
type task struct {
	stage  int
	y0, y1 int
	reads  [2]int // the tasks first, ..., last-1 of the stage before whose rows it reads
	done   atomic.Uint64
}

// A crew computes the tasks of a picture, the calling goroutine being one of them. Tasks are
// taken in order; one waits for those that it reads from and for all stages but the one before its own, so a
// goroutine that comes late or is held up costs the others nothing before they want its rows. Helpers are woken
// once a picture; nobody spins.
type crew struct {
	stages []stage
	tasks  []task
	left   []atomic.Int64 // tasks of each stage not yet done
	counts []int64        // tasks of each stage

	picture atomic.Uint64 // number of the picture, from 1
	next    atomic.Int64  // first task nobody has taken

	wake  []chan struct{} // one per helper, closed by close
	ended sync.WaitGroup

	mu      sync.Mutex
	changed sync.Cond    // a task is done
	waiting atomic.Int64 // goroutines that wait, or are about to
}

func newCrew(threads int, stages []stage) *crew {
	c := &crew{stages: stages, wake: make([]chan struct{}, threads-1)}
	c.changed.L = &c.mu
	c.divide(smallStage)
	for i := range c.wake {
		c.wake[i] = make(chan struct{}, 1)
		c.ended.Go(func() {
			for range c.wake[i] {
				c.take()
			}
		})
	}
	return c
}

// divide cuts the stages into tasks; those of a cost below small stay whole.
func (c *crew) divide(small int) {
	c.tasks, c.counts = nil, make([]int64, len(c.stages))
	c.left = make([]atomic.Int64, len(c.stages))
	before := 0 // first task of the stage before
	for i := range c.stages {
		s := &c.stages[i]
		first := len(c.tasks)
		n := max(1, s.height/(turns*(len(c.wake)+1)))
		if s.cost*s.height < small {
			n = s.height
		}
		for y := 0; y < s.height; y += n {
			c.tasks = append(c.tasks, task{stage: i, y0: y, y1: min(y+n, s.height)})
		}
		for k := first; k < len(c.tasks); k++ {
			t := &c.tasks[k]
			lo, hi := s.reads(t.y0, t.y1)
			t.reads = [2]int{first, before}
			for j := before; j < first; j++ {
				if c.tasks[j].y1 > lo && c.tasks[j].y0 < hi {
					t.reads[0], t.reads[1] = min(t.reads[0], j), j+1
				}
			}
		}
		c.counts[i] = int64(len(c.tasks) - first)
		before = first
	}
}

// run computes all stages and returns when they are done.
func (c *crew) run() {
	if len(c.wake) == 0 || len(c.tasks) == len(c.stages) {
		for i := range c.stages {
			c.stages[i].rows(0, c.stages[i].height)
		}
		return
	}
	for i, n := range c.counts {
		c.left[i].Store(n)
	}
	c.picture.Add(1)
	c.next.Store(0) // from here on a helper that has overslept a picture takes tasks of this one
	for _, w := range c.wake {
		select {
		case w <- struct{}{}:
		default: // not even awake for the last picture
		}
	}
	c.take()
	complete := 0
	c.await(nil, &complete)
}

// take computes tasks until none is left to take.
func (c *crew) take() {
	var picture uint64
	complete := 0 // stages of the picture known to be done
	for {
		i := int(c.next.Add(1)) - 1
		if i >= len(c.tasks) {
			return
		}
		if now := c.picture.Load(); now != picture { // the last one may have ended since this goroutine's last task
			picture, complete = now, 0
		}
		t := &c.tasks[i]
		c.await(t, &complete)
		c.stages[t.stage].rows(t.y0, t.y1)
		t.done.Store(picture)
		c.left[t.stage].Add(-1)
		if c.waiting.Load() > 0 {
			c.mu.Lock()
			c.changed.Broadcast()
			c.mu.Unlock()
		}
	}
}

// await returns when t can begin, or for nil when everything is done.
func (c *crew) await(t *task, complete *int) {
	if c.ready(t, complete) {
		return
	}
	c.waiting.Add(1)
	c.mu.Lock()
	for !c.ready(t, complete) {
		c.changed.Wait()
	}
	c.mu.Unlock()
	c.waiting.Add(-1)
}

// ready reports whether t can begin: results may lie where those of stages before the last one were, see life.
func (c *crew) ready(t *task, complete *int) bool {
	want := len(c.stages)
	if t != nil {
		want = t.stage - 1
	}
	for ; *complete < want; *complete++ {
		if c.left[*complete].Load() != 0 {
			return false
		}
	}
	if t == nil {
		return true
	}
	picture := c.picture.Load()
	for i := t.reads[0]; i < t.reads[1]; i++ {
		if c.tasks[i].done.Load() != picture {
			return false
		}
	}
	return true
}

func (c *crew) close() {
	for _, w := range c.wake {
		close(w)
	}
	c.ended.Wait()
}

// A window says which rows of the stage before a step reads.
type window struct {
	kernel, stride, pad int // rows y*stride-pad, ..., +kernel-1
	factor              int // of a resize: rows around y/factor
}

// windowOf returns the rows of its inputs that a node reads.
func windowOf(n *net.Node) window {
	switch n.Op {
	case net.Conv, net.MaxPool, net.AvgPool:
		return window{kernel: n.Kernel, stride: n.Stride, pad: n.Pad, factor: 1}
	case net.ResizeNearest:
		return window{kernel: 1, stride: 1, factor: n.Factor}
	case net.ResizeBilinear:
		return window{kernel: 3, stride: 1, pad: 1, factor: n.Factor}
	}
	return window{kernel: 1, stride: 1, factor: 1}
}

// reads returns the rows lo..hi-1 of the stage before that rows y0..y1-1 of s need; they may lie outside. There are none
// between them where s reads nothing of it.
func (s *stage) reads(y0, y1 int) (lo, hi int) {
	lo, hi = math.MaxInt, math.MinInt
	for _, w := range s.windows {
		lo = min(lo, y0/w.factor*w.stride-w.pad)
		hi = max(hi, (y1-1)/w.factor*w.stride-w.pad+w.kernel)
	}
	return lo, hi
}
