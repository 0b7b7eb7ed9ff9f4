package reconciler

import (
	"slices"

	"github.com/bayplan/bayplan/schema"
)

// A volume is on one node, and at most one instance may write to it (I2). A
// service's slot with volumes therefore stays where they are: it is updated in
// place, the old instance gone before the new one starts, it waits for its
// node however long that is silent, and the rules for where a slot may be
// count only when it is first placed. A host volume is the node's: it ties nobody,
// and several may write to it, since who shares it is who says so.

func holdsVolume(w *schema.Workload) bool {
	return w.Kind == schema.Service && w.OwnsVolumes()
}

// home is the node that holds the slot's volumes; "" while it has none.
func (p *pass) home(slot schema.Slot) string {
	at, known := slices.BinarySearchFunc(p.facts.Volumes, slot, compareVolume)
	if !known {
		return ""
	}
	return p.facts.Volumes[at].Node
}

func compareVolume(f VolumeFact, s schema.Slot) int { return f.Slot.Compare(s) }

// settleAt makes the node the home of the slot's volumes, once.
func (p *pass) settleAt(slot schema.Slot, node string) {
	at, known := slices.BinarySearchFunc(p.facts.Volumes, slot, compareVolume)
	if known {
		return
	}
	p.dirty = true
	fact := VolumeFact{Slot: slot, Node: node, Since: p.in.Now}
	p.facts.Volumes = slices.Insert(slices.Clone(p.facts.Volumes), at, fact)
}

// waitForVolume tells that a slot is not replaced because its volume is on a
// node that is lost.
func (p *pass) waitForVolume(e *entry, n *nodeView) {
	p.blocked = append(p.blocked, Blocked{Workload: e.order.Slot.Workload, Slot: e.order.Slot, Code: "volume-on-lost-node",
		Text: "its volume is on " + n.fact.Name + ", which is silent; it is not started elsewhere without its data",
		Next: "bring " + n.fact.Name + " back; what it says: bayplan node ls"})
}
