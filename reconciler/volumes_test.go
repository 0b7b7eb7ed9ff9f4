package reconciler_test

import (
	"slices"

	"pgregory.net/rapid"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// has notes that a slot's volumes are on the machine from the first start of an
// instance that has them.
func (m *machine) has(o *nodes.Order) {
	if keepsVolumes(o.Workload) {
		m.volumes[o.Slot] = true
	}
}

func keepsVolumes(w *schema.Workload) bool {
	return w.OwnsVolumes() && (w.Kind == schema.Service || w.Kind == schema.Stateful)
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

func volumeFact(f *reconciler.Facts, slot schema.Slot, node string) *reconciler.VolumeFact {
	i := slices.IndexFunc(f.Volumes, func(v reconciler.VolumeFact) bool { return v.Slot == slot && v.Node == node })
	if i < 0 {
		return nil
	}
	return &f.Volumes[i]
}

// checkVolumes: a node is ordered to delete volumes only where an operator said
// so or their time was over, never those of a slot that lives there; what is
// there is known (I18).
func (f *fleet) checkVolumes(in reconciler.Input, p *reconciler.Plan) {
	for _, a := range p.Assignments {
		for _, d := range a.Deletions {
			if d.Since != a.Version {
				continue
			}
			was := volumeFact(&in.Facts, d.Slot, a.Node)
			switch {
			case was == nil:
				f.t.Fatalf("I18: the volumes of %s on %s are to be deleted, and nobody knows of them", d.Slot, a.Node)
			case was.Deleting == nil && (was.Retain == 0 || was.Retired.IsZero() || was.Retired.Add(was.Retain.D()).After(in.Now)):
				f.t.Fatalf("I18: the volumes of %s on %s are to be deleted by %s: %s", d.Slot, a.Node, d.Actor, encode(f.t, was))
			}
		}
		for _, o := range a.Orders {
			if !o.Stop && o.Step == nil && slices.ContainsFunc(a.Deletions, func(d nodes.Deletion) bool { return d.Slot == o.Slot }) {
				f.t.Fatalf("I18: %s is to run on %s, and its volumes to be deleted", o.ID, a.Node)
			}
		}
	}
	for _, m := range f.machines {
		for slot := range m.volumes {
			if volumeFact(&p.Facts, slot, m.node.Name) == nil {
				f.t.Fatalf("I18: the volumes of %s on %s are forgotten", slot, m.node.Name)
			}
		}
	}
}

// checkWriters: a slot that is not like others has one instance, counting those
// that stop and those on silent nodes; only where its workload says so may
// another have taken the place of one on a lost node. It runs where it is at home
// (I2).
func (f *fleet) checkWriters(in reconciler.Input, p *reconciler.Plan) {
	writers := map[schema.Slot]string{}
	for i := range p.Facts.Nodes {
		n := &p.Facts.Nodes[i]
		for _, o := range n.Assignment.Orders {
			w, key := o.Workload, o.ID+" on "+n.Name
			if orderOf(nodeFact(&in.Facts, n.Name), o.ID) == nil {
				f.arrived[key] = arrival{at: f.checks, alone: keepsPlace(w)}
			}
			if !keepsPlace(w) || f.givenUp(n.Name, &o, p) {
				continue
			}
			if was, ok := writers[o.Slot]; ok && f.clash(was, key) {
				f.t.Fatalf("I2: %s has writers %s and %s: %s", o.Slot, was, key, encode(f.t, rolloutOf(&p.Facts, o.Slot.Workload)))
			}
			writers[o.Slot] = key
			if home := volumeFact(&p.Facts, o.Slot, n.Name); !o.Stop && (home == nil || !home.Retired.IsZero() || home.Deleting != nil) && f.wantedNow(p, o.Slot, n.Name) {
				f.t.Fatalf("I2: %s runs on %s, which is not its home: %s", o.ID, n.Name, encode(f.t, p.Facts.Volumes))
			}
		}
	}
}

// arrival is when an order was first seen, and whether its text had then to be
// alone in its slot. A plain service's may come beside what is still ending of a
// stateful one's; a later text that makes it stateful finds both there.
type arrival struct {
	at    int
	alone bool
}

// clash is whether the one of two orders that came later should have waited.
func (f *fleet) clash(a, b string) bool {
	x, y := f.arrived[a], f.arrived[b]
	return x.at >= y.at && x.alone || y.at >= x.at && y.alone
}

func keepsPlace(w *schema.Workload) bool {
	return w != nil && (w.Kind == schema.Stateful || keepsVolumes(w))
}

// givenUp is whether another may be in the place of what the order runs, since its
// node was lost and the workload said so then: a newer text that says otherwise
// takes nothing of that back.
func (f *fleet) givenUp(node string, o *nodes.Order, p *reconciler.Plan) bool {
	key := o.ID + " on " + node
	if !o.Stop {
		delete(f.replaced, key)
		return false
	}
	goal := goalOf(rolloutOf(&p.Facts, o.Slot.Workload))
	for _, w := range []*schema.Workload{goal, o.Workload} {
		if mayReplace(w) && f.silence(node) >= max(w.LostAfter.D(), reconciler.UnreachableAfter) {
			f.replaced[key] = true
		}
	}
	return o.Reason == nodes.NodeLost || f.replaced[key]
}

func mayReplace(w *schema.Workload) bool {
	return w != nil && w.Kind == schema.Stateful && w.OnLost == schema.ReplaceElsewhere
}

// wantedNow is whether the pass that decided knew the slot as one that is not like
// others, and its node as one that is not lost to it.
func (f *fleet) wantedNow(p *reconciler.Plan, slot schema.Slot, node string) bool {
	goal := goalOf(rolloutOf(&p.Facts, slot.Workload))
	if mayReplace(goal) && f.silence(node) >= goal.LostAfter.D() {
		return false // another home was found for it, and it has not come there yet
	}
	return !p.FactsChanged && keepsPlace(goal) && slot.Index < goal.Replicas
}

// checkQuorum: nothing that is done leaves a workload with fewer slots that may
// serve than its quorum, where there were as many. One that is to have no slots
// has none that could serve.
func (f *fleet) checkQuorum(before, after map[schema.Slot][]view, goal *schema.Workload) {
	if goal.Quorum == 0 || goal.Replicas == 0 {
		return
	}
	count := func(all map[schema.Slot][]view) (n int) {
		for s, vs := range all {
			if s.Workload == goal.Name && slices.ContainsFunc(vs, func(v view) bool { return v.may && f.silence(v.node.Name) < reconciler.UnreachableAfter }) {
				n++
			}
		}
		return n
	}
	if had, has := count(before), count(after); has < had && has < goal.Quorum {
		f.t.Fatalf("I1: %s has %d slots of %d that may serve, below its quorum of %d: %s", goal.Name, has, had, goal.Quorum, encode(f.t, f.plan.Changes))
	}
}
