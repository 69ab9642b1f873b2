package line_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"cull/device/internal/line"
	"cull/reject"
)

var (
	soakParts   = flag.Int("soak.parts", 20_000, "parts to simulate")
	soakSeed    = flag.Uint64("soak.seed", 1, "seed of the first episode; the next has the next")
	soakVerbose = flag.Bool("soak.v", false, "print the account of every episode")
)

const debounce = 10 * ms

// episodeParts is how many parts one bubble simulates.
const episodeParts = 5_000

// TestSoak runs whole lines against fakes under random faults: frames that are lost, late, dark or come
// twice, verdicts that are late, fail or never come, a camera that is unplugged, confirmations that are
// missing, an encoder that jitters and a belt that stops, edges that bounce, storm and are lost, a log that
// refuses, and processes that end or are killed with parts under way. Every edge must have exactly one
// record, no id two, and no bad part may pass: it ends as STOP, or as REJECT with a pulse that met it.
func TestSoak(t *testing.T) {
	start := time.Now()
	parts := *soakParts
	if testing.Short() {
		parts = min(parts, 2_000)
	}
	var sum tally
	for i := 0; i*episodeParts < parts; i++ {
		seed := *soakSeed + uint64(i)
		n := min(episodeParts, parts-i*episodeParts)
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { sum.add(episode(t, seed, n)) })
		})
		if t.Failed() {
			t.Fatalf("again: go test -run TestSoak ./device/internal/line -soak.seed %d -soak.parts %d", seed, n)
		}
		if done := (i + 1) * episodeParts; done%100_000 == 0 {
			fmt.Fprintf(os.Stderr, "soak: seeds from %d, %v: %+v\n", *soakSeed, time.Since(start).Round(time.Second), sum)
		}
	}
	t.Logf("seeds from %d, %v: %+v", *soakSeed, time.Since(start).Round(time.Second), sum)
	if sum.Bad == 0 || sum.Reject == 0 || sum.Pass == 0 {
		t.Error("nothing happened")
	}
}

func (t *tally) add(o tally) {
	t.Bodies += o.Bodies
	t.Bad += o.Bad
	t.Edges += o.Edges
	t.Bounces += o.Bounces
	t.Unread += o.Unread
	t.Nobody += o.Nobody
	t.Pass += o.Pass
	t.Reject += o.Reject
	t.Stop += o.Stop
	t.Interrupted += o.Interrupted
	t.Blown += o.Blown
	t.Lost += o.Lost
	t.ByHand += o.ByHand
	t.Missing += o.Missing
	t.Resets += o.Resets
	t.Kills += o.Kills
	t.Restarts += o.Restarts
	t.Unplugs += o.Unplugs
	t.Storms += o.Storms
}

// draw makes the plan of an episode.
func draw(seed uint64) plan {
	r := rand.New(rand.NewPCG(seed, 1))
	p := plan{
		byTime: r.IntN(4) == 0, speed: 1500 + 1500*r.Float64(), pitch: 90 + 60*r.Float64(),
		nozzle: 700 + 300*r.Float64(), jitter: 0.15 * r.Float64(),
		strobe: r.IntN(2) == 0, confirm: r.IntN(2) == 0, gated: r.IntN(2) == 0,
		operator: time.Duration(200+r.IntN(800)) * ms, faults: []float64{0.1, 1, 1, 3}[r.IntN(4)],
	}
	if r.IntN(8) == 0 {
		p.nozzle *= 5 // more than 32 parts under way
	}
	p.window = min(30*ms, time.Duration(0.7*p.pitch/p.speed*1e9))
	switch {
	case !p.strobe && !p.confirm:
		p.bounces, p.storms = r.IntN(2) == 0, r.IntN(2) == 0
	case !p.strobe:
		p.storms = r.IntN(2) == 0
	}
	p.brakes = !p.byTime && r.IntN(2) == 0
	return p
}

