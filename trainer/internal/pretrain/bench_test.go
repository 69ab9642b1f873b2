package pretrain

import (
	"context"
	"testing"

	"cull/trainer/internal/recipe"
)

// BenchmarkTrain is the default recipe on procedural surfaces, generator included.
func BenchmarkTrain(b *testing.B) {
	r := recipe.Default()
	r.Data.Reuse = 2
	r.Training.Images = 1 << 40
	run, err := New(&r, "", "", 1)
	if err != nil {
		b.Fatal(err)
	}
	run.step = 1 // the targets' statistics do not matter here
	for i := range run.terms[0].State() {
		for j := range run.terms[0].State()[i] {
			run.terms[0].State()[i][j] = float32(i % 2)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	n := 0
	b.ResetTimer()
	_ = run.Train(ctx, func(Progress) error {
		if n++; n == b.N {
			cancel()
		}
		return nil
	})
	b.ReportMetric(float64(b.N*r.Training.Batch)/b.Elapsed().Seconds(), "samples/s")
}
