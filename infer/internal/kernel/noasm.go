//go:build purego || !(amd64 || arm64)

package kernel

// Without assembly there is no family, so that nothing below is ever called.

func fastest() *family { return nil }

var laneOrder [lanes]int

func packLanes([][lanes]int8) []int8 { return nil }

func runTile(isa, *tile) {}

func peakLoop(isa, int) {}

func maxLanes(*lane) {}

func addLanes(*lane) {}

func dotLanes(*lane) {}
