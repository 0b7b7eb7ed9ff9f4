package reconciler

import (
	"fmt"
	"slices"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// A stateful workload's slots are not alike. Each has a home, which is found for
// all of them in one decision before the first starts, so that each can be told
// of the others. They start from the lowest up, each once all below are healthy;
// they are updated in place from the highest down, so many at a time as may be
// down; those above replicas leave from the top, one after another. Going back
// undoes this in the reverse order.

// workStateful walks slots 0 to replicas − 1 and retires those above.
func (p *pass) workStateful(i int, goal *schema.Workload, digest schema.Digest) {
	out := &p.outcome[i]
	out.desired = goal.Replicas
	above := p.viewOrdinals(i, goal, digest)
	housed := p.house(i, goal)
	shrinking := p.shrink(i, goal, above)
	var b budget
	if shrinking || !housed {
		left := p.left(i, goal, &b)
		left.down = min(left.down, 0)
	}
	p.tellQuorum(i, goal, &b)
	p.line(i, goal, housed)
	r := &p.facts.Rollouts[i]
	back := r.Stage == Reverting || r.Stage == Reverted
	for k := range p.ordinals {
		if !back {
			k = len(p.ordinals) - 1 - k
		}
		v := &p.ordinals[k]
		p.step(i, goal, v, &b, "")
		p.tellOld(i, v, goal)
	}
}

// viewOrdinals looks at each slot once, and returns the entries of those above.
func (p *pass) viewOrdinals(i int, goal *schema.Workload, digest schema.Digest) (above []entry) {
	p.ordinals = p.ordinals[:0]
	entries := p.groupAt(i)
	for index := range goal.Replicas {
		var mine []entry
		mine, entries = cut(entries, index)
		v := p.viewSlot(goal, digest, schema.Slot{Workload: goal.Name, Index: index}, mine)
		if at := p.homeAt(v.slot); v.settled && at >= 0 && !p.facts.Volumes[at].Up {
			p.editVolumes()
			p.facts.Volumes[at].Up, p.facts.Volumes[at].From = true, ""
		}
		p.ordinals = append(p.ordinals, v)
	}
	return entries
}

// line has the slots that have nothing wait for their turn: each for its home, and
// one that has never been healthy for the homes of all and for the slots below.
// One that was is not kept waiting: it is needed.
func (p *pass) line(i int, goal *schema.Workload, housed bool) {
	inOrder := goal.Start != schema.StartTogether
	again := goal.Update.Strategy == "recreate"
	below := true
	for k := range p.ordinals {
		v := &p.ordinals[k]
		at := p.homeAt(v.slot)
		up := at >= 0 && p.facts.Volumes[at].Up
		v.waits = at < 0 || p.departs(v, at, goal) || !v.ports || !up && !housed || inOrder && !below && (!up || again)
		// In the version that it is to leave: what has its turn after others cannot be
		// waited for by them, however it is.
		before := v.current == nil && (v.serves || v.old != nil && p.outcome[i].course != "")
		below = below && (v.settled || before || up && p.homeIsLost(at, goal))
	}
}

// house asks for homes for the slots that have none, all together, and for the
// ports that a home lacks. It is true once each slot has one.
func (p *pass) house(i int, goal *schema.Workload) (housed bool) {
	housed = true
	f := p.fellows(i, goal, goal)
	complete := f != nil && len(f.peers) == goal.Replicas
	for k := range p.ordinals {
		v := &p.ordinals[k]
		at := p.homeAt(v.slot)
		if e := v.there(); e != nil {
			if at < 0 || p.facts.Volumes[at].Node != p.nodes[e.node].fact.Name {
				p.settleAt(goal, v.slot, p.nodes[e.node].fact.Name, e.order.Ports)
				at = p.homeAt(v.slot)
			}
			p.useHome(v.slot)
		}
		v.ports = at >= 0 && (complete || p.portsComplete(at, i, goal))
		if v.ports && !p.leaves(v, at, goal) {
			continue
		}
		housed = false
		if p.outcome[i].gate.start {
			p.askHome(i, v, at, goal)
		}
	}
	return housed
}

// there is the slot's instance that is not told to stop; nil where it has none.
func (v *slotView) there() *entry {
	if v.current != nil {
		return v.current
	}
	return v.old
}

// homeNode is the node of the slot's home, which is nearly always where it is.
func (p *pass) homeNode(v *slotView, home *VolumeFact) (at int, known bool) {
	if e := v.there(); e != nil && p.nodes[e.node].fact.Name == home.Node {
		return int(e.node), true
	}
	return p.nodeAt(home.Node)
}

// leaves is whether a home is to be had elsewhere: its node is lost and onLost says
// so, its drain has ended what was there, or the slot never came there and the node
// is not for it any more, or closed. What may still be at work there stays at home.
func (p *pass) leaves(v *slotView, at int, goal *schema.Workload) bool {
	f := &p.facts.Volumes[at]
	node, known := p.homeNode(v, f)
	if !known {
		return true
	}
	n := &p.nodes[node]
	atWork := slices.ContainsFunc(v.entries, func(e entry) bool { return int(e.node) == node && e.order != nil && !p.over(&e, goal) })
	given := !p.paused && replacedWhenLost(goal) && p.lost(n, goal) && !atWork
	return given || p.departs(v, at, goal) || f.Fresh && !p.uses(n, f.Slot) && (n.cordon != nil || !p.matches(n, goal))
}

// departs is whether the slot is gone from a home whose node is being drained, and
// takes nothing along.
func (p *pass) departs(v *slotView, at int, goal *schema.Workload) bool {
	if v.there() != nil {
		return false
	}
	node, known := p.nodeAt(p.facts.Volumes[at].Node)
	return known && p.nodes[node].draining() && !v.ending && p.movesHome(v.slot, goal)
}

func (p *pass) homeIsLost(at int, goal *schema.Workload) bool {
	node, known := p.nodeAt(p.facts.Volumes[at].Node)
	return !known || p.lost(&p.nodes[node], goal)
}

// portsComplete is whether the home has all ports that the workload wants chosen.
func (p *pass) portsComplete(at, i int, goal *schema.Workload) bool {
	has := p.facts.Volumes[at].Ports
	for _, name := range p.gistOf(i, goal).chosen {
		if has[name] == 0 {
			return false
		}
	}
	return true
}

// askHome asks for a home, or for more ports where it is.
func (p *pass) askHome(i int, v *slotView, at int, goal *schema.Workload) {
	w := want{version: p.wanted(i), rollout: i, home: true, lost: v.entries}
	w.request = p.request(w.version, v, "")
	w.request.Except, w.request.Leaves = p.deletingOn(v.slot), ""
	if at < 0 || p.leaves(v, at, goal) {
		w.request.Only, w.request.Stays, w.request.Home, w.request.Ports, w.request.Together = "", false, false, nil, true
	}
	p.wants = append(p.wants, w)
}

// deletingOn are the nodes that are still to delete volumes of the slot.
func (p *pass) deletingOn(slot schema.Slot) (nodes []string) {
	at, _ := slices.BinarySearchFunc(p.facts.Volumes, slot, compareSlot)
	for ; at < len(p.facts.Volumes) && p.facts.Volumes[at].Slot == slot; at++ {
		if p.facts.Volumes[at].Deleting != nil {
			nodes = append(nodes, p.facts.Volumes[at].Node)
		}
	}
	return nodes
}

// shrink ends the slots above replicas, the highest first, each once the one
// before is gone or cannot be waited for. It is true while any is left to wait
// for.
func (p *pass) shrink(i int, goal *schema.Workload, above []entry) (busy bool) {
	out, needed := &p.outcome[i], ""
	for len(above) > 0 {
		from := len(above) - 1
		for from > 0 && above[from-1].slot().Index == above[from].slot().Index {
			from--
		}
		mine := above[from:]
		above = above[:from]
		if out.gate.update && !busy {
			needed = p.needed(goal, mine)
		}
		if !out.gate.update || busy || needed != "" {
			busy = true
			if needed != "" { // nor may those below go
				p.stay(mine[0].slot(), needed)
			}
			for j := range mine {
				p.stayOrEnd(i, &mine[j])
			}
			continue
		}
		left := out.left
		for j := range mine {
			p.end(i, &mine[j], nodes.ScaledDown)
		}
		busy = out.left > left
	}
	return busy
}

// needed is why a slot is not to leave: those that stay do not serve without it.
// "" where they do, where it is known to be down, and where none is to stay: that
// leaves no quorum to keep.
func (p *pass) needed(goal *schema.Workload, leaving []entry) string {
	stay := p.servingOrdinals()
	if stay >= goal.Quorum || goal.Replicas == 0 {
		return ""
	}
	counts := slices.ContainsFunc(leaving, func(e entry) bool { return e.order != nil && !e.order.Stop && !p.down(&e) })
	if !counts {
		return ""
	}
	why := fmt.Sprintf("it is not stopped: of the %d slots that stay %d serve, and quorum is %d", goal.Replicas, stay, goal.Quorum)
	p.blocked = append(p.blocked, Blocked{Workload: goal.Name, Slot: leaving[0].slot(), Code: "quorum", Text: why,
		Next: "see why the others do not serve: bayplan status " + goal.Name + " -o wide"})
	return why
}

func (p *pass) servingOrdinals() (count int) {
	for k := range p.ordinals {
		if p.ordinals[k].serves {
			count++
		}
	}
	return count
}

// tellQuorum tells where an update waits since too many slots do not serve by
// themselves.
func (p *pass) tellQuorum(i int, goal *schema.Workload, b *budget) {
	if goal.Quorum == 0 || !p.outcome[i].gate.update {
		return
	}
	down, old := 0, false
	for k := range p.ordinals {
		v := &p.ordinals[k]
		old = old || v.old != nil && p.serves(v.old)
		if e := v.there(); e != nil && !v.serves && (v.away || v.current == nil) {
			down++
		}
	}
	if !old || down < goal.Replicas-goal.Quorum || p.left(i, goal, b).down > 0 {
		return
	}
	p.outcome[i].waiting = fmt.Sprintf("its update waits: %d of %d slots do not serve, and quorum is %d", down, goal.Replicas, goal.Quorum)
	p.blocked = append(p.blocked, Blocked{Workload: goal.Name, Code: "quorum", Text: p.outcome[i].waiting,
		Next: "see why they do not serve: bayplan status " + goal.Name + " -o wide"})
}

// tellOld brings an order of another version up to date about its peers, so that
// its instance finds them should it start again.
func (p *pass) tellOld(i int, v *slotView, goal *schema.Workload) {
	e := v.old
	if e == nil || e.retired || e.order.Workload == nil || p.knowsPeers(i, e.order, goal, e.order.Workload) {
		return
	}
	o := *e.order
	o.Peers = p.peers(i, goal, o.Workload)
	p.edit(edit{node: e.node, order: o})
}
