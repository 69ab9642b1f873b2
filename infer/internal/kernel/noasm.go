//go:build purego || !(amd64 || arm64)

package kernel

// Without assembly there is no family, so that nothing below is reached.

func fastest() *family { return nil }

const noAssembly = "kernel: no assembly in this build"

var laneOrder [lanes]int

func packLanes([][lanes]int8) []int8 { panic(noAssembly) }

func runTile(isa, *tile) { panic(noAssembly) }

func peakLoop(isa, int) { panic(noAssembly) }

func maxLanes(*lane) { panic(noAssembly) }

func addLanes(*lane) { panic(noAssembly) }

func dotLanes(*lane) { panic(noAssembly) }
