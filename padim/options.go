package padim

import "fmt"

// Samples are the feature maps of the good parts a model is taught from.
//
// Fit walks over them several times, always in the same order, and keeps none:
// its memory does not depend on Len. The maps handed to f are on loan until it
// returns. Every sample must have the same stages, shapes and steps.
type Samples interface {
	Len() int
	// Each calls f once a sample, i = 0..Len-1 ascending, and returns the first
	// error, its own or f's.
	Each(f func(i int, maps []Map) error) error
}

// A Mode says how much a position knows.
type Mode uint8

// Modes.
const (
	Auto    Mode = iota // part or texture, whichever explains held-out good parts better
	Part                // a Gaussian per position: parts that lie where they were taught
	Texture             // one Gaussian for all positions: webs, surfaces, loose parts
	Stock               // PaDiM as published, for comparison (Defard et al., ICPR 2020)
)

var modeNames = [...]string{"auto", "part", "texture", "stock"}

// String returns the mode's name as in files and on command lines.
func (m Mode) String() string {
	if int(m) < len(modeNames) {
		return modeNames[m]
	}
	return fmt.Sprintf("Mode(%d)", uint8(m))
}

// MarshalText returns the mode's name.
func (m Mode) MarshalText() ([]byte, error) {
	if int(m) >= len(modeNames) {
		return nil, fmt.Errorf("padim: mode %d: unknown", uint8(m))
	}
	return []byte(modeNames[m]), nil
}

// UnmarshalText reads a mode's name.
func (m *Mode) UnmarshalText(text []byte) error {
	for i, name := range modeNames {
		if string(text) == name {
			*m = Mode(i)
			return nil
		}
	}
	return fmt.Errorf("padim: mode %q: not auto, part, texture or stock", text)
}

// A Projection says how the channels of all stages become Dim numbers.
type Projection uint8

// Projections.
const (
	DefaultProjection Projection = iota // SemiOrthogonal, in Stock mode RandomChannels
	SemiOrthogonal                      // Q of the QR decomposition of a Gaussian matrix; Identity with no more channels than Dim
	RandomChannels                      // a random choice of channels, or Options.Channels
	Identity                            // every channel; Dim is not used
)

// A Precision is the number format of the whitening factors.
type Precision uint8

// Precisions.
const (
	DefaultPrecision Precision = iota // Half, in Stock mode Single
	Half                              // IEEE 754 binary16; Single where a factor does not fit
	Single                            // IEEE 754 binary32
)

// Options are the choices of a fit. The zero value is the recommended setting.
//
// Stock mode fixes everything but Channels, Seed, Dim, TargetFRR and Threads.
type Options struct {
	Mode Mode

	// Dim is the number of dimensions after projection, at most the number of
	// channels of all stages. 0: 96, in Stock mode 100.
	Dim        int
	Projection Projection
	Channels   []int // RandomChannels: this choice, indices into the concatenated stages
	Seed       uint64

	// Cell is the side of a grid cell in input pixels. 0: 8, in Stock mode the
	// smallest stride. Finer stages are averaged over the cell, coarser ones
	// repeated; strides must be a multiple or a divisor of it.
	Cell int

	// NoPool leaves out the 3x3 mean of the features over neighbouring cells.
	NoPool bool

	// Shrinkage is the weight, 0..1, of the covariance that all positions share
	// in that of each position (Part). 0: 0.3; negative: none.
	Shrinkage float64

	// Ridge, times the mean variance of a dimension about its position's mean,
	// is added to the diagonal of every covariance. 0: 0.01. The sum is never
	// less than the variance of the quantiser, step^2/12.
	Ridge float64

	// Region is how many parts the covariance of a position's region counts for,
	// the mean over the 5x5 cells around it (Part): the fewer parts, the less a
	// position has of its own. 0: 5; negative: none.
	Region float64

	// NoSearch leaves out the search for the nearest Gaussian of a cell's 3x3
	// neighbourhood (Part), so that nothing may lie elsewhere than it was taught.
	NoSearch bool

	// Smooth is the sigma, in cells, of the Gaussian filter on the score map.
	// 0: 0.5; negative: none.
	Smooth float64

	// Top is the share of cells, the highest, whose mean is the picture's
	// score; at least one cell, so a tiny share is the maximum. 0: 0.005.
	Top float64

	// Mask, where not nil, marks with true the cells to ignore, [H][W] of the
	// grid: they are neither learnt nor scored.
	Mask []bool

	Precision Precision

	// Copies are the samples that follow each good part: copies of it as it would
	// look otherwise, in other light or mirrored. Where true, they are taught like
	// parts; where false, only tried: Report.Tried has their scores. A part is left
	// out together with its copies, and the threshold comes from the parts alone.
	// Not in Stock mode.
	Copies []bool

	// TargetFRR is the false-reject rate the threshold aims at. 0: 0.01.
	TargetFRR float64

	// Threads to use. 0: all CPUs. The result does not depend on it.
	Threads int
}
