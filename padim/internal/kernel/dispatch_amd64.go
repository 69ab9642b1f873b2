//go:build !purego

package kernel

import (
	"golang.org/x/sys/cpu"

	"cull/internal/impl"
)

// Every CPU with AVX2 has F16C too (both are of x86-64-v3).
var (
	useAVX2   = cpu.X86.HasAVX2
	useAVX512 = cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW
)

// AVX-512 bears the name of the network's kernel that the CPU has, so that one
// word in CULL_KERNEL chooses both.
func init() {
	name := "avx512"
	if cpu.X86.HasAVX512VNNI {
		name = "avx512vnni"
	}
	impl.Register(Pkg, "avx2", &useAVX2)
	impl.Register(Pkg, name, &useAVX512)
}

func fastest() set {
	switch {
	case useAVX512:
		return avx512
	case useAVX2:
		return avx2
	}
	return generic
}

func applyFactor(s set, f *factor, half bool) {
	switch {
	case s == avx512 && half:
		halfAVX512(f)
	case s == avx512:
		singleAVX512(f)
	case half:
		halfAVX2(f)
	default:
		singleAVX2(f)
	}
}

// applyShared is the same on CPUs with AVX-512, where nobody has measured a wider one.
func applyShared(_ set, a *shared) { sharedAVX2(a) }

func applyProject(s set, a *project) {
	if s == avx512 {
		projectAVX512(a)
		return
	}
	projectAVX2(a)
}

func applySum3(s set, a *rows) {
	if s == avx512 {
		sum3AVX512(a)
		return
	}
	sum3AVX2(a)
}

func applyScaled3(s set, a *rows) {
	if s == avx512 {
		scaled3AVX512(a)
		return
	}
	scaled3AVX2(a)
}

func applyCholesky(s set, a *triangles) {
	if s == avx512 {
		choleskyAVX512(a)
		return
	}
	choleskyAVX2(a)
}

func applyInvert(s set, a *triangles) {
	if s == avx512 {
		invertAVX512(a)
		return
	}
	invertAVX2(a)
}

//go:noescape
func sharedAVX2(a *shared)

//go:noescape
func halfAVX512(a *factor)

//go:noescape
func singleAVX512(a *factor)

//go:noescape
func projectAVX512(a *project)

//go:noescape
func sum3AVX512(a *rows)

//go:noescape
func scaled3AVX512(a *rows)

//go:noescape
func halfAVX2(a *factor)

//go:noescape
func singleAVX2(a *factor)

//go:noescape
func projectAVX2(a *project)

//go:noescape
func sum3AVX2(a *rows)

//go:noescape
func scaled3AVX2(a *rows)

//go:noescape
func choleskyAVX512(a *triangles)

//go:noescape
func invertAVX512(a *triangles)

//go:noescape
func choleskyAVX2(a *triangles)

//go:noescape
func invertAVX2(a *triangles)
