package scheduler

import (
	"math"

	"github.com/bayplan/bayplan/schema"
)

// next is the best node for one more, which takes over from an instance on the
// node leaves (−1 is none); −1 if there is none.
func (g *run) next(leaves int32) (node int32) {
	if g.why != nil {
		return -1
	}
	g.t.hold(g)
	g.leave(leaves)
	best, node := g.leading()
	if g.late && (best == noRank || best >= g.crowdedTop()) {
		g.appraiseAll()
		best, node = g.leading()
	}
	if best == noRank {
		g.why = g.explain()
		return -1
	}
	return node
}

// crowdedTop is a rank that no node with slots of the workload goes before.
func (g *run) crowdedTop() uint64 {
	most := int32(math.MinInt32)
	for i := range g.views {
		most = max(most, g.views[i].wishes)
	}
	return rank(fitTop+crowding(1)+most, 0, maxNodes-1)
}

// leading is the best node of those that are ranked.
func (g *run) leading() (best uint64, node int32) {
	best = noRank
	for i := range g.views {
		extra, shut := int32(0), false
		if v := &g.views[i]; len(g.counters) > 0 {
			extra, shut = g.extra(i)
		} else {
			extra = v.wishes
		}
		if shut || g.bars(g.t.classes[g.views[i].class].head) {
			continue
		}
		if k := g.leader(i); k != noRank && k-uint64(int64(extra))<<44 < best {
			best, node = k-uint64(int64(extra))<<44, int32(k%maxNodes)
		}
	}
	return best, node
}

// leader is the rank of the best node of a class.
func (g *run) leader(i int) uint64 {
	v := &g.views[i]
	k := uint64(noRank)
	if !g.bound {
		k = g.freshest(v)
	}
	for len(v.near) > 0 && g.t.rank[v.near[0]%maxNodes] != v.near[0] {
		v.near = pop(v.near)
	}
	if len(v.near) > 0 {
		k = min(k, v.near[0])
	}
	return k
}

// freshest is the rank of the best node of the class that is not looked at by
// itself.
func (g *run) freshest(v *view) uint64 {
	x := &g.t.index
	for {
		if !v.sought {
			v.score, v.fresh = x.best(v.class, &g.q, v.fresh[:0])
			v.sought = true
		}
		if v.score < 0 {
			return noRank
		}
		for len(v.fresh) > 0 {
			n, id := unpair(v.fresh[0])
			now := x.first(id)
			switch {
			case x.states[id].live == 0 || now < 0:
				v.fresh = pop(v.fresh)
			case now != n:
				v.fresh = push(pop(v.fresh), pair(now, id))
			case g.t.marks[n].turn == g.t.turn || !g.takes(n):
				g.setAside(n)
			default:
				return rank(v.score, 0, n)
			}
		}
		v.sought = false
	}
}

// takes is whether a node with enough cpu and memory, of a class that is not
// shut, takes the request.
func (g *run) takes(n int32) bool {
	if len(g.goods) == 0 && len(g.r.Workload.Ports) == 0 {
		return true
	}
	if g.lacksGood(n) >= 0 {
		return false
	}
	node, w := &g.t.nodes[n], g.r.Workload
	return len(w.Ports) == 0 || takenPort(node, w) == 0 && !lacksPorts(node, w)
}

func (g *run) setAside(n int32) {
	if g.t.index.of[n] >= 0 {
		g.t.index.leave(n)
		g.aside = append(g.aside, n)
	}
}

// take gives the node to a slot.
func (g *run) take(n int32, slot schema.Slot) Placement {
	t, i := g.t, g.viewOf(n)
	p := Placement{Slot: slot, Node: t.nodes[n].Node.Name, Score: g.scoreOf(n)}
	g.setAside(n)
	if t.marks[n].turn != t.turn {
		g.mark(n)
	}
	t.spots.at(t.marks[n].spot).slots++
	for k := range g.counters {
		if c := &g.counters[k]; c.kind != nears {
			c.total++
			if !c.each && c.of[i] >= 0 {
				c.counts[c.of[i]]++
			}
		}
	}
	p.Ports = g.give(n, slot)
	for k := range g.goods {
		t.stockOf(g.goods[k].name).free[n] -= g.goods[k].amount
	}
	g.appraise(n)
	return p
}

// give takes the request's share off the node.
func (g *run) give(n int32, slot schema.Slot) []int {
	t, w := g.t, g.r.Workload
	node := &t.nodes[n]
	node.reserve(w)
	t.reckon(n)
	if len(w.Ports) == 0 {
		return nil
	}
	ports := t.piece(len(w.Ports))
	g.names = portNames(g.names[:0], w)
	choosePorts(ports, node, g.r, slot, g.names)
	node.Ports = withPorts(node.Ports, ports, t.ownPorts[n])
	t.ownPorts[n] = true
	return ports
}

// piece is room for some ports, cut off what is made for many at once.
func (t *Table) piece(count int) []int {
	if len(t.ports) < count {
		t.cut = min(max(2*t.cut, 16), 1024)
		t.ports = make([]int, max(t.cut, count))
	}
	ports := t.ports[:count:count]
	t.ports = t.ports[count:]
	return ports
}
