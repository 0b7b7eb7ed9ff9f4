package reconciler

import (
	"slices"
	"sort"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// What becomes of homes and volumes as what is wanted changes: one that no slot
// wants any more is retired and kept as a tombstone; wanted again, it lives; past
// its time to live, or when an operator says so, its node is ordered to delete
// it, and it is forgotten once the node has shown that it is gone (I18).

// tendVolumes brings every fact about volumes up to date.
func (p *pass) tendVolumes() {
	p.homesFrom = slices.Grow(p.homesFrom[:0], len(p.facts.Rollouts))[:len(p.facts.Rollouts)]
	for from := 0; from < len(p.facts.Volumes); {
		from = p.tendWorkload(from)
	}
}

// tendWorkload is about the facts of one workload's slots, which begin at from; it
// returns where the next one's do. Where each home of a text was found to hold what
// that asks for, none is looked into again while the facts are the same.
func (p *pass) tendWorkload(from int) int {
	first := p.facts.Volumes[from].Slot
	i, known := p.byName[first.Workload]
	if !known {
		i = -1
	} else {
		p.homesFrom[i] = int32(from - first.Index)
	}
	age := p.age
	for from < len(p.facts.Volumes) && p.facts.Volumes[from].Slot.Workload == first.Workload {
		from = p.tendSlot(int(i), from)
	}
	if known && age == p.age {
		if goal, _ := p.facts.Rollouts[i].goal(); goal != nil {
			p.gistOf(int(i), goal).held = age
		}
	}
	return from
}

// tendSlot is about one slot's facts, which begin at from; it returns where the next
// slot's do. Its workload has the i-th rollout; −1 is none.
func (p *pass) tendSlot(i, from int) int {
	slot, to := p.facts.Volumes[from].Slot, from+1
	for to < len(p.facts.Volumes) && p.facts.Volumes[to].Slot == slot {
		to++
	}
	goal, live := p.keeperOf(i, slot), -1
	for at := from; at < to; at++ {
		if p.facts.Volumes[at].lives() {
			live = at
		}
	}
	if goal != nil && live < 0 {
		live = p.revive(from, to)
	}
	for at := from; at < to; at++ {
		switch {
		case at == live && goal != nil:
			p.keepUp(at, i, goal)
		case p.bury(at):
			p.editVolumes()
			p.facts.Volumes = slices.Delete(p.facts.Volumes, at, at+1)
			at, to, live = at-1, to-1, live-1
		}
	}
	return to
}

// keeper is the version of its workload that wants the slot to have a home; nil if
// none does.
func (p *pass) keeper(slot schema.Slot) *schema.Workload {
	i, known := p.byName[slot.Workload]
	if !known {
		return nil
	}
	return p.keeperOf(int(i), slot)
}

// keeperOf is the keeper of a slot of the i-th rollout; −1 is none. While the rollout
// is under way the keeper may be the version to go back to.
func (p *pass) keeperOf(i int, slot schema.Slot) *schema.Workload {
	if i < 0 {
		return nil
	}
	r := &p.facts.Rollouts[i]
	goal, _ := r.goal()
	switch {
	case goal == nil:
	case keepsPlace(goal) && slot.Index < goal.Replicas:
		return goal
	case r.Stage != Done && r.Good != nil && keepsPlace(r.Good) && slot.Index < r.Good.Replicas:
		return r.Good
	}
	return nil
}

// revive gives a slot that is wanted again the home that it had last.
func (p *pass) revive(from, to int) int {
	last := -1
	for at := from; at < to; at++ {
		f := &p.facts.Volumes[at]
		if f.Deleting == nil && (last < 0 || f.Retired.After(p.facts.Volumes[last].Retired)) {
			last = at
		}
	}
	if last >= 0 {
		p.editVolumes()
		f := &p.facts.Volumes[last]
		f.Retired, f.Up = VolumeFact{}.Retired, false
	}
	return last
}

// keepUp is for a slot's home: what it holds and for how long that would be kept.
// A volume that the text names no more is still there.
func (p *pass) keepUp(at, i int, goal *schema.Workload) {
	g, f := p.gistOf(i, goal), &p.facts.Volumes[at]
	if len(f.Ports) > 0 && goal.Kind != schema.Stateful && p.facts.Rollouts[i].ended() { // nobody has them again
		p.editVolumes()
		f = &p.facts.Volumes[at]
		f.Ports = nil
	}
	if g.held == p.age {
		return
	}
	bare := f.Bare && len(g.volumes) == 0
	if f.Bare == bare && f.Retain == goal.Retain && holdsAll(f.Holds, g.volumes) {
		return
	}
	p.editVolumes()
	f = &p.facts.Volumes[at]
	f.Bare, f.Retain, f.Holds = bare, goal.Retain, holdings(goal, f.Holds)
}

func holdsAll(held map[string]schema.Bytes, own []ownVolume) bool {
	for _, v := range own {
		if size, known := held[v.name]; !known || size != v.size {
			return false
		}
	}
	return true
}

// holdings are the workload's own volumes with their sizes, and those that were
// held before.
func holdings(w *schema.Workload, before map[string]schema.Bytes) map[string]schema.Bytes {
	if !w.OwnsVolumes() && len(before) == 0 {
		return nil
	}
	all := map[string]schema.Bytes{}
	for name, size := range before {
		all[name] = size
	}
	for name, v := range w.Volumes {
		if v.Host == "" {
			all[name] = v.Size
		}
	}
	return all
}

// bury takes a home that nobody wants on its way; it is true at the end.
func (p *pass) bury(at int) bool {
	f := &p.facts.Volumes[at]
	if f.Deleting == nil && f.Retired.IsZero() {
		p.editVolumes()
		f = &p.facts.Volumes[at]
		f.Retired, f.Up = p.in.Now, false
	}
	node, known := p.nodeAt(f.Node)
	used := known && p.uses(&p.nodes[node], f.Slot)
	switch {
	case f.Deleting != nil:
		return !known || !used && p.deleteVolumes(node, f)
	case f.Bare || f.Fresh:
		return !used
	case f.Retain == 0:
		return false
	}
	end := f.Retired.Add(f.Retain.D())
	if end.After(p.in.Now) {
		p.wakeAt(end)
		return false
	}
	if !used {
		p.editVolumes()
		f = &p.facts.Volumes[at]
		f.Deleting = &Deleting{Actor: RetainActor, At: p.in.Now}
		return !known || p.deleteVolumes(node, f)
	}
	return false
}

// deleteVolumes sees to it that the node is ordered to, and is true once it has
// shown that nothing is left.
func (p *pass) deleteVolumes(node int, f *VolumeFact) (gone bool) {
	n := &p.nodes[node]
	told := n.deletion(f.Slot)
	if told == nil {
		p.deletions = append(p.deletions, deletion{node: int32(node), order: nodes.Deletion{Slot: f.Slot, Actor: f.Deleting.Actor}})
		return false
	}
	d := n.deleted(f.Slot)
	if d == nil || !n.fresh() || n.seen.Report.Seen.Compare(told.Since) < 0 {
		return false
	}
	if d.Failure != nil {
		p.blocked = append(p.blocked, Blocked{Workload: f.Slot.Workload, Slot: f.Slot, Code: "volume-not-deleted",
			Text: "its volumes on " + f.Node + " cannot be deleted: " + d.Failure.Text, Next: "see to it on " + f.Node + "; it is tried again by itself"})
	}
	if d.Gone {
		p.deletions = append(p.deletions, deletion{node: int32(node), order: *told, drop: true})
	}
	return d.Gone
}

// Idle is whether the home is a tombstone whose volumes may be deleted: nothing
// of the slot is ordered there any more.
func (f *Facts) Idle(v *VolumeFact) bool {
	if v.lives() || v.Bare || v.Deleting != nil {
		return false
	}
	at, known := slices.BinarySearchFunc(f.Nodes, v.Node, compareNodeFact)
	return !known || !slices.ContainsFunc(f.Nodes[at].Assignment.Orders, func(o nodes.Order) bool { return o.Slot == v.Slot })
}

// deletion is a change to one node's orders to delete volumes.
type deletion struct {
	node  int32
	order nodes.Deletion
	drop  bool
}

// deletion is the order that the node has to delete the slot's volumes.
func (n *nodeView) deletion(slot schema.Slot) *nodes.Deletion {
	all := n.fact.Assignment.Deletions
	at, known := slices.BinarySearchFunc(all, slot, func(d nodes.Deletion, s schema.Slot) int { return d.Slot.Compare(s) })
	if !known {
		return nil
	}
	return &all[at]
}

// deleted is what the node says of that.
func (n *nodeView) deleted(slot schema.Slot) *nodes.Deleted {
	if n.seen == nil {
		return nil
	}
	all := n.seen.Report.Deleted
	at, known := slices.BinarySearchFunc(all, slot, func(d nodes.Deleted, s schema.Slot) int { return d.Slot.Compare(s) })
	if !known {
		return nil
	}
	return &all[at]
}

// uses is whether anything of the slot is ordered on the node or was seen there.
func (p *pass) uses(n *nodeView, slot schema.Slot) bool {
	prefix := slot.String() + "@"
	orders := n.fact.Assignment.Orders
	at := sort.Search(len(orders), func(i int) bool { return orders[i].ID >= prefix })
	if at < len(orders) && orders[at].Slot == slot {
		return true
	}
	if n.seen == nil {
		return false
	}
	seen := n.seen.Report.Instances
	at = sort.Search(len(seen), func(i int) bool { return seen[i].ID >= prefix })
	return at < len(seen) && seen[at].Slot == slot
}

// nodeAt finds a node of this pass by name.
func (p *pass) nodeAt(name string) (at int, known bool) {
	if len(p.nodesByName) == 0 {
		for i := range p.nodes {
			p.nodesByName[p.nodes[i].fact.Name] = int32(i)
		}
	}
	i, known := p.nodesByName[name]
	return int(i), known
}
