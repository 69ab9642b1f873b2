package line

import "time"

// A Kind is a kind of event.
type Kind uint8

// Events. A part that passes is no event.
const (
	Running      Kind = iota + 1 // the line is ready: at start and after Reset
	Stopped                      // OK-to-run dropped; Reason says why
	PartRejected                 // Part
	PartStopped                  // Part
	CameraLost                   // Err
	CameraBack
	MissedTrigger // N edges were lost; 0: nobody knows how many
	RejectsInRow  // N parts in a row were judged bad
	NoReject      // N parts in a row were judged good
	Drifted       // the newest N parts that passed do not score as the taught ones did: Share
	NoTrigger     // the belt moved N counts without a trigger, or none came For so long
	Debounced     // N edges since the start were taken for bounces; the newest may have been a part
	NotReady      // READY has been inactive For so long, Err says why
	NotSeen       // Part was fired at, but REJECT-CONFIRM did not see it go: N in a row
	Unexpected    // REJECT-CONFIRM saw a part go that was not fired at, or with Part: a good one, or a fault
	Ambiguous     // a frame was claimed that may show the next part; Part is the older
	OutputFailed  // Err: an output did not follow
	Draining      // no new parts; N are under way
)

// An Event is a change of state that a technician should read.
type Event struct {
	Kind   Kind
	Part   *Part // a copy for the receiver to keep; nil where there is none
	Reason Reason
	N      int
	Share  float64 // how often one of N scores higher than a taught part
	For    time.Duration
	Err    error
}
