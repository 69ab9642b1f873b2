// Package line tracks parts from trigger to rejecter: every part that passes the
// sensor ends as PASS, REJECT or STOP, with a record.
//
//	trigger -> part -> frame by time window -> inspection -> verdict -> pulse after travel -> record
//
// One goroutine owns all state (Line.Run). Camera, sensor, inspection and rejecter
// have goroutines of their own and hand over by channels. What is not known in time
// counts as bad: a part whose frame is lost, whose verdict is late or whose
// inspection fails is rejected, and after Options.StopAfter such parts in a row the
// OK-to-run output drops until Reset.
package line

import (
	"context"
	"time"

	"cull/capture"
	"cull/reject"
)

// A Finding is what an inspection says of one frame.
type Finding struct {
	Reject           bool
	Score, Threshold float64
}

// An Inspector judges frames, one at a time. The frame is on loan until Inspect
// returns; Inspect may release it earlier.
type Inspector interface {
	Inspect(f *capture.Frame) (Finding, error)
}

// A Trigger is an edge of an input: of the part sensor, of REJECT-CONFIRM or of RESET.
type Trigger struct {
	At    time.Time // of the edge, not of its delivery
	Count int64     // where the belt was then; zero without an encoder
	Seq   uint32    // counts edges from 1; a gap means that some were lost
}

// Triggers delivers an input's edges in order. Next blocks until there is one or ctx ends.
// io.EOF says that there will be no more: when the part sensor says so, the line clears and ends.
type Triggers interface {
	Next(ctx context.Context) (Trigger, error)
}

// A Position says where the belt was at an instant: the encoder's latest edge.
type Position struct {
	Count  int64
	At     time.Time
	Period time.Duration // from the edge before, for each count; 0: not known
	Unread bool          // there are newer edges, which this process has not read yet
}

// An Encoder tells the belt's position. It is polled while parts are under way.
type Encoder interface {
	Position() Position
}

// A Rejecter fires pulses at their time; *reject.Queue is one. Run drives the output
// until ctx ends and leaves it inactive.
type Rejecter interface {
	Push(id uint64, due time.Time) error
	Move(id uint64, due time.Time) error
	Cancel(id uint64) bool
	Run(ctx context.Context) error
}

// A Recorder keeps what became of every part. Its methods do not block.
type Recorder interface {
	Ready() error // not nil: a record made now would be lost
	// Begin notes that a part is under way; Append follows, once, unless the process dies first:
	// the next run then gets the part in Options.Unfinished.
	Begin(id uint64, tr Trigger)
	Append(Part)
}

// Outputs are the lines to the machine's control. Nil lines are not there. All are
// inactive when Run returns.
type Outputs struct {
	Ready     reject.Line // a part that comes now will be judged in time
	Busy      reject.Line // parts are under way
	OK        reject.Line // OK-to-run: inactive is the FAULT that stops the belt
	Heartbeat reject.Line // changes state every Options.Heartbeat while Run is alive
}

// A Verdict is how a part ends.
type Verdict uint8

// The three ends of a part. Pass: judged good. Reject: judged bad, or not judged in
// time, and the rejecter fired. Stop: neither; the line has stopped and the part has
// to be taken out by hand.
const (
	Pass Verdict = iota + 1
	Reject
	Stop
)

// String returns PASS, REJECT or STOP.
func (v Verdict) String() string {
	switch v {
	case Pass:
		return "PASS"
	case Reject:
		return "REJECT"
	case Stop:
		return "STOP"
	}
	return "NONE"
}

// A Reason says why a part ended as it did.
type Reason string

