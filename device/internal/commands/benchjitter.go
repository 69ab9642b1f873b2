package commands

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"cull/infer"
	"cull/internal/inspect"
	"cull/internal/version"
	"cull/reject"
	"cull/reject/pulse"
)

// How the jitter is measured: blocks of one way to wait after blocks of the other, idle after loaded, in turn.
const (
	jitterPeriod = 4 * time.Millisecond
	jitterBlock  = 100
	jitterAhead  = 50 * time.Millisecond // a pulse is pushed so long before it is due, as by the line
)

// A jitterAnswer is how late this machine is.
type jitterAnswer struct {
	Version   string          `json:"version"`
	Board     string          `json:"board"`
	CPU       string          `json:"cpu"`
	CPUs      int             `json:"cpus"`
	OS        string          `json:"os"`
	NetSHA256 string          `json:"net_sha256"`
	Kernel    string          `json:"kernel"`
	Threads   int             `json:"load_threads"` // that run the network while loaded
	FIFO      string          `json:"sched_fifo"`   // "granted", or why not
	Locked    string          `json:"locked_memory"`
	Figures   []jitterFigures `json:"figures"`
}

// jitterFigures are how late one way to wait is under one load.
type jitterFigures struct {
	Load  string  `json:"load"` // idle or loaded
	Way   string  `json:"way"`  // timer: a Go timer in this process; pulse: the pulse process
	N     int     `json:"n"`
	P50   float64 `json:"p50_us"`
	P99   float64 `json:"p99_us"`
	P999  float64 `json:"p99_9_us"`
	Worst float64 `json:"max_us"`
}

// benchJitter measures how late a pulse is, timed by a goroutine and by the pulse process.
func benchJitter(ctx context.Context, env Env, net string, size, n int, asJSON bool) error {
	m, err := openNetwork(net)
	if err != nil {
		return err
	}
	threads := runtime.GOMAXPROCS(0)
	w, err := newWorkload(m, inspect.Geometry(m, size).Width, threads)
	if err != nil {
		return err
	}
	defer w.close()
	p, err := newPulser()
	if err != nil {
		return err
	}
	defer p.close()
	digest := m.Digest()
	a := &jitterAnswer{
		Version: version.Name(), Board: board(), CPU: processor(), CPUs: runtime.NumCPU(), OS: release(),
		NetSHA256: hex.EncodeToString(digest[:]), Kernel: infer.Kernel(), Threads: threads,
		FIFO: grant(p.granted.FIFO), Locked: grant(p.granted.Locked),
	}
	if a.Figures, err = measureJitter(ctx, w, p, n); err != nil {
		return err
	}
	if asJSON {
		return writeJSON(env, "-", a)
	}
	return a.print(env.Stdout)
}

func grant(err error) string {
	if err != nil {
		return err.Error()
	}
	return "granted"
}

func measureJitter(ctx context.Context, w *workload, p *pulser, n int) ([]jitterFigures, error) {
	ways := []struct {
		name string
		run  func(ctx context.Context, n int) ([]time.Duration, error)
	}{{"timer", timerLate}, {"pulse", p.late}}
	late := map[jitterFigures][]time.Duration{} // by load and way
	for done := 0; done < n; done += jitterBlock {
		for _, load := range []string{"idle", "loaded"} {
			if load == "loaded" {
				w.start()
			}
			for _, way := range ways {
				l, err := way.run(ctx, min(jitterBlock, n-done))
				if err != nil {
					w.stop()
					return nil, err
				}
				key := jitterFigures{Load: load, Way: way.name}
				late[key] = append(late[key], l...)
			}
			w.stop()
		}
	}
	var all []jitterFigures
	for _, load := range []string{"idle", "loaded"} {
		for _, way := range ways {
			f := jitterFigures{Load: load, Way: way.name}
			f.from(late[f])
			all = append(all, f)
		}
	}
	return all, nil
}

func (f *jitterFigures) from(late []time.Duration) {
	us := func(q float64) float64 { return 1000 * quantile(late, q) }
	f.N, f.P50, f.P99, f.P999, f.Worst = len(late), us(0.5), us(0.99), us(0.999), us(1)
}

// timerLate returns how late a goroutine wakes by a timer, n times.
func timerLate(ctx context.Context, n int) ([]time.Duration, error) {
	var late []time.Duration
	t := time.NewTimer(time.Hour)
	defer t.Stop()
	for range n {
		due := time.Now().Add(jitterPeriod)
		t.Reset(time.Until(due))
		<-t.C
		late = append(late, time.Since(due))
	}
	return late, ctx.Err()
}

