package infer

// A Map is one feature map, the result of a tap.
//
// Data is [H][W][C] int8 in -127..127 (0..127 after a ReLU) and belongs to the
// Runner until its next Run; the real value of channel c is Data*Step[c].
// Stride is the number of input pixels between neighbours.
type Map struct {
	H, W, C int
	Stride  int
	Data    []int8
	Step    []float32
}
