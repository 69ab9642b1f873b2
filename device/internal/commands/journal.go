package commands

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"cull/device/internal/config"
	"cull/device/internal/line"
	"cull/device/internal/record"
	"cull/device/internal/sim"
	"cull/infer"
	"cull/internal/product"
	"cull/padim"
)

// withConfigHint adds the remedy of a faulty configuration file.
func withConfigHint(err error) error {
	if e, ok := errors.AsType[*config.Error](err); ok && e.Hint != "" {
		return Hint(err, "%s", e.Hint)
	}
	return Hint(err, "systemd/cull.example.toml lists every key with its default and bounds")
}

// A journal is what a technician reads: constant messages with attributes. Writing it never
// blocks the line.
type journal struct {
	log *slog.Logger
	out *queue
}

func newJournal(w io.Writer) *journal {
	out := newQueue(w)
	h := slog.NewTextHandler(out, &slog.HandlerOptions{ReplaceAttr: terse})
	return &journal{slog.New(h), out}
}

func (j *journal) close() { j.out.close() }

// terse rounds what nobody reads to the last digit: times to 1 ms, durations to 0.1 ms,
// scores to 4 digits. The verdict log keeps all of them.
func terse(_ []string, a slog.Attr) slog.Attr {
	switch a.Value.Kind() {
	case slog.KindTime:
		a.Value = slog.StringValue(a.Value.Time().Format("2006-01-02T15:04:05.000Z07:00"))
	case slog.KindDuration:
		a.Value = slog.DurationValue(a.Value.Duration().Round(100 * time.Microsecond))
	case slog.KindFloat64:
		a.Value = slog.Float64Value(digits(a.Value.Float64(), 4))
	}
	return a
}

func digits(x float64, n int) float64 {
	if x == 0 || math.IsInf(x, 0) || math.IsNaN(x) {
		return x
	}
	scale := math.Pow(10, float64(n-1)-math.Floor(math.Log10(math.Abs(x))))
	return math.Round(x*scale) / scale
}

func (j *journal) teaching(part string, n int) {
	j.log.Info("teaching", "part", part, "good_parts", n)
}

func (j *journal) taught(r *padim.Report, took time.Duration) {
	rate, low, high := r.Threshold.Expect()
	j.log.Info("taught", "good_parts", r.Parts, "mode", r.Mode.String(), "threshold", float64(r.Threshold.Value),
		"false_rejects_expected", rate, "false_rejects_low", low, "false_rejects_high", high,
		"method", r.Threshold.Method.String(), "took", took)
}

func (j *journal) loaded(name, network string, m *infer.Model, p *product.Product) {
	j.log.Info("product loaded", "product", name, "network", m.Meta.Name, "network_sha256", network,
		"kernel", infer.Kernel(), "pixels", p.Plan.Width, "threshold", float64(p.Report.Threshold.Value))
}

func (j *journal) paced(median, slow, period time.Duration, speed float64) {
	j.log.Info("belt speed set to what this machine sustains", "inspection_median", median, "inspection_slowest", slow,
		"part_every", period, "speed_mm_s", speed)
}

func (j *journal) recovered(dir string, r record.Recovery) {
	level := slog.LevelInfo
	if r.Cut > 0 || r.Damaged > 0 {
		level = slog.LevelWarn
	}
	j.log.Log(context.Background(), level, "verdict log opened", "dir", dir, "last_part_id", r.LastPart,
		"torn_bytes_cut", r.Cut, "damaged_lines", r.Damaged)
}

// logState says that the verdict log cannot be written, or can again.
func (j *journal) logState(s record.Stats) {
	if s.Err != nil {
		j.log.Error("verdict log cannot be written, no part will pass", "error", s.Err, "unrecorded", s.Unlogged)
		return
	}
	j.log.Info("verdict log is written again", "unrecorded", s.Unlogged)
}

// event says what happened to the line.
func (j *journal) event(e line.Event) {
	switch e.Kind {
	case line.Running:
		j.log.Info("line ready")
	case line.Stopped:
		j.log.Error("line stopped", "reason", string(e.Reason), "uninspected_in_a_row", e.N)
	case line.PartRejected:
		j.log.LogAttrs(context.Background(), slog.LevelWarn, "part rejected", partAttrs(e.Part)...)
	case line.PartStopped:
		j.log.LogAttrs(context.Background(), slog.LevelError, "part stopped, take it out by hand", partAttrs(e.Part)...)
	case line.CameraLost:
		j.log.Error("camera lost", "error", e.Err)
	case line.CameraBack:
		j.log.Info("camera back")
	case line.MissedTrigger:
		j.log.Error("triggers missed", "edges", e.N)
	case line.RejectsInRow:
		j.log.Error("many rejects in a row", "parts", e.N)
	case line.NoReject:
		j.log.Warn("no reject for a long time", "parts", e.N)
	case line.NoTrigger:
		j.log.Warn("no trigger for a long way of the belt", "counts", e.N)
	case line.NotSeen:
		j.log.Error("no confirmation that the part left the belt", "part_id", e.Part.ID, "missing_in_a_row", e.N)
	case line.Unexpected:
		j.log.Error("a part left the belt that was not fired at", "confirmed_twice", e.Part != nil)
	case line.Ambiguous:
		j.log.Error("frame may show another part", "part_id", e.Part.ID)
	case line.OutputFailed:
		j.log.Error("output does not follow", "error", e.Err)
	case line.Draining:
		j.log.Info("stopping, parts under way are finished", "under_way", e.N)
	}
}

