package synth

import "cull/internal/exact"

// family draws a procedural surface.
func (g *Generator) family(dst *planes, r *exact.Rand, f Family) {
	switch f {
	default:
		g.cloud(dst, r)
	}
}

// cloud is 1/f^a noise through a palette.
func (g *Generator) cloud(dst *planes, r *exact.Rand) {
	f := g.spare[1]
	g.fractal(f, r, r.Range(0.6, 1.8), 0)
	for i, v := range f {
		for c := range dst {
			dst[c][i] = clamp(0.5+float32(0.15*v), 0, 1)
		}
	}
}
