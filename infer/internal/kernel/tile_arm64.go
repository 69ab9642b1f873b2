//go:build !purego

package kernel

import (
	"golang.org/x/sys/cpu"

	"cull/internal/impl"
)

const (
	isaNEON isa = iota
	isaDot
	isaMatrix
)

var (
	useNEON   = cpu.ARM64.HasASIMD
	useDot    = cpu.ARM64.HasASIMDDP
	useMatrix = cpu.ARM64.HasI8MM
)

func init() {
	impl.Register(Pkg, "neon", &useNEON)
	impl.Register(Pkg, "neondot", &useDot)
	impl.Register(Pkg, "neoni8mm", &useMatrix)
}

// Costs are cycles for 16 bytes of each window on Cortex-A72, A76 and A710.
var (
	familyNEON = family{
		isa: isaNEON, wide: 4, narrow: 4, depth: 16,
		widths: []width{{4, 33}, {2, 18}, {1, 11}},
	}
	familyDot = family{
		isa: isaDot, wide: 8, narrow: 8, depth: 4,
		widths: []width{{8, 33}, {4, 18}, {2, 12}, {1, 10}},
	}
	familyMatrix = family{
		isa: isaMatrix, wide: 8, narrow: 8, depth: 8,
		widths: []width{{8, 22}, {4, 14}, {2, 10}, {1, 9}},
	}
)

// fastest returns the best family in use, nil for the portable code.
func fastest() *family {
	switch {
	case useMatrix:
		return &familyMatrix
	case useDot:
		return &familyDot
	case useNEON:
		return &familyNEON
	}
	return nil
}

func runTile(i isa, a *tile) {
	switch i {
	case isaMatrix:
		convMatrix(a)
	case isaDot:
		convDot(a)
	default:
		convNEON(a)
	}
}

func peakLoop(i isa, n int) {
	switch i {
	case isaMatrix:
		peakMatrix(n)
	case isaDot:
		peakDot(n)
	default:
		peakNEON(n)
	}
}

//go:noescape
func convNEON(a *tile)

//go:noescape
func convDot(a *tile)

func peakNEON(n int)

func peakDot(n int)

//go:noescape
func convMatrix(a *tile)

func peakMatrix(n int)
