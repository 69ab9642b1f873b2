package synth

// Line returns the parameters of the demonstration line: one kind of part (Washer, Blister,
// Board or Cap), always the same design, with the small variation of a real line - place,
// turn, light, exposure, noise, texture - and a defect on the given share of the parts, large
// and strong enough for a person to see. All lengths are in proportion to the picture.
func Line(part Family, width, height int, defects float64) Options {
	o := Defaults(width, height)
	o.Normal = [nFamilies]float64{}
	o.Normal[part] = 1
	o.SourceShare, o.Scene, o.GreyPicture = 0, 0, 0
	o.Contrast, o.Level = Range{1, 1}, Range{0.41, 0.41}
	o.Gamma, o.Balance, o.Blur = Range{1, 1}, Range{0.995, 1.005}, Range{0.4, 0.6}
	o.Gain, o.Light, o.Noise = Range{0.98, 1.02}, Range{0, 0.03}, Range{0.004, 0.01}
	o.DefectShare = defects
	o.Mask = [nMasks]float64{MaskMixture: 0.6, MaskPatch: 0.15, MaskScratch: 0.25}
	o.Mode = [nModes]float64{ModeAdditive: 0.45, ModeAlpha: 0.35, ModeTexture: 0.2}
	o.Edge = [nEdges]float64{0.3, 0.4, 0.3}
	o.MeanX, o.MeanY = Range{0.22, 0.78}, Range{0.22, 0.78}
	o.Amplitude, o.Opacity = Range{0.25, 0.6}, Range{0.6, 1}
	k := float64(float64(min(width, height)) / 256)
	o.Spread = Range{4 * k, 20 * k}
	o.SigmaX, o.SigmaY = Range{4 * k, 18 * k}, Range{4 * k, 18 * k}
	o.LongX, o.ThinY = Range{14 * k, 50 * k}, Range{max(0.5, 2*k), max(0.5, 5*k)}
	o.StepRamp = Range{1.5, 1.5}
	o.PatchSize = Range{10 * k, 36 * k}
	o.ScratchLength, o.ScratchWidth = Range{50 * k, 220 * k}, Range{max(0.5, 2*k), max(0.5, 5*k)}
	o.TextureShift = Range{24 * k, 90 * k}
	o.PartShift = 2 * k
	return o
}
