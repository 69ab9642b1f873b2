// Gen writes the assembly of package kernel: go generate ./infer/internal/kernel.
//
// Every convolution kernel is a tile: P neighbouring output pixels of a row
// times C output channels, all sums in registers. It walks the window's
// contiguous runs (see Conv.offsets); per step it loads the weights of C
// channels once and the activations of P pixels, and when the window is
// consumed it requantises and stores. A call computes a row's worth of tiles.
package main

import "cull/internal/asmgen"

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
