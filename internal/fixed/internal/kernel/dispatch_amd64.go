//go:build !purego

package kernel

import (
	"golang.org/x/sys/cpu"

	"cull/internal/impl"
)

// The same code under the names of both of the network's kernels, so that one word in
// CULL_KERNEL chooses all.
var (
	useAVX2   = cpu.X86.HasAVX2
	useAVX512 = cpu.X86.HasAVX2 && cpu.X86.HasAVX512VNNI
)

func init() {
	impl.Register(Pkg, "avx2", &useAVX2)
	impl.Register(Pkg, "avx512vnni", &useAVX512)
}

// Numbers of a register, and pixels that Sobel takes at a time.
const block, sobelBlock = 32, 16

// vectorsName is what the assembly needs.
const vectorsName = "avx2"

func vectors() bool { return useAVX2 || useAVX512 }
