package reconciler

import (
	"slices"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// workDaemon walks the slots that the workload has, each at home on one node,
// and gives every matching node that is nobody's home a slot of its own. A
// node's slot keeps its index for as long as anything of it is ordered there.
func (p *pass) workDaemon(i int, goal *schema.Workload, digest schema.Digest) {
	group := p.groupAt(i)
	p.findHomes(group, goal, digest)
	b := p.daemonBudget(i, group, goal, digest)
	silent := 0
	for rest := group; len(rest) > 0; {
		var mine []entry
		mine, rest = cut(rest, rest[0].slot().Index)
		if !p.workHome(i, goal, digest, mine, &b) {
			silent++
		}
	}
	silent += p.fillNodes(i, goal)
	if p.outcome[i].desired == 0 && silent > 0 {
		p.outcome[i].waiting = "every node that it matches is silent"
	}
}

// findHomes gives each slot one node and each node one slot: where the wanted
// one is ordered, else another, else where it is ending. A slot has orders on
// several nodes where its workload was a service before.
func (p *pass) findHomes(group []entry, goal *schema.Workload, digest schema.Digest) {
	p.homes = slices.Grow(p.homes[:0], len(p.nodes))[:len(p.nodes)]
	clear(p.homes)
	for claim := range claims {
		for rest := group; len(rest) > 0; {
			var mine []entry
			mine, rest = cut(rest, rest[0].slot().Index)
			if p.homeOf(mine) < 0 {
				p.findHome(mine, goal, digest, claim)
			}
		}
	}
}

// The claims of a slot on a node, the strongest first.
const (
	runsWanted = iota
	runsOther
	ending
	claims
)

func claimOf(o *nodes.Order, digest schema.Digest) int {
	switch {
	case o.Stop:
		return ending
	case o.Digest != digest:
		return runsOther
	}
	return runsWanted
}

func (p *pass) findHome(mine []entry, goal *schema.Workload, digest schema.Digest, claim int) {
	for j := range mine {
		e := &mine[j]
		if e.order != nil && claimOf(e.order, digest) == claim && p.homes[e.node] == 0 && p.mayStay(&p.nodes[e.node], goal) {
			p.homes[e.node] = int32(e.slot().Index) + 1
			return
		}
	}
}

// homeOf is the node that the slot of these entries is at home on, or −1.
func (p *pass) homeOf(mine []entry) int32 {
	for j := range mine {
		if p.homes[mine[j].node] == int32(mine[j].slot().Index)+1 {
			return mine[j].node
		}
	}
	return -1
}

// workHome does what one slot needs at its home and ends what it has
// elsewhere. It is false where the home is lost: that slot neither counts nor
// changes until its node returns.
func (p *pass) workHome(i int, goal *schema.Workload, digest schema.Digest, mine []entry, b *budget) bool {
	home := p.homeOf(mine)
	for j := range mine {
		if mine[j].node != home {
			p.end(i, &mine[j], p.leaveReason(&mine[j], goal))
		}
	}
	if home < 0 {
		return true
	}
	mine = atNode(mine, home)
	v := p.viewSlot(goal, digest, mine[0].slot(), mine)
	if p.lost(&p.nodes[home], goal) {
		return false
	}
	p.outcome[i].desired++
	p.step(i, goal, &v, b, p.nodes[home].fact.Name)
	return true
}

func (p *pass) leaveReason(e *entry, goal *schema.Workload) nodes.Reason {
	if p.mayStay(&p.nodes[e.node], goal) {
		return nodes.ScaledDown
	}
	return nodes.Moved
}

// atNode are the entries of one slot on one node; they stand together.
func atNode(mine []entry, node int32) []entry {
	from := slices.IndexFunc(mine, func(e entry) bool { return e.node == node })
	to := from
	for to < len(mine) && mine[to].node == node {
		to++
	}
	return mine[from:to]
}

// fillNodes gives each matching node that is nobody's home the lowest free
// index, unless it is cordoned, and returns how many of them are lost: those
// wait for their return.
// One that is silent for less is waited for.
func (p *pass) fillNodes(i int, goal *schema.Workload) (lost int) {
	index := 0
	for n := range p.nodes {
		if p.homes[n] != 0 || p.nodes[n].cordon != nil || !p.mayStay(&p.nodes[n], goal) {
			continue
		}
		if p.lost(&p.nodes[n], goal) {
			lost++
			continue
		}
		p.outcome[i].desired++
		if !p.nodes[n].fresh() {
			continue
		}
		index = freeIndex(p.groupAt(i), index)
		v := slotView{slot: schema.Slot{Workload: goal.Name, Index: index}, what: p.wanted(i)}
		p.fill(i, goal, &v, p.nodes[n].fact.Name)
		index++
	}
	return lost
}

// freeIndex is the lowest index from at that no entry has.
func freeIndex(group []entry, at int) int {
	for {
		_, taken := slices.BinarySearchFunc(group, at, func(e entry, index int) int { return e.slot().Index - index })
		if !taken {
			return at
		}
		at++
	}
}

// daemonBudget leaves out slots whose node is lost: they are not down by our
// doing, and nothing that we do brings them up.
func (p *pass) daemonBudget(i int, group []entry, goal *schema.Workload, digest schema.Digest) budget {
	var t tally
	slots := 0
	for rest := group; len(rest) > 0; {
		var mine []entry
		mine, rest = cut(rest, rest[0].slot().Index)
		home := p.homeOf(mine)
		if home < 0 || p.lost(&p.nodes[home], goal) {
			continue
		}
		slots++
		t.count(p, goal, digest, atNode(mine, home))
	}
	return t.budget(p.gistOf(i, goal), slots)
}
