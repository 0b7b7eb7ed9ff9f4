package scheduler

import "github.com/bayplan/bayplan/schema"

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
	// Largest is the largest slot that it could still place.
	Largest schema.Quantity
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
			lent[top] = all.use.plus(all.idle).minus(all.whole).most(amounts{})
		}
		p := &out[i]
		p.Pool, p.Whole, p.Idle = t.tree[i], x.whole.quantity(), x.idle.quantity()
		p.Use = Use{CPU: schema.CPU(x.use[0]), Memory: schema.Bytes(x.use[1]), Slots: int(x.slots)}
		p.Share = int(1000 * max(part64(x.use[0], x.whole[0]), part64(x.use[1], x.whole[1])))
		if x.lend {
			here := x.idle.least(lent[top])
			lent[top] = lent[top].minus(here)
			p.Lent = here.quantity()
		}
		p.Nodes = t.owned(t.tree[i].Name)
		p.Largest = t.largestLeft(id).quantity()
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

// largestLeft is the room of the node that has the most of what it has least of,
// within what the pool may still have.
func (t *Table) largestLeft(id int32) amounts {
	left := t.shares.left(id)
	most, at := -1.0, amounts{}
	for i := range t.nodes {
		n := &t.nodes[i]
		if n.Closed != "" || !t.tree.Within(t.shares.all[id].name, t.classes[t.class[i]].home.Pool) {
			continue
		}
		free := amounts{t.cpu[i], t.mem[i]}.most(amounts{}).least(left)
		if s := min(part64(free[0], t.capCPU[i]), part64(free[1], t.capMem[i])); s > most {
			most, at = s, free
		}
	}
	return at
}

// left is what limits and others' guarantees leave to a pool.
func (s *shares) left(id int32) amounts {
	out := unbounded
	for at := id; at >= 0; at = s.all[at].parent {
		x := &s.all[at]
		out = out.least(x.limit.minus(x.use))
	}
	top, own := &s.all[s.top(id)], &s.all[id]
	return out.least(top.whole.minus(top.use).minus(top.idle).plus(own.idle)).most(amounts{})
}
