package synth

// A Picture is W x H pixels, bytes R, G, B, rows from the top without gaps.
type Picture struct {
	W, H int
	Pix  []uint8
}

// A Sample is one picture with everything that is known about it. Its slices belong to
// the caller and are reused by the next Render into it. Maps are [H][W] in [0, 1].
type Sample struct {
	Seed  uint64
	Clean Picture // without the defect
	Image Picture // with it, under the same nuisance: equal bytes wherever Mask is 0
	Twin  Picture // Clean under another nuisance draw, displaced by Params.Shift

	Mask  []float32 // m, the formula's shape
	Score []float32 // a m, the pure formula

	// Visible follows the change d(u), the mean (or median) over a window of the mean
	// over colours of |Image - Clean| in grey levels:
	//
	//	S = [m > floor] max(0, (l(d) - l(0)) / (1 - l(0))),  l(d) = 1/(1+exp(-k(d-x0)))
	//
	// (Schlüter et al., NSA, arXiv 2109.15222, with l shifted so that no change scores 0.)
	Visible []float32

	// Relative sets the change against the contrast it hides in: with s the standard
	// deviation of Clean's brightness over 15 x 15 and d the 3 x 3 mean change,
	// r = d/(6+s), S = [r > 0.3] / (1+exp(-5(r-1))).
	Relative []float32

	Params Params
}

// Params are the drawn values of a sample.
type Params struct {
	Normal Normal `json:"normal"`
	Defect Defect `json:"defect"`
	Camera Camera `json:"camera"`
}

// A Surface is one texture of a picture.
type Surface struct {
	Name  string  `json:"name"`  // procedural family, or class of the real picture
	Real  bool    `json:"real"`  // cut from the Source
	Index int     `json:"index"` // of the Source's picture or of the Family
	Scale float64 `json:"scale,omitempty"`
	Angle float64 `json:"angle_deg,omitempty"`

	Contrast float64 `json:"contrast"`
	Level    float64 `json:"level"`
}

// Normal is how the picture under the defect was made.
type Normal struct {
	Ground  Surface    `json:"ground"`
	Object  *Surface   `json:"object,omitempty"`
	Gamma   float64    `json:"gamma"`
	Balance [3]float64 `json:"balance"`
	Grey    bool       `json:"grey"`
	Blur    float64    `json:"blur_px"`
}

// A Component is one Gaussian of a mixture; pixels, degrees.
type Component struct {
	X      float64 `json:"x_px"`
	Y      float64 `json:"y_px"`
	SigmaX float64 `json:"sigma_x_px"`
	SigmaY float64 `json:"sigma_y_px"`
	Theta  float64 `json:"theta_deg"`
	Weight float64 `json:"weight"`
}

// Defect is the drawn defect; all zero when Present is false.
type Defect struct {
	Present    bool        `json:"present"`
	Mask       string      `json:"mask,omitempty"`
	Edge       string      `json:"edge,omitempty"`
	EdgeValue  float64     `json:"edge_value,omitempty"` // p of a plateau, level of a step
	Components []Component `json:"components,omitempty"`
	Shape      []float64   `json:"shape,omitempty"` // of the other masks, see doc/synth.md
	Mode       string      `json:"mode,omitempty"`
	Amplitude  float64     `json:"amplitude"`
	Colour     [3]float64  `json:"colour"` // signed unit colour, or c0 of ModeAlpha
	Texture    string      `json:"texture,omitempty"`
	Value      float64     `json:"value,omitempty"` // blur radius, contrast gain
	DX         float64     `json:"dx_px,omitempty"` // texture shift, warp vector
	DY         float64     `json:"dy_px,omitempty"`
}

// Camera is the nuisance of Clean and Image, and of Twin.
type Camera struct {
	Gain      float64 `json:"gain"`
	Light     float64 `json:"light"`
	Noise     float64 `json:"noise"`
	TwinGain  float64 `json:"twin_gain"`
	TwinLight float64 `json:"twin_light"`
	TwinNoise float64 `json:"twin_noise"`
	ShiftX    float64 `json:"shift_x_px"`
	ShiftY    float64 `json:"shift_y_px"`
}

func (p *Picture) resize(w, h int) {
	p.W, p.H = w, h
	p.Pix = grow(p.Pix, 3*w*h)
}

func (s *Sample) resize(w, h int) {
	s.Clean.resize(w, h)
	s.Image.resize(w, h)
	s.Twin.resize(w, h)
	for _, m := range []*[]float32{&s.Mask, &s.Score, &s.Visible, &s.Relative} {
		*m = grow(*m, w*h)
	}
}

// grow returns a slice of length n, s when it has room; the contents are arbitrary.
func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
