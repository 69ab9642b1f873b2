package infer

import "errors"

// Options of a Runner. The zero value is one thread.
type Options struct {
	Threads int  // goroutines that share a layer's rows; 0 means 1
	KeepAll bool // keep every node's result until the next Run, for Node
}

// A Runner computes one picture size of one model. It is not for concurrent use.
type Runner struct{}

// NewRunner prepares the model for pictures of h x w pixels.
func (m *Model) NewRunner(h, w int, o Options) (*Runner, error) {
	return nil, errors.New("infer: not yet")
}

// Run computes the taps of a picture, [h][w][InputChannels] in -127..127. The
// maps are valid until the next Run.
func (r *Runner) Run(in []int8) []Map { return nil }

// Node returns the result of node i of the last Run. It needs KeepAll.
func (r *Runner) Node(i int) Map { return Map{} }

// Close ends the runner's goroutines. The runner must not be used afterwards.
func (r *Runner) Close() {}
