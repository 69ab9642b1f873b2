//go:build purego || !(amd64 || arm64)

package kernel

func fastest() *family { return nil }

func runTile(isa, *tile) { panic("kernel: no assembly in this build") }

func peakLoop(isa, int) {}
