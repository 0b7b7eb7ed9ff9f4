package reconciler

import (
	"slices"
	"time"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/schema"
)

// Intern makes the orders' workloads the very values that the rollouts hold,
// where they say the same, and what orders of one workload say of their peers one
// list. Facts read from the ledger are interned once; from then on "nothing
// changed" is a comparison of pointers.
func (f *Facts) Intern() {
	known := map[string][]*schema.Workload{}
	for i := range f.Rollouts {
		r := &f.Rollouts[i]
		if r.Want != nil && r.Good != nil && r.Want != r.Good && schema.SameText(r.Want, r.Good) {
			r.Good = r.Want
		}
		known[r.Workload] = []*schema.Workload{r.Want, r.Good}
	}
	for i := range f.Jobs {
		for k := range f.Jobs[i].Runs {
			r := &f.Jobs[i].Runs[k]
			for _, w := range known[f.Jobs[i].Workload] {
				if w != nil && r.Work != w && r.Work != nil && schema.SameText(r.Work, w) {
					r.Work = w
				}
			}
		}
	}
	lists := map[string][]nodes.Peer{}
	for i := range f.Nodes {
		orders := f.Nodes[i].Assignment.Orders
		for j := range orders {
			if name := orders[j].Slot.Workload; slices.EqualFunc(orders[j].Peers, lists[name], nodes.Peer.Equal) {
				orders[j].Peers = lists[name]
			} else {
				lists[name] = orders[j].Peers
			}
			for _, w := range known[orders[j].Slot.Workload] {
				if w != nil && orders[j].Workload != w && orders[j].Workload != nil && schema.SameText(orders[j].Workload, w) {
					orders[j].Workload = w
				}
			}
		}
	}
}

// Anchor moves every instant that is still waited for onto the clock that now
// was read from. What comes from the ledger is wall time; anchored once, at the
// start, no later jump of the wall clock makes a deadline pass (I23). An instant
// of the future, left by a clock that was set back, becomes now; what an operator
// set to end at some time stays as far ahead as it is.
func (f *Facts) Anchor(now time.Time) {
	anchor := func(t *time.Time) {
		if age := now.Round(0).Sub(*t); !t.IsZero() {
			*t = now.Add(-max(age, 0))
		}
	}
	for i := range f.Commits {
		anchor(&f.Commits[i].Seen)
	}
	for i := range f.Rollouts {
		anchor(&f.Rollouts[i].Began)
		anchor(&f.Rollouts[i].Moved)
		if c := f.Rollouts[i].Course; c != nil {
			for j := range c.Tries {
				anchor(&c.Tries[j].Began)
				anchor(&c.Tries[j].Ended)
			}
		}
		anchor(&f.Rollouts[i].Resumed)
	}
	ahead := func(t *time.Time) {
		if !t.IsZero() {
			*t = now.Add(t.Sub(now.Round(0)))
		}
	}
	for i := range f.Holds {
		ahead(&f.Holds[i].Until)
	}
	for i := range f.Cordons {
		ahead(&f.Cordons[i].Deadline)
	}
	for i := range f.Volumes {
		anchor(&f.Volumes[i].Retired)
	}
	for i := range f.Jobs {
		for k := range f.Jobs[i].Runs {
			r := &f.Jobs[i].Runs[k]
			anchor(&r.Began)
			for s := range r.Slots {
				anchor(&r.Slots[s].Began)
				anchor(&r.Slots[s].Ended)
			}
		}
	}
	for i := range f.Nodes {
		for j := range f.Nodes[i].Assignment.Orders {
			anchor(&f.Nodes[i].Assignment.Orders[j].Placed)
		}
	}
}
