package control

import (
	"errors"
	"fmt"
	"math"

	"cull/padim"
)

// ErrNotCalibrated reports an extractor that saw too few good pictures.
var ErrNotCalibrated = errors.New("control: want at least 2 good pictures to calibrate")

// sigmas is the half width of the int8 range, in standard deviations.
const sigmas = 6

// An Extractor turns input pictures into int8 feature maps like a network's.
// First every good picture is shown to Observe, then Calibrate fixes the
// quantisation, channel by channel: value 0 is the mean, 127 is six standard
// deviations. Not safe for concurrent use.
type Extractor struct {
	filters func(rgb []uint8, h, w int) [BankStages][]float32
	h, w    int
	rgb     []uint8
	stages  [BankStages]stage
	maps    [BankStages]padim.Map
	seen    int
}

// A stage holds the statistics of one map's channels.
type stage struct {
	sum, sqr      []float64
	mean, inverse []float32 // inverse = 1/step
}

// NewHandmade returns the extractor of 22 textbook filters for pictures of
// height x width, multiples of 16.
func NewHandmade(height, width int) (*Extractor, error) {
	return newExtractor(handmade{NewBank()}.maps, handmadeChannels, height, width)
}

// NewFormula returns the extractor of the formula bank.
func NewFormula(height, width int) (*Extractor, error) {
	return newExtractor(NewBank().Maps, BankChannels, height, width)
}

// NewLines returns the extractor of the formula bank and, beside it, Lines.
func NewLines(height, width int) (*Extractor, error) {
	channels := BankChannels
	for s := range channels {
		channels[s] += LineChannels
	}
	b := NewBank()
	return newExtractor(func(rgb []uint8, h, w int) (all [BankStages][]float32) {
		maps, lines := b.Maps(rgb, h, w), b.Lines(rgb, h, w)
		for s, n := range BankChannels {
			for m, l := maps[s], lines[s]; len(m) > 0; m, l = m[n:], l[LineChannels:] {
				all[s] = append(append(all[s], m[:n]...), l[:LineChannels]...)
			}
		}
		return all
	}, channels, height, width)
}

func newExtractor(
	f func([]uint8, int, int) [BankStages][]float32, channels [BankStages]int, h, w int,
) (*Extractor, error) {
	if h < 16 || w < 16 || h%16 != 0 || w%16 != 0 {
		return nil, fmt.Errorf("control: picture of %dx%d: sides must be multiples of 16", w, h)
	}
	e := &Extractor{filters: f, h: h, w: w, rgb: make([]uint8, h*w*3)}
	for i, c := range channels {
		s := 4 << i
		e.maps[i] = padim.Map{
			H: h / s, W: w / s, C: c, Stride: s,
			Data: make([]int8, h/s*(w/s)*c), Step: make([]float32, c),
		}
		e.stages[i] = stage{
			sum: make([]float64, c), sqr: make([]float64, c),
			mean: make([]float32, c), inverse: make([]float32, c),
		}
	}
	return e, nil
}

// forward runs the filters on pic, [h][w][3] int8 as package prep makes it.
func (e *Extractor) forward(pic []int8) [BankStages][]float32 {
	if len(pic) != len(e.rgb) {
		panic(fmt.Sprintf("control: picture has %d values, want %d", len(pic), len(e.rgb)))
	}
	for i, v := range pic {
		e.rgb[i] = uint8(int(v) + 128)
	}
	return e.filters(e.rgb, e.h, e.w)
}

// Observe adds a good picture to the statistics.
func (e *Extractor) Observe(pic []int8) {
	for i, data := range e.forward(pic) {
		s, n := &e.stages[i], e.maps[i].C
		for j, v := range data {
			s.sum[j%n] += float64(v)
			s.sqr[j%n] += float64(float64(v) * float64(v))
		}
	}
	e.seen++
}

// Calibrate fixes the quantisation.
func (e *Extractor) Calibrate() error {
	if e.seen < 2 {
		return ErrNotCalibrated
	}
	for i := range e.stages {
		s, m := &e.stages[i], &e.maps[i]
		n := float64(e.seen * m.H * m.W)
		for c := range m.C {
			mean := s.sum[c] / n
			sd := math.Sqrt(max(0, s.sqr[c]/n-float64(mean*mean)))
			step := float32(max(sd, 1e-6) * sigmas / 127)
			s.mean[c], m.Step[c], s.inverse[c] = float32(mean), step, 1/step
		}
	}
	return nil
}

// Maps returns the feature maps of pic. They belong to the extractor until its
// next call. It panics before Calibrate.
func (e *Extractor) Maps(pic []int8) []padim.Map {
	for i, data := range e.forward(pic) {
		s, m := &e.stages[i], &e.maps[i]
		if s.inverse[0] == 0 {
			panic(ErrNotCalibrated)
		}
		for at := 0; at < len(data); at += m.C {
			row, out := data[at:][:m.C], m.Data[at:][:m.C]
			for c, v := range row {
				q := math.RoundToEven(float64((v - s.mean[c]) * s.inverse[c]))
				out[c] = int8(min(max(q, -127), 127))
			}
		}
	}
	return e.maps[:]
}
