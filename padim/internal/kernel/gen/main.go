// Gen writes the assembly of package kernel: go generate ./padim/internal/kernel.
//
// Two kernels keep the sums of up to six panels, 96 rows, in registers while
// they read a packed matrix front to back: the whitening factor (float32 sums,
// triangular) and the projection (int32 sums, rectangular). A third applies one
// factor to several vectors at once. Two more run along
// rows of numbers, and two take eight matrices apart at once.
package main

import "cull/internal/asmgen"

const group = 6 // panels of a group: see package kernel

// An emitter collects the lines of one file.
type emitter struct{ *asmgen.Emitter }

func newEmitter() emitter { return emitter{asmgen.New()} }

// files returns the contents of every generated file by name.
func files() map[string]string {
	return map[string]string{
		"kernel_amd64.s": amd64(),
		"kernel_arm64.s": arm64(),
	}
}

func main() { asmgen.Main(files()) }
