package commands

import (
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"time"

	"cull/capture/v4l2"
	"cull/device/internal/config"
	"cull/device/internal/journal"
	"cull/device/internal/keep"
	"cull/device/internal/line"
	"cull/device/internal/record"
	"cull/device/internal/sim"
	"cull/infer"
	"cull/internal/product"
	"cull/padim"
	"cull/reject/pulse"
)

// withConfigHint adds the remedy of a faulty configuration file.
func withConfigHint(err error) error {
	if e, ok := errors.AsType[*config.Error](err); ok && e.Hint != "" {
		return Hint(err, "%s", e.Hint)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return Hint(err, "the path counts from the working directory; systemd/cull.example.toml is one to begin with")
	}
	return Hint(err, "systemd/cull.example.toml lists every key with its default and bounds")
}

// A reporter puts what happens into words: Events with their attributes.
type reporter struct{ *journal.Journal }

func newReporter(w io.Writer) reporter { return reporter{journal.Open(w)} }

func (j reporter) teaching(part string, n int) {
	j.Say(journal.Teaching, slog.String("part", part), slog.Int("good_parts", n))
}

func (j reporter) taught(r *padim.Report, took time.Duration) {
	rate, low, high := r.Threshold.Expect()
	j.Say(journal.Taught, slog.Int("good_parts", r.Parts), slog.String("mode", r.Mode.String()),
		slog.Float64("threshold", float64(r.Threshold.Value)), slog.Float64("false_rejects_expected", rate),
		slog.Float64("false_rejects_low", low), slog.Float64("false_rejects_high", high),
		slog.String("method", r.Threshold.Method.String()), slog.Duration("took", took))
}

// loaded says what judges. digest is that of the product's file, empty where there is none.
func (j reporter) loaded(name, network, digest string, m *infer.Model, p *product.Product) {
	as := []slog.Attr{
		slog.String("product", name), slog.String("network", m.Meta.Name),
		slog.String("model_sha256", network), slog.String("kernel", infer.Kernel()), slog.Int("pixels", p.Plan.Width),
		slog.Float64("threshold", float64(p.Report.Threshold.Value)),
	}
	if digest != "" {
		as = append(as, slog.String("product_sha256", digest))
	}
	j.Say(journal.ProductLoaded, as...)
	j.Fix(slog.String("product", name), slog.String("model_sha256", network))
}

// wired says which lines are taken, and what the pulse process was granted.
func (j reporter) wired(lines []config.Named, granted pulse.Privilege) {
	as := []slog.Attr{slog.String("pulse_process", granted.String())}
	for _, l := range lines {
		as = append(as, slog.String(strings.ReplaceAll(l.Key, ".", "_"), l.Line))
	}
	j.Say(journal.LinesTaken, as...)
}

func (j reporter) paced(median, slow, period time.Duration, speed float64) {
	j.Say(journal.BeltPaced, slog.Duration("inspection_median", median), slog.Duration("inspection_slowest", slow),
		slog.Duration("part_every", period), slog.Float64("speed_mm_s", speed))
}

func (j reporter) recovered(dir string, r record.Recovery) {
	e := journal.LogOpened
	if r.Cut > 0 || r.Damaged > 0 {
		e = journal.LogRepaired
	}
	j.Say(e, slog.String("dir", dir), slog.Uint64("last_part_id", r.LastPart), slog.Int64("torn_bytes_cut", r.Cut),
		slog.Int("damaged_lines", r.Damaged))
}

// logState says that the verdict log cannot be written, or can again.
func (j reporter) logState(s record.Stats) {
	if s.Err != nil {
		j.Say(journal.LogFailed, slog.Any("error", s.Err), slog.Uint64("unrecorded", s.Unlogged))
		return
	}
	j.Say(journal.LogWorks, slog.Uint64("unrecorded", s.Unlogged))
}

func (j reporter) reloaded(changed []string) {
	j.Say(journal.Reloaded, slog.String("changed", strings.Join(changed, " ")))
}

func (j reporter) notReloaded(err error) { j.Say(journal.NotReloaded, slog.Any("error", err)) }

// framesLost says that the recording of frames has gaps.
func (j reporter) framesLost(s keep.Stats) {
	as := []slog.Attr{slog.Uint64("dropped", s.Dropped), slog.Uint64("kept", s.Parts)}
	if s.Err != nil {
		as = append(as, slog.Any("error", s.Err))
	}
	j.Say(journal.FramesLost, as...)
}

// event says what happened to the line, and more.
func (j reporter) event(e line.Event, more ...slog.Attr) {
	what, ok := lineEvents[e.Kind]
	if !ok {
		return
	}
	var as []slog.Attr
	if e.Part != nil {
		as = partAttrs(e.Part)
	}
	if e.Reason != "" && e.Part == nil {
		as = append(as, slog.String("reason", string(e.Reason)))
	}
	if e.N > 0 {
		as = append(as, slog.Int(countOf[e.Kind], e.N))
	}
	if e.Kind == line.Drifted {
		as = append(as, slog.Float64("higher_than_taught", e.Share))
	}
	if e.For > 0 {
		as = append(as, slog.Duration("for", e.For))
	}
	if e.Err != nil {
		as = append(as, slog.Any("error", e.Err))
	}
	j.Say(what, append(as, more...)...)
}

