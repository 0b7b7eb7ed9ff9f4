package invariants

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/scheduler"
	"github.com/bayplan/bayplan/schema"
)

// checkStops: what is told to stop has a reason out of the list, and the
// reason is true (I4, I7, I22, I33).
func (c *check) checkStops(in reconciler.Input, p *reconciler.Plan) {
	after := Live(c.in, &p.Facts)
	for i := range p.Facts.Nodes {
		n := &p.Facts.Nodes[i]
		was := NodeFact(&in.Facts, n.Name)
		for j := range n.Assignment.Orders {
			o := &n.Assignment.Orders[j]
			if !o.Stop {
				continue
			}
			old := OrderOf(was, o.ID)
			if old != nil && old.Stop {
				continue
			}
			if text := c.wrongStop(n, was, old, o, in, p, after); text != "" {
				c.fail("I4: %s on %s is stopped as %q, but %s", o.ID, n.Name, o.Reason, text)
			}
		}
	}
}

// wrongStop is why the reason of a stop is not true; empty if it is.
func (c *check) wrongStop(n, was *reconciler.NodeFact, old, o *nodes.Order, in reconciler.Input, p *reconciler.Plan, after map[schema.Slot][]View) string {
	if old == nil {
		if o.Reason != nodes.Orphaned {
			return "it never had an order"
		}
		if s := c.in.Observed.Node(n.Name); s == nil || was == nil || s.Report.Seen != was.Assignment.Version {
			return "the node has not shown that it knows all orders"
		}
		return ""
	}
	r := RolloutOf(&p.Facts, o.Slot.Workload)
	goal := GoalOf(r)
	switch o.Reason {
	case nodes.Removed:
		if p.Facts.Spec.Workload(o.Slot.Workload) != nil {
			return "the repository has it (I7)"
		}
	case nodes.ScaledDown:
		if goal.Kind != schema.Daemon && o.Slot.Index < goal.Replicas {
			return "its slot is wanted"
		}
	case nodes.NodeLost:
		if Silence(c.in, n.Name) < max(goal.LostAfter.D(), reconciler.UnreachableAfter) {
			return "the node is not lost (I22)"
		}
		if keepsPlace(goal) && goal.OnLost != schema.ReplaceElsewhere {
			return "it is to wait for its node (I2)"
		}
		if len(after[o.Slot]) == 0 {
			return "nothing has taken its place (I33)"
		}
	case nodes.Moved:
		if w := r.Want; old.Digest == r.GoodDigest && r.Target != r.GoodDigest && r.Good != nil && w.Kind == schema.Service && (w.Update.Strategy == schema.BlueGreen || w.Update.Strategy == schema.Canary) { // of a set, or beside canaries
			goal = r.Good
		}
		if reconciler.Matches(p.Facts.Spec.Pools, &n.Node, goal) && goal.Kind == schema.Service && !draining(&p.Facts, n.Name) && !c.ails(n.Name, o.ID) {
			return "it may stay there"
		}
	case nodes.Replaced, nodes.RolledBack:
		if old.Workload.Kind.Runs() && goal.Kind.Runs() {
			return c.wrongEnd(n.Name, old, o, p)
		}
		others := slices.ContainsFunc(after[o.Slot], func(v View) bool { return v.order.Digest == old.Digest })
		if old.Digest == goal.Digest() && !others {
			return "it is what is wanted (I33)"
		}
	case nodes.RunbookStep:
		if old.Step == nil {
			return "it is no step"
		}
	case nodes.RunEnded, nodes.NotKept, nodes.GivenUp:
		return c.wrongEnd(n.Name, old, o, p)
	case nodes.Evicted:
		return evictedWrongly(in, p, old)
	default:
		return "that is no reason"
	}
	return ""
}

// ails is whether the instance told of a failure and does not serve.
func (c *check) ails(node, id string) bool {
	s := c.in.Observed.Node(node)
	if s == nil {
		return false
	}
	x := s.Report.Instance(id)
	return x != nil && x.Failure != nil && !x.Available()
}

