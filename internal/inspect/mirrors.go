package inspect

import (
	"slices"

	"cull/internal/mirror"
	"cull/padim"
)

// Few good parts do not show all that good parts can be, and a threshold from them stands far off, because it
// has to allow for what they do not show. Where the kind of part looks the same mirrored, the good parts mirrored are more
// good parts. Whether it does is asked of the model itself: a mirror is taught where a model without it would let good
// parts so mirrored pass. So a part that lies the wrong way round is rejected as before wherever it was rejected before.

// fewParts is up to how many good parts mirrors are tried: about half the dimensions of the shipped network, where
// a cell's covariance rests on its own parts least.
const fewParts = 32

// candidates are the mirrors to try with so many parts, on a grid of so many cells a row. A mask that
// is not the same mirrored rules a mirror out: what it hides would come into sight.
func candidates(o *Options, parts, across int) []mirror.Mirror {
	if o.NoMirrors || o.Fit.Mode == padim.Stock || parts > fewParts {
		return nil
	}
	var tried []mirror.Mirror
	for _, m := range mirror.All {
		if m.Keeps(o.Fit.Mask, across) {
			tried = append(tried, m)
		}
	}
	return tried
}

// passing returns the mirrors of tried under which at least nine of ten good parts would pass, and marks
// their copies, the last of copies, as taught.
func passing(tried []mirror.Mirror, r *padim.Report, copies []bool) []mirror.Mirror {
	var mirrors []mirror.Mirror
	for i, m := range tried {
		pass := 0
		for _, scores := range r.Tried {
			if scores[i] <= r.Threshold.Value {
				pass++
			}
		}
		if 10*pass >= 9*r.Parts {
			mirrors = append(mirrors, m)
			copies[len(copies)-len(tried)+i] = true
		}
	}
	return slices.Clip(mirrors)
}
