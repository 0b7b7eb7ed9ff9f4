package invariants

import (
	"slices"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// checkWriters: a slot that is not like others has one instance, counting those
// that stop and those on silent nodes; only where its workload says so may
// another have taken the place of one on a lost node. It runs where it is at home
// (I2).
func (c *check) checkWriters(in reconciler.Input, p *reconciler.Plan) {
	writers := map[schema.Slot]string{}
	for i := range p.Facts.Nodes {
		n := &p.Facts.Nodes[i]
		for _, o := range n.Assignment.Orders {
			w, key := o.Workload, o.ID+" on "+n.Name
			if OrderOf(NodeFact(&in.Facts, n.Name), o.ID) == nil {
				c.w.arrived[key] = arrival{at: c.w.checks, alone: keepsPlace(w)}
			}
			if !keepsPlace(w) || c.givenUp(n.Name, &o, p) {
				continue
			}
			if was, ok := writers[o.Slot]; ok && c.clash(was, key) {
				c.fail("I2: %s has writers %s and %s: %s", o.Slot, was, key, text(RolloutOf(&p.Facts, o.Slot.Workload)))
			}
			writers[o.Slot] = key
			if home := VolumeFact(&p.Facts, o.Slot, n.Name); !o.Stop && (home == nil || !home.Retired.IsZero() || home.Deleting != nil) && c.wantedNow(p, o.Slot, n.Name) {
				c.fail("I2: %s runs on %s, which is not its home: %s", o.ID, n.Name, text(p.Facts.Volumes))
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
func (c *check) clash(a, b string) bool {
	x, y := c.w.arrived[a], c.w.arrived[b]
	return x.at >= y.at && x.alone || y.at >= x.at && y.alone
}

// givenUp is whether another may be in the place of what the order runs, since its
// node was lost and the workload said so then: a newer text that says otherwise
// takes nothing of that back.
func (c *check) givenUp(node string, o *nodes.Order, p *reconciler.Plan) bool {
	key := o.ID + " on " + node
	if !o.Stop {
		delete(c.w.replaced, key)
		return false
	}
	goal := GoalOf(RolloutOf(&p.Facts, o.Slot.Workload))
	for _, w := range []*schema.Workload{goal, o.Workload} {
		if mayReplace(w) && Silence(c.in, node) >= max(w.LostAfter.D(), reconciler.UnreachableAfter) {
			c.w.replaced[key] = true
		}
	}
	return o.Reason == nodes.NodeLost || c.w.replaced[key]
}

// wantedNow is whether the pass that decided knew the slot as one that is not like
// others, and its node as one that is not lost to it.
func (c *check) wantedNow(p *reconciler.Plan, slot schema.Slot, node string) bool {
	goal := GoalOf(RolloutOf(&p.Facts, slot.Workload))
	if mayReplace(goal) && Silence(c.in, node) >= goal.LostAfter.D() {
		return false // another home was found for it, and it has not come there yet
	}
	return !p.FactsChanged && keepsPlace(goal) && slot.Index < goal.Replicas
}

// checkDeletions: a node is ordered to delete volumes only where an operator said
// so or their time was over, never those of a slot that lives there (I18).
func (c *check) checkDeletions(in reconciler.Input, p *reconciler.Plan) {
	for _, a := range p.Assignments {
		for _, d := range a.Deletions {
			if d.Since != a.Version {
				continue
			}
			was := VolumeFact(&in.Facts, d.Slot, a.Node)
			switch {
			case was == nil:
				c.fail("I18: the volumes of %s on %s are to be deleted, and nobody knows of them", d.Slot, a.Node)
			case was.Deleting == nil && (was.Retain == 0 || was.Retired.IsZero() || was.Retired.Add(was.Retain.D()).After(in.Now)):
				c.fail("I18: the volumes of %s on %s are to be deleted by %s: %s", d.Slot, a.Node, d.Actor, text(was))
			}
		}
		for _, o := range a.Orders {
			if !o.Stop && o.Step == nil && slices.ContainsFunc(a.Deletions, func(d nodes.Deletion) bool { return d.Slot == o.Slot }) {
				c.fail("I18: %s is to run on %s, and its volumes to be deleted", o.ID, a.Node)
			}
		}
	}
}