// Reasons. FrameLost to Unrecorded count as uninspected, the others do not. PulseFailed, NotConfirmed and Unrecorded
// may be of parts that were judged.
const (
	ByScore        Reason = "score"
	FrameLost      Reason = "frame lost"      // no frame in the part's window
	FrameAmbiguous Reason = "frame ambiguous" // the frame may show the next part
	FrameBlack     Reason = "frame black"     // Options.Check says so, as of the next four
	FrameSaturated Reason = "frame saturated"
	FrameBlurred   Reason = "frame blurred"
	FrameFrozen    Reason = "frame frozen"
	FrameUnfit     Reason = "frame unfit"       // any other error of Options.Check
	DeadlineMissed Reason = "deadline missed"   // no verdict before the rejecter
	QueueFull      Reason = "queue full"        // too many frames wait for inspection
	Failed         Reason = "inspection failed" // it returned an error or panicked
	Unrecorded     Reason = "no record"         // good, but the log cannot take the record
	TriggerMissed  Reason = "trigger missed"    // the sensor lost the part's edge
	TooMany        Reason = "too many parts"    // more than Options.MaxParts under way
	PulseFailed    Reason = "pulse failed"      // bad, but the rejecter did not fire
	NotConfirmed   Reason = "confirm missing"   // bad, the rejecter fired, but no sensor saw the part go
	OutputStuck    Reason = "output failed"     // an output of the line did not follow
	SensorLost     Reason = "sensor lost"       // an input of the line failed
	BeltLost       Reason = "belt lost"         // parts come, and the encoder does not advance
	LineStopped    Reason = "line stopped"      // came while the line was stopped
	Shutdown       Reason = "shutdown"          // under way when the line ended
	Interrupted    Reason = "interrupted"       // under way when an earlier process died
)

// A Confirmation is what the REJECT-CONFIRM sensor says of a rejected part.
type Confirmation uint8

// Confirmations. Zero: there is no such sensor, or no pulse.
const (
	Confirmed      Confirmation = iota + 1 // one edge in the part's window
	ConfirmMissing                         // none: the part may still be on the belt
	ConfirmExtra                           // more than one: a neighbour went too, or the sensor bounces
)

// String returns confirmed, missing or extra, and nothing for zero.
func (c Confirmation) String() string {
	switch c {
	case Confirmed:
		return "confirmed"
	case ConfirmMissing:
		return "missing"
	case ConfirmExtra:
		return "extra"
	}
	return ""
}

// A Part is what is known of one part when it has ended.
type Part struct {
	ID      uint64
	Trigger Trigger
	Verdict Verdict
	Reason  Reason
	Err     error // what the inspection or the rejecter said

	Judged bool // Finding is valid
	Finding
	FrameSeq uint32
	FrameAt  time.Time     // start of exposure; zero without a frame
	Capture  time.Duration // trigger to frame in hand
	Infer    time.Duration // inspection alone
	Total    time.Duration // trigger to verdict
	Slack    time.Duration // verdict to the instant the pulse is (or would be) due
	HasSlack bool          // false: the belt stood, there is no such instant
	Due      time.Time     // when the pulse was due; zero: none
	Fired    time.Time     // when the rejecter went active for it; zero: it did not
	Confirm  Confirmation
}

// Policy says what becomes of a part that could not be judged.
type Policy uint8

// Policies for uninspected parts.
const (
	RejectUninspected Policy = iota // reject it; stop after StopAfter in a row
	StopUninspected                 // stop the line at once
)

// Travel is the way from the sensor to the rejecter, as a time or as encoder counts.
type Travel struct {
	Time   time.Duration // when Counts is zero
	Counts int64         // needs Options.Encoder
}

