//go:build !purego

package kernel

// laneOrder is how dotLanes keeps its sums: VPUNPCK works on halves of a register.
var laneOrder = [lanes]int{0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 12, 13, 14, 15}

// packLanes interleaves pairs of taps as int16 for VPMADDWD, in laneOrder.
func packLanes(weights [][lanes]int8) []int8 {
	var out []int8
	for t := 0; t < len(weights); t += 2 {
		for _, l := range laneOrder {
			for _, w := range [2]int8{weights[t][l], weights[t+1][l]} {
				out = append(out, w, w>>7)
			}
		}
	}
	return out
}

//go:noescape
func maxLanes(a *lane)

//go:noescape
func addLanes(a *lane)

//go:noescape
func dotLanes(a *lane)
