package record

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"time"
)

// Kinds of entries.
const (
	KindStart = "start" // the line began to run
	KindBegin = "begin" // a part is under way
	KindPart  = "part"  // a part ended
	KindState = "state" // the line changed its state
	KindGap   = "gap"   // Unlogged entries could not be written before this one
	KindOpen  = "open"  // a new file begins while a line runs: Under are the parts under way
	KindEnd   = "end"   // the line ended; State StateFoul: somebody has to clear the belt; Error: why it failed
)

// StateFoul is the State of an end that left parts on the belt, or a line that waited for a reset.
const StateFoul = "stopped"

// An Entry is one line of the log. Times in microseconds are integers; Score and
// Threshold are written so that they read back to the same bits.
type Entry struct {
	Kind string    `json:"kind"`
	Time time.Time `json:"time"` // of the trigger, for a part; else of the entry

	Part      uint64   `json:"part_id,omitempty"` // of other kinds: the highest given by then
	Verdict   string   `json:"verdict,omitempty"` // PASS, REJECT, STOP
	Reason    string   `json:"reason,omitempty"`
	Score     *float64 `json:"score,omitempty"` // absent: not judged
	Threshold *float64 `json:"threshold,omitempty"`
	FrameSeq  uint32   `json:"frame_seq,omitempty"`
	CaptureUS int64    `json:"capture_us,omitempty"`    // trigger to frame in hand
	InferUS   int64    `json:"infer_us,omitempty"`      // inspection alone
	TotalUS   int64    `json:"total_us,omitempty"`      // trigger to verdict
	SlackUS   *int64   `json:"slack_us,omitempty"`      // verdict to pulse due
	LateUS    *int64   `json:"fired_late_us,omitempty"` // pulse due to pulse; absent: not fired
	Confirm   string   `json:"confirm,omitempty"`       // confirmed, missing, extra
	Error     string   `json:"error,omitempty"`

	State    string `json:"state,omitempty"`
	Product  string `json:"product,omitempty"`        // of a start: what the line was taught
	Taught   string `json:"product_sha256,omitempty"` // of a start: the product file's digest; absent: taught just now
	Model    string `json:"model_sha256,omitempty"`
	Unlogged uint64 `json:"unlogged,omitempty"` // of a gap

	Under []Span `json:"under_way,omitempty"` // of an open
}

// A Span is the ids from the first to the last, both included.
type Span [2]uint64

// spans returns ascending ids as the fewest spans.
func spans(ids []uint64) (all []Span) {
	for _, id := range ids {
		if n := len(all); n > 0 && all[n-1][1]+1 == id {
			all[n-1][1] = id
			continue
		}
		all = append(all, Span{id, id})
	}
	return all
}

// maxLine bounds an entry: a longer line is damage.
const maxLine = 1 << 16

// crcKey precedes the checksum, which is the last member of every line:
//
//	{"kind":"part",...,"crc32c":"9ae0daaf"}\n
//
// CRC-32C (Castagnoli) of everything before the comma.
const crcKey = `,"crc32c":"`

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Errors of a damaged line.
var (
	errFrame = errors.New("not a line with a checksum")
	errSum   = errors.New("checksum does not match")
)

// Unnumbered is e without a score and threshold that JSON has no number for, which why says: the verdict stays.
func (e Entry) Unnumbered(why error) Entry {
	e.Score, e.Threshold = nil, nil
	if e.Error != "" {
		e.Error += "; "
	}
	e.Error += why.Error()
	return e
}

// append1 appends e as a line.
func append1(dst []byte, e *Entry) ([]byte, error) {
	text, err := json.Marshal(e)
	if err != nil {
		return dst, fmt.Errorf("record: part %d: %w", e.Part, err)
	}
	if len(text) > maxLine-64 {
		return dst, fmt.Errorf("record: part %d: an entry of %d bytes", e.Part, len(text))
	}
	text = text[:len(text)-1] // without the brace
	dst = append(dst, text...)
	dst = append(dst, crcKey...)
	dst = sum(dst, text)
	return append(dst, "\"}\n"...), nil
}

// sum appends the checksum of text in lower-case hexadecimal.
func sum(dst, text []byte) []byte {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], crc32.Checksum(text, castagnoli))
	return hex.AppendEncode(dst, b[:])
}

// parse reads one line without its newline.
func parse(line []byte) (Entry, error) {
	const tail = len(crcKey) + 8 + len(`"}`)
	body := len(line) - tail
	if body < 1 || !bytes.Equal(line[body:body+len(crcKey)], []byte(crcKey)) ||
		!bytes.HasSuffix(line, []byte(`"}`)) {
		return Entry{}, errFrame
	}
	if !bytes.Equal(line[body+len(crcKey):len(line)-2], sum(nil, line[:body])) {
		return Entry{}, errSum
	}
	var e Entry
	text := append(line[:body:body], '}')
	if err := json.Unmarshal(text, &e); err != nil {
		return Entry{}, fmt.Errorf("%w: %w", errFrame, err)
	}
	return e, nil
}
