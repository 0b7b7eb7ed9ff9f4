package scheduler

import (
	"cmp"
	"slices"
)

// What the search for room may cost: it is asked where a tree of pools has at
// most so many nodes and the call at most so many requests for it, and asks nodes
// no more often than so, half a microsecond each. To go through all ways to place k
// requests on n nodes takes (n+1)^k − 1 such questions; few are.
const (
	refitNodes    = 32
	refitRequests = 64
	refitAsks     = 1 << 15
)

// refit looks for room for what was left out by giving other requests of this
// call other places, one tree of pools after the other. Where more of those that
// are equal in pool and priority have a place then, any of them may be left out
// instead, and what goes after them in their pool. No other pool has fewer placed.
func (d *deal) refit() {
	if !d.leaves() {
		return
	}
	s := d.t.shares
	asked := make([]struct{ all, done int }, len(s.all))
	for i := range d.groups {
		g := &d.groups[i]
		x := &asked[s.top(g.leaf)]
		x.all, x.done = x.all+int(g.to-g.from), x.done+int(g.done)
	}
	for top, x := range asked {
		if x.all > x.done && x.done > 0 && x.all <= refitRequests && s.all[top].parent < 0 {
			d.refitTree(int32(top))
		}
	}
}

// leaves is whether any request has no place.
func (d *deal) leaves() bool {
	return slices.ContainsFunc(d.groups, func(g group) bool { return g.from+g.done < g.to })
}

func (d *deal) refitTree(top int32) {
	at := d.t.nodesOf(top)
	if len(at) > refitNodes {
		return
	}
	groups := d.movable(top)
	if !slices.ContainsFunc(groups, func(g *group) bool { return g.from+g.done < g.to }) {
		return
	}
	back := d.lift(groups)
	p := d.packing(groups, at)
	p.from(0)
	p.end()
	if p.best == nil {
		back()
		return
	}
	d.settle(p, groups)
}

// nodesOf are the nodes of a tree of pools that may take work.
func (t *Table) nodesOf(top int32) (at []int32) {
	s := t.shares
	for i := range t.nodes {
		id, known := s.byName[t.classes[t.class[i]].home.Pool]
		if known && s.top(id) == top && (t.nodes[i].Closed == "" || t.nodes[i].Keeps) {
			at = append(at, int32(i))
		}
	}
	return at
}

// movable are the groups of a tree whose requests may have another place: no
// gangs, nothing that waits for what is ending, and nothing that such ask to be
// near to or apart from. What goes first comes first, and what must be near
// another after that.
func (d *deal) movable(top int32) (groups []*group) {
	fixed := map[string]bool{}
	for i := range d.groups {
		g := &d.groups[i]
		w := d.wantedBy(g)
		if d.t.shares.top(g.leaf) == top && !d.bound(g) {
			groups = append(groups, g)
			continue
		}
		for k := range w.Near {
			fixed[w.Near[k].Workload] = true
		}
	}
	groups = slices.DeleteFunc(groups, func(g *group) bool { return fixed[d.wantedBy(g).Name] })
	slices.SortStableFunc(groups, func(a, b *group) int {
		x, y := d.wantedBy(a), d.wantedBy(b)
		return cmp.Or(slices.Compare(turnOf(x), turnOf(y)), boolean(waits(x))-boolean(waits(y)))
	})
	return groups
}

// bound is whether a group is placed with others, or has room kept for it.
func (d *deal) bound(g *group) bool {
	if ganged(&d.requests[g.from]) {
		return true
	}
	for i := g.from; i < g.to; i++ {
		if d.waits[i] != "" {
			return true
		}
	}
	return false
}

// lift takes off the Table what groups got, and tells how to put it back.
func (d *deal) lift(groups []*group) (back func()) {
	t := d.t
	t.hold(nil)
	var undo []func()
	for _, g := range groups {
		w := d.wantedBy(g)
		for i := g.from; i < g.from+g.done; i++ {
			n := t.at(d.placed[i].Node)
			undo = append(undo, t.Lift(int(n), w, d.placed[i].ByName(w)))
			t.shares.count(g.leaf, amounts{}.minus(amountsOf(w)), -1)
		}
	}
	return func() {
		for _, one := range slices.Backward(undo) {
			one()
		}
		for _, g := range groups {
			w := d.wantedBy(g)
			for range g.done {
				t.shares.count(g.leaf, amountsOf(w), 1)
			}
		}
	}
}

// settle gives the places that a search found, and tells anew why others have
// none.
func (d *deal) settle(p *packing, groups []*group) {
	for _, g := range groups {
		clear(d.placed[g.from : g.from+g.done])
		g.done = 0
	}
	for i, x := range p.items {
		if n := p.best[i]; n >= 0 && !d.give(x.group, d.t.Name(int(n))) {
			panic("scheduler: " + d.t.Name(int(n)) + " does not take what it took")
		}
	}
	for d.giveRest(groups) {
	}
	for _, g := range groups {
		if g.from+g.done < g.to {
			d.tellWhy(g)
		}
	}
}

// giveRest is whether any of what is left has a place now, near what came after
// it.
func (d *deal) giveRest(groups []*group) (any bool) {
	for _, g := range groups {
		for g.from+g.done < g.to && d.give(g, d.requests[g.from].Only) {
			any = true
		}
	}
	return any
}

// give places the next request of a group on a node, or on the best where none is
// named, if that can be.
func (d *deal) give(g *group, node string) bool {
	i := g.from + g.done
	r := d.requests[i]
	r.Only = node
	s := d.t.shares
	if d.t.denies(g.leaf, &r).filter != "" {
		return false
	}
	got, ok := d.t.takeBut(&r, d.t.bars(g.leaf, &r))
	if ok {
		d.placed[i] = got
		s.count(g.leaf, amountsOf(r.Workload), 1)
		g.done++
	}
	return ok
}

// tellWhy tells why the rest of a group has no place as things are now.
func (d *deal) tellWhy(g *group) {
	r, s := &d.requests[g.from+g.done], d.t.shares
	if no := d.t.denies(g.leaf, r); no.filter != "" {
		d.refused(g, s.why(no, len(d.t.nodes)))
		return
	}
	now := d.t.explainBut(r, d.t.bars(g.leaf, r))
	d.refused(g, &now)
}
