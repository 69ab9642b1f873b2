package commands

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A recorded shift, judged again: the same bits. Another product changes verdicts, and is no fault.
func TestReplayOfAShift(t *testing.T) {
	b := newBench(t)
	teach := func(name, good string) string {
		p := b.path(name)
		if err := Teach(t.Context(), Env{&bytes.Buffer{}, &bytes.Buffer{}}, []string{"--net", b.net, "--size", "64", good, "-o", p}); err != nil {
			t.Fatal(err)
		}
		return p
	}
	for i := range 20 {
		writePart(t, b.path(fmt.Sprintf("bad/%02d.png", i)), uint64(100+i), true)
		writePart(t, b.path(fmt.Sprintf("shift/%02d.png", i)), uint64(200+i), i%4 == 0)
	}
	product, other := teach("p.product", b.parts), teach("other.product", b.path("bad"))
	frames := b.path("frames")
	config := b.path("cull.toml")
	text := fmt.Sprintf("product = %q\nnetwork = %q\n[camera]\nkind = \"folder\"\nfolder = %q\n[line]\npulse_late_ms = 5000\n"+
		"[record]\nframes = \"all\"\nframes_dir = %q\n[sim]\npitch_mm = 60\nlength_mm = 30\nnozzle_mm = 600\nspeed_mm_s = 300\n",
		product, b.net, b.path("shift"), frames)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	if err := Run(t.Context(), Env{&bytes.Buffer{}, &log}, []string{"--config", config}); err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	replay := func(args ...string) (string, string, error) {
		var out, log bytes.Buffer
		err := Replay(t.Context(), Env{&out, &log}, append(args, frames))
		return out.String(), log.String(), err
	}
	out, said, err := replay()
	if err != nil || !strings.HasPrefix(out, "parts 20 same 20 differ 0 ") {
		t.Errorf("%q, %v", out, err)
	}
	m := regexp.MustCompile(`recorded in (\S+), replayed in (\S+)\n`).FindStringSubmatch(said)
	if m == nil {
		t.Fatalf("it does not say how long it took: %q", said)
	}
	t.Logf("recorded in %s, replayed in %s", m[1], m[2])
	out, _, err = replay("--product", other)
	if err != nil || strings.Contains(out, "differ 0 ") || !strings.Contains(out, "was PASS score ") {
		t.Errorf("another product: %q, %v", out, err)
	}
	if err := os.Rename(other, product); err != nil { // the line's product is no longer what it was
		t.Fatal(err)
	}
	if out, _, err := replay(); err == nil || strings.Contains(out, "differ 0 ") {
		t.Errorf("a product that was replaced: %q, %v", out, err)
	}
	names, err := filepath.Glob(filepath.Join(frames, "*"))
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	if err := os.Truncate(names[0], 20); err != nil {
		t.Fatal(err)
	}
	if _, _, err := replay("--product", product); err == nil {
		t.Error("a recording without a part was replayed")
	}
}
