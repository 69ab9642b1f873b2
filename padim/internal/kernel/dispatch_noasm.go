//go:build purego || !(amd64 || arm64)

package kernel

// Without assembly there is only the generic set, so that nothing below is ever called.

func fastest() set { return generic }

func applyFactor(set, *factor, bool) {}

func applyShared(set, *shared) {}

func applyProject(set, *project) {}

func applySum3(set, *rows) {}

func applyScaled3(set, *rows) {}

func applyCholesky(set, *triangles) {}

func applyInvert(set, *triangles) {}