// askedWith are the texts that a slot may have asked for its place with: an
// attempt's is that of its run, whatever its workload's is by now; of two sets each
// has its own; the rest of a canary, and who may not go on, comes back as it was.
func askedWith(in reconciler.Input, p *reconciler.Plan, slot schema.Slot) []*schema.Workload {
	if j := p.Facts.Job(slot.Workload); j != nil && GoalOf(RolloutOf(&p.Facts, slot.Workload)).Kind.Runs() {
		for i := range j.Runs {
			if r := &j.Runs[i]; r.Live() && slot.Index >= r.First && slot.Index < r.First+len(r.Slots) {
				return []*schema.Workload{r.Work}
			}
		}
	}
	r := *RolloutOf(&p.Facts, slot.Workload)
	if was := RolloutOf(&in.Facts, slot.Workload); was != nil && was.Target == r.Target && was.Stage == reconciler.Rolling {
		r.Stage, r.Step = was.Stage, was.Step // as it was while its slots were walked
	}
	goal, way := GoalOf(&r), &r.Want.Update
	ahead := (r.Stage == reconciler.Rolling || r.Stage == reconciler.Keeping) && r.Good != nil && r.GoodDigest != r.Target &&
		r.Want.Kind == schema.Service && r.Good.Kind == schema.Service
	texts := []*schema.Workload{goal}
	switch {
	case ahead && way.Strategy == schema.BlueGreen && !r.Want.OwnsVolumes() && !r.Good.OwnsVolumes():
		texts = append(texts, r.Good)
	case ahead && way.Strategy == schema.Canary && r.Step < len(way.Canary) && slot.Index >= way.Canary[r.Step].Slots(r.Want.Replicas) && !slices.ContainsFunc(formerly(in, slot), func(w *schema.Workload) bool { return w.Digest() == r.Target }):
		texts = []*schema.Workload{r.Good}
	}
	if r.Paused != nil || r.Stage == reconciler.Waiting || way.Strategy == schema.Ordered {
		texts = append(texts, formerly(in, slot)...)
		if r.Good != nil {
			texts = append(texts, r.Good)
		}
	}
	return texts
}

// formerly are the texts that a slot was ordered in, as far as orders still tell.
func formerly(in reconciler.Input, slot schema.Slot) (texts []*schema.Workload) {
	for i := range in.Facts.Nodes {
		for _, o := range in.Facts.Nodes[i].Assignment.Orders {
			if o.Slot == slot && o.Step == nil && o.Workload != nil {
				texts = append(texts, o.Workload)
			}
		}
	}
	return texts
}

// evictedWrongly is what speaks against an eviction: nobody goes before it, its
// data is there and may not wait, or it has no place to go to.
func evictedWrongly(in reconciler.Input, p *reconciler.Plan, old *nodes.Order) string {
	if old.Workload.OwnsVolumes() && !old.Workload.EvictWithVolumes || old.Workload.Kind == schema.Daemon {
		return "it cannot be elsewhere"
	}
	for _, c := range p.Changes {
		if c.Slot != old.Slot || c.Reason != nodes.Evicted || !c.Stop {
			continue
		}
		who, right, _ := strings.Cut(strings.TrimPrefix(c.Why, "for "), ": ")
		slot, _ := schema.ParseSlot(who)
		for _, b := range p.Blocked {
			if b.Slot == slot && strings.Contains(b.Text, "room is being made") &&
				slices.ContainsFunc(askedWith(in, p, slot), func(w *schema.Workload) bool { return goesBefore(p, w, old.Workload, right) }) {
				return ""
			}
		}
	}
	return "nobody goes before it"
}

// goesBefore is whether what asks has the very right that is told.
func goesBefore(p *reconciler.Plan, w, there *schema.Workload, right string) bool {
	right, _, _ = strings.Cut(right, "; ")
	switch {
	case there.Revocable && !w.Revocable:
		return right == "revocable"
	case there.Revocable != w.Revocable:
		return false
	case there.Pool == w.Pool:
		return there.Priority < w.Priority && right == fmt.Sprintf("priority %d is below %d", there.Priority, w.Priority)
	}
	return slices.ContainsFunc(p.Facts.Spec.Pools, func(sure schema.Pool) bool {
		return right == fmt.Sprintf("pool %s is above its guarantee, pool %s below its own", there.Pool, sure.Name) && owed(p, &sure, w, there)
	})
}

// owed is whether a pool that asks and not the other is a part of has something
// guaranteed to it that the workload stays within, by itself at least.
func owed(p *reconciler.Plan, sure *schema.Pool, w, there *schema.Workload) bool {
	tree, g := scheduler.Tree(p.Facts.Spec.Pools), sure.Guarantee
	return g != nil && !w.Revocable && tree.Within(w.Pool, sure.Name) && !tree.Within(there.Pool, sure.Name) &&
		(w.Resources.CPU > 0 && w.Resources.CPU <= g.CPU || w.Resources.Memory > 0 && w.Resources.Memory <= g.Memory)
}
