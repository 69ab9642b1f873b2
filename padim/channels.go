package padim

import "math"

// channelStats are exact sums of the int8 values of each channel of each stage.
type channelStats struct {
	layout layout
	skip   [][]bool // per stage, positions under the mask
	n      []int64  // per stage, values a channel
	sum    [][]int64
	square [][]int64
}

func newChannelStats(l layout, mask []bool) *channelStats {
	s := &channelStats{layout: l, n: make([]int64, len(l.stages))}
	for _, st := range l.stages {
		s.sum = append(s.sum, make([]int64, st.c))
		s.square = append(s.square, make([]int64, st.c))
		s.skip = append(s.skip, st.masked(mask, l.w))
	}
	return s
}

// masked returns which positions have none but ignored cells; nil: none.
func (s *stage) masked(mask []bool, w int) []bool {
	if mask == nil {
		return nil
	}
	skip := make([]bool, s.h*s.w)
	for p := range skip {
		r, c := p/s.w*s.up/s.down, p%s.w*s.up/s.down
		skip[p] = true
		for a := range s.up {
			for b := range s.up {
				skip[p] = skip[p] && mask[(r+a)*w+c+b]
			}
		}
	}
	return skip
}

func (s *channelStats) add(maps []Map) {
	for i, m := range maps {
		sum, square := s.sum[i], s.square[i]
		for p := range m.H * m.W {
			if s.skip[i] != nil && s.skip[i][p] {
				continue
			}
			s.n[i]++
			for c, v := range m.Data[p*m.C:][:m.C] {
				sum[c] += int64(v)
				square[c] += int64(v) * int64(v)
			}
		}
	}
}

// units returns what one step of each channel is worth in feature space: with
// standardise 1/sigma, sigma^2 the variance in steps plus 1/12, that of the
// quantiser, so that a channel without variance gets no infinite weight; else
// the channel's step.
func (s *channelStats) units(standardise bool) [][]float64 {
	u := make([][]float64, len(s.sum))
	for i := range u {
		u[i] = make([]float64, len(s.sum[i]))
		for c := range u[i] {
			if !standardise {
				u[i][c] = float64(s.layout.stages[i].step[c])
				continue
			}
			n := float64(s.n[i])
			mean := float64(s.sum[i][c]) / n
			variance := max(float64(s.square[i][c])/n-float64(mean*mean), 0)
			u[i][c] = 1 / math.Sqrt(variance+1.0/12)
		}
	}
	return u
}
