package synth

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"cull/internal/exact"
)

// A Range is the interval a parameter is drawn from; Min == Max fixes it.
type Range struct{ Min, Max float64 }

// A MaskKind is a family of defect shapes.
type MaskKind int

// Mask families. Mixture is the data set's own; the others are for comparison.
const (
	MaskMixture MaskKind = iota // Gaussian mixture
	MaskPerlin                  // thresholded gradient noise (as in DRAEM, arXiv 2108.07610)
	MaskPatch                   // rectangles and ellipses with smooth edges (as in NSA, arXiv 2109.15222)
	MaskScratch                 // thin random-walk lines: scratches, cracks, hairs
	nMasks      = iota
)

// A Mode is what a defect does to the picture.
type Mode int

// Appearance modes; x the clean picture, m the mask, a the amplitude.
const (
	ModeAdditive Mode = iota // x + a m c, c a signed unit colour
	ModeAlpha                // (1 - a m) x + a m c0, c0 a colour
	ModeTexture              // (1 - a m) x + a m T, T the texture of somewhere else
	ModeBlur                 // (1 - a m) x + a m blur(x)
	ModeContrast             // (1 - a m) x + a m k(x), k a change of contrast and gamma
	ModeWarp                 // x(u + a m v)
	nModes       = iota
)

// An Edge is how a mask falls off.
type Edge int

// Edges.
const (
	EdgeSoft    Edge = iota // m = g: a stain
	EdgePlateau             // m = g^p: a flat top
	EdgeStep                // a ramp of a given width where g crosses a level: a chip
	nEdges      = iota
)

// A WeightRule is how a mixture's weights are drawn.
type WeightRule int

// Weight rules.
const (
	WeightDirichlet WeightRule = iota // Dirichlet(1, ..., 1)
	WeightUniform                     // U(0.3, 1) each
	WeightEqual
	nWeights = iota
)

// A Family is a kind of normal surface drawn by a procedure.
type Family int

// Procedural families. The last four are the parts of the demonstration line.
const (
	Cloud     Family = iota // 1/f^a noise: cast skin, plaster, rust
	Wood                    // rings and fibres
	Terrazzo                // Voronoi chips in cement
	Brushed                 // brushed metal
	Leaves                  // dead leaves: overlapping discs, sizes by a power law
	Weave                   // woven cloth
	Concrete                // sand and pores
	Leather                 // cells with valleys between
	Halftone                // printed dots
	Grid                    // tiles and joints
	Washer                  // machined flange with bolt holes
	Blister                 // printed label over a blister of tablets
	Board                   // circuit board
	Cap                     // moulded cap with ribs
	nFamilies = iota
)

var (
	maskNames   = []string{"gmm", "perlin", "patch", "scratch"}
	modeNames   = []string{"additive", "alpha", "texture", "blur", "contrast", "warp"}
	edgeNames   = []string{"soft", "plateau", "step"}
	weightNames = []string{"dirichlet", "uniform", "equal"}
	familyNames = []string{
		"cloud", "wood", "terrazzo", "brushed", "leaves", "weave", "concrete", "leather",
		"halftone", "grid", "washer", "blister", "board", "cap",
	}
)

func (k MaskKind) String() string   { return maskNames[k] }
func (m Mode) String() string       { return modeNames[m] }
func (e Edge) String() string       { return edgeNames[e] }
func (w WeightRule) String() string { return weightNames[w] }
func (f Family) String() string     { return familyNames[f] }

