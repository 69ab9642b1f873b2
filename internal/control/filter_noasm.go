//go:build purego || !amd64

package control

func (c *correlation) apply() { c.generic(0) }

func (o *orientation) apply() { o.generic(0) }
