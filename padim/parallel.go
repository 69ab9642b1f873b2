package padim

import "sync"

// parallel calls f on consecutive shares of 0..n-1, at most threads at a time,
// and waits.
func parallel(threads, n int, f func(lo, hi int)) {
	threads = min(threads, n)
	if threads <= 1 {
		if n > 0 {
			f(0, n)
		}
		return
	}
	var wg sync.WaitGroup
	for k := range threads {
		wg.Go(func() { f(k*n/threads, (k+1)*n/threads) })
	}
	wg.Wait()
}

// A team runs the phases of one frame on a fixed number of goroutines without
// allocating.
type team struct {
	work  []func() // one a member, made once
	phase func(member int)
	wg    sync.WaitGroup
}

func newTeam(n int) *team {
	t := &team{}
	for k := range n {
		t.work = append(t.work, func() {
			defer t.wg.Done()
			t.phase(k)
		})
	}
	return t
}

// run calls phase for every member at once and waits. Member 0 is the caller.
func (t *team) run(phase func(member int)) {
	t.phase = phase
	t.wg.Add(len(t.work))
	for _, f := range t.work[1:] {
		go f()
	}
	t.work[0]()
	t.wg.Wait()
}

// share returns member k's part of 0..n-1.
func (t *team) share(k, n int) (lo, hi int) {
	return k * n / len(t.work), (k + 1) * n / len(t.work)
}
