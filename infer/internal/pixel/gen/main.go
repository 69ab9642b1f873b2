// Gen writes the assembly of package pixel: go generate ./infer/internal/pixel.
//
// Each kernel takes a pointer to its arguments, of which the tables in go_asm.h give the offsets.
package main

import "cull/internal/asmgen"

// An emitter collects the lines of one file.
type emitter struct{ *asmgen.Emitter }

func newEmitter() emitter { return emitter{asmgen.New()} }

// files returns the contents of every generated file by name.
func files() map[string]string {
	return map[string]string{
		"pixel_amd64.s": amd64(),
		"pixel_arm64.s": arm64(),
	}
}

func main() { asmgen.Main(files()) }
