package commands

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"cull/infer"
	"cull/infer/net"
)

// An effort is how long each step is measured: runs times and for so long, but not longer than most.
type effort struct {
	runs       int
	time, most time.Duration
}

var benchEffort = effort{runs: 50, time: time.Second, most: 15 * time.Second}

// benchWarm is how many runs come before those that count.
const benchWarm = 3

// enough reports whether what began at begin and ran so many times need not run again.
func (e effort) enough(runs int, begin time.Time) bool {
	took := time.Since(begin)
	return runs >= e.runs && took >= e.time || runs > 0 && took > e.most
}

// A timing is the latency of one step.
type timing struct {
	Step  string  `json:"step"`
	Runs  int     `json:"runs"`
	P50MS float64 `json:"p50_ms"`
	P99MS float64 `json:"p99_ms"`
	CPUMS float64 `json:"cpu_ms"` // of all threads, median: what other programs take does not count

	allocs float64 // heap objects a run
}

// measure returns the latency of run.
func (e effort) measure(ctx context.Context, name string, run func() error) (*timing, error) {
	var took, cpu []time.Duration
	var before, after runtime.MemStats
	for i := range benchWarm {
		if i == benchWarm-1 {
			runtime.ReadMemStats(&before)
		}
		if err := run(); err != nil {
			return nil, err
		}
	}
	runtime.ReadMemStats(&after)
	for begin := time.Now(); !e.enough(len(took), begin); {
		start, used := time.Now(), clock(unix.CLOCK_PROCESS_CPUTIME_ID)
		if err := run(); err != nil {
			return nil, err
		}
		took, cpu = append(took, time.Since(start)), append(cpu, clock(unix.CLOCK_PROCESS_CPUTIME_ID)-used)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	return &timing{
		Step: name, Runs: len(took), P50MS: quantile(took, 0.5), P99MS: quantile(took, 0.99),
		CPUMS: quantile(cpu, 0.5), allocs: float64(after.Mallocs - before.Mallocs),
	}, nil
}

// quantile returns the q-th quantile of d, which it sorts, in milliseconds.
func quantile(d []time.Duration, q float64) float64 {
	slices.Sort(d)
	return milliseconds(d[min(len(d)-1, int(q*float64(len(d))))])
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// clock reads one of the system's clocks.
func clock(id int32) time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(id, &t); err != nil {
		return time.Duration(time.Now().UnixNano()) // no such clock: wall time
	}
	return time.Duration(t.Nano())
}

// A layerCost is what the layers of one kind cost, on one thread.
type layerCost struct {
	Kind  string  `json:"kind"`
	Count int     `json:"layers"`
	MACs  int64   `json:"macs"`
	MS    float64 `json:"cpu_ms"`         // median, all of them
	GOPS  float64 `json:"gop_per_s"`      // two operations a multiply-accumulate; 0: no convolution
	Peak  float64 `json:"share_of_peak"`  // of GOPS
	Part  float64 `json:"share_of_total"` // of MS
}

// peakMACs are those of one measurement of the peak: about as long as a layer.
const peakMACs = 1 << 24

// measureLayers returns the speed of one core at nothing but the arithmetic, in
// GOP/s, and what the layers of the network cost, both taken in turn.
func measureLayers(ctx context.Context, e effort, m *infer.Model, h, w int) (float64, []layerCost, error) {
	macs, err := m.Graph.NodeMACs(h, w)
	if err != nil {
		return 0, nil, err
	}
	r, err := m.NewRunner(h, w, infer.Options{})
	if err != nil {
		return 0, nil, err
	}
	defer r.Close()
	kinds, costs := layerKinds(&m.Graph, macs)
	runtime.LockOSThread() // the clock is the thread's
	defer runtime.UnlockOSThread()
	in := make([]int8, h*w*m.Graph.InputChannels)
	infer.TestPicture(in, 1)
	samples := make([][]time.Duration, len(costs))
	var peak []time.Duration
	did := 0
	for begin := time.Now(); !e.enough(len(peak), begin); {
		at := clock(unix.CLOCK_THREAD_CPUTIME_ID)
		did = infer.Peak(peakMACs)
		now := clock(unix.CLOCK_THREAD_CPUTIME_ID)
		peak = append(peak, now-at)
		sum := make([]time.Duration, len(costs))
		at = clock(unix.CLOCK_THREAD_CPUTIME_ID)
		r.Trace(in, func(node int) {
			now := clock(unix.CLOCK_THREAD_CPUTIME_ID)
			sum[kinds[node]] += now - at
			at = now
		})
		for k, d := range sum {
			samples[k] = append(samples[k], d)
		}
		if err := ctx.Err(); err != nil {
			return 0, nil, err
		}
	}
	best := 0.0
	if did > 0 {
		best = gops(int64(did), quantile(peak, 0.5))
	}
	finishLayers(costs, samples, best)
	return best, costs, nil
}

// gops returns 10^9 operations a second.
func gops(macs int64, ms float64) float64 { return 2 * float64(macs) / 1e6 / ms }

func finishLayers(costs []layerCost, samples [][]time.Duration, peak float64) {
	total := 0.0
	for k := range costs {
		c := &costs[k]
		c.MS = quantile(samples[k], 0.5)
		total += c.MS
		if c.MACs > 0 {
			c.GOPS = gops(c.MACs, c.MS)
		}
		if peak > 0 {
			c.Peak = c.GOPS / peak
		}
	}
	for k := range costs {
		costs[k].Part = costs[k].MS / total
	}
}

// layerKinds sorts the nodes by kind: the kind of every node, and the kinds.
func layerKinds(g *net.Graph, macs []int64) (kinds []int, costs []layerCost) {
	channels := g.Channels()
	for i := range g.Nodes {
		n := &g.Nodes[i]
		name := n.Op.String()
		if n.Op == net.Conv {
			name = fmt.Sprintf("conv %dx%d", n.Kernel, n.Kernel)
			if n.Stride > 1 {
				name += fmt.Sprintf(" stride %d", n.Stride)
			}
			if in := channels[n.In[0]]; n.Groups > 1 {
				name += fmt.Sprintf(", %d groups", n.Groups)
			} else if in < 16 {
				name += fmt.Sprintf(", %d channels", in)
			}
		}
		k := slices.IndexFunc(costs, func(c layerCost) bool { return c.Kind == name })
		if k < 0 {
			k = len(costs)
			costs = append(costs, layerCost{Kind: name})
		}
		costs[k].Count++
		costs[k].MACs += macs[i]
		kinds = append(kinds, k)
	}
	return kinds, costs
}

func (a *benchAnswer) printLayers(w io.Writer) {
	fmt.Fprintf(w, "%-26s %7s %8s %8s %7s %7s\n", "layers, 1 thread", "MMAC", "CPU ms", "GOP/s", "peak", "time")
	var sum layerCost
	for _, l := range a.Layers {
		sum.MACs, sum.MS, sum.Count = sum.MACs+l.MACs, sum.MS+l.MS, sum.Count+l.Count
		l.print(w)
	}
	sum.Kind, sum.GOPS, sum.Part = "network", gops(sum.MACs, sum.MS), 1
	if a.PeakGOPS > 0 {
		sum.Peak = sum.GOPS / a.PeakGOPS
	}
	sum.print(w)
	if a.PeakGOPS > 0 {
		fmt.Fprintf(w, "%-26s %7s %8s %8.1f\n", "peak, registers only", "", "", a.PeakGOPS)
	}
}

func (l *layerCost) print(w io.Writer) {
	name := l.Kind
	if l.Count > 1 {
		name = fmt.Sprintf("%s (%d)", name, l.Count)
	}
	if l.MACs == 0 {
		fmt.Fprintf(w, "%-26s %7s %8.3f %8s %7s %6.1f%%\n", name, "", l.MS, "", "", 100*l.Part)
		return
	}
	peak := ""
	if l.Peak > 0 {
		peak = fmt.Sprintf("%.1f%%", 100*l.Peak)
	}
	fmt.Fprintf(w, "%-26s %7.1f %8.3f %8.1f %7s %6.1f%%\n", name, float64(l.MACs)/1e6, l.MS, l.GOPS, peak, 100*l.Part)
}

// board names the machine as its firmware does.
func board() string {
	for _, path := range []string{"/sys/firmware/devicetree/base/model", "/sys/class/dmi/id/product_name"} {
		if b, err := os.ReadFile(path); err == nil {
			return strings.Trim(string(b), "\x00 \n")
		}
	}
	return "unknown"
}

// processor names the CPU: its model, or on ARM implementer, part and highest clock.
func processor() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	field := func(key string) string {
		for l := range strings.Lines(string(text)) {
			if k, v, ok := strings.Cut(l, ":"); ok && strings.TrimSpace(k) == key {
				return strings.TrimSpace(v)
			}
		}
		return ""
	}
	name := field("model name")
	if part := field("CPU part"); part != "" {
		name = strings.TrimSpace(fmt.Sprintf("%s implementer %s part %s", name, field("CPU implementer"), part))
	}
	if kHz, err := os.ReadFile("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq"); err == nil {
		name += fmt.Sprintf(", at most %s kHz", strings.TrimSpace(string(kHz)))
	}
	if name == "" {
		return "unknown " + runtime.GOARCH
	}
	return name
}

// release returns the running system's name and release.
func release() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return runtime.GOOS
	}
	return unix.ByteSliceToString(u.Sysname[:]) + " " + unix.ByteSliceToString(u.Release[:]) + " " + runtime.GOARCH
}
