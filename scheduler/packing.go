package scheduler

import (
	"slices"

	"github.com/bayplan/bayplan/schema"
)

// packing looks for places for more of some requests than had one. All ways are
// gone through by depth: request after request in its turn, on each node that takes
// it, the best first, and on none. What can leave out no fewer is not gone into.
type packing struct {
	d     *deal
	items []item
	nodes []int32
	kind  []int32 // of each node: the place of the first that is like it
	used  []int   // by node, how many items it has

	tiers  []tier
	out    []int      // by level, how many are left out
	least  []int      // the same for the best way so far
	best   []int32    // its nodes, by item; −1 is none
	at     []int32    // this way's nodes, by place in nodes
	asks   int        // how many times a node may still be asked
	choice [][]uint64 // room for what an item may choose from
}

// item is one request.
type item struct {
	group   *group
	request int32
	run     *run
	level   int  // whose turn it is: 0 goes first
	tier    int  // its pool at that level
	again   bool // it asks the same as the item before
	// cpu and mem are the sums of the least that 1, 2, … of the items from this
	// one on ask for, of its level.
	cpu, mem []int64
}

// tier is the work of a pool at one level.
type tier struct {
	leaf  int32
	level int
	above int // the pool's tier before; −1 is none
	// spare is how many more of it are placed than before, once all have had their
	// turn.
	spare int
}

// turnOf orders work within a pool.
func turnOf(w *schema.Workload) []int { return []int{boolean(w.Revocable), -w.Priority} }

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

// packing prepares a search. What the groups got is off the Table.
func (d *deal) packing(groups []*group, nodes []int32) *packing {
	p := &packing{d: d, nodes: nodes, used: make([]int, len(nodes)), asks: refitAsks}
	for k, g := range groups {
		if k == 0 || slices.Compare(turnOf(d.wantedBy(groups[k-1])), turnOf(d.wantedBy(g))) != 0 {
			p.out, p.least = append(p.out, 0), append(p.least, 0)
		}
		p.ask(g, len(p.out)-1)
	}
	p.at, p.choice = make([]int32, len(p.items)), make([][]uint64, len(p.items))
	p.sum()
	p.sort()
	return p
}

// ask adds the requests of a group.
func (p *packing) ask(g *group, level int) {
	run, tier, left := p.d.t.run(&p.d.requests[g.from]), p.tier(g.leaf, level), int(g.to-g.from-g.done)
	for k := range run.goods {
		p.d.t.stockOf(run.goods[k].name)
	}
	p.tiers[tier].spare += left
	p.least[level] += left
	for i := g.from; i < g.to; i++ {
		p.items = append(p.items, item{group: g, request: i, run: run, level: level, tier: tier, again: i > g.from})
	}
}

// tier is the number of a pool's at a level, begun if there is none.
func (p *packing) tier(leaf int32, level int) int {
	above := -1
	for i := range p.tiers {
		switch {
		case p.tiers[i].leaf != leaf:
		case p.tiers[i].level == level:
			return i
		default:
			above = i
		}
	}
	p.tiers = append(p.tiers, tier{leaf: leaf, level: level, above: above})
	return len(p.tiers) - 1
}

// mayLeave is whether one more of a tier may be left out: as many as were before, or
// any where more of what goes before it in its pool have a place.
func (p *packing) mayLeave(tier int) bool {
	for ; tier >= 0; tier = p.tiers[tier].above {
		if p.tiers[tier].spare > 0 {
			return true
		}
	}
	return false
}

// end gives back the runs.
func (p *packing) end() {
	for i := range p.items {
		if x := &p.items[i]; !x.again {
			p.d.t.end(x.run)
		}
	}
}

// sum adds up the least that items ask for.
func (p *packing) sum() {
	var cpu, mem []int64
	for i := len(p.items) - 1; i >= 0; i-- {
		x := &p.items[i]
		if i+1 == len(p.items) || p.items[i+1].level != x.level {
			cpu, mem = nil, nil
		}
		cpu, mem = insert(cpu, x.run.q.cpu), insert(mem, x.run.q.mem)
		x.cpu, x.mem = sums(cpu), sums(mem)
	}
}

func insert(sorted []int64, v int64) []int64 {
	i, _ := slices.BinarySearch(sorted, v)
	return slices.Insert(sorted, i, v)
}

func sums(sorted []int64) []int64 {
	out := make([]int64, len(sorted))
	sum := int64(0)
	for i, v := range sorted {
		sum = add(sum, v)
		out[i] = sum
	}
	return out
}
