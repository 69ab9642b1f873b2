package pulse

import (
	"encoding/binary"
	"fmt"
	"time"
)

// A message is what parent and child say to each other: 48 bytes, little-endian, one a packet.
//
//	0  magic 0xc011   2  version   3  kind   4  out   5  code   6  errno
//	8  seq   12  zero   16  id   24  due   32  at   40  width
//
// Instants are the kernel's CLOCK_MONOTONIC, which both processes share: a step of the wall clock moves no pulse.
type message struct {
	kind  kind
	out   uint8 // of the outputs; of start: reject.Overlap
	code  code
	errno uint16
	seq   uint32 // joins an answer to its question
	id    uint64 // of the part; of start: most pulses that wait
	due   time.Duration
	at    time.Duration
	width time.Duration
}

const (
	magic       = 0xc011
	version     = 1
	messageSize = 48
)

// A kind says what a message is about.
type kind uint8

const (
	// From the parent.
	start  kind = iota + 1 // due: latest; at: longest on-time; width: longest silence of the parent
	push                   // a pulse: id, due, width
	move                   // a waiting pulse: id, due
	cancel                 // a waiting pulse: id; answered
	set                    // output out, active if id is 1; answered
	alive                  // answered
	stop                   // go safe and end

	// From the child.
	hello   // errno: why there is no SCHED_FIFO; seq: why memory is not locked
	answer  // to seq; of cancel: id
	outcome // of a pulse: id, due, at, code
	bye     // the last one; code: why
	kinds
)

// A code says how something ended.
type code uint8

const (
	ok      code = iota
	absent       // nothing of that id waits
	late         // the pulse's time has passed
	full         // too many pulses wait
	closed       // the child ended first
	onTime       // the longest on-time cuts the pulse short
	lineOn       // the line cannot be made active: errno
	lineOff      // the line cannot be made inactive: errno
	silent       // the parent has not spoken for too long
	gone         // the parent has closed its end
	deaf         // the parent does not read
	garbled      // the parent sent what is no message
	codes
)

// put writes m.
func (m *message) put(b *[messageSize]byte) {
	le := binary.LittleEndian
	le.PutUint16(b[0:], magic)
	b[2], b[3], b[4], b[5] = version, byte(m.kind), m.out, byte(m.code)
	le.PutUint16(b[6:], m.errno)
	le.PutUint32(b[8:], m.seq)
	le.PutUint32(b[12:], 0)
	le.PutUint64(b[16:], m.id)
	le.PutUint64(b[24:], uint64(m.due))
	le.PutUint64(b[32:], uint64(m.at))
	le.PutUint64(b[40:], uint64(m.width))
}

// parse reads a packet. It reports false for what put does not write.
func (m *message) parse(b []byte) bool {
	le := binary.LittleEndian
	if len(b) != messageSize || le.Uint16(b) != magic || b[2] != version || le.Uint32(b[12:]) != 0 {
		return false
	}
	*m = message{
		kind: kind(b[3]), out: b[4], code: code(b[5]), errno: le.Uint16(b[6:]), seq: le.Uint32(b[8:]),
		id: le.Uint64(b[16:]), due: time.Duration(le.Uint64(b[24:])), at: time.Duration(le.Uint64(b[32:])),
		width: time.Duration(le.Uint64(b[40:])),
	}
	return m.kind >= start && m.kind < kinds && m.code < codes
}

func (k kind) String() string {
	names := [kinds]string{
		"", "start", "push", "move", "cancel", "set", "alive", "stop", "hello", "answer", "outcome", "bye",
	}
	if k < kinds {
		return names[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}
