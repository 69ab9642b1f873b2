// Package keep records the frames of parts with their verdicts, for cull replay. It never holds up the
// line: what the disk does not take in time is dropped and counted, and so is what would take the space that the verdict log
// may need.
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
	"syscall"
	"time"

	"cull/capture"
	"cull/capture/recording"
	"cull/device/internal/lock"
	"cull/device/internal/record"
	"cull/internal/regular"
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
	Dir     string
	Passed  bool  // keep parts that passed too
	Last    int   // so many parts at least, then the oldest files go; 0: only Quota bounds them
	Quota   int64 // bytes of all files; the oldest go first
	Reserve int64 // bytes of free space that are left to others [Reserve]; the oldest files go for them too
	Start   Note

	free func(dir string) (int64, error) // bytes of free space where dir is [statfs]
}

// Reserve is how many bytes of free space a Recorder leaves to others unless it is told.
const Reserve = 64 << 20

const (
	waiting  = 64               // parts on their way to the disk
	maxHeld  = 64 << 20         // bytes of frames whose parts are under way or that wait
	maxLate  = 1024             // parts that ended before their frames came
	maxClose = 10 * time.Second // for the disk to take what waits in the end
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

// Open begins a new file in o.Dir, which it makes and no other process may have (lock.ErrLocked).
func Open(o Options) (*Recorder, error) {
	w := newFiles(&o)
	err := w.claim()
	if err == nil {
		err = w.find()
	}
	if err == nil {
		err = w.begin()
	}
	if err != nil {
		w.unlock()
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
	if was := r.held[f.Mono]; was != nil { // nothing tells them apart
		r.free(was)
		delete(r.held, f.Mono)
		r.stats.Dropped++
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

// Close writes what waits, unless the disk takes too long. Frame and Part must not be called after it.
func (r *Recorder) Close() error {
	close(r.queue)
	select {
	case <-r.done:
		return r.stats.Err
	case <-time.After(maxClose):
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.queue { // all but the part that hangs
		r.free(i.frame)
		r.stats.Dropped++
	}
	r.stats.Err = fmt.Errorf("keep: %s: the disk has not answered for %v: the last parts are not recorded", r.o.Dir, maxClose)
	return r.stats.Err
}

func (r *Recorder) run(w *files) {
	defer close(r.done)
	defer w.unlock()
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
	lock  *os.File
	all   []file
	f     *os.File
	w     *recording.Writer
}

// A file is one of them; the last is being written.
type file struct {
	number int
	size   int64 // up to the last whole part
	parts  int   // 0 for files of earlier runs
}

func newFiles(o *Options) *files {
	o.Start.Kind = record.KindStart
	if o.Reserve == 0 {
		o.Reserve = Reserve
	}
	if o.free == nil {
		o.free = free
	}
	return &files{o: o, limit: max(o.Quota/8, 1<<20)}
}

// free returns the bytes that may still be written where dir is.
func free(dir string) (int64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("keep: free space of %s: %w", dir, err)
	}
	return int64(st.Bavail) * int64(st.Bsize), nil //nolint:unconvert // their types differ between architectures
}

func (w *files) path(number int) string {
	return filepath.Join(w.o.Dir, fmt.Sprintf("%08d%s", number, recording.Ext))
}

// claim makes the directory and takes its lock, where either is not there any more.
func (w *files) claim() (err error) {
	if w.lock != nil && regular.InPlace(w.lock) {
		return nil
	}
	w.unlock()
	if err := os.MkdirAll(w.o.Dir, 0o750); err != nil {
		return fmt.Errorf("keep: %w", err)
	}
	if w.lock, err = lock.Dir(w.o.Dir); err != nil {
		return fmt.Errorf("keep: %w", err)
	}
	return nil
}

func (w *files) unlock() {
	if w.lock != nil {
		w.lock.Close() //nolint:errcheck // nothing was written
		w.lock = nil
	}
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

// begin begins a new file. A number that somebody else has taken is passed over.
func (w *files) begin() error {
	number := 1
	if len(w.all) > 0 {
		number = w.all[len(w.all)-1].number + 1
	}
	f, err := w.create(number)
	for ; errors.Is(err, fs.ErrExist); f, err = w.create(number) {
		number++
	}
	if err != nil {
		return fmt.Errorf("keep: %w", err)
	}
	w.f, w.w = f, recording.NewWriter(f)
	w.all = append(w.all, file{number: number})
	if err := w.note(w.o.Start); err != nil {
		return errors.Join(err, w.takeBack())
	}
	return nil
}

func (w *files) create(number int) (*os.File, error) {
	return os.OpenFile(w.path(number), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
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

// write appends one part, or leaves the files as they were.
func (w *files) write(i item) error {
	if w.f != nil && !regular.InPlace(w.f) {
		w.all = w.all[:len(w.all)-1]
		w.end() //nolint:errcheck // nobody will miss it
	}
	if w.f == nil {
		if err := w.claim(); err != nil {
			return err
		}
	}
	if err := w.room(i.size()); err != nil {
		return err
	}
	if w.f == nil {
		if err := w.begin(); err != nil {
			return err
		}
	}
	if err := w.append(i); err != nil {
		return errors.Join(err, w.takeBack())
	}
	last := &w.all[len(w.all)-1]
	last.parts++
	info, err := w.f.Stat()
	if err != nil {
		return fmt.Errorf("keep: %w", err)
	}
	last.size = info.Size()
	if last.size >= w.limit || w.o.Last > 0 && last.parts >= max(1, w.o.Last/8) {
		return w.end()
	}
	return nil
}

// size returns about what the part takes: 4 KiB are for its note and two headers.
func (i *item) size() int64 {
	n := int64(4 << 10)
	if i.frame != nil {
		n += int64(len(i.frame.Pix))
	}
	return n
}

func (w *files) append(i item) error {
	if i.frame != nil {
		if err := w.w.Write(i.frame); err != nil {
			return err
		}
	}
	return w.note(i.note)
}

// takeBack ends the file after a failed write behind its last whole part, or removes it if it has none: a disk that fails again and
// again leaves nothing that the quota does not know.
func (w *files) takeBack() error {
	last := &w.all[len(w.all)-1]
	err := w.f.Truncate(last.size)
	if info, e := w.f.Stat(); e == nil {
		last.size = info.Size()
	}
	if last.parts == 0 {
		if err = os.Remove(w.f.Name()); err == nil {
			w.all = w.all[:len(w.all)-1]
		}
	}
	if err != nil {
		err = fmt.Errorf("keep: %w", err)
	}
	return errors.Join(err, w.end())
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

// room removes the oldest files until need more bytes are within the quota and leave the reserve free, and while the others hold
// the parts that are asked for. The newest stays, and so does one that cannot be removed: the next goes in its place.
func (w *files) room(need int64) error {
	var stuck error
	for i := 0; ; {
		left, err := w.o.free(w.o.Dir)
		if err != nil {
			return err
		}
		low, full, enough := left-need < w.o.Reserve, w.size()+need > w.o.Quota, w.enough(i)
		if !low && !full && !enough {
			return nil
		}
		if i >= len(w.all)-1 {
			if low {
				return errors.Join(fmt.Errorf("keep: %s: %d MiB are free, and the last %d are left to others", w.o.Dir, left>>20, w.o.Reserve>>20), stuck)
			}
			return stuck // without: the newest file alone is larger than the quota
		}
		if err := os.Remove(w.path(w.all[i].number)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			stuck = fmt.Errorf("keep: %w", err)
			i++
			continue
		}
		w.all = slices.Delete(w.all, i, i+1)
	}
}

// size returns the bytes of all files.
func (w *files) size() (n int64) {
	for _, f := range w.all {
		n += f.size
	}
	return n
}

// enough reports whether the files behind file i hold the parts that are asked for without it.
func (w *files) enough(i int) bool {
	parts := 0
	for _, f := range w.all[min(i+1, len(w.all)):] {
		parts += f.parts
	}
	return w.o.Last > 0 && parts >= w.o.Last
}
