package journal

import "log/slog"

// An Event is a kind of thing that a technician reads about: its message id, which stays the
// same for good, how much it matters, and its text. systemd/cull.catalog says of each what
// happened, why, and what to do (journalctl -x).
type Event struct {
	ID    string // 128 random bits, hex
	Level slog.Level
	Text  string
}

// Events lists every Event, in the order of their making.
var Events []*Event

func event(id string, level slog.Level, text string) *Event {
	e := &Event{id, level, text}
	Events = append(Events, e)
	return e
}

// Events of the line.
var (
	LineReady     = event("510e4d47f0834ee8b2f6f9ce281f5cfc", slog.LevelInfo, "line ready")
	LineStopped   = event("7d4bf130a2184ba0ae37ab7875c7a935", slog.LevelError, "line stopped")
	LineDraining  = event("707d9cefeb4e4cba86c59dde2541f6d8", slog.LevelInfo, "stopping, parts under way are finished")
	PartRejected  = event("da550791958d4fc791bf25032aa1e6e0", slog.LevelWarn, "part rejected")
	PartStopped   = event("0c51987e7ba14566a28bb34f99803343", slog.LevelError, "part stopped, take it out by hand")
	CameraLost    = event("3cd731d5a051416791e7fef6ccc4aaf0", slog.LevelError, "camera lost")
	CameraBack    = event("53faa07684b14929a53b898e875a9bdb", slog.LevelInfo, "camera back")
	MissedTrigger = event("88090f1b2b0e46c7affda0a6d949ebb6", slog.LevelError, "triggers missed")
	RejectsInRow  = event("d30c1d4e89eb48f0bb88d371812a79ae", slog.LevelError, "many rejects in a row")
	NoReject      = event("0ee03f086d2643ebad679d1976de7b67", slog.LevelWarn, "no reject for a long time")
	Drifted       = event("0c48f78cabb16bc710b9620f7659ce4c", slog.LevelWarn, "scores of passed parts have drifted from those of the parts taught")
	NoTrigger     = event("9e3181cb385646a0b16bd202e8c42646", slog.LevelWarn, "no trigger for a long way of the belt, or a long time")
	Debounced     = event("3ec83518477a4420a2811f75889e7fe6", slog.LevelWarn, "an edge taken for a bounce may have been a part")
	NotReady      = event("7553d44c738848edbf7269718e4a6f15", slog.LevelWarn, "READY stays inactive")
	NotSeen       = event("dc74966abc604e25bfb2cc19baa023c1", slog.LevelError, "no confirmation that the part left the belt")
	Unexpected    = event("e33e8c0aa5cf4d40ab7b25d6a015cf6d", slog.LevelError, "a part left the belt that was not fired at")
	Ambiguous     = event("bf2c8a3333f8427db6c9888b7d907091", slog.LevelError, "frame may show another part")
	OutputFailed  = event("59f76d88bf4f423b869f31287684422f", slog.LevelError, "output does not follow")
	Summary       = event("bb2b865dd8e54438b8d6b2d727c6c65d", slog.LevelInfo, "summary")
)

// Events of the daemon.
var (
	ProductLoaded = event("e648b46d7bb64c9fa6d840f73a366b5e", slog.LevelInfo, "product loaded")
	LogOpened     = event("45d3ca522c3a46d996b23aad152723f3", slog.LevelInfo, "verdict log opened")
	LogRepaired   = event("1423a32595de423aaef8e7a821672bb4", slog.LevelWarn, "verdict log opened, it was damaged")
	LogFailed     = event("ed65fd0fec094ec1849c3914e5c58a80", slog.LevelError, "verdict log cannot be written, no part will pass")
	LogWorks      = event("7504e114fcc144e4b5a6f8c255b7e50e", slog.LevelInfo, "verdict log is written again")
	RunFailed     = event("f1c6936d0be24164a88560e4deab5214", slog.LevelError, "daemon ends with an error")
	OutputsSafe   = event("dd35eb2562024b699315ad35adcf5d3d", slog.LevelWarn, "outputs driven to their safe state")
	OutputsUnsafe = event("01324d28a21b42e1b83fec31030d089c", slog.LevelError, "an output could not be driven to its safe state")
	LinesTaken    = event("a1067b6f87aa4ae89d9d72ed84b5b2cb", slog.LevelInfo, "lines taken")
	Reloaded      = event("e9baee62d9a44e3e864b4b2372b33e2b", slog.LevelInfo, "configuration reloaded")
	NotReloaded   = event("874c3bcf82914d6a865b71f4adf6609c", slog.LevelError, "configuration not reloaded, the old one stays")
	FramesLost    = event("78905e8c60ed4249aa829395ea38d926", slog.LevelWarn, "frames were not recorded")
	LinesLost     = event("0447a1c1d3f6440693daa3b34bf6b4a3", slog.LevelWarn, "journal lines were lost")
)

// Events of the demonstration line.
var (
	Teaching    = event("a678182c548943a8aa253adbfa7111b8", slog.LevelInfo, "teaching")
	Taught      = event("a17845b969f1478490293df25b0f2a17", slog.LevelInfo, "taught")
	BeltPaced   = event("dd4cba76d5f64018ba51eacad1f19846", slog.LevelInfo, "belt speed set to what this machine sustains")
	BeltTruth   = event("2e2d4addf3a840be9260602ecab168a0", slog.LevelInfo, "truth of the simulated line")
	PulsesTruth = event("bb4e73f1fe824b88aa1fa93a91eb5990", slog.LevelInfo, "pulses of the simulated rejecter")
)
