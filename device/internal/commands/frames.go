package commands

import (
	"context"
	"flag"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"cull/capture"
	"cull/device/internal/keep"
	"cull/device/internal/line"
	"cull/device/internal/record"
)

const framesSynopsis = "[--of VERDICT] [--part ID] RECORDING -o FOLDER"

func framesCommand() Command {
	return Command{
		Name: "frames", Synopsis: framesSynopsis,
		Does: "makes pictures of recorded frames, to look at and to teach from",
		Run:  Frames,
	}
}

// Frames runs `cull frames`: the frame of every recorded part to a picture that its part's id, verdict and reason name.
func Frames(ctx context.Context, env Env, args []string) error {
	fs := flag.NewFlagSet("frames", flag.ContinueOnError)
	of := fs.String("of", "", "parts of this `verdict` alone: pass, reject or stop")
	part := fs.Uint64("part", 0, "the part of this `id` alone, as journal and verdict log name it")
	dir := fs.String("o", "", "`folder` for the pictures; it is made, or must have none")
	rest, err := parse(env, "frames", framesSynopsis, fs, args)
	verdict := strings.ToUpper(*of)
	switch {
	case err != nil:
		return err
	case len(rest) != 1 || *dir == "":
		return Hint(usagef("frames: want one recording and -o FOLDER"), "cull frames --of reject /var/lib/cull/frames -o rejected")
	case verdict != "" && !slices.Contains([]string{line.Pass.String(), line.Reject.String(), line.Stop.String()}, verdict):
		return Hint(usagef("frames: --of %q is no verdict", *of), "one of pass, reject, stop")
	}
	src, err := openRecording("frames", rest[0])
	if err != nil {
		return err
	}
	defer src.Close() //nolint:errcheck // it is only read
	if err := emptyFolder("frames", *dir); err != nil {
		return err
	}
	p := picturer{dir: *dir, of: verdict, only: *part, seen: seen{}}
	damage, err := eachNote(ctx, src, env.Stderr, p.note)
	if err != nil {
		return fmt.Errorf("frames: %w", err)
	}
	if ended, seen := p.seen[*part]; *part != 0 && seen && verdict != "" && ended != verdict {
		return Hint(fmt.Errorf("frames: part %d ended as %s", *part, ended), "leave out --of")
	} else if *part != 0 && !seen {
		return Hint(fmt.Errorf("frames: %s has no part %d", rest[0], *part), "CULL_IMAGE of its journal record names the recording that keeps it; the oldest go first")
	}
	_, err = fmt.Fprintf(env.Stdout, "%d pictures in %s, %d parts without a frame\n", p.pictures, *dir, p.blind)
	if damage != nil && err == nil {
		err = fmt.Errorf("frames: %w", damage)
	}
	return err
}

// A picturer makes pictures of parts' frames.
type picturer struct {
	dir, of string // of: empty for all verdicts
	only    uint64 // part, 0: all
	seen    seen

	pictures, blind int
}

// note makes the picture of a part.
func (p *picturer) note(n *keep.Note, f *capture.Frame) error {
	if n.Kind != record.KindPart || p.only != 0 && n.Part != p.only {
		return nil
	}
	if another, err := p.seen.add(n, f, "take"); !another {
		return err
	}
	if p.of != "" && n.Verdict != p.of {
		return nil
	}
	if f == nil {
		p.blind++
		return nil
	}
	if err := keepPicture(filepath.Join(p.dir, pictureName(n)), f); err != nil {
		return err
	}
	p.pictures++
	return nil
}

// pictureName is a part's id and verdict, and the reason unless it passed, as in 00000042-reject-score.
func pictureName(n *keep.Note) string {
	why := n.Reason
	if n.Verdict == line.Pass.String() {
		why = ""
	}
	words := strings.FieldsFunc(strings.ToLower(n.Verdict+" "+why), func(r rune) bool { return r < 'a' || r > 'z' })
	return fmt.Sprintf("%08d-%s", n.Part, strings.Join(words, "-"))
}
