// Package config reads the one configuration file of the daemon: strict TOML, every key
// with a unit, a default and bounds (systemd/cull.example.toml shows them all).
package config

import "time"

// A Config is the whole file. Struct tags give each key's unit and bounds, both included;
// oneof lists the values of a choice; live marks what a running line can change.
type Config struct {
	Product string `toml:"product" unit:"path"`
	Network string `toml:"network" unit:"path"`
	Camera  Camera `toml:"camera"`
	IO      IO     `toml:"io"`
	Line    Line   `toml:"line"`
	Record  Record `toml:"record"`
	Sim     Sim    `toml:"sim"`
}

// Camera says where frames come from.
type Camera struct {
	Kind      string `toml:"kind" oneof:"simulated folder recording v4l2"`
	Folder    string `toml:"folder" unit:"path"`
	Recording string `toml:"recording" unit:"path"`

	Device       string `toml:"device" unit:"path"`
	Format       string `toml:"format" oneof:"GREY RGB24 YUYV NV12 MJPEG"`
	Width        int    `toml:"width" unit:"px" min:"16" max:"16384"`
	Height       int    `toml:"height" unit:"px" min:"16" max:"16384"`
	FPS          int    `toml:"fps" unit:"frames/s" min:"0" max:"1000"`
	Exposure     int    `toml:"exposure_us" unit:"us" min:"0" max:"10000000"`
	Gain         int    `toml:"gain" unit:"driver's units" min:"-1" max:"1000000"`
	WhiteBalance int    `toml:"white_balance_k" unit:"K" min:"0" max:"20000"`
	Triggered    bool   `toml:"triggered" unit:"true or false"`
	StallMS      int    `toml:"stall_ms" unit:"ms" min:"10" max:"600000"`

	Check         bool    `toml:"check" unit:"true or false"`
	CheckBlack    int     `toml:"check_black" unit:"grey levels" min:"1" max:"255" live:"yes"`
	CheckWhite    int     `toml:"check_white" unit:"grey levels" min:"1" max:"255" live:"yes"`
	CheckOver     float64 `toml:"check_saturated" unit:"share" min:"0.0001" max:"1" live:"yes"`
	CheckSharp    float64 `toml:"check_sharpness" unit:"ratio" min:"0" max:"4" live:"yes"`
	CheckRepeated int     `toml:"check_frozen" unit:"frames" min:"0" max:"1000000" live:"yes"`
}

// IO is the lines to the machine.
type IO struct {
	Kind      string  `toml:"kind" oneof:"simulated gpio"`
	Trigger   string  `toml:"trigger_by" oneof:"edge rate software"`
	TriggerHz float64 `toml:"trigger_hz" unit:"Hz" min:"0.01" max:"1000"`
	EdgesAll  bool    `toml:"encoder_both_edges" unit:"true or false"`

	In struct {
		Trigger   Input `toml:"trigger"`
		Encoder   Input `toml:"encoder"`
		Direction Input `toml:"direction"`
		Confirm   Input `toml:"confirm"`
		Reset     Input `toml:"reset"`
	} `toml:"in"`
	Out struct {
		Reject    Output `toml:"reject"`
		Ready     Output `toml:"ready"`
		Busy      Output `toml:"busy"`
		OK        Output `toml:"ok"`
		Heartbeat Output `toml:"heartbeat"`
	} `toml:"out"`
}

// An Input is one line that the machine drives.
type Input struct {
	Line      string `toml:"line" unit:"line"`
	ActiveLow bool   `toml:"active_low" unit:"true or false"`
	Bias      string `toml:"bias" oneof:"as-is off up down"`
	Debounce  int    `toml:"debounce_us" unit:"us" min:"0" max:"1000000"`
}

// An Output is one line that the daemon drives.
type Output struct {
	Line      string `toml:"line" unit:"line"`
	ActiveLow bool   `toml:"active_low" unit:"true or false"`
	OpenDrain bool   `toml:"open_drain" unit:"true or false"`
	Bias      string `toml:"bias" oneof:"as-is off up down"`
}

// Line is the way of a part from trigger to rejecter.
type Line struct {
	TravelMS      int    `toml:"travel_ms" unit:"ms" min:"0" max:"600000"`
	TravelCounts  int64  `toml:"travel_counts" unit:"counts" min:"0" max:"1000000000"`
	WindowFromMS  int    `toml:"window_from_ms" unit:"ms" min:"0" max:"10000" live:"yes"`
	WindowToMS    int    `toml:"window_to_ms" unit:"ms" min:"1" max:"10000" live:"yes"`
	FrameWaitMS   int    `toml:"frame_wait_ms" unit:"ms" min:"1" max:"10000" live:"yes"`
	DeadlineMS    int    `toml:"deadline_ms" unit:"ms" min:"0" max:"600000" live:"yes"`
	MarginMS      int    `toml:"margin_ms" unit:"ms" min:"1" max:"10000" live:"yes"`
	DebounceMS    int    `toml:"debounce_ms" unit:"ms" min:"0" max:"1000" live:"yes"`
	PulseMS       int    `toml:"pulse_ms" unit:"ms" min:"1" max:"10000"`
	PulseMaxMS    int    `toml:"pulse_max_ms" unit:"ms" min:"1" max:"60000"`
	PulseLateMS   int    `toml:"pulse_late_ms" unit:"ms" min:"0" max:"10000"`
	Overlap       string `toml:"overlap" oneof:"merge extend"`
	Backlog       int    `toml:"backlog" unit:"frames" min:"1" max:"64"`
	MaxParts      int    `toml:"max_parts" unit:"parts" min:"32" max:"4096"`
	Uninspected   string `toml:"uninspected" oneof:"reject stop" live:"yes"`
	StopAfter     int    `toml:"stop_after" unit:"parts" min:"1" max:"1000" live:"yes"`
	RejectsAlarm  int    `toml:"rejects_alarm" unit:"parts" min:"0" max:"10000" live:"yes"`
	NoRejectAlarm int    `toml:"no_reject_alarm" unit:"parts" min:"0" max:"100000000" live:"yes"`
	DriftParts    int    `toml:"drift_parts" unit:"parts" min:"0" max:"100000" live:"yes"`
	ConfirmFromMS int    `toml:"confirm_from_ms" unit:"ms" min:"0" max:"60000" live:"yes"`
	ConfirmToMS   int    `toml:"confirm_to_ms" unit:"ms" min:"1" max:"60000" live:"yes"`
	ConfirmStop   int    `toml:"confirm_stop" unit:"parts" min:"0" max:"1000" live:"yes"`
	QuietCounts   int64  `toml:"quiet_counts" unit:"counts" min:"0" max:"1000000000" live:"yes"`
	QuietMS       int    `toml:"quiet_ms" unit:"ms" min:"0" max:"86400000" live:"yes"`
	DrainMS       int    `toml:"drain_ms" unit:"ms" min:"0" max:"60000"`
	HeartbeatMS   int    `toml:"heartbeat_ms" unit:"ms" min:"10" max:"10000"`
}

