package inspect

import (
	"cull/internal/mirror"
	"cull/padim"
)

// Few good parts do not show all that good parts can be, and a threshold from them stands far off, because it
// has to allow for what they do not show. Where the kind of part looks the same mirrored, the good parts mirrored are more
// good parts. Whether it does is asked of the model itself: a mirror is taught where a model without it would let the
// good parts pass so mirrored, each itself left out; one in sixteen may be rejected, as good parts are now and then. So as
// far as so few parts can tell, what mirrored parts are taught for passed before.

// fewParts is up to how many good parts mirrors are tried: half the 64 dimensions of a cell with the shipped network.
// With more parts mirrors cost more than they bring (doc/experiments.md, 23).
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

// passing returns the mirrors of tried under which at most one in sixteen good parts would be rejected, and marks
// their copies, the last of copies, as taught.
func passing(tried []mirror.Mirror, r *padim.Report, copies []bool) []mirror.Mirror {
	var mirrors []mirror.Mirror
	gate := padim.Gate{Threshold: r.Threshold.Value}
	for i, m := range tried {
		rejected := 0
		for _, scores := range r.Tried {
			if gate.Decide(padim.Result{Score: scores[i]}) != padim.Pass {
				rejected++
			}
		}
		if 16*rejected <= r.Parts {
			mirrors = append(mirrors, m)
			copies[len(copies)-len(tried)+i] = true
		}
	}
	return mirrors
}
