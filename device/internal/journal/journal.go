//go:build linux

// Package journal is what a technician reads: Events with attributes, to the system's journal
// with native fields where the service manager connected it, otherwise as text.
//
// Writing never blocks: records wait in a bounded queue for a goroutine that writes them. What
// does not fit is dropped, and counted in a record of its own as soon as there is a reader.
package journal

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"cull/device/internal/systemd"
)

// A Journal takes Events. Any goroutine may call its methods.
type Journal struct {
	native bool
	out    *queue
	encode func(e *Event, at time.Time, as, fixed []slog.Attr) []byte

	mu    sync.Mutex
	fixed []slog.Attr
}

// Open returns the Journal of a daemon whose standard error is w: native where w is connected
// to the system's journal, otherwise text on w.
func Open(w io.Writer) *Journal {
	f, ok := w.(*os.File)
	if ok && systemd.LoggedByJournal(f) {
		if j, err := systemd.OpenJournal(systemd.JournalSocket); err == nil {
			journal := start(&sender{journal: j}, native)
			journal.native = true
			return journal
		}
	}
	text := newText(!ok || !terminal(f))
	return start(plain{w}, text.encode)
}

// terminal reports whether f is a character device: there the priorities would only be in the way.
func terminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func start(w sink, encode func(e *Event, at time.Time, as, fixed []slog.Attr) []byte) *Journal {
	lost := func(n uint64) []byte { return encode(LinesLost, time.Now(), []slog.Attr{slog.Uint64("lines", n)}, nil) }
	return &Journal{out: newQueue(w, lost), encode: encode}
}

// Native reports whether records go to the system's journal, with fields.
func (j *Journal) Native() bool { return j.native }

// Fix sets the attributes that every record has as fields besides its own, such as the product.
// Text does not repeat them.
func (j *Journal) Fix(as ...slog.Attr) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.fixed = as
}

// Say writes one record.
func (j *Journal) Say(e *Event, as ...slog.Attr) {
	j.mu.Lock()
	fixed := j.fixed
	j.mu.Unlock()
	j.out.put(j.encode(e, time.Now(), as, fixed))
}

// Dropped returns how many records found no room so far.
func (j *Journal) Dropped() uint64 { return j.out.dropped.Load() }

// Close writes what waits, for at most two seconds where nobody reads.
func (j *Journal) Close() { j.out.close() }

// priority is syslog's number of a level.
func priority(l slog.Level) int {
	switch {
	case l >= slog.LevelError:
		return 3
	case l >= slog.LevelWarn:
		return 4
	case l >= slog.LevelInfo:
		return 6
	}
	return 7
}

// A text encodes records as lines of log/slog, each after its priority as sd-daemon(3) has it.
type text struct {
	prefix bool
	mu     sync.Mutex
	buf    bytes.Buffer
	h      slog.Handler
}

func newText(prefix bool) *text {
	t := &text{prefix: prefix}
	t.h = slog.NewTextHandler(&t.buf, &slog.HandlerOptions{ReplaceAttr: terse})
	return t
}

func (t *text) encode(e *Event, at time.Time, as, _ []slog.Attr) []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf.Reset()
	if t.prefix {
		fmt.Fprintf(&t.buf, "<%d>", priority(e.Level))
	}
	r := slog.NewRecord(at, e.Level, e.Text, 0)
	r.AddAttrs(as...)
	t.h.Handle(context.Background(), r) //nolint:errcheck // it writes into memory
	return bytes.Clone(t.buf.Bytes())
}

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

// native encodes records for journald: the message as a technician reads it, and every
// attribute as a field CULL_NAME of its own, durations in microseconds as CULL_NAME_US.
func native(e *Event, _ time.Time, as, fixed []slog.Attr) []byte {
	var b []byte
	add := func(name, value string) {
		if longer, err := systemd.AppendField(b, name, value); err == nil {
			b = longer
		}
	}
	add("MESSAGE", message(e, as))
	add("MESSAGE_ID", e.ID)
	add("PRIORITY", strconv.Itoa(priority(e.Level)))
	add("SYSLOG_IDENTIFIER", "cull")
	for _, a := range slices.Concat(as, fixed) {
		name := "CULL_" + strings.ToUpper(a.Key)
		if a.Value.Kind() == slog.KindDuration {
			add(name+"_US", strconv.FormatInt(a.Value.Duration().Microseconds(), 10))
			continue
		}
		add(name, a.Value.String())
	}
	return b
}

// message is the text of a record with its attributes: what journalctl shows in one line.
func message(e *Event, as []slog.Attr) string {
	var b strings.Builder
	b.WriteString(e.Text)
	for _, a := range as {
		a = terse(nil, a)
		b.WriteString(" " + a.Key + "=")
		if v := a.Value.String(); strings.ContainsAny(v, " \"=\n") || v == "" {
			b.WriteString(strconv.Quote(v))
		} else {
			b.WriteString(v)
		}
	}
	return b.String()
}

// A sink writes records one after the other. It may block until its own end.
type sink interface {
	write(record []byte, ended <-chan struct{})
}

type plain struct{ w io.Writer }

func (p plain) write(record []byte, _ <-chan struct{}) {
	p.w.Write(record) //nolint:errcheck // there is nobody to tell
}

// A sender tries until journald takes a record: it may be stuck, or away for a restart.
type sender struct{ journal *systemd.Journal }

func (s *sender) write(record []byte, ended <-chan struct{}) {
	for pause := time.Millisecond; s.journal.Send(record) != nil; pause = min(2*pause, 250*time.Millisecond) {
		select {
		case <-ended:
			return
		case <-time.After(pause):
		}
	}
}

// A queue hands records to a goroutine that writes them, and never blocks.
type queue struct {
	records chan []byte
	ended   chan struct{} // the writer has ended
	giveUp  chan struct{} // it must not wait any longer
	once    sync.Once
	dropped atomic.Uint64
}

const (
	queueLen  = 1024
	flushTime = 2 * time.Second // how long close waits for a reader that has stopped reading
)

func newQueue(w sink, lost func(n uint64) []byte) *queue {
	q := &queue{
		records: make(chan []byte, queueLen), ended: make(chan struct{}), giveUp: make(chan struct{}),
	}
	go q.run(w, lost)
	return q
}

func (q *queue) run(w sink, lost func(n uint64) []byte) {
	defer close(q.ended)
	var told uint64
	for r := range q.records {
		if r == nil {
			return
		}
		w.write(r, q.giveUp)
		if n := q.dropped.Load(); n > told {
			w.write(lost(n-told), q.giveUp)
			told = n
		}
	}
}

func (q *queue) put(record []byte) {
	select {
	case q.records <- record:
	default:
		q.dropped.Add(1)
	}
}

func (q *queue) close() {
	q.once.Do(func() {
		late, cancel := context.WithTimeout(context.Background(), flushTime)
		defer cancel()
		select {
		case q.records <- nil:
		case <-late.Done():
		}
		select {
		case <-q.ended:
		case <-late.Done():
		}
		close(q.giveUp)
	})
}
