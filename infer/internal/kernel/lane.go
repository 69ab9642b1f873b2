package kernel

// lanes is the number of channels the lane kernels work on.
const lanes = 16

// A lane is the argument of the assembly kernels for layers without sums over
// channels: lanes channels of count neighbouring pixels.
//
//	maxLanes: out = max(low, in[at[0]], ..., in[at[taps-1]])
//	addLanes: out = quant.AddRequantize(in, second, scale, scaleB, low)
//	dotLanes: out = quant.Requantize(bias + sum over t of weights[t]*in[at[t]], scale, low)
type lane struct {
	in, second, out *int8
	weights         *int8    // dotLanes: see packLanes
	bias            *int32   // dotLanes: [lanes] in laneOrder
	scale, scaleB   *float32 // [lanes], dotLanes: in laneOrder
	at              *int     // start of each tap, relative to the window
	taps            int      // dotLanes: even
	step, outStep   int      // bytes between pixels
	count           int
	low             int32
}

// vectors reports whether the lane kernels serve a layer of n channels. The
// last chunk overlaps the one before when n is not a multiple of lanes.
func vectors(n int) bool { return fastest() != nil && n >= lanes }

// chunks returns how many chunks cover n channels, chunk the first channel of the i-th.
func chunks(n int) int { return (n + lanes - 1) / lanes }

func chunk(i, n int) int { return min(i*lanes, n-lanes) }
