package invariants

import (
	"slices"

	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// checkDown: what the pass takes down, or may take down as far as it knows, stays
// within maxUnavailable, all slots that are down counted (I1, I33). Where fixed
// host ports keep old and new apart, one may be down.
func (c *check) checkDown(in reconciler.Input, p *reconciler.Plan) {
	before, after := Live(c.in, &in.Facts), Live(c.in, &p.Facts)
	for i := range p.Facts.Rollouts {
		r := &p.Facts.Rollouts[i]
		goal := GoalOf(r)
		if goal == nil || goal.Kind.Runs() || goal.Update.Strategy == "recreate" && changesText(before, goal) || changesKind(before, goal) {
			continue
		}
		way := &goal.Update
		if r.Serving != "" && r.Serving != goal.Digest() { // a new set comes up beside it
			goal = r.Good
		}
		total, down, taken := 0, 0, 0
		for _, slot := range WantedSlots(goal, before, p) {
			if vs := before[slot]; goal.Kind == schema.Daemon && Silence(c.in, vs[0].Node.Name) >= goal.LostAfter.D() {
				continue // not down by our doing, nor can we bring it up
			}
			total++
			mine := func(v View) bool { return r.Serving == "" || v.order.Digest == r.Serving }
			if !slices.ContainsFunc(after[slot], func(v View) bool { return v.Serves && mine(v) }) {
				down++
				may := func(v View) bool { return v.may && mine(v) && Silence(c.in, v.Node.Name) < reconciler.UnreachableAfter }
				if slices.ContainsFunc(before[slot], may) && !slices.ContainsFunc(after[slot], may) {
					taken++
				}
			}
		}
		allowed := way.MaxUnavailable.Floor(total)
		if way.Strategy == "recreate" || hasFixedPort(goal) || len(goal.Volumes) > 0 || way.Strategy == schema.Ordered || goal.Kind == schema.Stateful {
			allowed = max(allowed, 1)
		}
		c.checkQuorum(before, after, goal)
		if taken > 0 && down > allowed {
			c.fail("I1: %s: %d taken down, %d of %d down, %d allowed: %s\nbefore %s\nafter %s", r.Workload, taken, down, total, allowed, text(p.Changes), text(RolloutOf(&in.Facts, r.Workload)), text(r))
		}
	}
}

// changesText is whether slots run another text than the goal: a recreate takes
// those down all at once.
func changesText(before map[schema.Slot][]View, goal *schema.Workload) bool {
	digest := goal.Digest()
	for slot, vs := range before {
		if slot.Workload == goal.Name && slices.ContainsFunc(vs, func(v View) bool { return v.order.Digest != digest }) {
			return true
		}
	}
	return false
}

// changesKind is whether slots of another kind are still there: a service's and
// a daemon's slots have nothing in common but their numbers.
func changesKind(before map[schema.Slot][]View, goal *schema.Workload) bool {
	for s, vs := range before {
		if s.Workload == goal.Name && slices.ContainsFunc(vs, func(v View) bool { return v.order.Workload.Kind != goal.Kind }) {
			return true
		}
	}
	return false
}

func hasFixedPort(w *schema.Workload) bool {
	for _, p := range w.Ports {
		if p.Host != 0 {
			return true
		}
	}
	return false
}

// WantedSlots are the slots that should be up: a service's by its replicas, a
// daemon's those on nodes that it matches.
func WantedSlots(goal *schema.Workload, before map[schema.Slot][]View, p *reconciler.Plan) (slots []schema.Slot) {
	if goal.Kind != schema.Daemon {
		for i := range goal.Replicas {
			slots = append(slots, schema.Slot{Workload: goal.Name, Index: i})
		}
		return slots
	}
	for s, vs := range before {
		now := NodeFact(&p.Facts, vs[0].Node.Name)
		if s.Workload == goal.Name && reconciler.Matches(p.Facts.Spec.Pools, &now.Node, goal) && !draining(&p.Facts, now.Name) {
			slots = append(slots, s)
		}
	}
	return slots
}

// checkQuorum: nothing that is done leaves a workload with fewer slots that may
// serve than its quorum, where there were as many. One that is to have no slots
// has none that could serve.
func (c *check) checkQuorum(before, after map[schema.Slot][]View, goal *schema.Workload) {
	if goal.Quorum == 0 || goal.Replicas == 0 {
		return
	}
	count := func(all map[schema.Slot][]View) (n int) {
		for s, vs := range all {
			if s.Workload == goal.Name && slices.ContainsFunc(vs, func(v View) bool { return v.may && Silence(c.in, v.Node.Name) < reconciler.UnreachableAfter }) {
				n++
			}
		}
		return n
	}
	if had, has := count(before), count(after); has < had && has < goal.Quorum {
		c.fail("I1: %s has %d slots of %d that may serve, below its quorum of %d: %s", goal.Name, has, had, goal.Quorum, text(c.p.Changes))
	}
}
