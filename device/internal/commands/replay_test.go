package commands

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"cull/capture"
	"cull/capture/recording"
	"cull/device/internal/keep"
	"cull/device/internal/record"
	"cull/internal/inspect"
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
		"[record]\ndir = %q\nframes = \"all\"\nframes_dir = %q\n[sim]\npitch_mm = 60\nlength_mm = 30\nnozzle_mm = 600\nspeed_mm_s = 300\n",
		product, b.net, b.path("shift"), b.path("verdicts"), frames)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	if err := Run(t.Context(), Env{&bytes.Buffer{}, &log}, []string{"--config", config}); err != nil {
		t.Fatalf("%v\n%s", err, log.String())
	}
	testNamesTheProduct(t, product, log.String(), b.path("verdicts"), frames)
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
	testFrames(t, b, frames, product)
	testTeach(t, b, frames)
	testDamage(t, frames)
	if err := os.Rename(other, product); err != nil { // the line's product is no longer what it was
		t.Fatal(err)
	}
	if out, _, err := replay(); err == nil || strings.Contains(out, "differ 0 ") || !strings.Contains(err.Error(), product+" is not the file that judged") {
		t.Errorf("a product that was replaced: %q, %v", out, err)
	}
	names, err := filepath.Glob(filepath.Join(frames, "*.cullrec"))
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	if err := os.Truncate(names[0], 20); err != nil {
		t.Fatal(err)
	}
	if _, _, err := replay("--product", product); err == nil {
		t.Error("a recording without a part was replayed")
	}
	if _, err := cull(t, "teach", "--net", b.net, frames, "-o", b.path("again.product")); err == nil {
		t.Error("a recording without a part was taught")
	}
}

// Runs of the line have clocks of their own: their lengths add up, however many files a run has.
func TestRecordedTimeOfSeveralRuns(t *testing.T) {
	var s span
	start := func(at int64) { s.add(&keep.Note{Entry: record.Entry{Kind: record.KindStart, Time: time.Unix(at, 0)}}) }
	part := func(at time.Duration) {
		s.add(&keep.Note{Entry: record.Entry{Kind: record.KindPart}, TriggerNS: at.Nanoseconds()})
	}
	start(1000)
	part(7 * time.Second)
	part(5 * time.Second)
	start(1000) // its second file
	part(9 * time.Second)
	part(0) // without an edge
	start(2000)
	part(time.Second)
	start(3000)
	part(3 * time.Second)
	part(8 * time.Second)
	if got := s.length(); got != 9*time.Second {
		t.Errorf("%v, want 4 s + 0 + 5 s", got)
	}
}

// testNamesTheProduct looks for the digest of the product's file where it is said what judged: a product may be taught again
// under the same name.
func testNamesTheProduct(t *testing.T, path, journal, verdicts, frames string) {
	t.Helper()
	var shown bytes.Buffer
	if err := Bundle(t.Context(), Env{&shown, &bytes.Buffer{}}, []string{"show", path}); err != nil {
		t.Fatal(err)
	}
	digest := regexp.MustCompile(`sha256 +([0-9a-f]{64})`).FindStringSubmatch(shown.String())[1]
	if !strings.Contains(journal, "product_sha256="+digest) {
		t.Errorf("no %s in the journal:\n%s", digest, journal)
	}
	for _, pattern := range []string{verdicts + "/*.jsonl", frames + "/*.cullrec"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			t.Fatal(pattern, err)
		}
		if data, err := os.ReadFile(names[0]); err != nil || !bytes.Contains(data, []byte(`"product_sha256":"`+digest+`"`)) {
			t.Errorf("%s: no product_sha256 %s, %v", names[0], digest, err)
		}
	}
}

