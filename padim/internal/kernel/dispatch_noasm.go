//go:build purego || !(amd64 || arm64)

package kernel

func fastest() set { return generic }

func applyFactor(set, *factor, bool) { panic("kernel: no assembly in this build") }

func applyProject(set, *project) { panic("kernel: no assembly in this build") }

func applySum3(set, *rows) { panic("kernel: no assembly in this build") }

func applyScaled3(set, *rows) { panic("kernel: no assembly in this build") }

func applyCholesky(set, *triangles) { panic("kernel: no assembly in this build") }

func applyInvert(set, *triangles) { panic("kernel: no assembly in this build") }