// Options are the parameters of the data set. Parameters lists each numeric one with its
// name, unit and bounds; Defaults fills them. Arrays are relative weights of a choice.
type Options struct {
	Width, Height int // pixels, 16..2048

	DefectShare float64            // samples with a defect
	Mask        [nMasks]float64    // defect shapes
	Mode        [nModes]float64    // appearance
	Edge        [nEdges]float64    // of mixtures
	Weights     [nWeights]float64  // of mixtures
	Normal      [nFamilies]float64 // procedural normals

	// Gaussian mixture.
	Components     Range // number of Gaussians K, whole
	MeanX, MeanY   Range // mu_1, fraction of width and height
	Spread         Range // r: mu_k = mu_1 + N(0, r^2), pixels, log-uniform
	SigmaX, SigmaY Range // standard deviations before rotation, pixels, log-uniform
	Elongated      float64
	LongX, ThinY   Range // sigmas of an elongated mixture, pixels, log-uniform
	Rotation       Range // theta_1, degrees
	RotationJitter Range // standard deviation of theta_k - theta_1, degrees
	Plateau        Range // exponent p of EdgePlateau
	StepLevel      Range // level of EdgeStep
	StepRamp       Range // width of its ramp, pixels

	// Other masks.
	PerlinPeriod    Range // pixels, log-uniform
	PerlinThreshold Range // of noise in [-1, 1]
	PatchCount      Range // whole
	PatchSize       Range // half the longer side, pixels, log-uniform
	PatchAspect     Range // shorter by longer side
	PatchEdge       Range // width of the ramp, pixels
	ScratchLength   Range // pixels, log-uniform
	ScratchWidth    Range // pixels, log-uniform
	ScratchTurn     Range // standard deviation of the turn over 10 pixels, degrees
	ScratchBranches Range // whole

	// Appearance.
	Amplitude    Range   // a of ModeAdditive, log-uniform
	Opacity      Range   // a of the other modes
	Dark         float64 // share of additive defects that darken
	Grey         float64 // share of grey defect colours
	TextureShift Range   // how far ModeTexture reaches for its patch, pixels
	BlurRadius   Range   // of ModeBlur, pixels, whole
	ContrastGain Range   // of ModeContrast, log-uniform
	WarpLength   Range   // |v|, pixels

	// Normal side.
	SourceShare float64 // normals cut from the Source rather than procedural
	CropScale   Range   // side of the crop by side of the picture, log-uniform
	AnyAngle    float64 // crops turned by any angle rather than a multiple of 90
	Scene       float64 // pictures with an object of another surface
	Contrast    Range   // gain about the mean, log-uniform
	Level       Range   // mean brightness
	Gamma       Range   // log-uniform
	Balance     Range   // gain of each colour channel
	GreyPicture float64 // share of grey pictures
	Blur        Range   // camera blur, pixels
	PartShift   float64 // a part lies up to this far off its place on each axis, pixels
	PartTurn    float64 // and is turned up to this far, degrees

	// Nuisance: drawn once for Clean and Image, once more for Twin.
	Gain  Range // exposure
	Light Range // amplitude of the low-frequency light
	Noise Range // standard deviation of the sensor noise
	Shift Range // displacement of Twin per axis, pixels

	// Scores.
	VisibleSlope  float64 // k, per grey level
	VisibleCentre float64 // x0, grey levels
	VisibleRadius int     // of the window, pixels, 0..7
	VisibleMedian bool    // median of the window rather than its mean
	MaskFloor     float64 // no visible score where m is at or below it
}

// Defaults returns the data set's own parameters at a size in pixels: those of the
// reconstruction in doc/synth.md for mask and appearance, those of the measured recipe
// for the normal side.
func Defaults(width, height int) Options {
	o := Options{
		Width: width, Height: height,
		DefectShare: 1,
		Mask:        [nMasks]float64{MaskMixture: 1},
		Mode:        [nModes]float64{0.3, 0.25, 0.2, 0.05, 0.1, 0.1},
		Edge:        [nEdges]float64{0.5, 0.25, 0.25},
		Weights:     [nWeights]float64{WeightDirichlet: 1},

		Components: Range{1, 5}, MeanX: Range{0.1, 0.9}, MeanY: Range{0.1, 0.9},
		Spread: Range{2, 16}, SigmaX: Range{1, 18}, SigmaY: Range{1, 18},
		Elongated: 0.35, LongX: Range{7, 40}, ThinY: Range{0.7, 2.7},
		Rotation: Range{0, 180}, RotationJitter: Range{25, 25},
		Plateau: Range{0.3, 0.3}, StepLevel: Range{0.3, 0.3}, StepRamp: Range{1.5, 1.5},

		PerlinPeriod: Range{6, 48}, PerlinThreshold: Range{0.2, 0.5},
		PatchCount: Range{1, 3}, PatchSize: Range{4, 24}, PatchAspect: Range{0.3, 1},
		PatchEdge: Range{1, 4}, ScratchLength: Range{20, 140}, ScratchWidth: Range{0.8, 3},
		ScratchTurn: Range{2, 30}, ScratchBranches: Range{0, 3},

		Amplitude: Range{0.02, 0.6}, Opacity: Range{0.1, 1}, Dark: 0.5, Grey: 0.6,
		TextureShift: Range{12, 48}, BlurRadius: Range{2, 4}, ContrastGain: Range{0.2, 3},
		WarpLength: Range{2, 8},

		SourceShare: 0.7, CropScale: Range{0.4, 1.6}, AnyAngle: 0.3, Scene: 0.5,
		Contrast: Range{0.25, 1.4}, Level: Range{0.2, 0.8}, Gamma: Range{0.8, 1.25},
		Balance: Range{0.95, 1.05}, GreyPicture: 0.4, Blur: Range{0, 0.8},
		PartShift: 2, PartTurn: 2,

		Gain: Range{0.9, 1.1}, Light: Range{0, 0.3}, Noise: Range{0, 0.02}, Shift: Range{-1, 1},

		VisibleSlope: 1. / 3, VisibleCentre: 7, VisibleRadius: 2, MaskFloor: 0.05,
	}
	for f := range o.Normal {
		o.Normal[f] = 1
	}
	for f := Washer; f <= Cap; f++ {
		o.Normal[f] = 0.5
	}
	return o
}

