package commands

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"cull/capture"
	"cull/capture/check"
	"cull/device/internal/config"
	"cull/device/internal/keep"
	"cull/device/internal/line"
	"cull/device/internal/record"
	"cull/device/internal/sim"
	"cull/device/internal/wiring"
	"cull/reject"
)

// A run is one run of a station. It is the line's Recorder.
type run struct {
	*station
	j         reporter
	log       *record.Log // nil: none
	first     uint64      // id of the first part
	found     record.Recovery
	inspector judge
	belt      *sim.Belt // nil: the line is real
	line      *line.Line
	lens      lens // of a real line
	status    status

	epoch      time.Time      // of frames' times
	check      *check.Checker // nil: none
	firstCheck *check.Checker // of frames until the first good one; a check has a state of its own
	mu         sync.Mutex
	minute     tally // since the last summary
	shift      tally // since the start
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
		FrameLoss: c.FrameLoss, Bounce: c.Bounce, Debounce: config.MS(r.Line.DebounceMS), Operator: time.Duration(c.OperatorS * float64(time.Second)),
	}, parts(life), func() { r.line.Reset() })
	if err != nil {
		return err
	}
	r.belt = belt
	if err := r.reachable(speed); err != nil {
		return err
	}
	wg.Go(func() { belt.Run(life) })
	return r.serve(ctx, r.simulated(time.Now()))
}

// reachable reports a simulated belt on which no part could be judged before it is at the nozzle.
func (r *run) reachable(speed float64) error {
	if r.Line.TravelMS > 0 {
		return nil // config has compared it
	}
	counts, key, mend := r.belt.Travel(config.MS(r.Line.PulseMS)), "sim.nozzle_mm", "move the nozzle away, or lower sim.speed_mm_s"
	if r.Line.TravelCounts > 0 {
		counts, key, mend = r.Line.TravelCounts, "line.travel_counts", "0 lets the simulated line find it"
	}
	way := float64(counts) / sim.CountsPerMM
	if least := speed * float64(r.Line.WindowToMS+r.Line.MarginMS) / 1000; way <= least {
		return Hint(fmt.Errorf("run: %s: READY would never be active: %.0f mm to the nozzle, %.0f pass before a part is judged at %.0f mm/s",
			key, max(way, 0), least, speed), "%s", mend)
	}
	return nil
}

// simulated are the options of the line on the simulated belt.
func (r *run) simulated(epoch time.Time) line.Options {
	o, belt := r.options(), r.belt
	o.Epoch = epoch
	o.Camera = func(context.Context) (capture.Source, error) { return belt.Camera(epoch), nil }
	o.Triggers, o.Encoder = belt.Triggers(), belt
	o.Rejecter = func(report func(reject.Outcome)) (line.Rejecter, error) {
		p := wiring.Pulses(&r.Config)
		p.Report = report
		return reject.NewQueue(belt.Rejecter(), p)
	}
	o.Outputs = line.Outputs{Ready: belt.Ready(), OK: belt.OK()}
	if o.Travel == (line.Travel{}) {
		o.Travel.Counts = belt.Travel(config.MS(r.Line.PulseMS))
	}
	return o
}

// serve runs the line until it has ended.
func (r *run) serve(ctx context.Context, o line.Options) (err error) {
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	r.epoch = o.Epoch
	if err := r.supervise(&o); err != nil {
		return err
	}
	if r.line, err = line.New(o); err != nil {
		return err
	}
	wg.Go(func() { r.watch(life) })
	wg.Go(func() { r.reloads(life, o) })
	if err := r.open(); err != nil {
		return err
	}
	err = r.line.Run(ctx)
	r.note(ending(r.line.Foul(), err))
	return err
}

// open writes the beginning of the run, and waits for it to be on the disk: from it the next run knows that this one did not end,
// whatever happens from now on.
func (r *run) open() error {
	if r.log == nil {
		return nil
	}
	r.note(r.beginning())
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	if err := r.log.Sync(ctx); err != nil {
		return Hint(fmt.Errorf("run: record.dir: the verdict log cannot be written: %w", err), "free some space or replace the disk: df, dmesg")
	}
	return nil
}

// startLimit is how long the log may take to begin.
const startLimit = 5 * time.Second

// ending is the last entry of a run. From it the next one knows whether it may let the belt run.
func ending(foul bool, err error) record.Entry {
	e := record.Entry{Kind: record.KindEnd}
	if foul {
		e.State = record.StateFoul
	}
	if err != nil {
		e.Error = err.Error()
	}
	return e
}

// openKeep begins the recording of frames, if there is one.
func (r *run) openKeep() (err error) {
	c := r.Record
	if c.Frames == "none" {
		return nil
	}
	o := keep.Options{Dir: c.FramesDir, Passed: c.Frames != "rejects", Quota: int64(c.FramesQuotaMiB) << 20}
	if c.Frames == "last" {
		o.Last = c.FramesLast
	}
	o.Start.Time, o.Start.Product, o.Start.Model = time.Now(), r.Product, r.network
	o.Start.Network, o.Start.Taught = r.Config.Network, r.taught
	r.inspector.keep, err = keep.Open(o)
	return Hint(err, "record.frames_dir must be a directory of this daemon's own that it may write to")
}

