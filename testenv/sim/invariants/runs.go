package invariants

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// checkCompleted: what is recorded as completed stays so and is never placed
// again (I5).
func (c *check) checkCompleted(in reconciler.Input, p *reconciler.Plan) {
	for i := range p.Facts.Nodes {
		for _, o := range p.Facts.Nodes[i].Assignment.Orders {
			if o.Workload == nil || !o.Workload.Kind.Runs() || OrderOf(NodeFact(&in.Facts, p.Facts.Nodes[i].Name), o.ID) != nil {
				continue
			}
			if key := AttemptKey(&o); c.w.past.completed[key] {
				c.fail("I5: %s is complete, and %s is placed", key, o.ID)
			}
		}
	}
	EachSlot(&p.Facts, func(j *reconciler.JobFact, r *reconciler.Run, s int) {
		key := fmt.Sprintf("%s %s %d", j.Workload, r.Name, s)
		if c.w.past.completed[key] && !r.Slots[s].Completed {
			c.fail("I5: %s was complete and is not", key)
		}
		c.w.past.completed[key] = c.w.past.completed[key] || r.Slots[s].Completed
	})
}

// AttemptKey names the slot of a run that an order is an attempt of.
func AttemptKey(o *nodes.Order) string {
	env := o.Workload.Env
	return o.Slot.Workload + " " + env["BAYPLAN_RUN"] + " " + env["BAYPLAN_INDEX"]
}

// EachSlot does something with each slot of each run.
func EachSlot(facts *reconciler.Facts, do func(j *reconciler.JobFact, r *reconciler.Run, s int)) {
	for i := range facts.Jobs {
		j := &facts.Jobs[i]
		for k := range j.Runs {
			for s := range j.Runs[k].Slots {
				do(j, &j.Runs[k], s)
			}
		}
	}
}

// checkBegun: no run begins twice (I5, I24), but one of which nothing was ever
// ordered.
func (c *check) checkBegun(p *reconciler.Plan) {
	now := map[string]bool{}
	for i := range p.Facts.Jobs {
		for k := range p.Facts.Jobs[i].Runs {
			r := &p.Facts.Jobs[i].Runs[k]
			key := p.Facts.Jobs[i].Workload + " " + r.Name
			now[key] = true
			if c.w.past.begun[key] && !c.w.past.live[key] {
				c.fail("I24: run %s begins anew", key)
			}
			if slices.ContainsFunc(r.Slots, func(s reconciler.RunSlot) bool { return s.Attempt > 0 }) {
				c.w.past.begun[key] = true
			}
		}
		if j := &p.Facts.Jobs[i]; len(j.Ran) > reconciler.MaxRan || len(j.Runs) > 30 {
			c.fail("I35: %s remembers %d names and %d runs", j.Workload, len(j.Ran), len(j.Runs))
		}
	}
	c.w.past.live = now
}

// checkDone: a job is done when its run is recorded as complete, and not before.
func (c *check) checkDone(p *reconciler.Plan) {
	for i := range p.Facts.Rollouts {
		r := &p.Facts.Rollouts[i]
		if r.Stage != reconciler.Done || r.Want.Kind != schema.Job {
			continue
		}
		j := p.Facts.Job(r.Workload)
		if j == nil || !slices.Contains(j.Ran, r.Target.Short()) {
			c.fail("I5: %s is done and never ran", r.Workload)
		}
		for k := range j.Runs {
			if x := &j.Runs[k]; x.Name == r.Target.Short() && x.Completed() != len(x.Slots) {
				c.fail("I5: %s is done and %d of %d are complete", r.Workload, x.Completed(), len(x.Slots))
			}
		}
	}
}

// wrongEnd is why an attempt should not have been told to stop as it was; empty if
// it should.
func (c *check) wrongEnd(node string, old, o *nodes.Order, p *reconciler.Plan) string {
	j := p.Facts.Job(o.Slot.Workload)
	k := slices.IndexFunc(j.Runs, func(r reconciler.Run) bool { return r.Name == old.Workload.Env["BAYPLAN_RUN"] })
	if k < 0 {
		return "nothing is remembered of its run"
	}
	r := &j.Runs[k]
	index, _ := strconv.Atoi(old.Workload.Env["BAYPLAN_INDEX"])
	s := &r.Slots[index]
	switch o.Reason {
	case nodes.RunEnded:
		if r.Outcome != reconciler.RunFailed && !s.Completed {
			return "its run goes on"
		}
	case nodes.Replaced:
		if r.Outcome != reconciler.RunSuperseded {
			return "its run is not superseded"
		}
	case nodes.NotKept:
		if was := *old; !p.Facts.Ended(node, &was) {
			return "it has not ended"
		}
	case nodes.GivenUp:
		if x := c.in.Observed.Node(node).Report.Instance(old.ID); x == nil || x.Phase >= nodes.Running || x.Failure.Count < 5 {
			return "it can be started"
		}
	}
	return ""
}
