package scheduler

import (
	"cmp"
	"slices"
	"sort"
)

// from goes through all ways to place the items from i on.
func (p *packing) from(i int) {
	switch {
	case !p.hopeful(i) || p.asks <= 0:
		return
	case i == len(p.items):
		p.record()
		return
	}
	for _, c := range p.choices(i) {
		p.with(i, int32(c%maxNodes))
	}
	x := &p.items[i]
	if !p.mayLeave(x.tier) {
		return
	}
	p.at[i] = -1
	p.tiers[x.tier].spare--
	p.out[x.level]++
	p.from(i + 1)
	p.tiers[x.tier].spare++
	p.out[x.level]--
}

// record keeps a way that is better than all before.
func (p *packing) record() {
	p.best = p.best[:0]
	for _, k := range p.at {
		if k >= 0 {
			k = p.nodes[k]
		}
		p.best = append(p.best, k)
	}
	copy(p.least, p.out)
}

// with goes on with item i on a node.
func (p *packing) with(i int, k int32) {
	t, x, n := p.d.t, &p.items[i], p.nodes[k]
	w := x.run.r.Workload
	was, own := t.nodes[n], t.ownPorts[n]
	t.ownPorts[n] = false // those that it has stay as they are
	x.run.give(n, p.d.requests[x.request].Slot)
	t.count(n, w, 1)
	t.shares.count(x.group.leaf, amountsOf(w), 1)
	p.at[i] = k
	p.used[k]++
	p.from(i + 1)
	p.used[k]--
	t.shares.count(x.group.leaf, amounts{}.minus(amountsOf(w)), -1)
	t.count(n, w, -1)
	t.nodes[n], t.ownPorts[n] = was, own
	t.reckon(n)
}

// choices are the nodes for item i, the best first. Of nodes that are alike and
// have no item one is enough, and items that ask the same go from node to node in
// the order of these, and last nowhere.
func (p *packing) choices(i int) []uint64 {
	t, x := p.d.t, &p.items[i]
	g, r := x.run, &p.d.requests[x.request]
	from := int32(0)
	if x.again {
		from = p.at[i-1]
	}
	out := p.choice[i][:0]
	if from < 0 || t.denies(x.group.leaf, r).filter != "" {
		return out
	}
	g.barred = t.bars(x.group.leaf, r)
	t.hold(nil)
	g.leaves = t.at(r.Leaves)
	t.hold(g)
	var seen uint64 // the kinds of which a node without items came by
	for k := range int32(len(p.nodes)) {
		if p.used[k] == 0 {
			if seen>>p.kind[k]&1 == 1 {
				continue
			}
			seen |= 1 << p.kind[k]
		}
		if k < from {
			continue
		}
		p.asks--
		if g.refuse(p.nodes[k]) < 0 {
			s := g.scoreOf(p.nodes[k])
			out = append(out, rank(int32(s.Total()), g.crowd(p.nodes[k]), k))
		}
	}
	slices.Sort(out)
	p.choice[i] = out
	return out
}

// hopeful is whether the items from i on might leave out fewer than the best way
// does, of those that go first.
func (p *packing) hopeful(i int) bool {
	for level, out := range p.out {
		if i < len(p.items) && level == p.items[i].level {
			out += p.lost(&p.items[i])
		}
		if c := cmp.Compare(out, p.least[level]); c != 0 {
			return c < 0
		}
	}
	return false
}

// lost is how many of the items of one level, from x on, have no place even if each
// node takes the smallest.
func (p *packing) lost(x *item) int {
	t := p.d.t
	var cpu, mem int64
	each := 0
	for _, n := range p.nodes {
		freeCPU, freeMem := max(t.cpu[n], 0), max(t.mem[n], 0)
		cpu, mem = add(cpu, freeCPU), add(mem, freeMem)
		each += min(holds(x.cpu, freeCPU), holds(x.mem, freeMem))
	}
	return len(x.cpu) - min(each, holds(x.cpu, cpu), holds(x.mem, mem))
}

// holds is of how many, the least first, the sum is within an amount.
func holds(sums []int64, free int64) int {
	return sort.Search(len(sums), func(i int) bool { return sums[i] > free })
}
