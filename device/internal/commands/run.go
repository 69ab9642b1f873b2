package commands

import (
	"context"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"image"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"cull/capture"
	"cull/device/internal/config"
	"cull/device/internal/keep"
	"cull/device/internal/line"
	"cull/device/internal/record"
	"cull/device/internal/sim"
	"cull/infer"
	"cull/internal/inspect"
	"cull/internal/product"
	"cull/padim"
	"cull/synth"
)

const runSynopsis = "[--config FILE [--check]] [--parts N] [--seed N]"

func runCommand() Command {
	return Command{
		Name: "run", Synopsis: runSynopsis,
		Does: "runs the line; without a configuration, the demonstration line",
		Run: func(ctx context.Context, env Env, args []string) error {
			err := Run(ctx, env, args)
			if err != nil && !errors.Is(err, flag.ErrHelp) {
				failed(env.Stderr, err)
			}
			return err
		},
	}
}

// Run runs `cull run`.
func Run(ctx context.Context, env Env, args []string) error {
	fs := flag.NewFlagSet("run", flag.ContinueOnError)
	file := fs.String("config", "", "configuration `file`")
	check := fs.Bool("check", false, "check the configuration and end")
	parts := fs.Int("parts", 0, "end after `N` parts of the simulated line (0: when interrupted)")
	seed := fs.Uint64("seed", 1, "of the simulated parts: the same `N`, the same parts")
	rest, err := parse(env, "run", runSynopsis, fs, args)
	switch {
	case err != nil:
		return err
	case len(rest) > 0:
		return Hint(usagef("run: unexpected argument %q", rest[0]), "cull run %s", runSynopsis)
	case *parts < 0:
		return Hint(usagef("run: --parts %d: must not be negative", *parts), "0 runs until interrupted")
	case *check && *file == "":
		return Hint(usagef("run: --check needs --config"), "cull run --config FILE --check")
	}
	c := config.Default()
	if *file != "" {
		if c, err = config.Load(*file); err != nil {
			return withConfigHint(err)
		}
	}
	if *parts > 0 && c.Camera.Kind == "v4l2" {
		return Hint(usagef("run: --parts is for the simulated line: nobody knows how many parts come on a real one"), "leave it out")
	}
	s := station{Config: c, parts: *parts, seed: *seed}
	if *check {
		return s.check(env, *file)
	}
	s.file = *file
	return s.run(ctx, env)
}

// A station is one line with everything that belongs to it.
type station struct {
	config.Config
	file    string // of the configuration; empty: none
	parts   int
	seed    uint64
	network string // sha256 of the network in use, hex
	taught  string // sha256 of the product in use, hex; empty: it was taught just now and is no file
	files   []used // product and network
	hangups chan os.Signal

	leftOut []float64             // scores of the product's good parts, each left out of the model
	frame   image.Point           // of the product's good parts; zero where it was taught just now
	broken  atomic.Pointer[error] // what ended the pictures before their time
}

// A used file is as it was when it was loaded.
type used struct {
	key, path string
	info      os.FileInfo
}

// use notes a file that is about to be loaded. One that is not there the loader tells of.
func (s *station) use(key, path string) {
	if info, err := os.Stat(path); path != "" && err == nil {
		s.files = append(s.files, used{key, path, info})
	}
}

// unchanged returns an error where a file is no longer the one that was loaded.
func (s *station) unchanged() error {
	for _, f := range s.files {
		now, err := os.Stat(f.path)
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w: the line goes on with what it has loaded", f.key, err)
		case !os.SameFile(now, f.info) || !now.ModTime().Equal(f.info.ModTime()) || now.Size() != f.info.Size():
			return fmt.Errorf("%s: %s has changed, and a reload does not load it: systemctl restart cull", f.key, f.path)
		}
	}
	return nil
}

func (s *station) run(ctx context.Context, env Env) error {
	signal.Ignore(syscall.SIGPIPE) // who reads the journal may go away
	if s.file != "" {
		s.hangups = make(chan os.Signal, 1) // from now on: none may end what is only starting or ending
		signal.Notify(s.hangups, syscall.SIGHUP)
		defer signal.Stop(s.hangups)
	}
	j := newReporter(env.Stderr)
	defer j.Close()
	if s.Camera.Kind == "v4l2" {
		return s.runReal(ctx, env, j)
	}
	parts, err := s.renderer()
	if err != nil {
		return err
	}
	inspector, err := s.inspector(ctx, j, parts)
	if err != nil {
		return err
	}
	defer inspector.Close()
	feed, err := s.pictures(parts)
	if err != nil {
		return err
	}
	speed, err := s.pace(ctx, j, parts, inspector)
	if err != nil {
		return err
	}
	log, found, err := s.openLog(j)
	if err != nil {
		return err
	}
	r := &run{station: s, j: j, log: log, first: found.NextPart(), found: found, inspector: judge{Inspector: inspector}}
	if err = r.openKeep(); err == nil {
		err = r.drive(ctx, feed, speed)
	}
	if broken := s.broken.Load(); broken != nil && err == nil {
		err = Hint(fmt.Errorf("run: the line ran out of pictures: %w", *broken), "mend or remove what cannot be read; what came before it was judged")
	}
	return r.finish(env, err)
}

