// Package keep records the frames of parts with their verdicts, for cull replay. It never holds up the
// line: what the disk does not take in time is dropped and counted.
//
// A directory holds files 00000001.cullrec, 00000002.cullrec, ... of capture/recording. Each begins with a note of kind
// start; then comes for each part that is kept its frame, if there was one, and a note.
package keep

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"cull/capture"
	"cull/capture/recording"
	"cull/device/internal/record"
)

// A Note is what the recording says of a part, or in a start of the line.
type Note struct {
	record.Entry
	Network string `json:"network,omitempty"` // of a start: its path, empty for the built-in one

	TriggerNS    int64  `json:"trigger_ns,omitempty"` // of the edge, CLOCK_MONOTONIC
	TriggerSeq   uint32 `json:"trigger_seq,omitempty"`
	TriggerCount int64  `json:"trigger_count,omitempty"` // of the encoder
	HasFrame     bool   `json:"has_frame,omitempty"`     // it comes before the note
}

// Options of a Recorder.
type Options struct {
	Dir    string
	Passed bool  // keep parts that passed too
	Last   int   // so many parts at least, then the oldest files go; 0: only Quota bounds them
	Quota  int64 // bytes of all files; the oldest go first
	Start  Note
}

const (
	waiting = 64       // parts on their way to the disk
	maxHeld = 64 << 20 // bytes of frames whose parts are under way or that wait
	maxLate = 1024     // parts that ended before their frames came
)

// Stats are what became of the parts that were to be kept.
type Stats struct {
	Parts   uint64 // written
	Dropped uint64 // parts, or their frames, that were not
	Err     error  // the disk's last word; nil: the last part was written
}

// A Recorder keeps the frames of parts.
type Recorder struct {
	o     Options
	queue chan item
	done  chan struct{}

	mu    sync.Mutex
	held  map[time.Duration]*capture.Frame // by time of exposure
	bytes int64
	late  []time.Duration // exposures of frames that, if they still come, belong to parts that have ended
	stats Stats
}

type item struct {
	frame *capture.Frame // may be nil
	note  Note
}

// Open begins a new file in o.Dir, which it makes.
func Open(o Options) (*Recorder, error) {
	if err := os.MkdirAll(o.Dir, 0o750); err != nil {
		return nil, fmt.Errorf("keep: %w", err)
	}
	o.Start.Kind = record.KindStart
	w := &files{o: &o, limit: max(o.Quota/8, 1<<20)}
	if err := w.find(); err != nil {
		return nil, err
	}
	if err := w.begin(); err != nil {
		return nil, err
	}
	r := &Recorder{o: o, queue: make(chan item, waiting), done: make(chan struct{}), held: map[time.Duration]*capture.Frame{}}
	go r.run(w)
	return r, nil
}

// Frame holds a copy of f until its part has ended. It does not block.
func (r *Recorder) Frame(f *capture.Frame) {
	n := int64(len(f.Pix))
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := slices.Index(r.late, f.Mono); i >= 0 {
		r.late = slices.Delete(r.late, i, i+1)
		return
	}
	if r.bytes+n > maxHeld {
		r.stats.Dropped++
		return
	}
	r.bytes += n
	c := *f
	c.Pix = slices.Clone(f.Pix)
	r.held[f.Mono] = capture.NewFrame(c, nil)
}

// Holds reports whether the frame exposed at waits for its part to end.
func (r *Recorder) Holds(at time.Duration) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.held[at] != nil
}

// Part says how the part has ended whose frame was exposed at. It does not block.
func (r *Recorder) Part(n Note, at time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.held[at]
	delete(r.held, at)
	if f == nil && at >= 0 {
		r.late = append(r.late[max(0, len(r.late)-maxLate+1):], at)
	}
	if n.Verdict == "PASS" && !r.o.Passed {
		r.free(f)
		return
	}
	n.HasFrame = f != nil
	select {
	case r.queue <- item{f, n}:
	default:
		r.free(f)
		r.stats.Dropped++
	}
}

func (r *Recorder) free(f *capture.Frame) {
	if f != nil {
		r.bytes -= int64(len(f.Pix))
	}
}

// Stats returns the counts so far.
func (r *Recorder) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stats
}

