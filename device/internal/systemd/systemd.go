//go:build linux

// Package systemd speaks the two datagram protocols of a service: sd_notify(3) to the
// service manager, and the native protocol of the journal, which carries fields.
//
// Nothing here waits for a reader. A send that would block says ErrStuck, and the caller
// decides what to do with the message.
package systemd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// JournalSocket is where journald listens.
const JournalSocket = "/run/systemd/journal/socket"

// ErrStuck says that the receiver does not read: its queue is full.
var ErrStuck = errors.New("systemd: the receiver does not read")

// Notify tells the service manager what state the service is in, as lines of sd_notify(3):
// "READY=1\nSTATUS=streaming". Without a service manager it does nothing.
func Notify(state string) error {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return nil
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("systemd: notify: %w", err)
	}
	defer unix.Close(fd)
	// A path that begins with @ is one of Linux's abstract sockets: x/sys replaces the sign.
	if err := send(fd, path, []byte(state), nil); err != nil {
		return fmt.Errorf("systemd: notify %s: %w", path, err)
	}
	return nil
}

// WatchdogTime returns how often the service manager wants a sign of life; 0: never.
func WatchdogTime() time.Duration {
	if pid := os.Getenv("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0
	}
	us, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	if err != nil || us <= 0 {
		return 0
	}
	return time.Duration(us) * time.Microsecond
}

// LoggedByJournal reports whether f is the stream that the service manager connected to
// the journal: what $JOURNAL_STREAM names.
func LoggedByJournal(f *os.File) bool {
	dev, ino, ok := strings.Cut(os.Getenv("JOURNAL_STREAM"), ":")
	if !ok {
		return false
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return false
	}
	return dev == strconv.FormatUint(uint64(st.Dev), 10) && ino == strconv.FormatUint(st.Ino, 10) //nolint:unconvert // 32 bits on arm
}

// A Journal sends records to journald. Its methods are for one goroutine.
type Journal struct {
	path string
	fd   int
}

// OpenJournal returns a Journal that sends to the socket at path, which need not be there.
func OpenJournal(path string) (*Journal, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("systemd: journal: %w", err)
	}
	return &Journal{path, fd}, nil
}

// Send sends one record made by AppendField. A record too large for a datagram goes as a
// sealed memory file. The error is ErrStuck where journald does not read, and another
// where it is not there.
func (j *Journal) Send(record []byte) error {
	err := send(j.fd, j.path, record, nil)
	if errors.Is(err, unix.EMSGSIZE) || errors.Is(err, unix.ENOBUFS) {
		err = j.sendFile(record)
	}
	if err != nil {
		return fmt.Errorf("systemd: journal %s: %w", j.path, err)
	}
	return nil
}

func (j *Journal) sendFile(record []byte) error {
	fd, err := unix.MemfdCreate("cull-journal", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for b := record; len(b) > 0; {
		n, err := unix.Write(fd, b)
		if err != nil {
			return err
		}
		b = b[n:]
	}
	const seals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		return err
	}
	return send(j.fd, j.path, nil, unix.UnixRights(fd))
}

// Close ends the Journal.
func (j *Journal) Close() error { return unix.Close(j.fd) }

func send(fd int, path string, b, rights []byte) error {
	for {
		err := unix.Sendmsg(fd, b, rights, &unix.SockaddrUnix{Name: path}, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return ErrStuck
		}
		return err
	}
}

// MaxName is the longest name of a field.
const MaxName = 64

// AppendField appends a field in journald's export form: NAME=value, or with its length where
// the value has line ends. A name that journald would refuse is an error: it has capitals,
// digits and underscores, and begins with a capital.
func AppendField(b []byte, name, value string) ([]byte, error) {
	if !validName(name) {
		return b, fmt.Errorf("systemd: journal: no name of a field: %q", name)
	}
	b = append(b, name...)
	if !strings.ContainsRune(value, '\n') {
		b = append(b, '=')
		return append(append(b, value...), '\n'), nil
	}
	b = append(b, '\n')
	b = binary.LittleEndian.AppendUint64(b, uint64(len(value)))
	return append(append(b, value...), '\n'), nil
}

func validName(name string) bool {
	if name == "" || len(name) > MaxName || name[0] < 'A' || name[0] > 'Z' {
		return false
	}
	for _, c := range []byte(name) {
		if (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}
