//go:build !purego

package kernel

import (
	"golang.org/x/sys/cpu"

	"cull/internal/impl"
)

const (
	isaNEON isa = iota
	isaDot
)

var (
	useNEON = cpu.ARM64.HasASIMD
	useDot  = cpu.ARM64.HasASIMDDP
)

func init() {
	impl.Register(Pkg, "neon", &useNEON)
	impl.Register(Pkg, "neondot", &useDot)
}

// Costs are cycles for 16 bytes of each window: on Cortex-A72 and on Cortex-A76.
var (
	familyNEON = family{
		isa: isaNEON, wide: 4, narrow: 4, depth: 16,
		widths: []width{{4, 33}, {2, 18}, {1, 11}},
	}
	familyDot = family{
		isa: isaDot, wide: 8, narrow: 8, depth: 4,
		widths: []width{{8, 33}, {4, 18}, {2, 12}, {1, 10}},
	}
)

// fastest returns the best family in use, nil for the portable code.
func fastest() *family {
	switch {
	case useDot:
		return &familyDot
	case useNEON:
		return &familyNEON
	}
	return nil
}

func runTile(i isa, a *tile) {
	if i == isaDot {
		convDot(a)
		return
	}
	convNEON(a)
}

func peakLoop(i isa, n int) {
	if i == isaDot {
		peakDot(n)
		return
	}
	peakNEON(n)
}

//go:noescape
func convNEON(a *tile)

//go:noescape
func convDot(a *tile)

func peakNEON(n int)

func peakDot(n int)
