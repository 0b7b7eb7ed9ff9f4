package reconciler

import (
	"cmp"
	"slices"
	"strings"

	"github.com/bayplan/bayplan/schema"
)

// A volume is on one node, and at most one instance may write to it (I2). A
// slot with volumes therefore stays where they are: it is updated in place, the
// old instance gone before the new one starts, it waits for its node however
// long that is silent, and the rules for where a slot may be count only when it
// is first placed. A host volume is the node's: it ties nobody, and several may
// write to it, since who shares it is who says so.
//
// A stateful workload's slots are held so whether they have volumes or not: each
// has a home, which is recorded before its first start.

func holdsVolume(w *schema.Workload) bool {
	return (w.Kind == schema.Service || w.Kind == schema.Stateful) && w.OwnsVolumes()
}

// keepsPlace is whether each slot of the workload has a home, and one instance at
// most.
func keepsPlace(w *schema.Workload) bool { return w.Kind == schema.Stateful || holdsVolume(w) }

// replacedWhenLost is whether a slot of the workload is to be had elsewhere once
// its node is lost.
func replacedWhenLost(w *schema.Workload) bool {
	if w.Kind == schema.Stateful {
		return w.OnLost == schema.ReplaceElsewhere
	}
	return w.Kind == schema.Service && !holdsVolume(w)
}

// homeAt is the fact that says where the slot is at home; −1 while there is none.
func (p *pass) homeAt(slot schema.Slot) int {
	for at := p.firstOf(slot); at < len(p.facts.Volumes) && p.facts.Volumes[at].Slot == slot; at++ {
		if p.facts.Volumes[at].lives() {
			return at
		}
	}
	return -1
}

// firstOf is where the slot's facts begin. Slots are asked for one after the other,
// and most have one fact: the place of the last one tells that of the next.
func (p *pass) firstOf(slot schema.Slot) int {
	all := p.facts.Volumes
	at := p.volumesFrom + slot.Index
	if at >= 0 && at < len(all) && all[at].Slot == slot && (at == 0 || all[at-1].Slot != slot) {
		return at
	}
	at, known := slices.BinarySearchFunc(all, slot, compareSlot)
	if known {
		p.volumesFrom = at - slot.Index
	}
	return at
}

func compareSlot(f VolumeFact, s schema.Slot) int { return f.Slot.Compare(s) }

// lives is whether the slot is wanted and at home there.
func (f *VolumeFact) lives() bool { return f.Retired.IsZero() && f.Deleting == nil }

// settleAt makes the node the home of the slot. A former one that holds volumes
// is kept as a tombstone.
func (p *pass) settleAt(goal *schema.Workload, slot schema.Slot, node string, ports map[string]int) {
	was := p.homeAt(slot)
	if was >= 0 && p.facts.Volumes[was].Node == node {
		p.keepPorts(was, goal, ports)
		return
	}
	p.editVolumes()
	from := ""
	if was >= 0 {
		if f := &p.facts.Volumes[was]; f.Up {
			from = f.Node
		}
		p.leaveHome(was)
	}
	fact := VolumeFact{Slot: slot, Node: node, Since: p.in.Now, Fresh: true, Bare: !goal.OwnsVolumes(), Retain: goal.Retain, Holds: holdings(goal, nil)}
	at, known := slices.BinarySearchFunc(p.facts.Volumes, fact, compareVolume)
	if known {
		p.facts.Volumes[at].Retired = fact.Retired
	} else {
		p.facts.Volumes = slices.Insert(p.facts.Volumes, at, fact)
	}
	p.facts.Volumes[at].From = from
	p.keepPorts(at, goal, ports)
}

// settleThere makes the node a slot's home where it has none and its instance,
// which has its volumes, is there already: its workload was a daemon before.
func (p *pass) settleThere(v *slotView) {
	e := v.current
	if e == nil || !keepsPlace(v.what.text) || p.homeAt(v.slot) >= 0 {
		return
	}
	if p.keeper(v.slot) != nil { // else it would be given up again
		p.settleAt(v.what.text, v.slot, p.nodes[e.node].fact.Name, e.order.Ports)
		p.useHome(v.slot)
	}
}

// boundTo is whether a slot of the workload has to be at a home: it was there
// before, or is stateful and told its fellows of it.
func (p *pass) boundTo(at int, w *schema.Workload) bool {
	return w.Kind == schema.Stateful || !p.facts.Volumes[at].Fresh
}

// useHome notes that the slot has come to its home.
func (p *pass) useHome(slot schema.Slot) {
	if at := p.homeAt(slot); at >= 0 && p.facts.Volumes[at].Fresh {
		p.noteVolumes()
		p.facts.Volumes[at].Fresh = false
	}
}

func compareVolume(a, b VolumeFact) int {
	return cmp.Or(a.Slot.Compare(b.Slot), strings.Compare(a.Node, b.Node))
}

// leaveHome makes a tombstone of a home, or nothing where nothing is lost with it.
func (p *pass) leaveHome(at int) {
	f := &p.facts.Volumes[at]
	if f.Bare || f.Fresh {
		p.facts.Volumes = slices.Delete(p.facts.Volumes, at, at+1)
		return
	}
	f.Retired, f.Up = p.in.Now, false
}

// keepPorts records the host ports that were chosen for a stateful slot: they are
// its own for as long as its home is.
func (p *pass) keepPorts(at int, goal *schema.Workload, ports map[string]int) {
	if goal.Kind != schema.Stateful || portsKept(&p.facts.Volumes[at], goal, ports) {
		return
	}
	p.editVolumes()
	kept := map[string]int{}
	for name, port := range p.facts.Volumes[at].Ports {
		kept[name] = port // a version to go back to may have others
	}
	for name, port := range ports {
		if goal.Ports[name].Host == 0 {
			kept[name] = port
		}
	}
	p.facts.Volumes[at].Ports = kept
}

func portsKept(f *VolumeFact, goal *schema.Workload, ports map[string]int) bool {
	for name, port := range ports {
		if goal.Ports[name].Host == 0 && f.Ports[name] != port {
			return false
		}
	}
	return true
}

func (p *pass) editVolumes() {
	p.newAge()
	p.noteVolumes()
}

// noteVolumes is editVolumes for what tells nothing of where slots are at home: their
// peers, which are found once for all of a workload, stay as they are.
func (p *pass) noteVolumes() {
	p.dirty = true
	if !p.ownVolumes {
		p.facts.Volumes, p.ownVolumes = slices.Clone(p.facts.Volumes), true
	}
}

// waitForVolume tells that a slot is not replaced because its node is lost.
func (p *pass) waitForVolume(e *entry, n *nodeView, goal *schema.Workload) {
	b := Blocked{Workload: e.order.Slot.Workload, Slot: e.order.Slot, Code: "volume-on-lost-node",
		Text: "its volume is on " + n.fact.Name + ", which is silent; it is not started elsewhere without its data",
		Next: "bring " + n.fact.Name + " back; what it says: bayplan node ls"}
	if !holdsVolume(goal) {
		b.Code = "slot-on-lost-node"
		b.Text = "it may still run on " + n.fact.Name + ", which is silent; it is not started elsewhere unless onLost says so"
	}
	p.blocked = append(p.blocked, b)
}
