// Package measure holds the figures by which anomaly detectors are compared, and
// their intervals.
//
// Scores rise with anomaly. Figures of an empty class are NaN.
package measure

import (
	"math"
	"slices"
)

// AUROC returns the area under the receiver operating characteristic: the
// probability that a bad part scores above a good one, ties counting one half
// (the Mann-Whitney statistic).
func AUROC(good, bad []float64) float64 {
	if len(good) == 0 || len(bad) == 0 {
		return math.NaN()
	}
	good = slices.Sorted(slices.Values(good))
	var sum float64
	for _, s := range bad {
		sum += below(good, s)
	}
	return sum / float64(len(good)) / float64(len(bad))
}

// below returns how many of sorted are less than s, equals counting one half.
func below(sorted []float64, s float64) float64 {
	lo, _ := slices.BinarySearch(sorted, s)
	hi := lo
	for hi < len(sorted) && sorted[hi] == s {
		hi++
	}
	return float64(lo) + float64(float64(hi-lo)/2)
}

// AUROCInterval returns the 95 % interval of AUROC after DeLong et al. 1988,
// taken on the logit scale so that it stays within 0..1 (Pepe 2003, section 5.2).
// Where every bad part is above every good one there is no variance to estimate;
// the interval is then that of no inversion in min(goods, bads) pairs. Equal scores say nothing: 0 to 1.
func AUROCInterval(good, bad []float64) (low, high float64) {
	a := AUROC(good, bad)
	n, m := len(good), len(bad)
	if n < 2 || m < 2 {
		return 0, 1
	}
	if a == 0 || a == 1 {
		r := Rate{Count: int(a) * min(n, m), Of: min(n, m)}
		return r.ClopperPearson()
	}
	ofGood, ofBad := placements(good, bad)
	sd := math.Sqrt(meanVariance(ofGood) + meanVariance(ofBad))
	if sd == 0 { // all scores are equal, which says nothing
		return 0, 1
	}
	logit := math.Log(a / (1 - a))
	d := 1.959964 * sd / (a * (1 - a))
	return logistic(logit - d), logistic(logit + d)
}

// placements returns the share of bad parts above each good one and of good parts below each
// bad one, equals counting one half: the mean of either is AUROC (DeLong et al. 1988, equation 5).
func placements(good, bad []float64) (ofGood, ofBad []float64) {
	sortedGood := slices.Sorted(slices.Values(good))
	sortedBad := slices.Sorted(slices.Values(bad))
	for _, s := range good {
		ofGood = append(ofGood, 1-below(sortedBad, s)/float64(len(bad)))
	}
	for _, s := range bad {
		ofBad = append(ofBad, below(sortedGood, s)/float64(len(good)))
	}
	return ofGood, ofBad
}

// meanVariance estimates the variance of the mean of v.
func meanVariance(v []float64) float64 {
	n := float64(len(v))
	var mean, square float64
	for _, x := range v {
		mean += x
	}
	mean /= n
	for _, x := range v {
		square += float64((x - mean) * (x - mean))
	}
	return square / (n - 1) / n
}

// Scores are one detector's of the good and of the bad parts.
type Scores struct{ Good, Bad []float64 }

// AUROCDifference returns the mean over runs of AUROC(b) - AUROC(a), where a run is a pair of
// detectors and all score the same parts in the same order, and the 95 % interval of that mean
// over the choice of parts, after DeLong et al. 1988, paired. It does not cover the choice of
// runs. Without two parts of each class the interval is -1..1; where all runs agree on every
// part it has no width.
func AUROCDifference(a, b []Scores) (d, low, high float64) {
	var ofGood, ofBad []float64
	for i := range a {
		ga, ba := placements(a[i].Good, a[i].Bad)
		gb, bb := placements(b[i].Good, b[i].Bad)
		if i == 0 {
			ofGood, ofBad = make([]float64, len(ga)), make([]float64, len(ba))
		}
		for j := range ga {
			ofGood[j] += (gb[j] - ga[j]) / float64(len(a))
		}
		for j := range ba {
			ofBad[j] += (bb[j] - ba[j]) / float64(len(a))
		}
		d += (AUROC(b[i].Good, b[i].Bad) - AUROC(a[i].Good, a[i].Bad)) / float64(len(a))
	}
	if len(ofGood) < 2 || len(ofBad) < 2 {
		return d, -1, 1
	}
	half := float64(1.959964 * math.Sqrt(meanVariance(ofGood)+meanVariance(ofBad)))
	return d, max(d-half, -1), min(d+half, 1)
}

func logistic(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// An operating point: what happens when parts scoring at least Limit are rejected.
type point struct {
	limit             float64
	rejects, falseRej int // bad and good parts rejected
}

// points returns every distinct operating point, limits descending.
func points(good, bad []float64) []point {
	good = slices.Sorted(slices.Values(good))
	bad = slices.Sorted(slices.Values(bad))
	var ps []point
	for g, b := len(good), len(bad); g > 0 || b > 0; {
		limit := math.Inf(-1)
		if g > 0 {
			limit = good[g-1]
		}
		if b > 0 {
			limit = max(limit, bad[b-1])
		}
		for g > 0 && good[g-1] == limit {
			g--
		}
		for b > 0 && bad[b-1] == limit {
			b--
		}
		ps = append(ps, point{limit, len(bad) - b, len(good) - g})
	}
	return ps
}

// AveragePrecision returns the area under the precision-recall curve, precision
// times the step of recall at every distinct score.
func AveragePrecision(good, bad []float64) float64 {
	if len(good) == 0 || len(bad) == 0 {
		return math.NaN()
	}
	var ap float64
	last := 0
	for _, p := range points(good, bad) {
		ap += float64(p.rejects-last) * float64(p.rejects) / float64(p.rejects+p.falseRej)
		last = p.rejects
	}
	return ap / float64(len(bad))
}

// F1Max returns the largest F1 of any limit, and that limit (reject at or
// above). It knows the bad parts: a figure to report, not a threshold to use.
func F1Max(good, bad []float64) (f1, limit float64) {
	if len(good) == 0 || len(bad) == 0 {
		return math.NaN(), math.NaN()
	}
	for _, p := range points(good, bad) {
		// 2 TP / (2 TP + FP + FN)
		f := 2 * float64(p.rejects) / float64(p.rejects+p.falseRej+len(bad))
		if f > f1 {
			f1, limit = f, p.limit
		}
	}
	return f1, limit
}

// FRRAtZeroEscapes returns the false rejects under the highest threshold that
// lets no bad part pass; of none, which is no rate, where there is no bad part. It knows the bad parts, like F1Max.
func FRRAtZeroEscapes(good, bad []float64) Rate {
	if len(bad) == 0 {
		return Rate{}
	}
	r := Rate{Of: len(good)}
	limit := slices.Min(bad)
	for _, s := range good {
		if s >= limit {
			r.Count++
		}
	}
	return r
}
