//go:build !purego

package kernel

// laneOrder is how dotLanes keeps its sums.
var laneOrder = [lanes]int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}

// packLanes returns [tap][lanes].
func packLanes(weights [][lanes]int8) []int8 {
	var out []int8
	for _, w := range weights {
		out = append(out, w[:]...)
	}
	return out
}

//go:noescape
func maxLanes(a *lane)

//go:noescape
func addLanes(a *lane)

//go:noescape
func dotLanes(a *lane)