func partAttrs(p *line.Part) []slog.Attr {
	as := []slog.Attr{slog.Uint64("part_id", p.ID), slog.String("reason", string(p.Reason))}
	if p.Judged {
		as = append(as, slog.Float64("score", p.Score), slog.Float64("threshold", p.Threshold),
			slog.Float64("margin", (p.Threshold-p.Score)/p.Threshold))
	}
	if p.Total > 0 {
		as = append(as, slog.Duration("total", p.Total))
	}
	if p.HasSlack {
		as = append(as, slog.Duration("slack", p.Slack))
	}
	if !p.Fired.IsZero() {
		as = append(as, slog.Duration("fired_late", p.Fired.Sub(p.Due)))
	}
	if p.Err != nil {
		as = append(as, slog.Any("error", p.Err))
	}
	return as
}

// maxTimes bounds what a tally keeps.
const maxTimes = 4096

// A tally sums up parts.
type tally struct {
	parts, pass, reject, stop uint64
	total                     []time.Duration // trigger to verdict; every parts/maxTimes-th
	slack                     time.Duration   // the least
	hasSlack                  bool
}

func (t *tally) add(p *line.Part) {
	t.parts++
	switch p.Verdict {
	case line.Pass:
		t.pass++
	case line.Reject:
		t.reject++
	case line.Stop:
		t.stop++
	}
	if p.HasSlack && (!t.hasSlack || p.Slack < t.slack) {
		t.slack, t.hasSlack = p.Slack, true
	}
	if !p.Judged {
		return
	}
	if len(t.total) < maxTimes {
		t.total = append(t.total, p.Total)
	} else {
		t.total[t.parts%maxTimes] = p.Total
	}
}

// quantile returns the q-quantile of the times, 0 without any.
func (t *tally) quantile(q float64) time.Duration {
	if len(t.total) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(t.total))
	return s[min(len(s)-1, int(q*float64(len(s))))]
}

func (j *journal) summary(of string, t *tally, c line.Counts, r record.Stats) {
	as := []slog.Attr{
		slog.String("of", of), slog.Uint64("parts", t.parts), slog.Uint64("pass", t.pass),
		slog.Uint64("reject", t.reject), slog.Uint64("stop", t.stop), slog.Uint64("uninspected_ever", c.Uninspected),
		slog.Duration("total_p50", t.quantile(0.5)), slog.Duration("total_p99", t.quantile(0.99)),
	}
	if t.hasSlack {
		as = append(as, slog.Duration("least_slack", t.slack))
	}
	if r.Appended > 0 {
		as = append(as, slog.Uint64("recorded", r.Synced), slog.Uint64("unrecorded", r.Unlogged))
	}
	if r.Err != nil {
		as = append(as, slog.Any("record_error", r.Err))
	}
	if n := j.out.dropped.Load(); n > 0 {
		as = append(as, slog.Uint64("journal_lines_dropped", n))
	}
	j.log.LogAttrs(context.Background(), slog.LevelInfo, "summary", as...)
}

// truth writes what the conveyor knows. known: which parts are bad is known too.
func (j *journal) truth(t sim.Truth, known bool) {
	if known {
		j.log.Info("truth of the simulated line", "parts", t.Parts, "bad", t.Bad, "bad_removed", t.Removed,
			"bad_escaped", t.Escaped, "good_lost", t.Lost)
	}
	j.log.Info("pulses of the simulated rejecter", "pulses", t.Pulses, "on_target", t.OnTarget,
		"missed", t.Missed, "astray", t.Astray)
}

// A queue is a writer that never blocks: lines wait for a goroutine that writes them, and
// are dropped and counted when it does not keep up.
type queue struct {
	lines   chan []byte
	ended   chan struct{}
	once    sync.Once
	dropped atomic.Uint64
}

// flushTime is how long close waits for a reader that has stopped reading.
const flushTime = 2 * time.Second

func newQueue(w io.Writer) *queue {
	q := &queue{lines: make(chan []byte, 1024), ended: make(chan struct{})}
	go func() {
		defer close(q.ended)
		for l := range q.lines {
			if l == nil {
				return
			}
			w.Write(l) //nolint:errcheck // there is nobody to tell
		}
	}()
	return q
}

// Write implements io.Writer.
func (q *queue) Write(line []byte) (int, error) {
	select {
	case q.lines <- slices.Clone(line):
	default:
		q.dropped.Add(1)
	}
	return len(line), nil
}

func (q *queue) close() {
	q.once.Do(func() {
		select {
		case q.lines <- nil:
		case <-time.After(flushTime):
		}
	})
	select {
	case <-q.ended:
	case <-time.After(flushTime):
	}
}