func (w *world) options(unfinished []uint64, hold bool) line.Options {
	w.mu.Lock()
	defer w.mu.Unlock()
	run := w.run
	o := line.Options{
		Camera: w.camera(w.frames),
		Triggers: input{w.edges, func(t line.Trigger) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if run == w.run && !w.dead {
				w.taken = t.Seq
			}
		}},
		Inspector: eye{}, Recorder: book{w, run}, Check: unfit,
		Rejecter: func(report func(reject.Outcome)) (line.Rejecter, error) {
			return reject.NewQueue(w.output(func(active bool) { w.on = active; w.blow() }),
				reject.Options{Width: pulse, MaxOn: time.Second, Report: report})
		},
		Outputs: line.Outputs{
			Ready: w.output(func(active bool) { w.ready = active }),
			OK:    w.output(w.start),
		},
		Resets: input{c: w.resets}, Unfinished: unfinished, Hold: hold,
		Epoch: w.epoch, FirstPart: w.last + 1,
		WindowTo: w.window, FrameWait: 100 * ms, FramePerTrigger: w.strobe, FreeRunning: !w.strobe,
		QuietCounts: 5000,
	}
	mm := w.nozzle + length/2 - w.speed*pulse.Seconds()/2
	if w.byTime {
		o.Travel.Time, o.QuietCounts = time.Duration(mm/w.speed*1e9), 0
	} else {
		o.Travel.Counts, o.Encoder = int64(mm*perMM), w
	}
	if !w.bounces {
		o.Debounce = debounce
	}
	if w.confirm {
		o.Confirm, o.ConfirmTo = input{c: w.confirms}, 24*ms
	}
	return o
}

// episode runs n parts over one line after the other and returns the account.
func episode(t *testing.T, seed uint64, n int) tally {
	w := newWorld(draw(seed), seed, n)
	ctx, stop := context.WithCancel(t.Context())
	lived := make(chan struct{})
	hold := false
	for first := true; ; first = false {
		w.mu.Lock()
		w.fresh()
		var unfinished []uint64
		for id := range w.open {
			unfinished = append(unfinished, id)
		}
		edges := w.sum.Edges
		w.mu.Unlock()
		l, err := line.New(w.options(unfinished, hold))
		if err != nil {
			t.Fatal(err)
		}
		running, end := context.WithCancel(ctx)
		ended := make(chan error, 1)
		go func() { ended <- l.Run(running) }()
		if first {
			go func() { defer close(lived); w.live(ctx) }()
		}
		select {
		case err = <-ended:
			end()
			w.account(l.Counts(), edges, false)
			w.check(err)
			stop()
			<-lived
			time.Sleep(10 * time.Second) // what hangs in an inspection ends
			w.verdicts()
			w.balance()
			for _, f := range w.faulty {
				t.Errorf("%s (plan %+v)", f, w.plan)
			}
			if *soakVerbose {
				t.Logf("%+v: %+v", w.plan, w.sum)
			}
			return w.sum
		case hold = <-w.leave:
		case <-time.After(time.Hour):
			w.mu.Lock()
			defer w.mu.Unlock()
			t.Fatalf("nothing goes on after %d parts: %+v, ok %v ready %v away %v belt %d agenda %d full %v",
				len(w.bodies), l.Counts(), w.ok, w.ready, w.away, len(w.belt), len(w.agenda), time.Until(w.full))
		}
		time.Sleep(time.Duration(seed*7919%100) * ms)
		if hold {
			synctest.Wait()
			w.kill()
			w.account(l.Counts(), edges, true)
		} else {
			w.mu.Lock()
			w.sum.Restarts++
			w.mu.Unlock()
		}
		end()
		err = <-ended
		if !hold {
			w.account(l.Counts(), edges, false)
			w.check(err)
		}
	}
}

// start is what OK-to-run does.
func (w *world) start(active bool) {
	w.ok = active
	if active && w.foul {
		w.fault("process %d lets the belt run with parts on it that nobody knows", w.run)
	}
}

// kill is SIGKILL, and the outputs put into their safe state.
func (w *world) kill() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.advance(time.Now())
	w.sum.Kills++
	w.dead, w.ok, w.ready, w.on, w.foul = true, false, false, false, true
	for _, b := range w.belt {
		known := slices.ContainsFunc(w.owners(b), w.has)
		if !known && !w.orphan(b) {
			b.early = true // the line must be held until the operator has cleared the belt
		}
	}
}

