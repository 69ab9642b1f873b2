//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"cull/device/internal/record"
)

// account reads the verdict log: every part that began has ended once, as PASS, REJECT or STOP. With
// -sent each edge that was sent is a part, and none is one that was not; in a storm, whose edges may merge
// before the daemon has them, no part is without an edge.
func account(args []string) error {
	fs := flag.NewFlagSet("account", flag.ContinueOnError)
	sent := fs.String("sent", "", "file with a line for each edge that was sent")
	storm := fs.Bool("storm", false, "edges may have merged")
	want := fs.String("want", "", "PASS,REJECT,STOP: what there must be; * is any number")
	if err := fs.Parse(args); err != nil {
		return err
	}
	t, err := readLog(fs.Arg(0))
	if err != nil {
		return err
	}
	got := [3]int{t.verdicts["PASS"], t.verdicts["REJECT"], t.verdicts["STOP"]}
	fmt.Printf("parts %d pass %d reject %d stop %d", len(t.ended), got[0], got[1], got[2])
	defer fmt.Println()
	if err := t.check(); err != nil {
		return err
	}
	if *want != "" {
		for i, w := range strings.Split(*want, ",") {
			if w != "*" && w != strconv.Itoa(got[i]) {
				return fmt.Errorf("pass, reject, stop are %v, want %s", got, *want)
			}
		}
	}
	if *sent == "" {
		return nil
	}
	b, err := os.ReadFile(*sent)
	if err != nil {
		return err
	}
	edges, seen := bytes.Count(b, []byte{'\n'}), len(t.ended)
	fmt.Printf(", edges sent %d", edges)
	if seen > edges || seen < edges && !*storm {
		return fmt.Errorf("%d edges were sent, %d parts seen", edges, seen)
	}
	return nil
}

// A tally is what a verdict log says.
type tally struct {
	began    map[uint64]bool
	ended    map[uint64]int
	verdicts map[string]int
}

func readLog(dir string) (t tally, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) == 0 {
		return t, fmt.Errorf("%s: no verdict log (%v)", dir, err)
	}
	t = tally{map[uint64]bool{}, map[uint64]int{}, map[string]int{}}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			return t, err
		}
		for text := range bytes.Lines(b) {
			var e record.Entry
			if json.Unmarshal(text, &e) != nil {
				continue // a torn end, which the daemon cuts
			}
			switch e.Kind {
			case record.KindBegin:
				t.began[e.Part] = true
			case record.KindPart:
				t.ended[e.Part]++
				t.verdicts[e.Verdict]++
			}
		}
	}
	return t, nil
}

// check verifies that each part ended once, with a verdict.
func (t tally) check() error {
	for id := range t.began {
		if t.ended[id] == 0 {
			return fmt.Errorf("part %d is unaccounted for", id)
		}
	}
	for id, n := range t.ended {
		if n != 1 {
			return fmt.Errorf("part %d ended %d times", id, n)
		}
	}
	if all := t.verdicts["PASS"] + t.verdicts["REJECT"] + t.verdicts["STOP"]; all != len(t.ended) {
		return fmt.Errorf("%d parts, %d verdicts", len(t.ended), all)
	}
	return nil
}
