//go:build !purego

package kernel

import (
	"golang.org/x/sys/cpu"

	"cull/internal/impl"
)

// The same code under the names of all of the network's kernels, so that one word in
// CULL_KERNEL chooses all.
var (
	useNEON = cpu.ARM64.HasASIMD
	useDot  = cpu.ARM64.HasASIMDDP
	useI8MM = cpu.ARM64.HasASIMD && cpu.ARM64.HasI8MM
)

func init() {
	impl.Register(Pkg, "neon", &useNEON)
	impl.Register(Pkg, "neondot", &useDot)
	impl.Register(Pkg, "neoni8mm", &useI8MM)
}

// Numbers of a register, and pixels that Sobel takes at a time.
const block, sobelBlock = 16, 8

// vectorsName is what the assembly needs.
const vectorsName = "neon"

func vectors() bool { return useNEON || useDot || useI8MM }
