//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"cull/device/internal/record"
)

// account reads the verdict log: every part that began has ended once, as PASS, REJECT or STOP.
func account(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("%s: no verdict log (%v)", dir, err)
	}
	began, ended, verdicts := map[uint64]bool{}, map[uint64]int{}, map[string]int{}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			var e record.Entry
			if json.Unmarshal(lines.Bytes(), &e) != nil {
				continue // a torn end, which the daemon cuts
			}
			switch e.Kind {
			case record.KindBegin:
				began[e.Part] = true
			case record.KindPart:
				ended[e.Part]++
				verdicts[e.Verdict]++
			}
		}
	}
	all := verdicts["PASS"] + verdicts["REJECT"] + verdicts["STOP"]
	fmt.Printf("parts %d pass %d reject %d stop %d\n", len(ended), verdicts["PASS"], verdicts["REJECT"], verdicts["STOP"])
	for id := range began {
		if ended[id] == 0 {
			return fmt.Errorf("part %d is unaccounted for", id)
		}
	}
	for id, n := range ended {
		if n != 1 {
			return fmt.Errorf("part %d ended %d times", id, n)
		}
	}
	if all != len(ended) {
		return fmt.Errorf("%d parts, %d verdicts", len(ended), all)
	}
	return nil
}
