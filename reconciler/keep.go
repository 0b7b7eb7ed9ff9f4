package reconciler

import (
	"github.com/bayplan/bayplan/scheduler"
	"github.com/bayplan/bayplan/schema"
)

// keepHomes counts what is kept free for stateful slots: the ports of each home,
// a tombstone's too, and the room of one where the slot has no instance now. Who
// asks for its own home in this pass finds it free.
func (p *pass) keepHomes(pool *scheduler.Pool, dropped map[dropKey]bool) {
	asks := map[schema.Slot]bool{}
	for i := range p.wants {
		if w := &p.wants[i]; w.atHome() {
			asks[w.request.Slot] = true
		}
	}
	for at := range p.facts.Volumes {
		f := &p.facts.Volumes[at]
		node, known := p.nodeAt(f.Node)
		if !known {
			continue
		}
		if !asks[f.Slot] {
			pool.Nodes[node].Ports = appendPorts(pool.Nodes[node].Ports, f.Ports)
		}
		goal := p.keeper(f.Slot)
		if !f.lives() || goal == nil || goal.Kind != schema.Stateful || p.holdsOrder(int32(node), f.Slot, dropped) {
			continue
		}
		if !asks[f.Slot] {
			pool.Use[goal.Pool] = pool.Use[goal.Pool].Plus(goal)
			n := &pool.Nodes[node]
			n.Hold(goal)
			n.Slots[goal.Name]++
			n.Ports = appendPorts(n.Ports, portsOf(goal, nil))
		}
	}
}

// holdsOrder is whether an order of the slot is on the node, and stays.
func (p *pass) holdsOrder(node int32, slot schema.Slot, dropped map[dropKey]bool) bool {
	i, known := p.byName[slot.Workload]
	if !known {
		return false
	}
	for _, e := range p.groupAt(int(i)) {
		if e.node == node && e.order != nil && e.order.Slot == slot && !dropped[dropKey{node, e.order.ID}] {
			return true
		}
	}
	return false
}
