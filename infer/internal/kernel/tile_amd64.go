//go:build !purego

package kernel

import (
	"golang.org/x/sys/cpu"

	"cull/internal/impl"
)

const (
	isaAVX2 isa = iota
	isaVNNI
)

var (
	useAVX2 = cpu.X86.HasAVX2
	useVNNI = cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512VNNI
)

func init() {
	impl.Register(Pkg, "avx2", &useAVX2)
	impl.Register(Pkg, "avx512vnni", &useVNNI)
}

// Costs are cycles a step on Zen 4, where a step of one or two pixels waits
// for the sums.
var (
	familyAVX2 = family{
		isa: isaAVX2, wide: 16, narrow: 16, depth: 4,
		widths: []width{{4, 13}, {2, 8}, {1, 5}},
	}
	familyVNNI = family{
		isa: isaVNNI, wide: 32, narrow: 16, depth: 4, offset: true, masked: true,
		widths: []width{{14, 29}, {8, 17}, {4, 10}, {2, 6}, {1, 5}},
	}
)

// fastest returns the best family in use, nil for the portable code.
func fastest() *family {
	switch {
	case useVNNI:
		return &familyVNNI
	case useAVX2:
		return &familyAVX2
	}
	return nil
}

func runTile(i isa, a *tile) {
	if i == isaVNNI {
		convVNNI(a)
		return
	}
	convAVX2(a)
}

func peakLoop(i isa, n int) {
	if i == isaVNNI {
		peakVNNI(n)
		return
	}
	peakAVX2(n)
}

func peakVNNI(n int)

func peakAVX2(n int)

//go:noescape
func convVNNI(a *tile)

//go:noescape
func convAVX2(a *tile)