// testTeach teaches from the recorded shift: from the parts that passed, as from pictures of them.
func testTeach(t *testing.T, b *bench, recording string) {
	t.Helper()
	pictures := filepath.Join(t.TempDir(), "passed")
	if err := Frames(t.Context(), Env{&bytes.Buffer{}, &bytes.Buffer{}}, []string{"--of", "pass", recording, "-o", pictures}); err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`(part |` + regexp.QuoteMeta(pictures) + `/0*)(\d+)(-pass\.png)?`)
	teach := func(source string) string {
		var out bytes.Buffer
		if err := Teach(t.Context(), Env{&out, &bytes.Buffer{}}, []string{"--net", b.net, "--size", "64", source, "-o", b.path("again.product")}); err != nil {
			t.Fatalf("%s: %v", source, err)
		}
		return names.ReplaceAllString(out.String(), "part $2")
	}
	if got, want := teach(recording), teach(pictures); got != want {
		t.Errorf("%s\nfrom pictures:\n%s", got, want)
	}
}

// testFrames makes pictures of the recorded shift: of all parts, they are judged as the line judged them; of the rejected ones alone.
func testFrames(t *testing.T, b *bench, recording, product string) {
	t.Helper()
	frames := func(args ...string) (string, []string, error) {
		dir := filepath.Join(t.TempDir(), "pictures")
		var out bytes.Buffer
		err := Frames(t.Context(), Env{&out, &bytes.Buffer{}}, append(args, recording, "-o", dir))
		names, _ := filepath.Glob(filepath.Join(dir, "*"))
		return out.String(), names, err
	}
	out, all, err := frames()
	if err != nil || len(all) != 20 || !strings.HasPrefix(out, "20 pictures in ") || !strings.HasSuffix(out, ", 0 parts without a frame\n") {
		t.Fatalf("%q, %v, %v", out, all, err)
	}
	_, one, err := frames("--part", "7")
	if err != nil || len(one) != 1 || !strings.HasPrefix(filepath.Base(one[0]), "00000007-") {
		t.Fatalf("%v, %v", one, err)
	}
	_, rejected, err := frames("--of", "reject")
	if err != nil || len(rejected) == 0 || len(rejected) == 20 {
		t.Fatalf("%v, %v", rejected, err)
	}
	verdicts := regexp.MustCompile(`/\d{8}-(pass|reject-score)\.png$`)
	out, err = cull(t, append([]string{"inspect", "--net", b.net, product}, all...)...)
	if err != nil {
		t.Fatal(err)
	}
	bad := 0
	for line := range strings.Lines(out) {
		line = strings.TrimSuffix(line, "\n")
		m := verdicts.FindStringSubmatch(line)
		if m == nil || !strings.HasPrefix(line, strings.ToUpper(m[1][:4])) {
			t.Errorf("%q", line)
			continue
		}
		if m[1] == "reject-score" {
			bad++
		}
	}
	if bad != len(rejected) {
		t.Errorf("%d of all are rejected, and %v", bad, rejected)
	}
}

// testDamage replays the recording with an end cut off, which a killed writer leaves, and with a spot that is overwritten.
func testDamage(t *testing.T, frames string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(frames, "*.cullrec"))
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	whole, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	overwritten := bytes.Clone(whole)
	overwritten[len(whole)/2] ^= 1
	for _, c := range []struct {
		name string
		data []byte
		rest string // of the error
	}{
		{"cut", whole[:len(whole)-9], ""},
		{"overwritten", overwritten, "wrong checksum"},
	} {
		file := filepath.Join(t.TempDir(), "a.cullrec")
		if err := os.WriteFile(file, c.data, 0o600); err != nil {
			t.Fatal(err)
		}
		var out, log bytes.Buffer
		err := Replay(t.Context(), Env{&out, &log}, []string{file})
		if (err == nil) != (c.rest == "") || err != nil && !strings.Contains(err.Error(), c.rest) {
			t.Errorf("%s: %v", c.name, err)
		}
		if !strings.HasPrefix(out.String(), "parts ") || strings.HasPrefix(out.String(), "parts 0 ") || !strings.Contains(out.String(), " differ 0 ") || !strings.Contains(log.String(), "is lost") {
			t.Errorf("%s: %q, %q", c.name, out.String(), log.String())
		}
	}
}

