// Package turns times runs of our own and of a peer process in the same measures.
package turns

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// A Sample is the time of some runs, in ms.
type Sample struct {
	Wall []float64 `json:"wall"`
	CPU  []float64 `json:"cpu"` // of the process
}

// Append adds the runs of o.
func (s *Sample) Append(o Sample) {
	s.Wall, s.CPU = append(s.Wall, o.Wall...), append(s.CPU, o.CPU...)
}

// Ours returns what times n runs of f in this process.
func Ours(f func()) func(n int) (Sample, error) {
	return func(n int) (s Sample, err error) {
		for range n {
			start, used := time.Now(), CPU()
			f()
			s.Wall = append(s.Wall, Milliseconds(time.Since(start)))
			s.CPU = append(s.CPU, Milliseconds(CPU()-used))
		}
		return s, nil
	}
}

// CPU is the CPU time this process has used.
func CPU() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t); err != nil {
		panic(err) // every Linux has it
	}
	return time.Duration(t.Nano())
}

// Milliseconds is d in ms.
func Milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// Median is the middle of v, the upper one of two.
func Median[T cmp.Ordered](v []T) T {
	v = slices.Clone(v)
	slices.Sort(v)
	return v[len(v)/2]
}

// A Peer is a process that answers every line with one of JSON. Its first, unasked, has its
// version; to a number n it answers the Sample of n runs. It ends with its input.
type Peer struct {
	Version string

	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// Start starts a peer and waits for its version.
func Start(name string, args ...string) (*Peer, error) {
	p := &Peer{cmd: exec.Command(name, args...)}
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	var hello struct{ Version string }
	if err := p.answer(&hello); err != nil {
		p.Stop()
		return nil, err
	}
	p.Version = hello.Version
	return p, nil
}

// Ask sends a line and reads the answer into v.
func (p *Peer) Ask(line string, v any) error {
	if _, err := fmt.Fprintln(p.in, line); err != nil {
		return err
	}
	return p.answer(v)
}

func (p *Peer) answer(v any) error {
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("%s: %w", p.cmd.Args[0], err)
	}
	return json.Unmarshal(line, v)
}

// Run times n runs of the peer.
func (p *Peer) Run(n int) (s Sample, err error) {
	err = p.Ask(fmt.Sprint(n), &s)
	return s, err
}

// Stop ends the process.
func (p *Peer) Stop() {
	p.in.Close()
	_ = p.cmd.Wait() // it ends with its input
}
