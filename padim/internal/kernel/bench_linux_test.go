package kernel

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A way is one of several to do the same.
type way struct {
	unit string
	run  func()
}

// turns reports the median CPU time of each way in milliseconds, taken in turn, so that other programs disturb all
// alike.
func turns(b *testing.B, ways ...way) {
	took := make([][]float64, len(ways))
	for b.Loop() {
		for i, w := range ways {
			start := processTime(b)
			w.run()
			took[i] = append(took[i], float64(processTime(b)-start)/float64(time.Millisecond))
		}
	}
	for i, w := range ways {
		slices.Sort(took[i])
		b.ReportMetric(took[i][len(took[i])/2], w.unit)
	}
}

func processTime(b *testing.B) int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t); err != nil {
		b.Fatal(err)
	}
	return t.Nano()
}

// BenchmarkShared times one factor on all cells of a picture, cell by cell and as a product, in turn.
func BenchmarkShared(b *testing.B) {
	const d, cells = 96, 1024
	rng := rand.New(rand.NewPCG(5, 7))
	_, half, _ := triangle(rng, d)
	x, mean, dst := make([]float32, cells*d), make([]float32, d), make([]float32, cells)
	for j := range x {
		x[j] = float32(rng.NormFloat64())
	}
	s := NewShared(half, mean, d, true)
	y := make([]float32, Scratch(d))
	turns(b,
		way{"single-ms", func() {
			for c := range dst {
				dst[c] = Norm2Half(half, mean, x[c*d:][:d], y, d)
			}
		}},
		way{"product-ms", func() { s.Norm2(dst, x, y) }},
	)
}