// Close writes what waits. Frame and Part must not be called after it.
func (r *Recorder) Close() error {
	close(r.queue)
	<-r.done
	return r.stats.Err
}

func (r *Recorder) run(w *files) {
	defer close(r.done)
	for i := range r.queue {
		err := w.write(i)
		r.mu.Lock()
		r.free(i.frame)
		r.stats.Err = err
		if err != nil {
			r.stats.Dropped++
		} else {
			r.stats.Parts++
		}
		r.mu.Unlock()
	}
	err := w.end()
	r.mu.Lock()
	r.stats.Err = errors.Join(r.stats.Err, err)
	r.mu.Unlock()
}

// files are the recording's files.
type files struct {
	o     *Options
	limit int64 // of one file
	all   []file
	f     *os.File
	w     *recording.Writer
}

// A file is one of them; the last is being written.
type file struct {
	number int
	size   int64
	parts  int // 0 for files of earlier runs
}

func (w *files) path(number int) string {
	return filepath.Join(w.o.Dir, fmt.Sprintf("%08d%s", number, recording.Ext))
}

func (w *files) find() error {
	names, err := recording.Files(w.o.Dir)
	if err != nil {
		return fmt.Errorf("keep: %w", err)
	}
	for _, name := range names {
		number, err := strconv.Atoi(strings.TrimSuffix(filepath.Base(name), recording.Ext))
		if err != nil {
			return fmt.Errorf("keep: %s is none of this recorder's files: give it a directory of its own", name)
		}
		info, err := os.Stat(name)
		if err != nil {
			return fmt.Errorf("keep: %w", err)
		}
		w.all = append(w.all, file{number: number, size: info.Size()})
	}
	return nil
}

// begin begins a new file.
func (w *files) begin() error {
	number := 1
	if len(w.all) > 0 {
		number = w.all[len(w.all)-1].number + 1
	}
	f, err := os.OpenFile(w.path(number), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return fmt.Errorf("keep: %w", err)
	}
	w.f, w.w = f, recording.NewWriter(f)
	w.all = append(w.all, file{number: number})
	if err := w.note(w.o.Start); err != nil {
		w.all = w.all[:len(w.all)-1]
		return errors.Join(err, w.end(), os.Remove(w.path(number)))
	}
	return nil
}

func (w *files) note(n Note) error {
	text, err := json.Marshal(n)
	if err != nil {
		n.Entry = n.Unnumbered(err)
		text, err = json.Marshal(n)
	}
	if err != nil {
		return fmt.Errorf("keep: %w", err)
	}
	return w.w.Note(text)
}

// write appends one part. After an error it begins anew: the file may be torn.
func (w *files) write(i item) error {
	if w.f == nil {
		if err := w.begin(); err != nil {
			return err
		}
	}
	err := w.append(i)
	if err != nil {
		return errors.Join(err, w.end())
	}
	last := &w.all[len(w.all)-1]
	last.parts++
	if last.size, err = w.f.Seek(0, 1); err != nil {
		return fmt.Errorf("keep: %w", err)
	}
	if err := w.trim(); err != nil {
		return err
	}
	if last.size >= w.limit || w.o.Last > 0 && last.parts >= max(1, w.o.Last/8) {
		return w.end()
	}
	return nil
}

func (w *files) append(i item) error {
	if i.frame != nil {
		if err := w.w.Write(i.frame); err != nil {
			return err
		}
	}
	return w.note(i.note)
}

// end closes the file that is being written.
func (w *files) end() error {
	if w.f == nil {
		return nil
	}
	err := w.f.Close()
	w.f = nil
	if err != nil {
		return fmt.Errorf("keep: %w", err)
	}
	return nil
}

// trim removes the oldest files while the others hold enough or all are too large. The one that is being written stays.
func (w *files) trim() error {
	for len(w.all) > 1 {
		size, parts := w.all[0].size, 0
		for _, f := range w.all[1:] {
			size, parts = size+f.size, parts+f.parts
		}
		if size <= w.o.Quota && (w.o.Last == 0 || parts < w.o.Last) {
			return nil
		}
		if err := os.Remove(w.path(w.all[0].number)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("keep: %w", err)
		}
		w.all = slices.Delete(w.all, 0, 1)
	}
	return nil
}
