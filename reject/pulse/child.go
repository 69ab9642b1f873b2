//go:build linux

package pulse

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"cull/internal/mono"
	"cull/reject"
	"cull/reject/gpio"
)

// priority of the child's thread, of SCHED_FIFO's 1 to 99: that of threaded interrupt handlers.
const priority = 50

// lead is how long before an edge the child stops listening.
const lead = time.Millisecond

// Child is the pulse process when Start has started this one as such; it then does not return. Otherwise it does nothing.
func Child() {
	if os.Args[0] != name {
		return
	}
	runtime.LockOSThread()
	if err := child(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// child serves until the parent ends it or is no more.
func child(args []string) error {
	signal.Ignore(unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT, unix.SIGABRT, unix.SIGPIPE,
		unix.SIGUSR1, unix.SIGUSR2, unix.SIGALRM, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU)
	const socket = 3
	if kind, err := unix.GetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_TYPE); err != nil || kind != unix.SOCK_SEQPACKET {
		return errors.New(describe(args))
	}
	if err := unix.SetNonblock(socket, true); err != nil {
		return err
	}
	outs := make([]reject.Line, len(args))
	for i, a := range args {
		fd := socket + 1 + i
		kind, ref, _ := strings.Cut(a, ":")
		switch kind {
		case "gpio":
			outs[i] = gpio.Inherit(uintptr(fd), ref)
		case "trace":
			outs[i] = trace{fd}
		default:
			return errors.New(describe(args))
		}
	}
	if len(outs) == 0 {
		return errors.New(describe(args))
	}
	c := &server{socket: socket}
	c.unit = newUnit(outs, mono.Now, c.send)
	c.unit.begin()
	rehearse()
	sched, lock := privilege()
	if c.unit.ended { // an output cannot be made inactive: bye has said so
		return nil
	}
	c.unit.say(message{kind: hello, errno: uint16(sched), seq: uint32(lock)})
	c.serve()
	return nil
}

// rehearse runs the code and touches the memory of a pulse, before memory is locked.
func rehearse() {
	var now time.Duration
	u := newUnit([]reject.Line{nowhere{}}, func() time.Duration { return now }, func(message) bool { return true })
	u.handle(&message{kind: start, id: mostWaiting, due: 1, at: 10, width: 1 << 40})
	for range 3 {
		u.handle(&message{kind: push, id: 1, due: now, width: 1})
		u.step()
		now += 2
		u.step()
	}
}

type nowhere struct{}

func (nowhere) Set(bool) error { return nil }

// privilege asks for a real-time thread and locked memory, and returns why either was refused.
func privilege() (sched, lock syscall.Errno) {
	os.WriteFile("/proc/self/comm", []byte(name), 0) //nolint:errcheck // only what ps shows
	unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)   //nolint:errcheck // it matters without SCHED_FIFO only
	lock = errno(unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT))
	return realTime(), lock
}

// realTime makes every thread a real-time one, not just this: when its sleep ends, this one may have to wait for a lock
// or a processor of Go's scheduler that another thread of the runtime holds, and that one must not starve meanwhile.
// Threads to come inherit it. It returns why it was refused.
func realTime() syscall.Errno {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return errno(err)
	}
	for _, t := range tasks {
		tid, err := strconv.Atoi(t.Name())
		if err != nil {
			continue
		}
		if err := unix.SchedSetAttr(tid, &unix.SchedAttr{
			Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: priority,
		}, 0); err != nil {
			return errno(err)
		}
	}
	return 0
}

func errno(err error) syscall.Errno {
	e, _ := errors.AsType[syscall.Errno](err)
	return e
}

// A server joins a unit to the socket and the clock.
type server struct {
	*unit
	socket int
	in     [messageSize + 1]byte
	out    [messageSize]byte
	poll   [1]unix.PollFd
}

// serve runs until the unit has ended. It allocates nothing.
func (c *server) serve() {
	for !c.ended {
		if c.read() {
			c.step()
			c.wait(c.next())
		}
	}
}

// mostRead bounds how many messages are taken before the pulses get their turn.
const mostRead = 64

// read handles what has arrived. It reports false when there may be more.
func (c *server) read() bool {
	for range mostRead {
		n, err := unix.Read(c.socket, c.in[:])
		var m message
		switch {
		case err == unix.EAGAIN: //nolint:errorlint // the call returns it bare
			return true
		case err == unix.EINTR: //nolint:errorlint // the same
			continue
		case err != nil || n == 0:
			c.end(gone, nil)
			return true
		case !m.parse(c.in[:n]):
			c.end(garbled, nil)
			return true
		}
		c.handle(&m)
	}
	c.step()
	return false
}

// wait returns at the instant until, or earlier when there is a message.
func (c *server) wait(until time.Duration) {
	if c.ended {
		return
	}
	left := until - c.now()
	switch {
	case left <= 0:
	case left <= lead:
		at := unix.NsecToTimespec(int64(until))
		unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &at, nil) //nolint:errcheck // serve looks at the clock
	default:
		c.poll[0] = unix.PollFd{Fd: int32(c.socket), Events: unix.POLLIN}
		most := unix.NsecToTimespec(int64(min(left-lead, time.Hour)))
		unix.Ppoll(c.poll[:], &most, nil) //nolint:errcheck // serve looks at socket and clock
	}
}

func (c *server) send(m message) bool {
	m.put(&c.out)
	err := unix.Send(c.socket, c.out[:], unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	return err != unix.EAGAIN //nolint:errorlint // the call returns it bare; a closed socket shows in read
}
