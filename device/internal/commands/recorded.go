package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"cull/capture"
	"cull/capture/recording"
	"cull/device/internal/keep"
	"cull/device/internal/line"
	"cull/device/internal/record"
)

// openRecording opens what record.frames kept, a file or a directory of them.
func openRecording(cmd, path string) (*recording.Source, error) {
	src, err := recording.Open(path)
	if err != nil {
		return nil, Hint(fmt.Errorf("%s: %w", cmd, err), "%s", pathHint(err, "record.frames of cull run's configuration makes recordings"))
	}
	return src, nil
}

// eachNote calls do with every note of src and the frame that belongs to it, nil for none. What torn files lose is told
// to log. A file that ends too early is what a killed writer leaves, one that is gone what a line leaves that still records, and
// neither is an error; any other damage is returned as the first value, after all that could be read.
func eachNote(ctx context.Context, src *recording.Source, log io.Writer, do func(*keep.Note, *capture.Frame) error) (damage, err error) {
	return tellTorn(src, readNotes(ctx, src, do), log)
}

// tellTorn tells log what torn files of src lost, err being what ended the reading. It returns what eachNote does.
func tellTorn(src *recording.Source, err error, log io.Writer) (damage, rest error) {
	torn := src.Torn()
	if errors.Is(err, recording.ErrTorn) {
		torn, err = append(torn, err), nil
	}
	for _, t := range torn {
		if errors.Is(t, fs.ErrNotExist) {
			fmt.Fprintf(log, "%v: it was removed after the reading had begun, as a line does with its oldest\n", t)
			continue
		}
		fmt.Fprintf(log, "%v: what follows in this file is lost\n", t)
		if damage == nil && !errors.Is(t, io.ErrUnexpectedEOF) {
			damage = Hint(t, "look at the disk; what was read before the damage counts")
		}
	}
	return damage, err
}

// seen has the verdicts of the parts that were read.
type seen map[uint64]string

// add notes a part, and reports whether it is another one. what is done to a recording is for the error.
func (s seen) add(n *keep.Note, f *capture.Frame, what string) (bool, error) {
	if _, again := s[n.Part]; again {
		if interrupted(n, f) {
			return false, nil
		}
		return false, fmt.Errorf("part %d is recorded twice: %s one shift's directory", n.Part, what)
	}
	s[n.Part] = n.Verdict
	return true, nil
}

// interrupted reports a note of what a killed process left, as the next one found its log. The recording, which waits for no
// group, may have the part as it ended.
func interrupted(n *keep.Note, f *capture.Frame) bool {
	return n.Reason == string(line.Interrupted) && f == nil
}

func readNotes(ctx context.Context, src *recording.Source, do func(*keep.Note, *capture.Frame) error) error {
	for {
		n, f, err := nextNote(ctx, src)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if err := do(n, f); err != nil {
			return fmt.Errorf("%s: %w", src.Name(), err)
		}
	}
}

// nextNote returns the next note and the frame that belongs to it, nil for none.
func nextNote(ctx context.Context, src *recording.Source) (*keep.Note, *capture.Frame, error) {
	var frame *capture.Frame
	for {
		f, text, err := src.Read(ctx)
		if err != nil {
			return nil, nil, err
		}
		if f != nil {
			frame = f
			continue
		}
		var n keep.Note
		if err := json.Unmarshal(text, &n); err != nil {
			return nil, nil, fmt.Errorf("%s: a note is not cull's: %w", src.Name(), err)
		}
		if !n.HasFrame {
			frame = nil
		}
		return &n, frame, nil
	}
}

// isRecording reports whether path is a recording's file, or a directory of them.
func isRecording(path string) bool {
	if filepath.Ext(path) == recording.Ext {
		return true
	}
	files, err := recording.Files(path)
	return err == nil && len(files) > 0
}

// passed is the frames of a recording's parts that passed: a Source of good parts.
type passed struct {
	src  *recording.Source
	seen seen
	torn error // what ended the last file
}

// Next implements capture.Source.
func (p *passed) Next(ctx context.Context) (*capture.Frame, error) {
	for {
		n, f, err := nextNote(ctx, p.src)
		switch {
		case errors.Is(err, recording.ErrTorn): // tellTorn says what that means
			p.torn = err
			return nil, io.EOF
		case err != nil:
			return nil, err
		case n.Kind != record.KindPart:
			continue
		}
		another, err := p.seen.add(n, f, "teach from")
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.src.Name(), err)
		}
		if another && f != nil && n.Verdict == line.Pass.String() {
			f.Name = fmt.Sprintf("part %d", n.Part)
			return f, nil
		}
	}
}

// Close implements capture.Source.
func (p *passed) Close() error { return p.src.Close() }
