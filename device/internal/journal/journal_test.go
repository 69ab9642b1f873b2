//go:build linux

package journal

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"cull/device/internal/systemd"
)

// The catalogue and the code have the same ids, with the same text, and each entry says
// what happened, why and what to do.
func TestCatalogueHasEveryEvent(t *testing.T) {
	b, err := os.ReadFile("../../../systemd/cull.catalog")
	if err != nil {
		t.Fatal(err)
	}
	entries := map[string]string{}
	for _, e := range strings.Split(string(b), "\n-- ")[1:] {
		id, rest, _ := strings.Cut(e, "\n")
		if _, twice := entries[id]; twice {
			t.Errorf("%s is twice in the catalogue", id)
		}
		entries[id] = rest
	}
	for _, e := range Events {
		if !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(e.ID) {
			t.Errorf("%s: %q is no message id", e.Text, e.ID)
		}
		text, ok := entries[e.ID]
		if !ok {
			t.Errorf("%s (%s) is not in the catalogue, or twice in the code", e.ID, e.Text)
			continue
		}
		delete(entries, e.ID)
		for _, want := range []string{"Subject: " + e.Text + "\nDefined-By: cull\n\n", "\n\nWhy: ", "\n\nWhat to do: "} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: the catalogue does not say %q", e.Text, want)
			}
		}
	}
	for id := range entries {
		t.Errorf("%s is in the catalogue, not in the code", id)
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func TestTextHasPriorities(t *testing.T) {
	var b lockedBuffer
	j := Open(&b)
	j.Fix(slog.String("product", "p"))
	j.Say(PartRejected, slog.Uint64("part_id", 812), slog.Float64("score", 1.23456))
	j.Say(CameraLost, slog.Any("error", errors.New("gone")))
	j.Say(LineReady)
	j.Close()
	want := `^<4>time=\S+ level=WARN msg="part rejected" part_id=812 score=1.235
<3>time=\S+ level=ERROR msg="camera lost" error=gone
<6>time=\S+ level=INFO msg="line ready"
$`
	if !regexp.MustCompile(want).MatchString(b.b.String()) {
		t.Errorf("got\n%s", b.b.String())
	}
}

func TestNativeFields(t *testing.T) {
	got := string(native(PartRejected, time.Now(), []slog.Attr{
		slog.Uint64("part_id", 812), slog.Float64("score", 1.23456), slog.Duration("slack", 1500*time.Microsecond),
		slog.Any("error", errors.New("bad thing")), slog.String("not a name", "x"),
	}, []slog.Attr{slog.String("product", "p")}))
	want := `MESSAGE=part rejected part_id=812 score=1.235 slack=1.5ms error="bad thing" "not a name"=x
MESSAGE_ID=` + PartRejected.ID + `
PRIORITY=4
SYSLOG_IDENTIFIER=cull
CULL_PART_ID=812
CULL_SCORE=1.23456
CULL_SLACK_US=1500
CULL_ERROR=bad thing
CULL_PRODUCT=p
`
	want = strings.Replace(want, ` "not a name"=x`, " not a name=x", 1)
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// A journald that has stopped reading holds nobody up; what found no room is counted, and the
// count comes first thing when it reads again.
func TestJournaldThatDoesNotRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := systemd.OpenJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	j := start(&sender{s}, native)
	const said = 5000
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range said {
			j.Say(PartRejected, slog.Int("part_id", i))
		}
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("Say blocks")
	}
	dropped := j.Dropped()
	if dropped < said-queueLen-2000 {
		t.Fatalf("%d of %d dropped: the socket took more than a kernel's queue", dropped, said)
	}
	got, told := uint64(0), uint64(0)
	b := make([]byte, 1<<16)
	for got < said-dropped || told < dropped {
		c.SetReadDeadline(time.Now().Add(20 * time.Second)) //nolint:errcheck // Read says
		n, err := c.Read(b)
		if err != nil {
			t.Fatalf("%d records, %d told as lost, then %v", got, told, err)
		}
		if _, lines, ok := strings.Cut(string(b[:n]), "\nCULL_LINES="); ok {
			var n uint64
			fmt.Sscan(lines, &n) //nolint:errcheck // 0 shows below
			told += n
		} else {
			got++
		}
	}
	if got != said-dropped || told != dropped {
		t.Errorf("%d records and %d lost of %d, %d of them dropped", got, told, said, dropped)
	}
	j.Close()
}

// Nor does it hold up the daemon's end.
func TestCloseGivesUp(t *testing.T) {
	s, err := systemd.OpenJournal(filepath.Join(t.TempDir(), "nobody"))
	if err != nil {
		t.Fatal(err)
	}
	j := start(&sender{s}, native)
	for range 2 * queueLen {
		j.Say(LineReady)
	}
	done := make(chan struct{})
	go func() { j.Close(); j.Close(); close(done) }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("Close waits for ever")
	}
}
