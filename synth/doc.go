// Package synth draws the semi-formula data set: pictures of normal surfaces, real
// or procedural ("semi"), with defects given by a formula, so that the anomaly score
// of every pixel is known.
//
// A sample is a function of a 64-bit seed and the Options, byte for byte the same on
// every CPU; a data set is a range of seeds, and sample i of a range is seed base+i
// whoever renders it and in which order. Every parameter is drawn from a stream of
// its own: fixing one leaves all the others as they were.
//
// Pixel coordinates: (0, 0) is the centre of the top-left pixel, x to the right, y
// down. Lengths are pixels of the rendered picture at run scale, angles degrees
// clockwise as seen, intensities fractions of full scale.
//
// The defect mask of the Gaussian mixture, at pixel u:
//
//	g(u) = sum over k of w_k e(q_k(u)),  q_k = (u-mu_k)' Sigma_k^-1 (u-mu_k)
//	Sigma_k = R(theta_k) diag(sigma_x^2, sigma_y^2) R(theta_k)'
//	e(q) = max(0, (exp(-q/2) - exp(-8)) / (1 - exp(-8)))     so that a defect ends at 4 sigma
//	m(u) = edge(g(u) / max g)                                m in [0, 1], its maximum is 1
//
// and the scores: Score = a m, a in [0, 1] the amplitude, and two that follow the
// change one can see (see Sample).
package synth
