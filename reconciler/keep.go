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

// atHome is whether the want has its place already: a stateful slot's home is
// kept free for it.
func (w *want) atHome() bool {
	return w.request.Workload.Kind == schema.Stateful && w.request.Only != ""
}

// placeAtHome gives a stateful slot what is kept for it. It counts for its pool
// from then on.
func (p *pass) placeAtHome(t *scheduler.Table, w *want) {
	if w.home {
		p.placePorts(t, w)
		return
	}
	placed, unplaced := t.Place([]scheduler.Request{w.request})
	if len(placed) == 0 {
		p.refused(w, unplaced[0].Why)
		return
	}
	p.order(w, placed[0])
}

// placePorts gives a home more ports: for a moment what is there holds nothing.
// Whatever it is, it then holds on until it ends, and the ports are kept beside it.
func (p *pass) placePorts(t *scheduler.Table, w *want) {
	e := p.inPlaceOf(w)
	back := func() {}
	if e != nil {
		back = t.Lift(int(e.node), e.order.Workload, e.order.Ports)
	}
	got, ok := t.Take(&w.request)
	if !ok {
		why := t.Explain(&w.request)
		p.refused(w, &why)
		back()
		return
	}
	if e != nil {
		t.Lift(int(e.node), w.text, got.ByName(w.text))
		back()
		t.Keep(int(e.node), got.Ports)
	}
	p.give(w, got)
}

// inPlaceOf is what has the place that a home's want asks for; nil for nothing.
func (p *pass) inPlaceOf(w *want) *entry {
	for j := range w.lost {
		e := &w.lost[j]
		if e.order != nil && !e.retired && e.order.Workload != nil && p.nodes[e.node].fact.Name == w.request.Only {
			return e
		}
	}
	return nil
}

// give records what a want has got.
func (p *pass) give(w *want, got scheduler.Placement) {
	if w.home {
		p.settleAt(w.text, got.Slot, got.Node, got.ByName(w.text))
		return
	}
	p.order(w, got)
}
