//go:build linux

package pulse

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"cull/internal/mono"
	"cull/reject"
	"cull/reject/gpio"
)

// A Line is an output that can be handed to another process.
type Line struct {
	kind string // "gpio" or "trace"
	name string
	file *os.File
	reject.Line
}

// GPIO is a line of the kernel's GPIO character device. It stays open until the Process has ended.
func GPIO(o *gpio.Output) Line { return Line{"gpio", o.Name(), o.File(), o} }

// Trace is a line that is a file: every Set appends a line of text, the CLOCK_MONOTONIC instant in nanoseconds and 1 or 0.
// It shows what a machine's timing is worth where there is no GPIO.
func Trace(f *os.File) Line { return Line{"trace", "trace", f, trace{int(f.Fd())}} }

type trace struct{ fd int }

func (t trace) Set(active bool) error {
	var buf [24]byte
	b := buf[:]
	i := len(b) - 1
	b[i] = '\n'
	i--
	b[i] = '0'
	if active {
		b[i] = '1'
	}
	i--
	b[i] = ' '
	for v := mono.Now(); v > 0; v /= 10 {
		i--
		b[i] = byte('0' + v%10)
	}
	_, err := unix.Write(t.fd, b[i:])
	return err
}

// A Privilege says what the child was granted. Without them it works, with more jitter.
type Privilege struct {
	FIFO   error // nil: the thread is SCHED_FIFO
	Locked error // nil: its memory is locked
}

// String says it in a line for the log.
func (p Privilege) String() string {
	say := func(what string, err error) string {
		if err != nil {
			return fmt.Sprintf("no %s (%v)", what, err)
		}
		return what
	}
	return say("SCHED_FIFO", p.FIFO) + ", " + say("locked memory", p.Locked)
}

// startLimit is how long the child may take to say hello.
const startLimit = 10 * time.Second

// Start starts the pulse process, which drives the line of the rejecter and the other outputs; all are made inactive. The
// main function (and TestMain) must call Child first. The lines stay the caller's to close, after Run or Close.
//
//	p, granted, err := pulse.Start(pulse.GPIO(rejecter), []pulse.Line{pulse.GPIO(ready), pulse.GPIO(okToRun)}, options)
//	line.Options{
//		Rejecter: func(func(reject.Outcome)) (line.Rejecter, error) { return p, nil }, // options.Report is the argument
//		Outputs:  line.Outputs{Ready: p.Output(0), OK: p.Output(1)},
//	}
func Start(rejecter Line, outputs []Line, o Options) (*Process, Privilege, error) {
	if err := o.complete(); err != nil {
		return nil, Privilege{}, err
	}
	lines := append([]Line{rejecter}, outputs...)
	l, err := fork(lines)
	if err != nil {
		return nil, Privilege{}, fmt.Errorf("pulse: start: %w", err)
	}
	own := make([]reject.Line, len(lines))
	for i := range lines {
		own[i] = lines[i]
	}
	p := newProcess(l, own, o)
	patience := time.NewTimer(startLimit)
	defer patience.Stop()
	select {
	case m := <-p.hello:
		return p, Privilege{granted(uint32(m.errno)), granted(m.seq)}, nil
	case <-p.down:
	case <-patience.C:
		p.fail(ErrHung)
		<-p.down
	}
	return nil, Privilege{}, fmt.Errorf("pulse: start: %w", p.Close())
}

func granted(errno uint32) error {
	if errno == 0 {
		return nil
	}
	return syscall.Errno(errno)
}

// name is the child's argv[0], and what tells it that it is one. Arguments that follow name its lines for ps(1).
const name = "cull-pulse"

// fork starts the child: descriptor 3 is its end of the socket pair, the lines follow.
func fork(lines []Line) (*process, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socketpair: %w", err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "pulse child")
	defer theirs.Close()
	if err := unix.SetNonblock(pair[0], true); err != nil {
		unix.Close(pair[0])
		return nil, err
	}
	ours := os.NewFile(uintptr(pair[0]), "pulse parent")
	cmd := &exec.Cmd{
		Path: "/proc/self/exe", // this binary, even if its file has been replaced
		Args: []string{name},
		// One P for the thread and one for the runtime; the heap is bounded, not collected.
		Env:         []string{"GOMAXPROCS=2", "GOGC=off", "GOMEMLIMIT=32MiB", "GODEBUG=asyncpreemptoff=1"},
		Dir:         "/",
		Stderr:      os.Stderr,
		ExtraFiles:  []*os.File{theirs},
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true},
	}
	for _, l := range lines {
		cmd.Args = append(cmd.Args, l.kind+":"+l.name)
		cmd.ExtraFiles = append(cmd.ExtraFiles, l.file)
	}
	if err := cmd.Start(); err != nil {
		ours.Close()
		return nil, err
	}
	conn, err := ours.SyscallConn()
	if err != nil {
		return nil, errors.Join(err, cmd.Process.Kill(), cmd.Wait(), ours.Close())
	}
	return &process{cmd: cmd, conn: ours, raw: conn}, nil
}

// A process is the link to a child.
type process struct {
	cmd  *exec.Cmd
	conn *os.File
	raw  syscall.RawConn
}

// send does not block. A closed socket is no error: receive tells.
func (p *process) send(m *message) error {
	var b [messageSize]byte
	m.put(&b)
	var err error
	if e := p.raw.Write(func(fd uintptr) bool {
		err = unix.Send(int(fd), b[:], unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		return true
	}); e != nil || errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) {
		return nil
	}
	return err
}

func (p *process) receive() (message, error) {
	var b [messageSize + 1]byte
	n, err := p.conn.Read(b[:])
	if errors.Is(err, unix.ECONNRESET) { // it ended with messages unread; what it said is still there
		n, err = p.conn.Read(b[:])
	}
	if err != nil {
		return message{}, err
	}
	var m message
	if !m.parse(b[:n]) {
		return m, fmt.Errorf("a message of %d bytes that is none", n)
	}
	return m, nil
}

func (p *process) kill() { p.cmd.Process.Kill() } //nolint:errcheck // it has ended already

func (p *process) wait() error {
	err := p.cmd.Wait()
	p.conn.Close()
	return err
}

// pid of the child, for tests.
func (p *process) pid() int { return p.cmd.Process.Pid }

// describe says who is asked for when a user starts the child by hand.
func describe(args []string) string {
	return fmt.Sprintf("%s drives outputs for cull run, which starts it by itself (lines: %s)", name, strings.Join(args, " "))
}