// keepNote is a part as the recording of frames has it.
func (r *run) keepNote(p *line.Part) keep.Note {
	n := keep.Note{Entry: entry(p), TriggerSeq: p.Trigger.Seq, TriggerCount: p.Trigger.Count}
	if !p.Trigger.At.IsZero() {
		n.TriggerNS = p.Trigger.At.Sub(r.epoch).Nanoseconds()
	}
	return n
}

// Ready implements line.Recorder.
func (r *run) Ready() error {
	if r.log == nil {
		return nil
	}
	return r.log.Ready()
}

// Begin implements line.Recorder.
func (r *run) Begin(id uint64, t line.Trigger) {
	if r.log != nil {
		r.log.Append(record.Entry{Kind: record.KindBegin, Time: onTheWall(t.At, time.Now()), Part: id})
	}
}

// Append implements line.Recorder.
func (r *run) Append(p line.Part) {
	if r.belt != nil {
		r.belt.Verdict(p.ID-r.first+1, p.Verdict)
	}
	if r.log != nil {
		r.log.Append(entry(&p))
	}
	if k := r.inspector.keep; k != nil {
		k.Part(r.keepNote(&p), p.FrameAt.Sub(r.epoch))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.minute.add(&p)
	r.shift.add(&p)
}

// onTheWall is at by the wall clock as it goes now. The instants of frames and edges are counted from one reading of it at
// the start, which a board without a battery may take long before it knows what time it is.
func onTheWall(at, now time.Time) time.Time { return now.Add(at.Sub(now)).Round(0) }

// entry is a part as the log keeps it.
func entry(p *line.Part) record.Entry {
	e := record.Entry{
		Kind: record.KindPart, Time: onTheWall(p.Trigger.At, time.Now()), Part: p.ID, Verdict: p.Verdict.String(),
		Reason: string(p.Reason), FrameSeq: p.FrameSeq, CaptureUS: p.Capture.Microseconds(),
		InferUS: p.Infer.Microseconds(), TotalUS: p.Total.Microseconds(),
		Confirm: p.Confirm.String(),
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

// beginning is the first entry of a run. It says up to which id others may have been given, so that a run that is killed
// before its first part is on the disk takes none of them again.
func (r *run) beginning() record.Entry {
	return record.Entry{Kind: record.KindStart, Part: r.first - 1, Product: r.productName(), Taught: r.taught, Model: r.network}
}

// note writes what is no part into the log.
func (r *run) note(e record.Entry) {
	if r.log != nil {
		e.Time = time.Now()
		r.log.Append(e)
	}
}

// event is line.Options.Notify: changes of state go into the log too.
func (r *run) event(e line.Event) {
	r.j.event(e, r.image(e.Part)...)
	r.status.event(e, r.productName())
	state, ok := map[line.Kind]string{
		line.Running: "ready", line.Stopped: "stopped", line.Draining: "stopping",
		line.CameraLost: "camera lost", line.CameraBack: "camera back",
	}[e.Kind]
	if !ok {
		return
	}
	entry := record.Entry{Kind: record.KindState, State: state, Reason: string(e.Reason)}
	if e.Err != nil {
		entry.Error = e.Err.Error()
	}
	r.note(entry)
}

// image says where the frame of a part is kept that did not pass: in which recording, by its part id. What the disk does not
// take in time is missing there, and another record says so.
func (r *run) image(p *line.Part) []slog.Attr {
	if k := r.inspector.keep; p == nil || k == nil || !k.Holds(p.FrameAt.Sub(r.epoch)) {
		return nil
	}
	dir := r.Record.FramesDir
	if abs, err := filepath.Abs(dir); err == nil { // who reads the journal is in another directory
		dir = abs
	}
	return []slog.Attr{slog.String("image", dir)}
}

// watch writes a summary a minute, and says when the log fails and when it works again.
func (r *run) watch(ctx context.Context) {
	minute, second := time.NewTicker(time.Minute), time.NewTicker(time.Second)
	defer minute.Stop()
	defer second.Stop()
	failing, dropped := false, uint64(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-second.C:
			if k := r.inspector.keep; k != nil && k.Stats().Dropped > dropped {
				dropped = k.Stats().Dropped
				r.j.framesLost(k.Stats())
			}
			s := r.stats()
			if (s.Err != nil) != failing {
				failing = s.Err != nil
				r.j.logState(s)
			}
		case <-minute.C:
			r.mu.Lock()
			t := r.minute
			r.minute = tally{}
			r.mu.Unlock()
			r.j.summary("last minute", &t, r.line.Counts(), r.stats(), r.lens.stats())
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
	if k := r.inspector.keep; k != nil {
		if e := k.Close(); e != nil || k.Stats().Dropped > 0 {
			r.j.framesLost(k.Stats())
		}
	}
	if r.line == nil {
		return err
	}
	c := r.line.Counts()
	r.j.summary("whole run", &r.shift, c, r.stats(), r.lens.stats())
	if r.belt != nil {
		r.j.truth(r.belt.Truth(), r.Camera.Kind == "simulated")
	}
	r.j.Close()
	if _, e := fmt.Fprintf(env.Stdout, "parts %d pass %d reject %d stop %d\n", c.Parts, c.Pass, c.Reject, c.Stop); e != nil {
		err = errors.Join(err, e)
	}
	if err == nil && c.Pass+c.Reject+c.Stop != c.Parts {
		err = fmt.Errorf("run: %d parts are unaccounted for", c.Parts-c.Pass-c.Reject-c.Stop)
	}
	return err
}