// A recording that is cut off anywhere is no damage, and is told; a flipped bit in a size is damage, wherever the size then points.
func TestCutOffIsNoDamageAndAFlippedSizeIs(t *testing.T) {
	var file bytes.Buffer
	w := recording.NewWriter(&file)
	var sizes, ends []int // where they are
	note := func(n keep.Note) {
		sizes = append(sizes, file.Len())
		text, err := json.Marshal(n)
		if err == nil {
			err = w.Note(text)
		}
		if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, file.Len())
	}
	note(keep.Note{Entry: record.Entry{Kind: record.KindStart}})
	for i := 1; i <= 3; i++ {
		sizes = append(sizes, file.Len())
		if err := w.Write(&capture.Frame{Pix: make([]byte, 20), Format: capture.Grey, Width: 5, Height: 4, Stride: 5}); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, file.Len())
		note(keep.Note{Entry: record.Entry{Kind: record.KindPart, Part: uint64(i), Verdict: "PASS"}, HasFrame: true})
	}
	sizes[0] = 8 // behind the magic
	read := func(data []byte) (parts int, log string, damage error) {
		src, err := recording.New("x", bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		var said bytes.Buffer
		damage, err = eachNote(t.Context(), src, &said, func(n *keep.Note, _ *capture.Frame) error {
			if n.Kind == record.KindPart {
				parts++
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		return parts, said.String(), damage
	}
	for n := ends[0]; n <= file.Len(); n++ {
		if _, log, damage := read(file.Bytes()[:n]); damage != nil || (log == "") != slices.Contains(ends, n) {
			t.Errorf("%d bytes of %d: %q, %v", n, file.Len(), log, damage)
		}
	}
	for _, at := range sizes[:3] { // start, first frame, its note
		for bit := range 32 {
			data := bytes.Clone(file.Bytes())
			data[at+bit/8] ^= 1 << (bit % 8)
			if parts, log, damage := read(data); damage == nil || parts != 0 || !strings.Contains(log, "is lost") {
				t.Errorf("size at %d, bit %d: %d parts, %q, %v", at, bit, parts, log, damage)
			}
		}
	}
}

// Files that the line removes while its recording is read are told, and are no damage.
func TestReplayOfALineThatStillRecords(t *testing.T) {
	dir := t.TempDir()
	for i := range 3 {
		var file bytes.Buffer
		if err := recording.NewWriter(&file).Note(fmt.Appendf(nil, `{"kind":"part","part_id":%d}`, i+1)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%08d.cullrec", i+1)), file.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	src, err := recording.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	if err := os.Remove(filepath.Join(dir, "00000002.cullrec")); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	var ids []uint64
	damage, err := eachNote(t.Context(), src, &log, func(n *keep.Note, _ *capture.Frame) error {
		ids = append(ids, n.Part)
		return nil
	})
	if err != nil || damage != nil || !slices.Equal(ids, []uint64{1, 3}) || !strings.Contains(log.String(), "00000002.cullrec: no such file or directory: it was removed") {
		t.Errorf("parts %v, %q, %v, %v", ids, log.String(), damage, err)
	}
}

// On another machine the line's files are elsewhere. To teach again would not bring the same scores.
func TestReplayWithoutTheLinesFiles(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	for _, c := range []struct {
		n             keep.Note
		product, want string
	}{
		{keep.Note{Entry: record.Entry{Product: none}}, "", "name it with --product"},
		{keep.Note{Entry: record.Entry{Product: "x"}, Network: none}, "", "name it with --net"},
		{keep.Note{Entry: record.Entry{Product: "x"}}, none, "cull teach makes a product"},
	} {
		p := replayer{product: c.product}
		if err := p.start(&c.n); !errors.Is(err, os.ErrNotExist) || !strings.Contains(HintOf(err), c.want) {
			t.Errorf("%v, %q, want %q", err, HintOf(err), c.want)
		}
	}
}

func TestFramesMistakes(t *testing.T) {
	dir := t.TempDir()
	full := filepath.Join(dir, "full")
	writePart(t, filepath.Join(full, "a.png"), 1, false)
	file := filepath.Join(dir, "a.cullrec")
	var b bytes.Buffer
	w := recording.NewWriter(&b)
	note := func(text string) {
		if err := w.Note([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	note(`{"kind":"part","part_id":7,"verdict":"REJECT","reason":"../../frame lost"}`)
	note(`{"kind":"part","part_id":7}`)
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args  []string
		want  string
		usage bool
	}{
		{[]string{file}, "-o FOLDER", true},
		{[]string{file, "--of", "good", "-o", dir}, "no verdict", true},
		{[]string{dir + "/none", "-o", dir}, "no such file", false},
		{[]string{file, "-o", full}, "has pictures already", false},
		{[]string{file, "-o", dir, "--part", "9"}, "has no part 9", false},
		{[]string{file, "-o", dir}, "a.cullrec: part 7 is recorded twice", false},
	} {
		err := Frames(t.Context(), Env{&bytes.Buffer{}, &bytes.Buffer{}}, c.args)
		if err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, ErrUsage) != c.usage {
			t.Errorf("%q: %v", c.args, err)
		}
	}
	if got := pictureName(&keep.Note{Entry: record.Entry{Part: 7, Verdict: "REJECT", Reason: "../../frame lost"}}); got != "00000007-reject-frame-lost" {
		t.Error(got)
	}
}

// What the next process says of parts whose end a killed one had recorded, but not yet logged, is no second part.
func TestPartsOfAKilledProcess(t *testing.T) {
	var notes bytes.Buffer
	w := recording.NewWriter(&notes)
	frame := &capture.Frame{Pix: make([]byte, 256), Format: capture.Grey, Width: 16, Height: 16, Stride: 16}
	say := func(n keep.Note) {
		if n.HasFrame {
			if err := w.Write(frame); err != nil {
				t.Fatal(err)
			}
		}
		text, err := json.Marshal(n)
		if err == nil {
			err = w.Note(text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	of := func(id uint64, verdict, reason string) record.Entry {
		return record.Entry{Kind: record.KindPart, Part: id, Verdict: verdict, Reason: reason}
	}
	say(keep.Note{Entry: of(7, "REJECT", "score"), HasFrame: true})
	say(keep.Note{Entry: of(7, "STOP", "interrupted")})
	say(keep.Note{Entry: of(8, "PASS", ""), HasFrame: true})
	file := filepath.Join(t.TempDir(), "a.cullrec")
	if err := os.WriteFile(file, notes.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := Frames(t.Context(), Env{&out, &bytes.Buffer{}}, []string{file, "-o", filepath.Join(t.TempDir(), "x")}); err != nil ||
		!strings.HasPrefix(out.String(), "2 pictures ") {
		t.Errorf("%q, %v", out.String(), err)
	}
	err := Frames(t.Context(), Env{&out, &bytes.Buffer{}}, []string{file, "--of", "pass", "--part", "7", "-o", filepath.Join(t.TempDir(), "y")})
	if err == nil || !strings.Contains(err.Error(), "part 7 ended as REJECT") {
		t.Errorf("%v", err)
	}
	p := replayer{in: new(inspect.Inspector), seen: seen{7: "REJECT"}}
	if err := p.part(&keep.Note{Entry: of(7, "STOP", "interrupted")}, nil); err != nil || p.parts != 0 {
		t.Errorf("%d parts, %v", p.parts, err)
	}
	if err := p.part(&keep.Note{Entry: of(7, "STOP", "shutdown")}, nil); err == nil {
		t.Error("a part twice")
	}
}
