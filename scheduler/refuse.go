package scheduler

import "slices"

// refuse is the one rule of what a node can take, for the preview, the
// placement and the check when an order is made: the first filter that refuses,
// or −1. The run holds the index.
func (g *run) refuse(n int32) (filter int) {
	t, r := g.t, g.r
	node := &t.nodes[n]
	switch {
	case r.Only != "" && r.Only != node.Node.Name:
		return filterNode
	case node.Closed != "" && !(node.Keeps && r.Home):
		return filterClosed
	case len(r.Except) > 0 && slices.Contains(r.Except, node.Node.Name):
		return filterEnding
	}
	if f := g.rules[t.class[n]]; f >= 0 {
		return f
	}
	if g.bars(n) {
		return filterHeld
	}
	if len(g.counters) > 0 {
		if c := g.forbids(g.viewOf(n), n); c != nil {
			return c.filter()
		}
	}
	if f := g.short(n); f >= 0 {
		return f
	}
	if k := g.lacksGood(n); k >= 0 {
		return g.goods[k].filter()
	}
	if w := r.Workload; len(w.Ports) > 0 && (takenPort(node, w) != 0 || lacksPorts(node, w)) {
		return filterPort
	}
	return -1
}

// short asks the filters of cpu and memory.
func (g *run) short(n int32) (filter int) {
	if g.q.cpu > g.t.cpu[n] {
		return filterCPU
	}
	if g.q.mem > g.t.mem[n] {
		return filterMemory
	}
	return -1
}

// forbids is the first rule on where other slots are that a node breaks.
func (g *run) forbids(i int, n int32) *counter {
	for k := range g.counters {
		if c := &g.counters[k]; c.refuses(g, i, n) {
			return c
		}
	}
	return nil
}

// filter is the one that a rule which refuses counts under.
func (c *counter) filter() int {
	if c.kind == bounds {
		return filterMost
	}
	return filterNear
}

// crowd is how many slots of the workload are on a node, beside the one that is
// placed.
func (g *run) crowd(n int32) int32 {
	m := g.t.marks[n]
	if m.turn != g.t.turn {
		return 0
	}
	k := g.t.spots.at(m.spot).slots
	if g.leaves == n {
		k--
	}
	return k
}

func (g *run) avoids(n int32) bool {
	return len(g.r.Avoid) > 0 && slices.Contains(g.r.Avoid, g.t.nodes[n].Node.Name)
}

// alone is what a node scores by itself, without what its class adds.
func (g *run) alone(n int32) int32 {
	t := g.t
	s := g.q.score(t.cpu[n], t.mem[n], t.capCPU[n], t.capMem[n]) + crowding(g.crowd(n))
	if g.avoids(n) {
		s += avoided
	}
	for k := range g.counters {
		if c := &g.counters[k]; c.each {
			s += int32(c.score(g, 0, n))
		}
	}
	return s
}

// extra is what a class adds to the score of its nodes now; shut is whether a
// rule refuses them all.
func (g *run) extra(i int) (score int32, shut bool) {
	sum := int64(g.views[i].wishes)
	for k := range g.counters {
		c := &g.counters[k]
		if c.each {
			continue
		}
		if c.refuses(g, i, 0) {
			return 0, true
		}
		sum += c.score(g, i, 0)
	}
	return int32(max(min(sum, 4*maxPart), -4*maxPart)), false
}

// scoreOf tells the parts of a node's score.
func (g *run) scoreOf(n int32) Score {
	t, i := g.t, g.viewOf(n)
	s := Score{Fit: int16(g.q.score(t.cpu[n], t.mem[n], t.capCPU[n], t.capMem[n])), Spread: crowding(g.crowd(n))}
	if i >= 0 {
		s.Affinity = g.views[i].wishes
	}
	for k := range g.counters {
		c := &g.counters[k]
		if i < 0 && !c.each {
			continue
		}
		if c.kind == nears {
			s.Near += int32(c.score(g, i, n))
		} else {
			s.Spread += int32(c.score(g, i, n))
		}
	}
	if g.avoids(n) {
		s.Avoid = avoided
	}
	return s
}