// Record is the verdict log and the recording of frames.
type Record struct {
	Dir        string `toml:"dir" unit:"path"`
	SegmentMiB int    `toml:"segment_mib" unit:"MiB" min:"1" max:"128"`
	QuotaMiB   int    `toml:"quota_mib" unit:"MiB" min:"2" max:"1048576"`
	GroupMS    int    `toml:"group_ms" unit:"ms" min:"0" max:"1000"`

	Frames         string `toml:"frames" oneof:"none rejects last all"`
	FramesDir      string `toml:"frames_dir" unit:"path"`
	FramesLast     int    `toml:"frames_last" unit:"parts" min:"1" max:"10000000"`
	FramesQuotaMiB int    `toml:"frames_quota_mib" unit:"MiB" min:"8" max:"1048576"`
}

// Sim is the simulated conveyor.
type Sim struct {
	Part      string  `toml:"part" oneof:"washer blister board cap"`
	Size      int     `toml:"size" unit:"px" min:"64" max:"1024"`
	Teach     int     `toml:"teach" unit:"parts" min:"8" max:"10000"`
	TargetFRR float64 `toml:"target_frr" unit:"share" min:"0.0001" max:"0.2"`
	Bad       float64 `toml:"bad" unit:"share" min:"0" max:"1"`
	Speed     float64 `toml:"speed_mm_s" unit:"mm/s" min:"0" max:"10000"`
	Pitch     float64 `toml:"pitch_mm" unit:"mm" min:"1" max:"10000"`
	Length    float64 `toml:"length_mm" unit:"mm" min:"1" max:"10000"`
	Nozzle    float64 `toml:"nozzle_mm" unit:"mm" min:"1" max:"100000"`
	Jitter    float64 `toml:"jitter" unit:"share" min:"0" max:"0.9"`
	StopEach  int     `toml:"stop_each" unit:"parts" min:"0" max:"1000000"`
	StopForMS int     `toml:"stop_for_ms" unit:"ms" min:"1" max:"600000"`
	FrameLoss float64 `toml:"frame_loss" unit:"share" min:"0" max:"1"`
	Bounce    float64 `toml:"bounce" unit:"share" min:"0" max:"1"`
	OperatorS float64 `toml:"operator_s" unit:"s" min:"0.1" max:"3600"`
}

// Default returns the configuration of a file that says nothing: the demonstration line.
func Default() Config {
	c := Config{
		Camera: Camera{
			Kind: "simulated", Format: "YUYV", Width: 640, Height: 480, Gain: -1, StallMS: 1000,
			Check: true, CheckBlack: 24, CheckWhite: 250, CheckOver: 0.9, CheckRepeated: 3,
		},
		IO: IO{Kind: "simulated", Trigger: "edge", TriggerHz: 1},
		Line: Line{
			WindowToMS: 50, FrameWaitMS: 500, MarginMS: 10,
			PulseMS: 60, PulseMaxMS: 2000, Overlap: "merge",
			Backlog: 8, MaxParts: 256, Uninspected: "reject", StopAfter: 5,
			RejectsAlarm: 10, DriftParts: 200, ConfirmToMS: 500, ConfirmStop: 1, HeartbeatMS: 500,
		},
		Record: Record{
			SegmentMiB: 16, QuotaMiB: 1024, GroupMS: 20,
			Frames: "none", FramesLast: 1000, FramesQuotaMiB: 1024,
		},
		Sim: Sim{
			Part: "washer", Size: 128, Teach: 100, TargetFRR: 0.01, Bad: 0.2,
			Pitch: 120, Length: 60, Nozzle: 600, Jitter: 0.05, StopEach: 25, StopForMS: 800,
			OperatorS: 3,
		},
	}
	in, out := &c.IO.In, &c.IO.Out
	for _, i := range []*Input{&in.Trigger, &in.Encoder, &in.Direction, &in.Confirm, &in.Reset} {
		i.Bias = "as-is"
	}
	for _, o := range []*Output{&out.Reject, &out.Ready, &out.Busy, &out.OK, &out.Heartbeat} {
		o.Bias = "as-is"
	}
	return c
}

// MS is a number of milliseconds as a duration.
func MS(n int) time.Duration { return time.Duration(n) * time.Millisecond }
