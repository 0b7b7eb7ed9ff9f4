package reconciler

import (
	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// step does what one slot needs now, if it is its turn.
func (p *pass) step(i int, goal *schema.Workload, v *slotView, b *budget, only string) {
	out := &p.outcome[i]
	if out.course == "" && p.facts.Rollouts[i].Stage != Reverting {
		p.move(i, goal, v, b, only)
		return
	}
	whole := out.gate
	out.gate = p.inTurn(i, whole, v.slot.Index)
	p.move(i, goal, v, b, only)
	if out.gate = whole; out.course != "" {
		p.marks = append(p.marks, p.markOf(i, v))
	}
}

// move does what one slot needs now, within the gate.
func (p *pass) move(i int, goal *schema.Workload, v *slotView, b *budget, only string) {
	out := &p.outcome[i]
	r := &p.facts.Rollouts[i]
	p.countSlot(i, v)
	if v.current != nil {
		p.refresh(i, v.current, v.what)
	}
	p.retireSpares(v, r)
	if out.pulling == nil && pulling(v.current) {
		out.pulling = v.current
	}
	if v.what.digest == r.Target {
		p.judgeSlot(i, goal, v)
	}
	switch {
	case v.current != nil && v.settled:
		p.retireRest(v, r)
	case v.current != nil:
		p.tryElsewhere(i, v)
	case v.old == nil && v.waits:
	case v.old == nil:
		p.fill(i, goal, v, only)
	case !out.gate.update && !v.kept:
	default:
		p.goOver(i, goal, v, p.left(i, goal, b), only)
	}
}

// goOver takes a slot from what it runs to what is wanted, within the budget.
func (p *pass) goOver(i int, goal *schema.Workload, v *slotView, b *budget, only string) {
	r := &p.facts.Rollouts[i]
	switch {
	case v.away && !p.serves(v.old):
		// Its node is silent and not lost yet: nothing is known, so nothing is done.
	case p.leaving(v.old, goal) && (v.kept || goal.Update.Strategy != "recreate" || v.what.is(v.old)):
		p.moveAway(i, goal, v, b)
	case goal.Update.Strategy == "recreate" && v.what.is(v.old):
		p.moveOff(i, v, b)
	case goal.Update.Strategy == "recreate" || p.down(v.old):
		p.retire(v.old, p.replaceReason(v.old, v.what, r))
	case b.surge > 0:
		b.surge--
		w := want{version: v.what, request: p.request(v.what, v, only), rollout: i, lost: v.entries, reason: p.placeReason(v, r), inTurn: p.gistOf(i, goal).fixes}
		if b.instead > 0 { // it may come to that: what one slot may use, no other may
			b.instead, b.down, w.replaces, w.inTurn = b.instead-1, b.down-1, v.old, false
		}
		p.wants = append(p.wants, w)
	case b.down > 0:
		b.instead, b.down = b.instead-1, b.down-1
		p.retire(v.old, p.replaceReason(v.old, v.what, r))
	}
}

// countSlot counts one slot of the version that the rollout steers to.
func (p *pass) countSlot(i int, v *slotView) {
	out, c := &p.outcome[i], v.current
	if v.stopping || v.old != nil && !v.kept {
		out.left++
	}
	if c != nil && c.inst != nil && c.inst.Phase == nodes.Running && p.nodes[c.node].fresh() {
		out.started++
	}
	switch _, digest := p.facts.Rollouts[i].goal(); {
	case v.what.digest != digest:
	case v.settled || v.kept:
		out.settled++
	case c != nil && !p.serves(c) && !p.down(c):
		out.unsure++
	}
}

// retireSpares ends what is neither the wanted instance nor the one that
// serves in its place: left from a rollout that was superseded.
func (p *pass) retireSpares(v *slotView, r *Rollout) {
	for j := range v.entries {
		e := &v.entries[j]
		if e.order == nil || e.order.Stop || e == v.current || !p.nodes[e.node].fresh() || p.mayServe(v, e) {
			continue
		}
		p.retire(e, p.replaceReason(e, v.what, r))
	}
}

// mayServe is whether the slot may need this old instance: it is the one that
// the rollout takes down in its turn, or may be up where no other surely is.
func (p *pass) mayServe(v *slotView, e *entry) bool {
	if e == v.old {
		return v.current == nil || !p.down(e)
	}
	return !p.down(e) && !v.serves
}

// retireRest ends every other instance of a slot whose wanted one has settled.
func (p *pass) retireRest(v *slotView, r *Rollout) {
	for j := range v.entries {
		e := &v.entries[j]
		if e == v.current || e.order == nil || e.order.Stop {
			continue
		}
		why := p.replaceReason(e, version{v.current.order.Workload, v.what.digest}, r)
		if p.givenUp(e, v.current.order.Workload) {
			why = nodes.NodeLost
		}
		p.retire(e, why)
	}
}

func (p *pass) placeReason(v *slotView, r *Rollout) nodes.Reason {
	switch {
	case v.left != "" && v.old == nil:
		return v.left
	case v.kept:
		return nodes.Moved
	case r.Stage == Reverted && !v.had && v.what.text != nil && v.what.text.Kind == schema.Daemon:
		return nodes.Created // a node that joined after the way back
	case r.Stage == Reverting || r.Stage == Reverted:
		return nodes.RolledBack
	case v.old != nil && v.what.is(v.old):
		return nodes.Moved
	case v.old == nil && r.Good != nil && r.Good.Kind != schema.Daemon && v.slot.Index >= r.Good.Replicas:
		return nodes.ScaledUp
	case v.had || r.Good != nil && r.GoodDigest != r.Target && v.slot.Index < r.Good.Replicas:
		return nodes.Updated
	case p.comesFrom(v.slot):
		return nodes.Moved
	}
	return nodes.Created
}

// comesFrom is whether the slot has left a home for one that it has not come up in.
func (p *pass) comesFrom(slot schema.Slot) bool {
	at := p.homeAt(slot)
	return at >= 0 && p.facts.Volumes[at].From != ""
}

func (p *pass) replaceReason(e *entry, what version, r *Rollout) nodes.Reason {
	switch {
	case what.is(e) && (p.leaving(e, what.text) || !p.mayStay(&p.nodes[e.node], what.text)):
		return nodes.Moved
	case r.Stage == Reverting || r.Stage == Reverted:
		return nodes.RolledBack
	}
	return nodes.Replaced
}
