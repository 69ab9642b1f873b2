package infer

import (
	"fmt"
	"slices"

	"cull/infer/internal/kernel"
	"cull/infer/net"
)

// MaxArena bounds the working memory of a Runner, its maps included, in bytes.
const MaxArena = 1 << 30

const arenaAlign = 64

// A plan says when every node is computed and where its result lives.
type plan struct {
	planes []kernel.Plane // Data nil for nodes that no tap needs
	stage  []int          // per node, see stages
	arena  int            // bytes used
}

// A life is a node's claim on the arena: size bytes from the stage that
// computes it to the one behind the last that reads it, which goroutines may have begun before the readers are done
// (see crew).
type life struct {
	node, from, to int
	size, at       int
}

// newPlan lays the results out in one arena in which buffers whose lives do
// not overlap share memory (keep: none do).
func newPlan(g *net.Graph, shapes []net.Shape, keep bool) (*plan, error) {
	p := &plan{planes: make([]kernel.Plane, len(g.Nodes))}
	needed := needs(g, keep)
	p.stage = stages(g, shapes, needed)
	last := make([]int, len(g.Nodes)) // stage of the last reader
	for i, n := range g.Nodes {
		p.planes[i] = kernel.Plane{H: shapes[i].H, W: shapes[i].W, C: shapes[i].C}
		if !needed[i] {
			continue
		}
		last[i] = p.stage[i]
		if keep {
			last[i] = len(g.Nodes)
		}
		for _, j := range n.In {
			last[j] = max(last[j], p.stage[i])
			if n.Op == net.Conv || n.Op == net.AvgPool {
				p.planes[j].Border = max(p.planes[j].Border, n.Pad+n.PadExtra)
			}
		}
	}
	copies := make(map[int]int) // bytes of the taps that are not served in place, see Runner.bindTaps
	for _, t := range g.Taps {
		if p.planes[t.Node].Border == 0 {
			last[t.Node] = len(g.Nodes)
		} else {
			copies[t.Node] = shapes[t.Node].Len()
		}
	}
	copied := 0
	for _, n := range copies {
		copied += n
	}
	var lives []life
	for i := range g.Nodes {
		if needed[i] {
			size := (p.planes[i].Size() + arenaAlign - 1) &^ (arenaAlign - 1)
			lives = append(lives, life{node: i, from: p.stage[i], to: last[i] + 1, size: size})
		}
	}
	if p.arena = place(lives); p.arena+copied > MaxArena {
		return nil, fmt.Errorf("infer: results need more than %d bytes", MaxArena)
	}
	data := make([]int8, p.arena+kernel.Slack)
	for _, l := range lives {
		p.planes[l.node].Data = data[l.at : l.at+p.planes[l.node].Size()+kernel.Slack]
	}
	return p, nil
}

// needs reports which nodes a tap depends on; with all, every node.
func needs(g *net.Graph, all bool) []bool {
	needed := make([]bool, len(g.Nodes))
	for _, t := range g.Taps {
		needed[t.Node] = true
	}
	for i := len(g.Nodes) - 1; i >= 0; i-- {
		needed[i] = needed[i] || all
		if needed[i] {
			for _, j := range g.Nodes[i].In {
				needed[j] = true
			}
		}
	}
	return needed
}

// stages numbers the nodes by stage, from 0. The nodes of a stage have equally
// many rows, and row y of one needs of the others at most row y: a goroutine
// can take some rows through the whole stage, which saves waiting for the
// other goroutines and finds the rows in the cache.
func stages(g *net.Graph, shapes []net.Shape, needed []bool) []int {
	stage := make([]int, len(g.Nodes))
	now, first := -1, 0 // current stage and its first node
	for i := range g.Nodes {
		if !needed[i] {
			continue
		}
		joins := now >= 0 && shapes[i].H == shapes[first].H
		for _, j := range g.Nodes[i].In {
			joins = joins && (stage[j] != now || rowwise(&g.Nodes[i]))
		}
		if !joins {
			now, first = now+1, i
		}
		stage[i] = now
	}
	return stage
}

// rowwise reports whether row y of n's result needs only row y of its inputs.
func rowwise(n *net.Node) bool {
	switch n.Op {
	case net.Add, net.ReLU:
		return true
	case net.Conv, net.MaxPool, net.AvgPool:
		return n.Kernel == 1 && n.Stride == 1
	}
	return false
}

// place gives every life its position, largest first, each at the lowest
// place free during its whole life, and returns the end of the highest, or
// more than MaxArena as soon as that is exceeded.
func place(lives []life) (end int) {
	order := make([]*life, len(lives))
	for i := range lives {
		order[i] = &lives[i]
	}
	slices.SortStableFunc(order, func(a, b *life) int { return b.size - a.size })
	var placed []*life // in ascending order of at
	for _, l := range order {
		for _, o := range placed {
			if o.from > l.to || l.from > o.to || o.at+o.size <= l.at {
				continue
			}
			if o.at >= l.at+l.size {
				break
			}
			l.at = o.at + o.size
		}
		i, _ := slices.BinarySearchFunc(placed, l.at, func(o *life, at int) int { return o.at - at })
		placed = slices.Insert(placed, i, l)
		if end = max(end, l.at+l.size); end > MaxArena {
			return end
		}
	}
	return end
}