// renderer returns what draws the parts of the simulated line.
func (s *station) renderer() (*sim.Renderer, error) {
	p := sim.Product{Size: s.Sim.Size, Seed: s.seed, Bad: s.Sim.Bad}
	for f := synth.Washer; f <= synth.Cap; f++ {
		if f.String() == s.Sim.Part {
			p.Family = f
		}
	}
	return sim.NewRenderer(p)
}

// A feed brings parts to the belt until ctx ends.
type feed func(ctx context.Context) <-chan sim.Part

// pictures returns what the camera is to see: drawn parts, the pictures of a folder or the frames of a recording.
func (s *station) pictures(parts *sim.Renderer) (feed, error) {
	var src capture.Source
	var err error
	switch s.Camera.Kind {
	case "folder":
		if src, err = s.openFolder(); err != nil {
			return nil, err
		}
	case "recording":
		if src, err = s.openRecording(); err != nil {
			return nil, err
		}
	default:
		return func(ctx context.Context) <-chan sim.Part {
			return parts.Feed(ctx, s.parts, s.Line.Backlog+8)
		}, nil
	}
	failed := func(err error) { s.broken.Store(&err) }
	return func(ctx context.Context) <-chan sim.Part { return sim.Pictures(ctx, src, s.parts, failed) }, nil
}

// openLog opens the verdict log, if there is one.
func (s *station) openLog(j reporter) (*record.Log, record.Recovery, error) {
	r := s.Record
	if r.Dir == "" {
		return nil, record.Recovery{}, nil
	}
	group := config.MS(r.GroupMS)
	if group == 0 {
		group = -1
	}
	log, found, err := record.Open(r.Dir, record.Options{
		Segment: int64(r.SegmentMiB) << 20, Quota: int64(r.QuotaMiB) << 20, Group: group,
	})
	if err != nil {
		return nil, found, Hint(err, "record.dir must be a directory of this daemon's own that it may write to")
	}
	j.recovered(r.Dir, found)
	return log, found, nil
}

// inspector returns the inspector of the product; without one it is taught from good parts
// of the simulated line.
func (s *station) inspector(ctx context.Context, j reporter, parts *sim.Renderer) (*inspect.Inspector, error) {
	s.use("network", s.Config.Network)
	s.use("product", s.Product)
	model, err := openNetwork(s.Config.Network)
	if err != nil {
		return nil, err
	}
	// One CPU is left for camera, belt and rejecter.
	threads := max(1, runtime.GOMAXPROCS(0)-1)
	var p *product.Product
	if s.Product != "" {
		if p, err = s.openProduct(model); err != nil {
			return nil, fmt.Errorf("run: product: %w", err)
		}
		s.frame = p.Frame
		digest := p.Digest()
		s.taught = hex.EncodeToString(digest[:])
		if err = s.checkFormat(p); err != nil {
			err = fmt.Errorf("run: %s: %w", sizeKeys, err)
		}
	} else {
		p, err = s.teach(ctx, j, parts, model)
	}
	if err != nil {
		return nil, err
	}
	for _, score := range p.Report.Scores {
		s.leftOut = append(s.leftOut, float64(score))
	}
	digest := model.Digest()
	s.network = hex.EncodeToString(digest[:])
	j.loaded(s.productName(), s.network, s.taught, model, p)
	in, err := inspect.Open(p, model, threads)
	return in, Hint(err, "teach the product again on this machine")
}

// sizeKeys are the keys of the camera's format.
const sizeKeys = "camera.width, camera.height"

// checkFormat returns an error where the camera is not set to the format that p was taught in.
func (s *station) checkFormat(p *product.Product) error {
	if s.Camera.Kind != "v4l2" {
		return nil
	}
	err := inspect.CheckFormat(p.Plan, p.Frame, image.Pt(s.Camera.Width, s.Camera.Height))
	return Hint(err, "width = %d and height = %d in [camera]", p.Frame.X, p.Frame.Y)
}

// productName is what the journal and the log call the product.
func (s *station) productName() string {
	if s.Product == "" {
		return "taught just now"
	}
	return s.Product
}

