//go:build !purego

package kernel

import (
	"golang.org/x/sys/cpu"

	"cull/internal/impl"
)

// One implementation under the names of both of the network's kernels, so that
// one word in CULL_KERNEL chooses both.
var (
	useNEON = cpu.ARM64.HasASIMD
	useDot  = cpu.ARM64.HasASIMDDP
)

func init() {
	impl.Register(Pkg, "neon", &useNEON)
	impl.Register(Pkg, "neondot", &useDot)
}

func fastest() set {
	if useNEON || useDot {
		return neon
	}
	return generic
}

func applyFactor(_ set, f *factor, half bool) {
	if half {
		halfNEON(f)
		return
	}
	singleNEON(f)
}

func applyShared(_ set, a *shared) { sharedNEON(a) }

func applyProject(_ set, a *project) { projectNEON(a) }

func applySum3(_ set, a *rows) { sum3NEON(a) }

func applyScaled3(_ set, a *rows) { scaled3NEON(a) }

func applyCholesky(_ set, a *triangles) { choleskyNEON(a) }

func applyInvert(_ set, a *triangles) { invertNEON(a) }

//go:noescape
func sharedNEON(a *shared)

//go:noescape
func halfNEON(a *factor)

//go:noescape
func singleNEON(a *factor)

//go:noescape
func projectNEON(a *project)

//go:noescape
func sum3NEON(a *rows)

//go:noescape
func scaled3NEON(a *rows)

//go:noescape
func choleskyNEON(a *triangles)

//go:noescape
func invertNEON(a *triangles)