// A Parameter describes one entry of Options. A choice has Values and is a mix of weights;
// any other is a number or a range of numbers within Low..High.
type Parameter struct {
	Name, Unit, Doc string
	Low, High       float64
	Log, Whole      bool     // drawn log-uniform; whole numbers only
	Values          []string // of a choice
	Needs           []string // pairs of name and value without which it does nothing

	rng    func(*Options) *Range
	number func(*Options) *float64
	mix    func(*Options) []float64
}

func choice(name, doc string, values []string, mix func(*Options) []float64) Parameter {
	return Parameter{Name: name, Doc: doc, Values: values, mix: mix}
}

func share(name, doc string, p func(*Options) *float64) Parameter {
	return Parameter{Name: name, Unit: "share", Doc: doc, High: 1, number: p}
}

func number(name, unit string, high float64, doc string, p func(*Options) *float64) Parameter {
	return Parameter{Name: name, Unit: unit, Doc: doc, High: high, number: p}
}

func span(name, unit string, low, high float64, doc string, r func(*Options) *Range) Parameter {
	return Parameter{Name: name, Unit: unit, Doc: doc, Low: low, High: high, rng: r}
}

func (p Parameter) log() Parameter   { p.Log = true; return p }
func (p Parameter) whole() Parameter { p.Whole = true; return p }

func (p Parameter) needs(pairs ...string) Parameter { p.Needs = pairs; return p }

