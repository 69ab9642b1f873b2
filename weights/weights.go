// Package weights holds the networks that come with cull. README.md says how they
// were made and from what.
package weights

import _ "embed" // the files are strings in the binary

//go:embed cull.net
var cull string

//go:embed random.net
var random string

// Cull returns the .net file of the shipped network.
func Cull() []byte { return []byte(cull) }

// Random returns the .net file of the control: the same network with random
// weights, its batch-norm statistics and int8 ranges taken on the same data.
func Random() []byte { return []byte(random) }
