package padim

import "cull/padim/internal/kernel"

// What a comparison with another implementation needs.

// Gaussian returns the mean and the whitening factor of a cell as they are
// stored: d^2 = |W (x - mean)|^2, W's lower triangle row by row.
func (m *Model) Gaussian(cell int) (mean, w []float64) {
	d := m.proj.d
	i, k := cell, cell
	if m.mode == Texture {
		i = 0
	}
	if m.shared {
		k = 0
	}
	for _, v := range m.mean[i*kernel.Padded(d):][:d] {
		mean = append(mean, float64(v))
	}
	w = make([]float64, tri(d))
	row, column := kernel.Order(d)
	for at, r := range row {
		if int(r) < d && column[at] <= r {
			w[tri(int(r))+int(column[at])] = float64(m.factorAt(k*len(row) + at))
		}
	}
	return mean, w
}

// Features returns the features of the picture scored last, [cells][stride] of
// which the first Dim count. They belong to the scorer until its next Score.
func (s *Scorer) Features() (x []float32, stride int) {
	return s.proj.x, kernel.Padded(s.m.proj.d)
}

// Distances returns every cell's Mahalanobis distance of those features, not
// filtered: the part of Score whose time grows with Dim squared. The map belongs
// to the scorer until its next Score.
func (s *Scorer) Distances() ScoreMap {
	s.team.run(s.measure)
	return s.dist
}