var parameters = []Parameter{
	share("defect-share", "samples with a defect",
		func(o *Options) *float64 { return &o.DefectShare }),
	choice("mask", "family of defect shapes", maskNames,
		func(o *Options) []float64 { return o.Mask[:] }),
	choice("mode", "what a defect does to the picture", modeNames,
		func(o *Options) []float64 { return o.Mode[:] }),
	choice("edge", "how a mixture's mask falls off", edgeNames,
		func(o *Options) []float64 { return o.Edge[:] }).needs("mask", "gmm"),
	choice("weights", "rule for the weights of a mixture", weightNames,
		func(o *Options) []float64 { return o.Weights[:] }).needs("mask", "gmm"),
	choice("family", "procedural surfaces", familyNames,
		func(o *Options) []float64 { return o.Normal[:] }).needs("source-share", "0"),

	span("components", "", 1, maxComponents, "number of Gaussians",
		func(o *Options) *Range { return &o.Components }).whole().needs("mask", "gmm"),
	span("mean-x", "width", 0, 1, "first mean, from left to right",
		func(o *Options) *Range { return &o.MeanX }),
	span("mean-y", "height", 0, 1, "first mean, from top to bottom",
		func(o *Options) *Range { return &o.MeanY }),
	span("spread", "px", 0.01, 500, "standard deviation of the other means about the first",
		func(o *Options) *Range { return &o.Spread }).log().needs("mask", "gmm", "components", "4"),
	span("sigma-x", "px", 0.3, 500, "x standard deviation of a Gaussian: horizontal size",
		func(o *Options) *Range { return &o.SigmaX }).log().needs("mask", "gmm", "elongated", "0"),
	span("sigma-y", "px", 0.3, 500, "y standard deviation of a Gaussian: vertical size",
		func(o *Options) *Range { return &o.SigmaY }).log().needs("mask", "gmm", "elongated", "0"),
	share("elongated", "mixtures that are long and thin",
		func(o *Options) *float64 { return &o.Elongated }).needs("mask", "gmm"),
	span("long-x", "px", 0.3, 500, "sigma x of an elongated mixture",
		func(o *Options) *Range { return &o.LongX }).log().needs("mask", "gmm", "elongated", "1"),
	span("thin-y", "px", 0.3, 500, "sigma y of an elongated mixture",
		func(o *Options) *Range { return &o.ThinY }).log().needs("mask", "gmm", "elongated", "1"),
	span("rotation", "deg", -360, 360, "rotation of the first Gaussian",
		func(o *Options) *Range { return &o.Rotation }).needs("mask", "gmm", "elongated", "1"),
	span("rotation-jitter", "deg", 0, 360, "standard deviation of the other rotations about the first",
		func(o *Options) *Range { return &o.RotationJitter }).
		needs("mask", "gmm", "elongated", "1", "components", "4"),
	span("plateau", "", 0.05, 1, "exponent of a plateau edge: lower is flatter",
		func(o *Options) *Range { return &o.Plateau }).needs("mask", "gmm", "edge", "plateau"),
	span("step-level", "", 0.01, 0.99, "level at which a step edge cuts",
		func(o *Options) *Range { return &o.StepLevel }).needs("mask", "gmm", "edge", "step"),
	span("step-ramp", "px", 0.1, 50, "width of a step edge",
		func(o *Options) *Range { return &o.StepRamp }).needs("mask", "gmm", "edge", "step"),

	span("perlin-period", "px", 2, 500, "period of the gradient noise",
		func(o *Options) *Range { return &o.PerlinPeriod }).log().needs("mask", "perlin"),
	span("perlin-threshold", "", -0.9, 0.9, "level at which the noise is cut",
		func(o *Options) *Range { return &o.PerlinThreshold }).needs("mask", "perlin"),
	span("patch-count", "", 1, 8, "number of patches",
		func(o *Options) *Range { return &o.PatchCount }).whole().needs("mask", "patch"),
	span("patch-size", "px", 1, 500, "half the longer side of a patch",
		func(o *Options) *Range { return &o.PatchSize }).log().needs("mask", "patch"),
	span("patch-aspect", "", 0.05, 1, "shorter by longer side of a patch",
		func(o *Options) *Range { return &o.PatchAspect }).needs("mask", "patch"),
	span("patch-edge", "px", 0.1, 100, "width of a patch's edge",
		func(o *Options) *Range { return &o.PatchEdge }).needs("mask", "patch"),
	span("scratch-length", "px", 1, 2000, "length of a scratch",
		func(o *Options) *Range { return &o.ScratchLength }).log().needs("mask", "scratch"),
	span("scratch-width", "px", 0.3, 50, "width of a scratch",
		func(o *Options) *Range { return &o.ScratchWidth }).log().needs("mask", "scratch"),
	span("scratch-turn", "deg", 0, 90, "standard deviation of the turn over 10 px",
		func(o *Options) *Range { return &o.ScratchTurn }).needs("mask", "scratch"),
	span("scratch-branches", "", 0, 8, "number of branches",
		func(o *Options) *Range { return &o.ScratchBranches }).whole().needs("mask", "scratch"),

	span("amplitude", "full scale", 0, 1, "amplitude of additive defects",
		func(o *Options) *Range { return &o.Amplitude }).log().needs("mode", "additive"),
	span("opacity", "", 0, 1, "amplitude of the other modes",
		func(o *Options) *Range { return &o.Opacity }).needs("mode", "alpha"),
	share("dark", "additive defects that darken",
		func(o *Options) *float64 { return &o.Dark }).needs("mode", "additive"),
	share("grey", "defect colours that are grey",
		func(o *Options) *float64 { return &o.Grey }).needs("mode", "alpha"),
	span("texture-shift", "px", 1, 2000, "how far texture defects reach for their patch",
		func(o *Options) *Range { return &o.TextureShift }).needs("mode", "texture"),
	span("blur-radius", "px", 1, 16, "radius of blur defects",
		func(o *Options) *Range { return &o.BlurRadius }).whole().needs("mode", "blur"),
	span("contrast-gain", "", 0.01, 100, "gain of contrast defects",
		func(o *Options) *Range { return &o.ContrastGain }).log().needs("mode", "contrast"),
	span("warp", "px", 0.1, 200, "displacement of warp defects",
		func(o *Options) *Range { return &o.WarpLength }).needs("mode", "warp"),

	share("source-share", "normals cut from real pictures",
		func(o *Options) *float64 { return &o.SourceShare }),
	span("crop-scale", "side", 0.05, 10, "side of a real crop by side of the picture",
		func(o *Options) *Range { return &o.CropScale }).log().needs("source-share", "1"),
	share("any-angle", "real crops turned by any angle",
		func(o *Options) *float64 { return &o.AnyAngle }).needs("source-share", "1"),
	share("scene", "pictures with an object of another surface",
		func(o *Options) *float64 { return &o.Scene }),
	span("contrast", "", 0.01, 10, "gain about the mean of the normal picture",
		func(o *Options) *Range { return &o.Contrast }).log(),
	span("level", "full scale", 0, 1, "mean brightness of the normal picture",
		func(o *Options) *Range { return &o.Level }),
	span("gamma", "", 0.1, 10, "gamma of the normal picture",
		func(o *Options) *Range { return &o.Gamma }).log(),
	span("balance", "", 0.1, 10, "gain of each colour channel",
		func(o *Options) *Range { return &o.Balance }),
	share("grey-picture", "pictures without colour",
		func(o *Options) *float64 { return &o.GreyPicture }),
	span("blur", "px", 0, 8, "camera blur, a standard deviation",
		func(o *Options) *Range { return &o.Blur }),
	number("part-shift", "px", 500, "a part lies up to this far off its place on each axis",
		func(o *Options) *float64 { return &o.PartShift }).needs("family", "washer"),
	number("part-turn", "deg", 180, "a part is turned up to this far either way",
		func(o *Options) *float64 { return &o.PartTurn }).needs("family", "board"),

	span("gain", "", 0.01, 10, "exposure", func(o *Options) *Range { return &o.Gain }),
	span("light", "", 0, 1, "amplitude of uneven light",
		func(o *Options) *Range { return &o.Light }),
	span("noise", "full scale", 0, 1, "standard deviation of the sensor noise",
		func(o *Options) *Range { return &o.Noise }),
	span("shift", "px", -8, 8, "displacement of the twin per axis",
		func(o *Options) *Range { return &o.Shift }),
}

