//go:build linux

package main

import (
	"debug/elf"
	"debug/gosym"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// hang makes the inspection that is just under way an endless loop, by ptrace: the thread that is inside the
// network or the scoring gets a branch to itself at the Go code it executes or returns to, and goes on. Nothing
// else is touched: other threads run, the garbage collector can interrupt the loop. hang says
// where it is, then watches the HEARTBEAT output until the process is gone: the line's loop turned until then, or
// hang fails.
func hang(pid int, heartbeat line) error {
	runtime.LockOSThread() // a tracer is a thread
	exe := fmt.Sprintf("/proc/%d/exe", pid)
	names, err := symbols(exe)
	if err != nil {
		return fmt.Errorf("%s: %w", exe, err)
	}
	fmt.Println("armed")
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
		if err != nil {
			return err
		}
		for _, task := range tasks {
			tid, err := strconv.Atoi(filepath.Base(task))
			if err != nil || !running(task) {
				continue
			}
			where, err := trap(tid, names)
			if err != nil && !errors.Is(err, unix.ESRCH) { // it has just ended
				return fmt.Errorf("thread %d: %w", tid, err)
			}
			if where != "" {
				fmt.Printf("an endless loop in %s\n", where)
				return heartbeats(pid, heartbeat)
			}
		}
	}
	return fmt.Errorf("process %d does not inspect", pid)
}

// trap puts the endless loop under a thread that inspects and returns the function; "" if it does not inspect.
func trap(tid int, names *gosym.Table) (where string, err error) {
	pc, back, err := seize(tid)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, unix.PtraceDetach(tid)) }()
	if f := names.PCToFunc(pc); f == nil || !inspects(f.Name) {
		return "", nil
	}
	for _, at := range []uint64{pc, back} { // back: from assembly
		file, line, f := names.PCToLine(at)
		if f != nil && inspects(f.Name) && strings.HasSuffix(file, ".go") {
			_, err := unix.PtracePokeText(tid, uintptr(at), endless)
			return fmt.Sprintf("%s, %s:%d", f.Name, filepath.Base(file), line), err
		}
	}
	return "", nil
}

func inspects(function string) bool {
	return strings.HasPrefix(function, "cull/infer") || strings.HasPrefix(function, "cull/padim")
}

// running reports whether a thread is on a CPU or waits for one.
func running(task string) bool {
	b, err := os.ReadFile(task + "/stat")
	_, rest, ok := strings.Cut(string(b), ") ")
	return err == nil && ok && rest[0] == 'R'
}

// seize stops one thread and returns where it stands and where a leaf function would return to.
func seize(tid int) (pc, back uint64, err error) {
	if err := unix.PtraceSeize(tid); err != nil {
		return 0, 0, err
	}
	if err := unix.PtraceInterrupt(tid); err != nil {
		return 0, 0, err
	}
	const allThreads = 0x40000000 // __WALL
	if _, err := unix.Wait4(tid, nil, allThreads, nil); err != nil {
		return 0, 0, err
	}
	return registers(tid)
}

// symbols reads the functions of a Go binary.
func symbols(exe string) (*gosym.Table, error) {
	f, err := elf.Open(exe)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, tab := f.Section(".text"), f.Section(".gopclntab")
	if text == nil || tab == nil {
		return nil, errors.New("no Go binary")
	}
	b, err := tab.Data()
	if err != nil {
		return nil, err
	}
	return gosym.NewTable(nil, gosym.NewLineTable(b, text.Addr))
}

// heartbeats counts the changes of a line until the process is gone, and says when the last one was.
func heartbeats(pid int, l line) error {
	began, was, n, last := time.Now(), false, 0, time.Now()
	for unix.Kill(pid, 0) == nil {
		on, err := l.high()
		if err != nil {
			return err
		}
		if on != was {
			n, was, last = n+1, on, time.Now()
		}
		time.Sleep(50 * time.Millisecond)
	}
	alive, silent := last.Sub(began), time.Since(last)
	fmt.Printf("heartbeat changed %d times in %.0f s, the last time %.0f s before the end\n", n, alive.Seconds(), silent.Seconds())
	if n < 20 || silent > 10*time.Second {
		return errors.New("the line's loop hung too")
	}
	return nil
}
