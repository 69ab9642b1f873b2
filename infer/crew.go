package infer

import (
	"sync"
	"sync/atomic"
)

// smallStep is the cost below which waking others takes longer than the work.
const smallStep = 1 << 17

// A crew shares the rows of a step among goroutines, the caller being one of
// them. Nobody spins: between steps the others block on a channel.
type crew struct {
	wake    []chan *step // one per helper, closed by close
	working sync.WaitGroup
	ended   sync.WaitGroup
	next    atomic.Int64 // first row nobody has taken
}

func newCrew(threads int) *crew {
	c := &crew{wake: make([]chan *step, threads-1)}
	for i := range c.wake {
		c.wake[i] = make(chan *step, 1)
		c.ended.Go(func() { c.help(c.wake[i]) })
	}
	return c
}

func (c *crew) help(wake <-chan *step) {
	for s := range wake {
		c.take(s)
		c.working.Done()
	}
}

// run computes all rows of s and returns when they are done.
func (c *crew) run(s *step) {
	helpers := min(len(c.wake), s.out.H-1)
	if helpers == 0 || s.cost*s.out.H < smallStep {
		s.rows(0, s.out.H)
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
func (c *crew) take(s *step) {
	const turns = 4 // per goroutine: evens out an unevenly loaded machine
	n := max(1, s.out.H/(turns*(len(c.wake)+1)))
	for {
		y := int(c.next.Add(int64(n))) - n
		if y >= s.out.H {
			return
		}
		s.rows(y, min(y+n, s.out.H))
	}
}

func (c *crew) close() {
	for _, w := range c.wake {
		close(w)
	}
	c.ended.Wait()
}