// A pulser is a pulse process whose line is a file in memory: all but the output's own ioctl.
type pulser struct {
	process  *pulse.Process
	granted  pulse.Privilege
	outcomes chan reject.Outcome
	file     *os.File
	stop     context.CancelFunc
	ran      chan error
	next     uint64
}

func newPulser() (*pulser, error) {
	fd, err := unix.MemfdCreate("cull-bench", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	p := &pulser{
		outcomes: make(chan reject.Outcome, jitterBlock), ran: make(chan error, 1),
		file: os.NewFile(uintptr(fd), "cull-bench"),
	}
	p.process, p.granted, err = pulse.Start(pulse.Trace(p.file), nil, pulse.Options{
		Options: reject.Options{
			Width: jitterPeriod / 4, Late: time.Minute, Report: func(o reject.Outcome) { p.outcomes <- o },
		},
		Silence: time.Minute,
	})
	if err != nil {
		p.file.Close()
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.stop = cancel
	go func() { p.ran <- p.process.Run(ctx) }()
	return p, nil
}

// late returns how late n pulses were.
func (p *pulser) late(ctx context.Context, n int) ([]time.Duration, error) {
	first := time.Now().Add(jitterAhead)
	for i := range n {
		p.next++
		if err := p.process.Push(p.next, first.Add(time.Duration(i)*jitterPeriod)); err != nil {
			return nil, err
		}
	}
	var late []time.Duration
	for range n {
		select {
		case o := <-p.outcomes:
			if o.Err != nil {
				return nil, o.Err
			}
			late = append(late, o.At.Sub(o.Due))
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return late, nil
}

func (p *pulser) close() {
	p.stop()
	<-p.ran
	p.file.Close()
}

// A workload runs the network on every processor of this process.
type workload struct {
	runners []*infer.Runner
	pic     []int8
	on      atomic.Bool
	wg      sync.WaitGroup
}

func newWorkload(m *infer.Model, size, threads int) (*workload, error) {
	w := &workload{pic: make([]int8, size*size*m.Graph.InputChannels)}
	infer.TestPicture(w.pic, 1)
	for range threads {
		r, err := m.NewRunner(size, size, infer.Options{})
		if err != nil {
			return nil, err
		}
		w.runners = append(w.runners, r)
	}
	return w, nil
}

// start sets all runners going, and gives them time to take the processors.
func (w *workload) start() {
	w.on.Store(true)
	for _, r := range w.runners {
		w.wg.Go(func() {
			for w.on.Load() {
				r.Run(w.pic)
			}
		})
	}
	time.Sleep(jitterAhead)
}

func (w *workload) stop() {
	w.on.Store(false)
	w.wg.Wait()
}

func (w *workload) close() {
	for _, r := range w.runners {
		r.Close()
	}
}

func (a *jitterAnswer) print(w io.Writer) error {
	fmt.Fprintf(w, "pulse process: SCHED_FIFO %s, locked memory %s\n", a.FIFO, a.Locked)
	fmt.Fprintf(w, "loaded: the network on %d thread(s) of this process\n\n", a.Threads)
	fmt.Fprintf(w, "%-8s %-28s %10s %10s %10s %10s %6s\n", "", "late, us", "p50", "p99", "p99.9", "max", "n")
	for _, f := range a.Figures {
		way := "Go timer in this process"
		if f.Way == "pulse" {
			way = "pulse process"
		}
		fmt.Fprintf(w, "%-8s %-28s %10.1f %10.1f %10.1f %10.1f %6d\n", f.Load, way, f.P50, f.P99, f.P999, f.Worst, f.N)
	}
	fmt.Fprintf(w, "\n--- measured; to add this board to doc/performance.md, send in all lines from here on\n")
	fmt.Fprintf(w, "board   %s\ncpu     %s, %d CPUs\nsystem  %s\ncull    %s, network %s\nkernels %s\n",
		a.Board, a.CPU, a.CPUs, a.OS, a.Version, a.NetSHA256[:12], a.Kernel)
	fmt.Fprintf(w, "fifo    %s\n", a.FIFO)
	for _, f := range a.Figures {
		for _, q := range []struct {
			name string
			us   float64
		}{{"p50", f.P50}, {"p99", f.P99}, {"p99.9", f.P999}, {"max", f.Worst}} {
			fmt.Fprintf(w, "RESULT jitter_%s_%s_%s %s us\n", f.Load, f.Way, q.name, digits(q.us))
		}
	}
	_, err := fmt.Fprintln(w, "---")
	return err
}
