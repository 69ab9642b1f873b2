package synth

import (
	"testing"

	"cull/internal/exact"
)

func BenchmarkRender(b *testing.B) {
	g := must(b, Defaults(128, 128))
	var s Sample
	seed := uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		if err := g.Render(&s, seed); err != nil {
			b.Fatal(err)
		}
		seed++
	}
}

func BenchmarkFamily(b *testing.B) {
	for f := range Family(nFamilies) {
		b.Run(f.String(), func(b *testing.B) {
			g := must(b, Defaults(128, 128))
			r := exact.NewRand(1, 1)
			for b.Loop() {
				g.family(&g.scene, &r, f)
			}
		})
	}
}

func BenchmarkStep(b *testing.B) {
	g := must(b, Defaults(128, 128), "scene", "0")
	s := render(b, g, 7)
	d := draws{7}
	b.Run("develop", func(b *testing.B) {
		for b.Loop() {
			g.develop(&s.Params.Normal)
		}
	})
	b.Run("relevel", func(b *testing.B) {
		for b.Loop() {
			relevel(&g.scene, 1, 0.5)
		}
	})
	b.Run("expose", func(b *testing.B) {
		for b.Loop() {
			g.expose(d, s, box{30, 30, 70, 70})
		}
	})
	b.Run("scores", func(b *testing.B) {
		for b.Loop() {
			g.scores(s, box{30, 30, 70, 70})
		}
	})
	b.Run("defect", func(b *testing.B) {
		p := Defect{}
		for b.Loop() {
			p.Components, p.Shape = p.Components[:0], p.Shape[:0]
			if _, err := g.drawDefect(d, &p); err != nil {
				b.Fatal(err)
			}
		}
	})
}
