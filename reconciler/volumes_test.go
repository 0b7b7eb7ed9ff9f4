package reconciler_test

import (
	"slices"

	"pgregory.net/rapid"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
)

// has notes that a slot's volumes are on the machine from the first start of an
// instance that has them.
func (m *machine) has(o *nodes.Order) {
	if keepsVolumes(o.Workload) {
		m.volumes[o.Slot] = true
	}
}

// deleteVolumes carries out the orders to, but for slots that are still at work.
func (m *machine) deleteVolumes(skip func(id string) bool) {
	for _, d := range m.held.Deletions {
		used := false
		for _, x := range m.insts {
			used = used || x.Slot == d.Slot
		}
		if !used && !skip(d.Slot.String()) {
			delete(m.volumes, d.Slot)
		}
	}
}

func (m *machine) deleted() (all []nodes.Deleted) {
	for _, d := range m.held.Deletions {
		if !m.volumes[d.Slot] {
			all = append(all, nodes.Deleted{Slot: d.Slot, Gone: true})
		}
	}
	return all
}

// delete has an operator delete what is kept of a slot.
func (a actions) delete(t *rapid.T) {
	a.facts.Volumes = slices.Clone(a.facts.Volumes)
	for i := range a.facts.Volumes {
		if f := &a.facts.Volumes[i]; a.facts.Idle(f) && rapid.Bool().Draw(t, "this one") {
			f.Deleting = &reconciler.Deleting{Actor: "ann", At: a.now}
		}
	}
	a.pass()
}

// checkVolumes: what is on a disk is known (I18).
func (f *fleet) checkVolumes(p *reconciler.Plan) {
	for _, m := range f.machines {
		for slot := range m.volumes {
			if volumeFact(&p.Facts, slot, m.node.Name) == nil {
				f.t.Fatalf("I18: the volumes of %s on %s are forgotten", slot, m.node.Name)
			}
		}
	}
}
