package commands

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"cull/device/internal/config"
	"cull/device/internal/line"
	"cull/device/internal/record"
	"cull/device/internal/sim"
)

// A run is one run of a station. It is the line's Recorder.
type run struct {
	*station
	j         *journal
	log       *record.Log // nil: none
	first     uint64      // id of the first part
	inspector judge
	belt      *sim.Belt
	line      *line.Line

	mu     sync.Mutex
	minute tally // since the last summary
	shift  tally // since the start
}

// drive runs belt and line until the line has ended.
func (r *run) drive(ctx context.Context, parts feed, speed float64) error {
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	c := r.Sim
	belt, err := sim.New(sim.Options{
		Seed: r.seed, Parts: r.parts, Speed: speed, Pitch: c.Pitch, Length: c.Length, Nozzle: c.Nozzle,
		Jitter: c.Jitter, StopEach: c.StopEach, StopFor: config.MS(c.StopForMS),
		FrameLoss: c.FrameLoss, Bounce: c.Bounce, Operator: time.Duration(c.OperatorS * float64(time.Second)),
	}, parts(life), func() { r.line.Reset() })
	if err != nil {
		return err
	}
	r.belt = belt
	if r.line, err = line.New(r.options(belt, time.Now())); err != nil {
		return err
	}
	wg.Go(func() { belt.Run(life) })
	wg.Go(func() { r.summaries(life) })
	return r.line.Run(ctx)
}

// Ready implements line.Recorder.
func (r *run) Ready() error {
	if r.log == nil {
		return nil
	}
	return r.log.Ready()
}

// Append implements line.Recorder.
func (r *run) Append(p line.Part) {
	r.belt.Verdict(p.ID-r.first+1, p.Verdict)
	if r.log != nil {
		r.log.Append(entry(&p))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.minute.add(&p)
	r.shift.add(&p)
}

// entry is a part as the log keeps it.
func entry(p *line.Part) record.Entry {
	e := record.Entry{
		Kind: record.KindPart, Time: p.Trigger.At, Part: p.ID, Verdict: p.Verdict.String(),
		Reason: string(p.Reason), FrameSeq: p.FrameSeq, CaptureUS: p.Capture.Microseconds(),
		InferUS: p.Infer.Microseconds(), TotalUS: p.Total.Microseconds(),
	}
	if p.Judged {
		e.Score, e.Threshold = &p.Score, &p.Threshold
	}
	if p.HasSlack {
		slack := p.Slack.Microseconds()
		e.SlackUS = &slack
	}
	if !p.Fired.IsZero() {
		late := p.Fired.Sub(p.Due).Microseconds()
		e.LateUS = &late
	}
	if p.Err != nil {
		e.Error = p.Err.Error()
	}
	return e
}

// summaries writes a line a minute.
func (r *run) summaries(ctx context.Context) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			r.mu.Lock()
			t := r.minute
			r.minute = tally{}
			r.mu.Unlock()
			r.j.summary("last minute", &t, r.line.Counts(), r.stats())
		}
	}
}

func (r *run) stats() record.Stats {
	if r.log == nil {
		return record.Stats{}
	}
	return r.log.Stats()
}

// finish closes the log, writes the account of the whole run and its last line.
func (r *run) finish(env Env, err error) error {
	if r.log != nil {
		if e := r.log.Close(); e != nil && err == nil {
			err = Hint(e, "free some space; the records of this run's last parts are lost")
		}
	}
	if r.line == nil {
		return err
	}
	c := r.line.Counts()
	r.j.summary("whole run", &r.shift, c, r.stats())
	r.j.truth(r.belt.Truth(), r.Camera.Kind == "simulated")
	r.j.close()
	if _, e := fmt.Fprintf(env.Stdout, "parts %d pass %d reject %d stop %d\n", c.Parts, c.Pass, c.Reject, c.Stop); e != nil {
		err = errors.Join(err, e)
	}
	if err == nil && c.Pass+c.Reject+c.Stop != c.Parts {
		err = fmt.Errorf("run: %d parts are unaccounted for", c.Parts-c.Pass-c.Reject-c.Stop)
	}
	return err
}
