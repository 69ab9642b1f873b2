// Package cull is the root of two programs: device is `cull`, visual inspection on the line, and trainer is
// `cull-trainer`, which makes the network's weights. It holds only the tests of the house as a whole: its
// dependency rules, the README's commands and the bench's scripts. See doc/architecture.md.
package cull
