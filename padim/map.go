package padim

// A Map is one stage's feature map of one picture: what the network's tap
// delivers, before any statistics.
//
// Data is [H][W][C] int8 in -127..127; the real value of channel c is
// Data*Step[c]. Stride is the number of input pixels between neighbours.
// It has the same fields as infer.Map, so one converts to the other.
type Map struct {
	H, W, C int
	Stride  int
	Data    []int8
	Step    []float32
}
