// Package kernel holds the inner loops of package infer.
package kernel

// Name returns the name of the kernels in use.
func Name() string { return "generic" }
