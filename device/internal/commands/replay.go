package commands

import (
	"context"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"time"

	"cull/capture"
	"cull/device/internal/keep"
	"cull/device/internal/line"
	"cull/device/internal/record"
	"cull/internal/inspect"
)

const replaySynopsis = "[--product P] [--net NET] RECORDING"

func replayCommand() Command {
	return Command{
		Name: "replay", Synopsis: replaySynopsis,
		Does: "judges a recorded shift again and lists what differs",
		Run:  Replay,
	}
}

// Replay runs `cull replay`: every recorded frame through the pipeline of the line. With the line's own product each score must
// come out with the same bits. With another the answer is which verdicts change.
func Replay(ctx context.Context, env Env, args []string) error {
	fs := flag.NewFlagSet("replay", flag.ContinueOnError)
	other := fs.String("product", "", "judge by this product `file` (default: the one that the recording names)")
	net := fs.String("net", "", "network `file` (default: the one that the recording names)")
	rest, err := parse(env, "replay", replaySynopsis, fs, args)
	switch {
	case err != nil:
		return err
	case len(rest) != 1:
		return Hint(usagef("replay: want one recording, got %d", len(rest)), "cull replay %s", replaySynopsis)
	}
	src, err := openRecording("replay", rest[0])
	if err != nil {
		return err
	}
	defer src.Close() //nolint:errcheck // it is only read
	p := replayer{out: env.Stdout, product: *other, net: *net, changed: *other != "", seen: seen{}}
	defer p.close()
	start := time.Now()
	damage, err := eachNote(ctx, src, env.Stderr, p.note)
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	if took := time.Since(start); p.parts > 1 {
		fmt.Fprintf(env.Stderr, "recorded in %v, replayed in %v\n",
			p.recorded.length().Round(time.Millisecond), took.Round(time.Millisecond))
	}
	if err := p.verdict(); err != nil {
		return err
	}
	if damage != nil {
		return fmt.Errorf("replay: %w", damage)
	}
	return nil
}

// A replayer judges a recording.
type replayer struct {
	out          io.Writer
	product, net string
	changed      bool // another product: differences are the answer, not a fault
	in           *inspect.Inspector
	seen         seen
	replaced     string // a product that is another file than the one that judged; empty: none

	parts, same, differ, unjudged int
	recorded                      span
}

// A span is the time from first to last trigger of a recording, run by run of the line: each has a clock of its own.
type span struct {
	run         time.Time     // when it began
	first, last time.Duration // its triggers
	earlier     time.Duration // of the runs before
}

// add takes a start of the line, which each file of a run begins with, or a part. A rejected part's note comes behind those of
// parts that passed after it.
func (s *span) add(n *keep.Note) {
	at := time.Duration(n.TriggerNS)
	switch {
	case n.Kind == record.KindStart && !n.Time.Equal(s.run):
		*s = span{run: n.Time, earlier: s.length()}
	case at > 0 && s.first == 0:
		s.first, s.last = at, at
	case at > 0:
		s.first, s.last = min(s.first, at), max(s.last, at)
	}
}

func (s *span) length() time.Duration { return s.earlier + s.last - s.first }

func (p *replayer) close() {
	if p.in != nil {
		p.in.Close()
	}
}

// note takes a start of the line, or a part.
func (p *replayer) note(n *keep.Note, f *capture.Frame) error {
	p.recorded.add(n)
	switch n.Kind {
	case record.KindStart:
		return p.start(n)
	case record.KindPart:
		return p.part(n, f)
	}
	return nil
}

// start opens what the line judged with.
func (p *replayer) start(n *keep.Note) error {
	if p.changed && p.in != nil {
		return nil
	}
	path, net := p.product, p.net
	if path == "" {
		path = n.Product
	}
	if net == "" {
		net = n.Network
	}
	if path == "" {
		return Hint(errors.New("the line taught itself and kept no product"), "cull run with a product, or --product P")
	}
	model, err := openNetwork(net)
	if err != nil {
		return elsewhere(err, p.net, "--net")
	}
	loaded, err := readProduct(path, model)
	if err != nil {
		return elsewhere(err, p.product, "--product")
	}
	if digest := loaded.Digest(); n.Taught != "" && n.Taught != hex.EncodeToString(digest[:]) {
		p.replaced = path
	}
	p.close()
	p.in, err = inspect.Open(loaded, model, runtime.GOMAXPROCS(0))
	return err
}

// elsewhere adds the remedy where a file is not there that the recording names, for the option named none.
func elsewhere(err error, named, option string) error {
	if named != "" || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return Hint(err, "the recording names what the line had; such a path counts from the line's working directory: put it there, or name it with %s", option)
}

// part judges one part again.
func (p *replayer) part(n *keep.Note, f *capture.Frame) error {
	if p.in == nil {
		return errors.New("the recording does not begin with a start of the line")
	}
	if another, err := p.seen.add(n, f, "replay"); !another {
		return err
	}
	p.parts++
	if n.Score == nil || f == nil {
		p.unjudged++
		return nil
	}
	found, err := judge{Inspector: p.in}.Inspect(f)
	if err != nil {
		return fmt.Errorf("part %d: %w", n.Part, err)
	}
	if n.Threshold == nil {
		return fmt.Errorf("part %d has a score and no threshold: the recording is not cull's", n.Part)
	}
	was := line.Finding{Score: *n.Score, Threshold: *n.Threshold}
	was.Reject = n.Verdict != line.Pass.String() && was.Score > was.Threshold // good ones are rejected too: late, not recorded
	if found == was || p.changed && found.Reject == was.Reject {
		p.same++
		return nil
	}
	p.differ++
	_, err = fmt.Fprintf(p.out, "part %d was %s score %v threshold %v now %s score %v threshold %v\n",
		n.Part, word(was), was.Score, was.Threshold, word(found), found.Score, found.Threshold)
	return err
}

func word(f line.Finding) line.Verdict {
	if f.Reject {
		return line.Reject
	}
	return line.Pass
}

// verdict writes the last line.
func (p *replayer) verdict() error {
	if _, err := fmt.Fprintf(p.out, "parts %d same %d differ %d unjudged %d\n", p.parts, p.same, p.differ, p.unjudged); err != nil {
		return err
	}
	switch {
	case p.parts == 0:
		return Hint(errors.New("replay: the recording has no parts"), "record.frames says which are kept")
	case p.differ > 0 && !p.changed && p.replaced != "":
		return Hint(fmt.Errorf("replay: %d parts came out otherwise than on the line: %s is not the file that judged them", p.differ, p.replaced),
			"it was taught again or copied over since; --product FILE lists which verdicts another product changes")
	case p.differ > 0 && !p.changed:
		return Hint(fmt.Errorf("replay: %d parts came out otherwise than on the line", p.differ),
			"the product or the network is not the line's, or a machine computes wrongly: cull bundle verify --net NET PRODUCT")
	}
	return nil
}
