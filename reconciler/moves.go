package reconciler

import "github.com/bayplan/bayplan/scheduler"

// Moves tells which instances that serve would be better placed on another node,
// the most gain first, at most budget of them. Of a workload it names no more than
// may be down at once beside those that are (I1). It decides nothing.
func Moves(in Input, budget int) []scheduler.Move {
	in.Scratch = nil
	p := newPass(in)
	p.look()
	p.buildPool()
	on := p.heldByNode()
	for i := range on {
		for k := range on[i].held {
			p.pin(&on[i].held[k], &p.entries[on[i].entries[k]])
		}
	}
	return scheduler.Improve(*p.pool, func(node int) []scheduler.Held { return on[node].held }, p.spare(), budget)
}

// pin lets an order move only if it is what its workload asks for and serves:
// all else is about to change anyway. It would move by the rules that the
// workload has now.
func (p *pass) pin(h *scheduler.Held, e *entry) {
	i, known := p.byName[h.Slot.Workload]
	if !known {
		h.Fixed = true
		return
	}
	goal, digest := p.facts.Rollouts[i].goal()
	if goal == nil || p.frozen(goal.Name) || e.order.Digest != digest || !p.serves(e) || !p.mayStay(&p.nodes[e.node], goal) {
		h.Fixed = true
		return
	}
	h.Workload = goal
}