// account checks that every edge of a process has its record. There were some before.
func (w *world) account(c line.Counts, before uint64, killed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	edges := w.sum.Edges - before
	w.sum.Bounces += c.Bounces
	have := w.filed + c.Bounces
	if !killed {
		if have != edges || c.UnderWay != 0 || c.Parts != w.filed || c.Parts != c.Pass+c.Reject+c.Stop {
			w.fault("process %d: %d edges, %d records, counts %+v", w.run, edges, w.filed, c)
		}
		if len(w.open) > 0 {
			w.fault("process %d: parts without end: %v", w.run, w.open)
		}
		return
	}
	have += uint64(len(w.open))
	w.sum.Unread += edges - have
	// What the process had not taken from the sensor, nobody can know: the line is held for that.
	if unread := uint64(w.seq-w.taken) + w.silent; have > edges || edges-have > unread {
		w.fault("killed process %d: %d edges, %d not taken, %d records, %d begun, counts %+v",
			w.run, edges, w.seq-w.taken, w.filed, len(w.open), c)
	}
}

// balance checks that every edge of the episode is in one account: it has a record, or was a bounce, or was not read by a
// process that was killed, or came when there was none.
func (w *world) balance() {
	s := &w.sum
	if s.Edges != s.Pass+s.Reject+s.Stop+s.Bounces+s.Unread+s.Nobody {
		w.fault("edges without an account: %+v", *s)
	}
}

func (w *world) check(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil && !errors.Is(err, line.ErrStuck) {
		w.fault("process %d: %v", w.run, err)
	}
}

// owners returns the edges of b that have parts: a bounce belongs to the edge before.
func (w *world) owners(b *body) (of []owner) {
	for _, s := range b.seqs {
		o := owner{b.run, s}
		for !w.bounces && !w.has(o) && b.at.Sub(w.edged[owner{o.run, o.seq - 1}]) < debounce {
			o.seq--
		}
		of = append(of, o)
	}
	return of
}

// has reports whether the log knows the part of an edge.
func (w *world) has(o owner) bool {
	begun := false
	for _, p := range w.open {
		begun = begun || p == o
	}
	return begun || len(w.records[o]) > 0
}

func (w *world) orphan(b *body) bool {
	for _, p := range w.orphans {
		if shown(b, p) {
			return true
		}
	}
	return false
}

// among reports whether b is one of several parts in a row whose edges were lost, and there is a record for each of
// them: that so many parts are missing the line must know, which picture belongs to which lost edge it cannot.
func (w *world) among(b *body) bool {
	if !b.lost {
		return false
	}
	lost := func(n uint64) bool {
		return n < uint64(len(w.bodies)) && w.bodies[n].lost && w.bodies[n].run == b.run
	}
	from, to := b.n, b.n
	for from > 0 && lost(from-1) {
		from--
	}
	for lost(to + 1) {
		to++
	}
	records := 0
	for _, other := range w.bodies[from : to+1] {
		for _, o := range w.owners(other) {
			records += len(w.records[o])
		}
		for _, p := range w.orphans {
			if shown(other, p) {
				records++
			}
		}
	}
	return to > from && records > int(to-from)
}

// verdicts holds what became of each part against the truth.
func (w *world) verdicts() {
	for _, b := range w.bodies {
		var got []line.Part
		for _, o := range w.owners(b) {
			got = append(got, w.records[o]...)
		}
		known := len(got) > 0 || w.orphan(b) || w.among(b)
		out := b.early && b.taken || w.orphan(b) || w.among(b)
		for _, p := range got {
			out = out || p.Verdict == line.Stop || p.Verdict == line.Reject && b.hit
			if w.confirm && b.hit && !b.blown && p.Verdict == line.Reject {
				w.fault("part %d: nothing blew it off, its record says %v", p.ID, p.Confirm)
			}
		}
		switch {
		case !b.early && !known:
			w.fault("body %d: no record: %+v", b.n, *b)
		case b.bad && !out:
			w.fault("bad part passed: %+v: %+v", *b, got)
		}
	}
}
