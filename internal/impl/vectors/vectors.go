// Package vectors registers kernels that have one implementation in assembly: it bears the names of all of the
// network's kernels, so that one word in CULL_KERNEL chooses all.
package vectors

import "cull/internal/impl"

// An offer is a name that the network's kernels have, and whether this CPU has it.
type offer struct {
	name string
	have bool
}

// A Choice says whether the kernels of one package run in assembly.
type Choice struct{ use []bool }

// New registers the kernels of pkg.
func New(pkg string) *Choice {
	c := &Choice{make([]bool, len(offers))}
	for i, o := range offers {
		c.use[i] = o.have
		impl.Register(pkg, o.name, &c.use[i])
	}
	return c
}

// Use reports whether they do.
func (c *Choice) Use() bool {
	for _, u := range c.use {
		if u {
			return true
		}
	}
	return false
}

// Name returns what the assembly in use needs, or generic.
func (c *Choice) Name() string {
	if c.Use() {
		return needs
	}
	return "generic"
}
