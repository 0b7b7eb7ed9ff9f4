package scheduler

import "slices"

// refuse is the one rule of what a node can take, for the preview, the
// placement and the check when an order is made: the first filter that refuses,
// or −1. By how much the node misses is comparable within a filter only. The
// run holds the index.
func (g *run) refuse(n int32) (filter int, by int64) {
	t, r := g.t, g.r
	node := &t.nodes[n]
	switch {
	case r.Only != "" && r.Only != node.Node.Name:
		return filterNode, 0
	case node.Closed != "" && !(node.Keeps && r.Home):
		return filterClosed, 0
	case len(r.Except) > 0 && slices.Contains(r.Except, node.Node.Name):
		return filterEnding, 0
	}
	if v := g.rules[t.class[n]]; v.filter >= 0 {
		return v.filter, v.by
	}
	if c := g.forbids(g.viewOf(n), n); c != nil {
		if c.kind == bounds {
			return filterMost, 0
		}
		return filterNear, 0
	}
	if f, by := g.short(n); f >= 0 {
		return f, by
	}
	if _, f, by := g.refuseGoods(n); f >= 0 {
		return f, by
	}
	if w := r.Workload; len(w.Ports) > 0 && (takenPort(node, w) != 0 || lacksPorts(node, w)) {
		return filterPort, 0
	}
	return -1, 0
}

// short asks the filters of cpu and memory.
func (g *run) short(n int32) (filter int, by int64) {
	if free := g.t.cpu[n]; g.q.cpu > free {
		return filterCPU, sub(g.q.cpu, free)
	}
	if free := g.t.mem[n]; g.q.mem > free {
		return filterMemory, sub(g.q.mem, free)
	}
	return -1, 0
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
