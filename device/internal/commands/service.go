package commands

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"cull/capture"
	"cull/device/internal/config"
	"cull/device/internal/journal"
	"cull/device/internal/line"
	"cull/device/internal/systemd"
	"cull/reject"
)

// supervise lets the service manager watch the line: READY comes with the first good frame, and
// what systemd.Watchdog counts as progress feeds its watchdog.
func (r *run) supervise(o *line.Options) error {
	limit := systemd.WatchdogTime()
	if beat := config.MS(r.Line.HeartbeatMS); limit > 0 && beat > limit/4 {
		return Hint(fmt.Errorf("run: line.heartbeat_ms: %v is more than a quarter of the watchdog's %v", beat, limit),
			"lower line.heartbeat_ms or raise WatchdogSec= of the unit")
	}
	w := systemd.NewWatchdog(limit, systemd.Notify)
	if r.Camera.Kind == "v4l2" {
		var err error
		if r.firstCheck, err = checker(&r.Camera); err != nil {
			return err
		}
	}
	first := looks(r.firstCheck)
	open := o.Camera
	o.Camera = func(ctx context.Context) (capture.Source, error) {
		src, err := open(ctx)
		if err != nil {
			return nil, err
		}
		return &watchedCamera{Source: src, check: first, ready: w.Ready}, nil
	}
	o.Inspector = watchedInspector{o.Inspector, w}
	o.Outputs.Heartbeat = watchedHeartbeat{o.Outputs.Heartbeat, w}
	return nil
}

// A watchedCamera tells of its first good frame.
type watchedCamera struct {
	capture.Source
	check func(*capture.Frame) error // nil: every frame is good
	ready func() bool                // reports that it is told; nil: it was
}

func (c *watchedCamera) Next(ctx context.Context) (*capture.Frame, error) {
	f, err := c.Source.Next(ctx)
	if err == nil && c.ready != nil && (c.check == nil || c.check(f) == nil) && c.ready() {
		c.ready = nil
	}
	return f, err
}

type watchedInspector struct {
	line.Inspector
	w *systemd.Watchdog
}

func (i watchedInspector) Inspect(f *capture.Frame) (line.Finding, error) {
	i.w.Begin()
	defer i.w.Done()
	return i.Inspector.Inspect(f)
}

// A watchedHeartbeat is the HEARTBEAT output, there or not: the line's loop sets it as it turns.
type watchedHeartbeat struct {
	line reject.Line // may be nil
	w    *systemd.Watchdog
}

func (h watchedHeartbeat) Set(active bool) error {
	h.w.Turn()
	if h.line == nil {
		return nil
	}
	return h.line.Set(active)
}

// A status is what systemctl shows of the line.
type status struct {
	now  string // what is shown again when the camera is back
	lost bool   // the camera is
}

// event says what has changed. A camera that is back does not make a stopped line run.
func (s *status) event(e line.Event, product string) {
	switch e.Kind {
	case line.Running:
		s.now = "STATUS=inspecting " + product
	case line.Stopped:
		s.now = "STATUS=line stopped: " + string(e.Reason)
	case line.Draining:
		s.now = "STOPPING=1\nSTATUS=finishing parts under way"
	case line.CameraBack:
		s.lost = false
	case line.CameraLost:
		s.lost = true
	default:
		return
	}
	text := s.now
	if s.lost {
		text += "; camera lost, opening it again"
	}
	systemd.Notify(text) //nolint:errcheck // it is for information
}

// failed puts why the daemon ends into the journal, where main's line on stderr has no message id.
func failed(w io.Writer, err error) {
	j := newReporter(w)
	defer j.Close()
	if !j.Native() {
		return
	}
	as := []slog.Attr{slog.Any("error", err)}
	if hint := HintOf(err); hint != "" {
		as = append(as, slog.String("hint", hint))
	}
	j.Say(journal.RunFailed, as...)
}
