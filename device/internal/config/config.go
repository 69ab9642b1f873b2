// Package config reads the one configuration file of the daemon: strict TOML, every key
// with a unit, a default and bounds (systemd/cull.example.toml shows them all).
package config

import "time"

// A Config is the whole file. Struct tags give each key's unit and bounds, both included;
// oneof lists the values of a choice.
type Config struct {
	Product string `toml:"product" unit:"path"`
	Network string `toml:"network" unit:"path"`
	Camera  Camera `toml:"camera"`
	Line    Line   `toml:"line"`
	Record  Record `toml:"record"`
	Sim     Sim    `toml:"sim"`
}

// Camera says where frames come from.
type Camera struct {
	Kind   string `toml:"kind" oneof:"simulated folder"`
	Folder string `toml:"folder" unit:"path"`
}

// Line is the way of a part from trigger to rejecter.
type Line struct {
	TravelMS      int    `toml:"travel_ms" unit:"ms" min:"0" max:"600000"`
	TravelCounts  int64  `toml:"travel_counts" unit:"counts" min:"0" max:"1000000000"`
	WindowFromMS  int    `toml:"window_from_ms" unit:"ms" min:"0" max:"10000"`
	WindowToMS    int    `toml:"window_to_ms" unit:"ms" min:"1" max:"10000"`
	FrameWaitMS   int    `toml:"frame_wait_ms" unit:"ms" min:"1" max:"10000"`
	DeadlineMS    int    `toml:"deadline_ms" unit:"ms" min:"0" max:"600000"`
	MarginMS      int    `toml:"margin_ms" unit:"ms" min:"1" max:"10000"`
	DebounceMS    int    `toml:"debounce_ms" unit:"ms" min:"0" max:"1000"`
	PulseMS       int    `toml:"pulse_ms" unit:"ms" min:"1" max:"10000"`
	PulseMaxMS    int    `toml:"pulse_max_ms" unit:"ms" min:"1" max:"60000"`
	PulseLateMS   int    `toml:"pulse_late_ms" unit:"ms" min:"1" max:"10000"`
	Overlap       string `toml:"overlap" oneof:"merge extend"`
	Backlog       int    `toml:"backlog" unit:"frames" min:"1" max:"64"`
	MaxParts      int    `toml:"max_parts" unit:"parts" min:"32" max:"4096"`
	Uninspected   string `toml:"uninspected" oneof:"reject stop"`
	StopAfter     int    `toml:"stop_after" unit:"parts" min:"1" max:"1000"`
	RejectsAlarm  int    `toml:"rejects_alarm" unit:"parts" min:"0" max:"10000"`
	NoRejectAlarm int    `toml:"no_reject_alarm" unit:"parts" min:"0" max:"100000000"`
	DrainMS       int    `toml:"drain_ms" unit:"ms" min:"0" max:"60000"`
	HeartbeatMS   int    `toml:"heartbeat_ms" unit:"ms" min:"10" max:"10000"`
}

// Record is the verdict log.
type Record struct {
	Dir        string `toml:"dir" unit:"path"`
	SegmentMiB int    `toml:"segment_mib" unit:"MiB" min:"1" max:"1024"`
	QuotaMiB   int    `toml:"quota_mib" unit:"MiB" min:"2" max:"1048576"`
	GroupMS    int    `toml:"group_ms" unit:"ms" min:"0" max:"1000"`
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
	return Config{
		Camera: Camera{Kind: "simulated"},
		Line: Line{
			WindowToMS: 50, FrameWaitMS: 500, MarginMS: 10,
			PulseMS: 60, PulseMaxMS: 2000, PulseLateMS: 100, Overlap: "merge",
			Backlog: 8, MaxParts: 256, Uninspected: "reject", StopAfter: 5,
			RejectsAlarm: 10, HeartbeatMS: 500,
		},
		Record: Record{SegmentMiB: 16, QuotaMiB: 1024, GroupMS: 20},
		Sim: Sim{
			Part: "washer", Size: 128, Teach: 100, TargetFRR: 0.01, Bad: 0.2,
			Pitch: 120, Length: 60, Nozzle: 600, Jitter: 0.05, StopEach: 25, StopForMS: 800,
			OperatorS: 3,
		},
	}
}

// MS is a number of milliseconds as a duration.
func MS(n int) time.Duration { return time.Duration(n) * time.Millisecond }
