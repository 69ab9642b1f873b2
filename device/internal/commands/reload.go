package commands

import (
	"context"
	"fmt"
	"strings"

	"cull/capture/check"
	"cull/device/internal/config"
	"cull/device/internal/line"
)

// reloads reads the configuration again at each SIGHUP, until ctx ends.
func (r *run) reloads(ctx context.Context, o line.Options) {
	if r.file == "" {
		return
	}
	now := r.Config
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.hangups:
		}
		next, changed, err := r.reload(ctx, now, o)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			r.j.notReloaded(err)
		default:
			now = next
			r.j.reloaded(changed)
		}
	}
}

// reload puts the file's limits in force, all or, with an error, none.
func (r *run) reload(ctx context.Context, now config.Config, o line.Options) (config.Config, []string, error) {
	next, err := config.Load(r.file)
	if err != nil {
		return now, nil, err
	}
	live, fixed := config.Changes(&now, &next)
	if len(fixed) > 0 {
		return now, nil, fmt.Errorf("%s cannot change while the line runs: systemctl restart cull", strings.Join(fixed, ", "))
	}
	if err := r.unchanged(); err != nil {
		return now, nil, err
	}
	if _, err := checker(&next.Camera); err != nil {
		return now, nil, err
	}
	with := limits(&next)
	with.Camera, with.Triggers, with.Encoder, with.Inspector = o.Camera, o.Triggers, o.Encoder, o.Inspector
	with.Recorder, with.Rejecter, with.Travel, with.Confirm = o.Recorder, o.Rejecter, o.Travel, o.Confirm
	if err := r.line.Change(ctx, with); err != nil {
		return now, nil, err
	}
	for _, c := range []*check.Checker{r.check, r.firstCheck} {
		if c == nil { // whether frames are checked at all cannot change
			continue
		}
		if err := c.Change(checkLimits(&next.Camera)); err != nil {
			return now, nil, err
		}
	}
	return next, live, nil
}