// teach makes a product of the simulated part.
func (s *station) teach(
	ctx context.Context, j reporter, parts *sim.Renderer, model *infer.Model,
) (*product.Product, error) {
	start := time.Now()
	j.teaching(s.Sim.Part, s.Sim.Teach)
	defer thrifty()()
	p, err := inspect.Teach(ctx, parts.Goods(s.Sim.Teach), model, inspect.Options{
		Plan: inspect.Geometry(model, s.Sim.Size), SpoolDir: os.TempDir(),
		Fit:       padim.Options{TargetFRR: s.Sim.TargetFRR, Threads: runtime.GOMAXPROCS(0)},
		NoMirrors: true, // as many parts as are asked for cost nothing here
	}, start)
	if err != nil {
		return nil, withTeachHint(err)
	}
	j.taught(&p.Report, time.Since(start))
	debug.FreeOSMemory() // teaching needs more than the line
	return p, nil
}

// A judge is the Inspector of the line: internal/inspect behind line's interface.
type judge struct {
	*inspect.Inspector
	keep *keep.Recorder // nil: none
}

// Inspect implements line.Inspector. The frame goes back before the network runs.
func (j judge) Inspect(f *capture.Frame) (line.Finding, error) {
	if j.keep != nil {
		j.keep.Frame(f)
	}
	if err := j.Prepare(f); err != nil {
		return line.Finding{}, err
	}
	f.Release()
	r := j.Judge()
	return line.Finding{
		Reject: r.Verdict != padim.Pass, Score: float64(r.Score), Threshold: float64(r.Threshold),
	}, nil
}

// How fast the simulated belt may be: a part every slowest or three inspections.
const (
	slowest = 400 * time.Millisecond
	ahead   = 3
	trials  = 10
)

// pace returns the belt's speed in mm/s: the configured one, or what this machine sustains.
func (s *station) pace(
	ctx context.Context, j reporter, parts *sim.Renderer, in *inspect.Inspector,
) (float64, error) {
	if s.Sim.Speed > 0 {
		return s.Sim.Speed, nil
	}
	src := parts.Goods(trials)
	var took []time.Duration
	for range trials {
		f, err := src.Next(ctx)
		if err != nil {
			return 0, err
		}
		if s.frame != (image.Point{}) && s.frame != image.Pt(f.Width, f.Height) {
			f = blank(s.frame) // nothing like a good part, so that every cell searches: no part takes longer
		}
		start := time.Now()
		if _, err := in.Inspect(f); err != nil {
			return 0, err
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	period := max(slowest, ahead*took[len(took)-1])
	speed := s.Sim.Pitch / period.Seconds()
	j.paced(took[len(took)/2], took[len(took)-1], period, speed)
	return speed, nil
}

// blank is a frame without a part.
func blank(size image.Point) *capture.Frame {
	return capture.NewFrame(capture.Frame{
		Pix: make([]byte, size.X*size.Y), Format: capture.Grey, Width: size.X, Height: size.Y, Stride: size.X,
	}, nil)
}

// options are the line's, from the configuration, without its surroundings.
func (r *run) options() line.Options {
	o := limits(&r.Config)
	o.Inspector, o.Recorder, o.Notify, o.Taught = r.inspector, r, r.event, r.leftOut
	o.FirstPart, o.Unfinished, o.Hold = r.first, r.found.Open, hold(&r.Config, &r.found)
	return o
}

// hold reports whether the line starts stopped: parts of the last run may be on the belt. After an end that somebody
// asked for, with nothing broken, a start is the reset of a line that has no RESET.
func hold(c *config.Config, last *record.Recovery) bool {
	resets := c.IO.Kind == "simulated" || c.IO.In.Reset.Line != ""
	return last.Unclean || last.Failed || last.Stopped && resets
}

// limits are the numbers of the line's options.
func limits(c *config.Config) line.Options {
	l := c.Line
	o := line.Options{
		Travel:     line.Travel{Time: config.MS(l.TravelMS), Counts: l.TravelCounts},
		WindowFrom: config.MS(l.WindowFromMS), WindowTo: config.MS(l.WindowToMS),
		FrameWait: config.MS(l.FrameWaitMS), Deadline: config.MS(l.DeadlineMS),
		Margin: config.MS(l.MarginMS), Debounce: config.MS(l.DebounceMS),
		ConfirmFrom: config.MS(l.ConfirmFromMS), ConfirmTo: config.MS(l.ConfirmToMS), ConfirmStop: l.ConfirmStop,
		Backlog: l.Backlog, MaxParts: l.MaxParts, OnMiss: policies[l.Uninspected], StopAfter: l.StopAfter,
		RejectsAlarm: l.RejectsAlarm, NoRejectAlarm: l.NoRejectAlarm, DriftParts: l.DriftParts, QuietCounts: l.QuietCounts, QuietTime: config.MS(l.QuietMS),
		Heartbeat: config.MS(l.HeartbeatMS), Drain: config.MS(l.DrainMS),
	}
	if o.RejectsAlarm == 0 {
		o.RejectsAlarm = -1
	}
	if o.ConfirmStop == 0 {
		o.ConfirmStop = -1
	}
	return o
}

var policies = map[string]line.Policy{"reject": line.RejectUninspected, "stop": line.StopUninspected}
