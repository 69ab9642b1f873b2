package infer

import (
	"sync"
	"sync/atomic"
)

// smallStage is the cost below which waking others takes longer than the work.
const smallStage = 1 << 19

// A crew shares the rows of a stage among goroutines, the caller being one of
// them. Nobody spins: between stages the others block on a channel.
type crew struct {
	wake    []chan *stage // one per helper, closed by close
	working sync.WaitGroup
	ended   sync.WaitGroup
	next    atomic.Int64 // first row nobody has taken
	small   int          // stages of less cost are not shared
}

func newCrew(threads int) *crew {
	c := &crew{wake: make([]chan *stage, threads-1), small: smallStage}
	for i := range c.wake {
		c.wake[i] = make(chan *stage, 1)
		c.ended.Go(func() { c.help(c.wake[i]) })
	}
	return c
}

func (c *crew) help(wake <-chan *stage) {
	for s := range wake {
		c.take(s)
		c.working.Done()
	}
}

// run computes all rows of s and returns when they are done.
func (c *crew) run(s *stage) {
	helpers := min(len(c.wake), s.height-1)
	if helpers == 0 || s.cost*s.height < c.small {
		s.rows(0, s.height)
		return
	}
	c.next.Store(0)
	c.working.Add(helpers)
	for _, w := range c.wake[:helpers] {
		w <- s
	}
	c.take(s)
	c.working.Wait()
}

// take computes rows of s, a few at a time, until none is left.
func (c *crew) take(s *stage) {
	const turns = 4 // per goroutine: evens out an unevenly loaded machine
	n := max(1, s.height/(turns*(len(c.wake)+1)))
	for {
		y := int(c.next.Add(int64(n))) - n
		if y >= s.height {
			return
		}
		s.rows(y, min(y+n, s.height))
	}
}

func (c *crew) close() {
	for _, w := range c.wake {
		close(w)
	}
	c.ended.Wait()
}