// Options of a Line. Zero fields take the value in brackets.
type Options struct {
	Camera    func(context.Context) (capture.Source, error) // opens it, again after a loss
	Triggers  Triggers
	Inspector Inspector
	Encoder   Encoder // may be nil
	Recorder  Recorder
	// Rejecter is called once; the Rejecter tells report how each pulse ended, once.
	Rejecter func(report func(reject.Outcome)) (Rejecter, error)
	Outputs  Outputs
	Notify   func(Event) // called by Run's goroutine, must not block; may be nil

	// Check says that a frame cannot be judged, by one of capture/check's errors. It sees every frame, in
	// order, in the camera's goroutine. A part that gets such a frame is uninspected. May be nil.
	Check   func(*capture.Frame) error
	Confirm Triggers // REJECT-CONFIRM: an edge for each part that left the belt; may be nil
	Resets  Triggers // RESET: each edge since Run is a call of Line.Reset; may be nil

	// Unfinished are parts that an earlier process began and did not end. They end as STOP when Run
	// begins. With them, or with Hold, the line starts stopped: what is on the belt is not known, so
	// somebody clears it and resets the line.
	Unfinished []uint64
	Hold       bool

	Epoch     time.Time // the instant at which capture.Frame.Mono is zero
	FirstPart uint64    // id of the first part [1]

	Travel     Travel
	WindowFrom time.Duration // a part's frame is exposed from trigger + WindowFrom
	WindowTo   time.Duration // ... to trigger + WindowTo, both included [50 ms]
	FrameWait  time.Duration // how long after WindowTo the frame may still arrive [200 ms]
	Deadline   time.Duration // trigger to verdict [none but the rejecter]
	Margin     time.Duration // a verdict must come this long before the pulse is due [10 ms]
	Debounce   time.Duration // an edge this soon after another is the same part [0]

	ConfirmFrom time.Duration // a part's confirmation comes from Fired + ConfirmFrom
	ConfirmTo   time.Duration // ... to Fired + ConfirmTo, both included [500 ms]
	ConfirmWait time.Duration // how long after ConfirmTo the edge may still be delivered [50 ms]
	ConfirmStop int           // missing confirmations in a row that stop the line [1]; -1: alarm only

	Backlog   int    // frames waiting for or in inspection [8]
	MaxParts  int    // parts under way [256]
	OnMiss    Policy // what becomes of an uninspected part
	StopAfter int    // uninspected parts in a row that stop the line [5]

	RejectsAlarm  int // alarm after so many parts in a row judged bad [10]; -1: never
	NoRejectAlarm int // alarm after so many parts in a row judged good [never]

	// Taught are the scores of the good parts that were taught, each left out of the model. DriftParts: so many of the newest parts
	// that passed are compared with them, and an alarm says where their scores have drifted [never].
	Taught     []float64
	DriftParts int

	// FramePerTrigger: the camera exposes at each edge of the part sensor and never else, so a frame
	// without an edge shows a part that nobody tracks: it ends as STOP and the line stops.
	FramePerTrigger bool

	// FreeRunning: the camera exposes all the time. It is there from its first frame on, not from when it was opened: one that
	// opens and delivers nothing would be there again and again.
	FreeRunning bool
	// Clocked: triggers come at a rate, or when somebody asks, whether or not the belt brings a part. Else they are parts, and
	// where they come while Encoder does not advance the line stops.
	Clocked bool

	QuietCounts int64         // alarm when the belt moves so far without a trigger [never]; needs Travel.Counts
	QuietTime   time.Duration // alarm when the line runs so long without a trigger [never]

	Heartbeat time.Duration // [500 ms]
	Poll      time.Duration // encoder polling [5 ms]
	Horizon   time.Duration // encoder travel: a pulse is handed over this long before it is due [50 ms]
	Drain     time.Duration // how long parts under way may take to end at shutdown [travel + 1 s, counts 5 s; with Confirm its window too; at most 1 min]
	Reopen    time.Duration // first pause before a lost camera is reopened, doubled up to 32 times [100 ms]
}

// Counts are what Run has seen so far. Parts = Pass + Reject + Stop + UnderWay.
type Counts struct {
	Parts, Pass, Reject, Stop uint64
	UnderWay                  int
	Uninspected               uint64 // of Reject and Stop: not judged
	Bounces                   uint64 // edges within Debounce
	Frames, Unclaimed         uint64 // Unclaimed: belonged to no part
	LateFindings              uint64 // came after the part's deadline
	Confirmed, Missing        uint64 // of Reject and Stop: what REJECT-CONFIRM said
	Unexpected                uint64 // edges of REJECT-CONFIRM that no pulse explains

	// Share is how often one of the newest DriftParts parts that passed scores higher than a taught one. Not Compared: there are too few yet.
	Share    float64
	Compared bool
}