// Parameters lists what Set knows.
func Parameters() []Parameter { return slices.Clone(parameters) }

// ErrUnknown reports a parameter that does not exist.
var ErrUnknown = errors.New("unknown parameter")

func lookup(name string) (Parameter, error) {
	for _, p := range parameters {
		if p.Name == name {
			return p, nil
		}
	}
	return Parameter{}, fmt.Errorf("synth: %w %q", ErrUnknown, name)
}

// Set gives a parameter a value: "3" fixes it, "1:18" draws it from a range, and a choice
// takes one name or a mix "gmm:0.5,perlin:0.2".
func (o *Options) Set(name, value string) error {
	p, err := lookup(name)
	if err != nil {
		return err
	}
	next := *o
	switch {
	case p.mix != nil:
		err = setMix(p.mix(&next), p.Values, value)
	case p.number != nil:
		*p.number(&next), err = strconv.ParseFloat(value, 64)
	default:
		*p.rng(&next), err = parseRange(value)
	}
	if err == nil {
		err = p.check(&next)
	}
	if err != nil {
		return fmt.Errorf("synth: %s: %w", name, err)
	}
	*o = next
	return nil
}

func setMix(w []float64, names []string, value string) error {
	clear(w)
	seen := make([]bool, len(names))
	for part := range strings.SplitSeq(value, ",") {
		name, weight, weighed := strings.Cut(strings.TrimSpace(part), ":")
		i := slices.Index(names, name)
		if i < 0 {
			return fmt.Errorf("no value %q (there are %s)", name, strings.Join(names, ", "))
		}
		if seen[i] {
			return fmt.Errorf("%s is named twice", name)
		}
		seen[i] = true
		w[i] = 1
		if weighed {
			var err error
			if w[i], err = strconv.ParseFloat(weight, 64); err != nil {
				return err
			}
		}
	}
	return nil
}

func parseRange(s string) (r Range, err error) {
	low, high, two := strings.Cut(s, ":")
	if r.Min, err = strconv.ParseFloat(low, 64); err != nil {
		return r, err
	}
	r.Max = r.Min
	if two {
		r.Max, err = strconv.ParseFloat(high, 64)
	}
	return r, err
}