var (
	lineEvents = map[line.Kind]*journal.Event{
		line.Running: journal.LineReady, line.Stopped: journal.LineStopped, line.Draining: journal.LineDraining,
		line.PartRejected: journal.PartRejected, line.PartStopped: journal.PartStopped,
		line.CameraLost: journal.CameraLost, line.CameraBack: journal.CameraBack,
		line.MissedTrigger: journal.MissedTrigger, line.RejectsInRow: journal.RejectsInRow,
		line.NoReject: journal.NoReject, line.Drifted: journal.Drifted, line.NoTrigger: journal.NoTrigger, line.NotSeen: journal.NotSeen,
		line.Unexpected: journal.Unexpected, line.Ambiguous: journal.Ambiguous, line.OutputFailed: journal.OutputFailed,
		line.Debounced: journal.Debounced, line.NotReady: journal.NotReady,
	}
	// countOf says what an event's N counts.
	countOf = map[line.Kind]string{
		line.Stopped: "uninspected_in_a_row", line.MissedTrigger: "edges", line.RejectsInRow: "parts",
		line.NoReject: "parts", line.Drifted: "parts", line.NoTrigger: "counts", line.NotSeen: "missing_in_a_row", line.Draining: "under_way",
		line.Debounced: "bounces_ever",
	}
)

func partAttrs(p *line.Part) []slog.Attr {
	as := []slog.Attr{slog.Uint64("part_id", p.ID)}
	if p.Verdict != 0 { // else it is still under way
		as = append(as, slog.String("verdict", p.Verdict.String()))
	}
	if p.Reason != "" {
		as = append(as, slog.String("reason", string(p.Reason)))
	}
	if p.Judged {
		as = append(as, slog.Float64("score", p.Score), slog.Float64("threshold", p.Threshold),
			slog.Float64("margin", (p.Threshold-p.Score)/p.Threshold))
	}
	if p.Capture > 0 {
		as = append(as, slog.Duration("capture", p.Capture))
	}
	if p.Infer > 0 {
		as = append(as, slog.Duration("infer", p.Infer))
	}
	if p.Total > 0 {
		as = append(as, slog.Duration("total", p.Total))
	}
	if p.HasSlack {
		as = append(as, slog.Duration("slack", p.Slack))
	}
	as = append(as, slog.Bool("reject_fired", !p.Fired.IsZero()))
	if !p.Fired.IsZero() {
		as = append(as, slog.Duration("fired_late", p.Fired.Sub(p.Due)))
	}
	if p.Confirm != 0 {
		as = append(as, slog.String("confirmed", p.Confirm.String()))
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

func (j reporter) summary(of string, t *tally, c line.Counts, r record.Stats, camera v4l2.Stats) {
	as := []slog.Attr{
		slog.String("of", of), slog.Uint64("parts", t.parts), slog.Uint64("pass", t.pass),
		slog.Uint64("reject", t.reject), slog.Uint64("stop", t.stop), slog.Uint64("uninspected_ever", c.Uninspected),
		slog.Duration("total_p50", t.quantile(0.5)), slog.Duration("total_p99", t.quantile(0.99)),
	}
	if t.hasSlack {
		as = append(as, slog.Duration("least_slack", t.slack))
	}
	if c.Compared {
		as = append(as, slog.Float64("higher_than_taught", c.Share))
	}
	if c.Bounces > 0 {
		as = append(as, slog.Uint64("bounces_ever", c.Bounces))
	}
	if r.Appended > 0 {
		as = append(as, slog.Uint64("recorded", r.Synced), slog.Uint64("unrecorded", r.Unlogged))
	}
	if r.Err != nil {
		as = append(as, slog.Any("record_error", r.Err))
	}
	for _, lost := range []struct {
		what string
		n    uint64
	}{
		{"frames_damaged", camera.Damaged},
		{"frames_short", camera.Short},
		{"frames_dropped_by_camera", camera.Gaps},
		{"frames_without_time", camera.Unstamped},
		{"frames_stale", camera.Stale},
	} {
		if lost.n > 0 {
			as = append(as, slog.Uint64(lost.what, lost.n))
		}
	}
	if n := j.Dropped(); n > 0 {
		as = append(as, slog.Uint64("journal_lines_dropped", n))
	}
	j.Say(journal.Summary, as...)
}

// truth writes what the conveyor knows. known: which parts are bad is known too.
func (j reporter) truth(t sim.Truth, known bool) {
	if known {
		j.Say(journal.BeltTruth, slog.Int("parts", t.Parts), slog.Int("bad", t.Bad), slog.Int("bad_removed", t.Removed),
			slog.Int("bad_escaped", t.Escaped), slog.Int("good_lost", t.Lost))
	}
	j.Say(journal.PulsesTruth, slog.Int("pulses", t.Pulses), slog.Int("on_target", t.OnTarget),
		slog.Int("missed", t.Missed), slog.Int("astray", t.Astray))
}
