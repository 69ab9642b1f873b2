package padim

import (
	"math/rand/v2"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// BenchmarkSteps has the shares of a scorer's steps on maps of the shipped network's shapes, one thread, in turn:
// medians of process CPU time.
func BenchmarkSteps(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	var train kept
	for range 5 {
		var maps []Map
		for _, c := range []int{32, 64, 128} {
			m := Map{H: 2048 / c, W: 2048 / c, C: c, Stride: c / 8, Data: make([]int8, 2048/c*2048), Step: make([]float32, c)}
			for i := range m.Data {
				m.Data[i] = int8(rng.IntN(128))
			}
			for i := range m.Step {
				m.Step[i] = 0.02
			}
			maps = append(maps, m)
		}
		train = append(train, maps)
	}
	for _, mode := range []Mode{Part, Texture} {
		m, _ := mustFit(b, train, Options{Mode: mode, Shrinkage: 0.5})
		s := mustScorer(b, m, 1)
		b.Run(mode.String(), func(b *testing.B) { benchmarkSteps(b, s, train[0]) })
	}
}

func benchmarkSteps(b *testing.B, s *Scorer, maps []Map) {
	names := []string{"project-ms", "gather-ms", "distances-ms", "map-ms"}
	took := make([][]float64, len(names))
	s.proj.maps = maps
	for b.Loop() {
		for i, step := range []func(){
			func() { s.phaseSum(0) },
			func() { s.proj.gather(0, s.m.proj.h, s.members[0].column) },
			func() { s.phaseMeasure(0) },
			func() { s.finish() },
		} {
			start := processTime(b)
			step()
			took[i] = append(took[i], float64(processTime(b)-start)/1e6)
		}
	}
	for i, name := range names {
		slices.Sort(took[i])
		b.ReportMetric(took[i][len(took[i])/2], name)
	}
}

func processTime(b *testing.B) int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t); err != nil {
		b.Fatal(err)
	}
	return t.Nano()
}
