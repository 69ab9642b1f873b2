// Icount counts the instructions that the arm64 kernels execute on the shipped network, under qemu-user with a plugin:
// `make icount` from the root of the repository. It needs gcc and qemu-user.
//
// An instruction count is no time: it does not know caches, latencies or how many instructions a core starts in a cycle.
package main

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// The kernels, each on a CPU of the kind that would choose it.
var kernels = []struct{ name, cpu string }{
	{"generic", "cortex-a72"},
	{"neon", "cortex-a72"},
	{"neondot", "cortex-a76"},
	{"neoni8mm", "max"},
}

// least is the share of a phase below which a function has no line of its own.
const least = 0.01

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "icount:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 2 && args[0] == "work" {
		return work(os.Stdout, args[1])
	}
	dir, err := os.MkdirTemp("", "icount")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	plugin, program := filepath.Join(dir, "count.so"), filepath.Join(dir, "icount")
	if err := execute(nil, "gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", plugin,
		"testbed/icount/plugin/count.c"); err != nil {
		return err
	}
	arm64 := []string{"GOARCH=arm64", "CGO_ENABLED=0"}
	if err := execute(arm64, "go", "build", "-o", program, "./testbed/icount"); err != nil {
		return err
	}
	if err := teach(dir); err != nil {
		return err
	}
	fmt.Printf("arm64 instructions executed, %s; kernel = in assembly\n", runtime.Version())
	for _, k := range kernels {
		if len(args) > 0 && !slices.Contains(args, k.name) {
			continue
		}
		file := filepath.Join(dir, k.name)
		cmd := exec.Command("qemu-aarch64", "-cpu", k.cpu, "-plugin", plugin+",out="+file, program, "work", dir)
		cmd.Env = append(os.Environ(), "CULL_KERNEL="+k.name, "GOMAXPROCS=1")
		cmd.Stderr = os.Stderr
		text, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
		phases, err := parse(string(text), file)
		if err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
		fmt.Printf("\n%s (qemu -cpu %s)\n", k.name, k.cpu)
		print(os.Stdout, append(phases, sum(phases)))
	}
	return nil
}

func execute(env []string, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// A phase is what was counted of one kind of work.
type phase struct {
	name      string
	macs      int64 // 0: none to speak of
	functions []function
}

type function struct {
	name         string
	instructions int64
}

// total returns all instructions, and those of assembly.
func (p *phase) total() (all, assembly int64) {
	for _, f := range p.functions {
		all += f.instructions
		if isAssembly(f.name) {
			assembly += f.instructions
		}
	}
	return all, assembly
}

// isAssembly reports whether f is one of our kernels; their names end with their instruction set or say Lanes.
func isAssembly(f string) bool {
	_, f, ok := strings.Cut(f, "/kernel.")
	for _, suffix := range []string{"NEON", "Dot", "Matrix", "Lanes"} {
		if ok && strings.HasSuffix(strings.TrimSuffix(f, ".abi0"), suffix) {
			return true
		}
	}
	return false
}

// parse joins what the program said, lines "phase N MACS NAME", and the plugin's file, lines "N COUNT FUNCTION".
func parse(said, file string) ([]phase, error) {
	var phases []phase
	for l := range strings.Lines(said) {
		f := strings.SplitN(strings.TrimSpace(l), " ", 4)
		if len(f) != 4 || f[0] != "phase" || f[1] != strconv.Itoa(len(phases)+1) {
			return nil, fmt.Errorf("the program said %q", l)
		}
		macs, err := strconv.ParseInt(f[2], 10, 64)
		if err != nil {
			return nil, err
		}
		phases = append(phases, phase{name: f[3], macs: macs})
	}
	counts, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer counts.Close()
	s := bufio.NewScanner(counts)
	for s.Scan() {
		f := strings.SplitN(s.Text(), " ", 3)
		if len(f) != 3 {
			return nil, fmt.Errorf("the plugin wrote %q", s.Text())
		}
		n, err := strconv.Atoi(f[0])
		if err != nil || n < 1 || n > len(phases) {
			return nil, fmt.Errorf("the plugin wrote phase %q", f[0])
		}
		count, err := strconv.ParseInt(f[1], 10, 64)
		if err != nil {
			return nil, err
		}
		phases[n-1].functions = append(phases[n-1].functions, function{f[2], count})
	}
	return phases, s.Err()
}

// sum returns the whole network.
func sum(phases []phase) phase {
	all := phase{name: "network"}
	counts := make(map[string]int64)
	for _, p := range phases {
		if strings.HasPrefix(p.name, network) {
			all.macs += p.macs
			for _, f := range p.functions {
				counts[f.name] += f.instructions
			}
		}
	}
	for name, n := range counts {
		all.functions = append(all.functions, function{name, n})
	}
	return all
}

func print(w io.Writer, phases []phase) {
	fmt.Fprintf(w, "%-52s %8s %9s %9s %8s %8s\n", "", "MMAC", "M instr", "kernel", "/ MAC", "kernel")
	for i := range phases {
		p := &phases[i]
		all, assembly := p.total()
		fmt.Fprintf(w, "%-52s %8s %9.3f %8.1f%% %8s %8s\n", p.name, millions(p.macs), float64(all)/1e6,
			100*float64(assembly)/float64(all), per(all, p.macs), per(assembly, p.macs))
		slices.SortFunc(p.functions, func(a, b function) int { return cmp.Compare(b.instructions, a.instructions) })
		for _, f := range p.functions {
			if float64(f.instructions) >= least*float64(all) {
				fmt.Fprintf(w, "  %-50s %8s %9.3f %8.1f%%\n", f.name, "", float64(f.instructions)/1e6,
					100*float64(f.instructions)/float64(all))
			}
		}
	}
}

func millions(macs int64) string {
	if macs == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", float64(macs)/1e6)
}

func per(instructions, macs int64) string {
	if macs == 0 {
		return ""
	}
	return fmt.Sprintf("%.4f", float64(instructions)/float64(macs))
}
