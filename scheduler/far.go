package scheduler

import (
	"cmp"

	"github.com/bayplan/bayplan/schema"
)

// far is how far a node is from taking a request. Nodes are compared by filter
// first, then by the amount that the filter misses, then by how many of the
// others would refuse as well; the first name settles the rest.
type far struct {
	filters int   // from the one that refuses to the last
	lack    int64 // in the filter's own unit
	more    int   // of the filters that are asked later
}

func (a *far) compare(b *far) int {
	return cmp.Or(cmp.Compare(a.filters, b.filters), cmp.Compare(a.lack, b.lack), cmp.Compare(a.more, b.more))
}

// odd is what a device of another make counts as, in pieces: a node that has none
// of the right ones is further off than one with too few of them.
const odd = 1 << 20

// lack is by how much a node misses what the filter that refuses it asks for: in
// millicores, bytes, pieces or ports; in rules, taints or slots that would have to
// go. It is 0 where there is no more or less.
func (g *run) lack(filter int, n int32) int64 {
	t, w := g.t, g.r.Workload
	home := &t.classes[t.class[n]].home
	switch filter {
	case filterPool:
		return g.strange(home)
	case filterTaint:
		return home.repelling(w)
	case filterConstraint:
		return countBroken(t.nodes[n].Node, w.Needs(), t.known)
	case filterNear, filterMost:
		return g.forbids(g.viewOf(n), n).lack(g, n)
	case filterCPU:
		return sub(g.q.cpu, t.cpu[n])
	case filterMemory:
		return sub(g.q.mem, t.mem[n])
	case filterDisk, filterDevice:
		return g.lackGoods(filter, n)
	case filterPort:
		return lackPorts(&t.nodes[n], w)
	}
	return 0
}

// strange is 0 for a node that the workload's pool claims too, or that is of a
// part of it.
func (g *run) strange(home *Home) int64 {
	pool := g.r.Workload.Pool
	if home.Rival != "" && g.t.tree.Within(pool, home.Rival) || g.t.tree.Within(home.Pool, pool) {
		return 0
	}
	return 1
}

// lack is how many slots would have to go for the rule to hold; 0 where some would
// have to come.
func (c *counter) lack(g *run, n int32) int64 {
	slots, _ := c.count(g, g.viewOf(n), n)
	if c.kind == bounds {
		return int64(slots-c.most) + 1
	}
	return int64(slots)
}

// lackGoods is how much a node misses of all goods of one filter.
func (g *run) lackGoods(filter int, n int32) (sum int64) {
	for i := range g.goods {
		want := &g.goods[i]
		if want.filter() != filter {
			continue
		}
		if broken(g.t.nodes[n].Node, want.rules, g.t.known) >= 0 {
			sum = add(sum, odd)
		}
		sum = add(sum, max(sub(want.amount, g.t.stockOf(want.name).free[n]), 0))
	}
	return sum
}

// lackPorts is how many fixed host ports somebody else has, and how many of the
// range are missing.
func lackPorts(n *Node, w *schema.Workload) (sum int64) {
	for _, p := range w.Ports {
		if p.Host != 0 && (has(n.Ports, p.Host) || has(n.Node.BusyPorts, p.Host)) {
			sum++
		}
	}
	if lacksPorts(n, w) {
		sum += int64(rangePorts(n, w) - freePorts(n))
	}
	return sum
}

// more is how many filters behind the given one would refuse the node as well, of
// those that can be asked of it by itself: the rules on attributes count as one.
func (g *run) more(filter int, n int32) (count int) {
	t := g.t
	w := g.r.Workload
	late := [...]struct {
		filter int
		short  bool
	}{
		{filterConstraint, filter < filterAmount && g.rules[t.class[n]] >= 0},
		{filterCPU, g.q.cpu > t.cpu[n]}, {filterMemory, g.q.mem > t.mem[n]},
		{filterDisk, g.lackGoods(filterDisk, n) > 0}, {filterDevice, g.lackGoods(filterDevice, n) > 0},
		{filterPort, len(w.Ports) > 0 && lackPorts(&t.nodes[n], w) > 0},
	}
	for _, f := range late {
		if f.short && f.filter > filter {
			count++
		}
	}
	return count
}
