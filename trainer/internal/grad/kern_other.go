//go:build !amd64 || purego

package grad

func available() []*kernels { return []*kernels{&generic} }

func best() *kernels { return &generic }