// Value returns the parameter as Set reads it.
func (p Parameter) Value(o *Options) string {
	switch {
	case p.mix != nil:
		var b strings.Builder
		for i, w := range p.mix(o) {
			if w != 0 {
				if b.Len() > 0 {
					b.WriteByte(',')
				}
				fmt.Fprintf(&b, "%s:%g", p.Values[i], w)
			}
		}
		return b.String()
	case p.number != nil:
		return strconv.FormatFloat(*p.number(o), 'g', -1, 64)
	}
	r := p.rng(o)
	if r.Min == r.Max {
		return strconv.FormatFloat(r.Min, 'g', -1, 64)
	}
	return fmt.Sprintf("%g:%g", r.Min, r.Max)
}

func (p Parameter) check(o *Options) error {
	switch {
	case p.mix != nil:
		sum := 0.0
		for _, w := range p.mix(o) {
			if !(w >= 0 && w <= 1e6) {
				return fmt.Errorf("weight %v is not in 0..1e6", w)
			}
			sum += w
		}
		if sum == 0 {
			return errors.New("all weights are zero")
		}
		return nil
	case p.number != nil:
		if v := *p.number(o); !(v >= 0 && v <= p.High) {
			return fmt.Errorf("%v is not in 0..%g", v, p.High)
		}
		return nil
	}
	r := *p.rng(o)
	switch {
	case !(r.Min >= p.Low && r.Max <= p.High):
		return fmt.Errorf("%g:%g is not in %g..%g", r.Min, r.Max, p.Low, p.High)
	case !(r.Min <= r.Max):
		return fmt.Errorf("range %g:%g is upside down", r.Min, r.Max)
	case p.Whole && (r.Min != math.Floor(r.Min) || r.Max != math.Floor(r.Max)):
		return fmt.Errorf("%g:%g is not whole", r.Min, r.Max)
	case p.Log && r.Min <= 0 && r.Min != r.Max:
		return fmt.Errorf("%g:%g: a log-uniform range starts above 0", r.Min, r.Max)
	}
	return nil
}

// Validate checks every parameter.
func (o *Options) Validate() error {
	if o.Width < 16 || o.Width > 2048 || o.Height < 16 || o.Height > 2048 {
		return fmt.Errorf("synth: size %dx%d is not in 16..2048", o.Width, o.Height)
	}
	for _, p := range parameters {
		if err := p.check(o); err != nil {
			return fmt.Errorf("synth: %s: %w", p.Name, err)
		}
	}
	switch {
	case !(o.VisibleSlope > 0 && o.VisibleSlope <= 10):
		return fmt.Errorf("synth: visible slope %v is not in 0..10", o.VisibleSlope)
	case !(o.VisibleCentre >= 0 && o.VisibleCentre <= 255):
		return fmt.Errorf("synth: visible centre %v is not in 0..255", o.VisibleCentre)
	case o.VisibleRadius < 0 || o.VisibleRadius > 7:
		return fmt.Errorf("synth: visible radius %d is not in 0..7", o.VisibleRadius)
	case !(o.MaskFloor >= 0 && o.MaskFloor < 1):
		return fmt.Errorf("synth: mask floor %v is not in [0, 1)", o.MaskFloor)
	}
	return nil
}

// Sweep returns n values of the parameter, as Set reads them, over the range it has in o; a
// fixed value v is swept from v/4 to 4v, a share from 0 to 1, a choice through its names.
func (p Parameter) Sweep(o *Options, n int) []string {
	if p.mix != nil {
		return slices.Clone(p.Values)
	}
	r := Range{0, p.High}
	if p.rng != nil {
		r = *p.rng(o)
	} else if p.Unit != "share" {
		r.Max = 4 * *p.number(o)
	}
	log := p.Log && r.Min > 0
	if r.Min == r.Max && r.Min > 0 {
		log = true
		r = Range{max(p.Low, r.Min/4), min(p.High, r.Max*4)}
	}
	if p.Whole {
		n = min(n, int(r.Max-r.Min)+1)
	}
	var values []string
	for i := range n {
		t := float64(i) / float64(max(n-1, 1))
		v := r.Min + float64(t*(r.Max-r.Min))
		if log {
			v = float64(r.Min * exact.Pow(r.Max/r.Min, t))
		}
		if p.Whole {
			v = math.Round(v)
		} else {
			v, _ = strconv.ParseFloat(strconv.FormatFloat(v, 'g', 3, 64), 64)
			v = max(p.Low, min(p.High, v))
		}
		values = append(values, strconv.FormatFloat(v, 'g', -1, 64))
	}
	return values
}
