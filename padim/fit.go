package padim

// A Report says what a fit found.
type Report struct {
	Mode Mode // as chosen

	// Held-out log-likelihood of good parts, nats a cell, under either model.
	// NaN where it was not computed (Mode given).
	PartLogLik, TextureLogLik float64

	Shrinkage float64   // weight of the shared covariance
	Scores    []float32 // of every good part, by a model taught without it
	Threshold Threshold
}

// Fit teaches a model from good parts alone.
func Fit(samples Samples, o Options) (*Model, *Report, error) { return nil, nil, nil }
