package scheduler

import (
	"slices"

	"github.com/bayplan/bayplan/schema"
)

// Standing is one pool as it stands.
type Standing struct {
	Pool schema.Pool
	// Nodes is how many the pool owns itself; Whole is what the nodes of its tree
	// have.
	Nodes int
	Whole schema.Quantity
	// Use is what its work holds, that of its parts included.
	Use Use
	// Share is its dominant share of the whole, in thousandths.
	Share int
	// Idle is what is guaranteed to it and not used, Lent the part of that which
	// others use.
	Idle, Lent schema.Quantity
	// Largest are the slots than which it could place none larger now, by falling cpu:
	// one that asks for nothing but cpu and memory is placed exactly where it is within
	// one of them.
	Largest []schema.Quantity
}

// Standings tells how each pool of the tree stands, in the tree's order.
func (t *Table) Standings() []Standing {
	s := t.shares
	out := make([]Standing, len(t.tree))
	lent := map[int32]amounts{} // what is left to tell of what a tree has lent
	for i := range t.tree {
		id := s.byName[t.tree[i].Name]
		x, top := &s.all[id], s.top(id)
		if _, told := lent[top]; !told {
			all := &s.all[top]
			lent[top] = all.hold.here[idleAll].lack.minus(all.hold.here[idleUnlent].lack).least(all.use)
		}
		p, idle := &out[i], x.hold.here[idleAll].idle
		p.Pool, p.Whole, p.Idle = t.tree[i], x.whole.quantity(), idle.quantity()
		p.Use = Use{CPU: schema.CPU(x.use[0]), Memory: schema.Bytes(x.use[1]), Slots: int(x.slots)}
		p.Share = int(1000 * max(part64(x.use[0], x.whole[0]), part64(x.use[1], x.whole[1])))
		if x.lend {
			here := x.hold.here[idleAll].lack.least(lent[top])
			lent[top] = lent[top].minus(here)
			p.Lent = here.quantity()
		}
		p.Nodes = t.owned(t.tree[i].Name)
		p.Largest = t.largestSlots(id)
	}
	return out
}

func (a amounts) quantity() schema.Quantity {
	return schema.Quantity{CPU: schema.CPU(a[0]), Memory: schema.Bytes(a[1])}
}

// least is the smaller of each.
func (a amounts) least(b amounts) amounts { return amounts{min(a[0], b[0]), min(a[1], b[1])} }

func (t *Table) owned(pool string) (count int) {
	for i := range t.nodes {
		if t.classes[t.class[i]].home.Pool == pool {
			count++
		}
	}
	return count
}

// largestSlots are what the nodes have free for a pool that no other has as much of.
func (t *Table) largestSlots(id int32) (largest []schema.Quantity) {
	free := t.freeFor(id)
	slices.SortFunc(free, func(a, b amounts) int { return slices.Compare(b[:], a[:]) })
	memory := int64(-1)
	for _, a := range free {
		if a[1] > memory {
			largest, memory = append(largest, a.quantity()), a[1]
		}
	}
	return largest
}

// freeFor is what each node that takes work of a pool has free for it.
func (t *Table) freeFor(id int32) (free []amounts) {
	plain := Request{Workload: &schema.Workload{Pool: t.shares.all[id].name}}
	if t.denies(id, &plain).filter != "" {
		return nil
	}
	g := t.run(&plain)
	defer t.end(g)
	t.hold(g)
	left := map[int32]amounts{} // by whose nodes they are
	for i := range int32(len(t.nodes)) {
		if g.refuse(i) >= 0 {
			continue
		}
		home := t.owner[i]
		if _, known := left[home]; !known {
			left[home] = t.shares.left(id, home)
		}
		free = append(free, t.freeOf(i).least(left[home]))
	}
	return free
}

// left is what limits and what is held for others leave to a pool on nodes of the
// pool home.
func (s *shares) left(id, home int32) (left amounts) {
	left = unbounded
	for at := id; at >= 0; at = s.all[at].parent {
		left = left.least(s.all[at].limit.minus(s.all[at].use))
	}
	left = left.most(amounts{})
	for r := range left {
		left[r] = s.most(id, home, r, min(left[r], s.all[home].hold.free[r]), false)
	}
	return left
}
