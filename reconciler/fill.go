package reconciler

import (
	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// fill asks for a place for a slot that has nothing. A recreate waits until
// every old instance is gone and the slot's own whatever its digest, a slot
// with volumes until its own is even where its node is silent.
func (p *pass) fill(i int, goal *schema.Workload, v *slotView, only string) {
	if !p.outcome[i].gate.start {
		p.bringBack(i, v, only)
		return
	}
	inPlace := goal.Update.Strategy == schema.Ordered && v.stopping
	if goal.Update.Strategy == "recreate" && (v.stopping || p.stillStopping(i)) || inPlace || v.mayWrite(v.what.text) {
		return
	}
	p.ask(i, v.what, v, only, p.placeReason(v, &p.facts.Rollouts[i]))
}

// bringBack asks for a place for a slot that has lost what it had, in the
// version that it had: its rollout may not go on.
func (p *pass) bringBack(i int, v *slotView, only string) {
	was := p.present(i, v)
	if was == nil || v.mayWrite(was.text) {
		return
	}
	why := v.left
	if why == "" {
		why = nodes.Created
	}
	p.ask(i, *was, v, only, why)
}

func (p *pass) ask(i int, what version, v *slotView, only string, why nodes.Reason) {
	p.wants = append(p.wants, want{version: what, request: p.request(what, v, only), rollout: i, lost: v.entries, reason: why, inTurn: v.stopping})
}

// mayWrite is whether what the slot was told to stop may still be at work on what
// a new instance would have: it is waited for even where its node is silent,
// unless the workload says otherwise.
func (v *slotView) mayWrite(goal *schema.Workload) bool {
	return keepsPlace(goal) && (v.stopping || v.ending && !replacedWhenLost(goal))
}

// stillStopping is whether an instance of the workload's old digest is not
// known to be gone, nor its node lost: one that is not heard yet may run it.
func (p *pass) stillStopping(i int) bool {
	goal, digest := p.facts.Rollouts[i].goal()
	group := p.groupAt(i)
	for j := range group {
		e := &group[j]
		if e.order != nil && e.order.Digest != digest && !p.lost(&p.nodes[e.node], goal) && !p.gone(e) {
			return true
		}
	}
	return false
}
