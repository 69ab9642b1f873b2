//go:build (!amd64 && !arm64) || purego

package grad

func available() []*kernels { return []*kernels{&generic} }

func best() *kernels { return &generic }
