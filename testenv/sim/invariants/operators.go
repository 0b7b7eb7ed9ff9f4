package invariants

import (
	"slices"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
)

// checkHolds: nothing is ordered for a workload that is held (I39: what an
// operator stopped stays so).
func (c *check) checkHolds(in reconciler.Input, p *reconciler.Plan) {
	for _, x := range p.Changes {
		for _, h := range p.Facts.Holds {
			if h.Workload == x.Slot.Workload && h.Keep == "" && x.Reason != nodes.Orphaned {
				c.fail("I39: %s is held, and %s", h.Workload, text(x))
			}
		}
	}
}

// checkCordons: a node that is closed gets no new work: a slot that is ordered
// there was there before, or is at home there and ever was (I36).
func (c *check) checkCordons(in reconciler.Input, p *reconciler.Plan) {
	for i := range in.Facts.Nodes {
		for _, o := range in.Facts.Nodes[i].Assignment.Orders {
			c.w.been[o.Slot.String()+" on "+in.Facts.Nodes[i].Name] = true
		}
	}
	for _, change := range p.Changes {
		closed := slices.ContainsFunc(in.Facts.Cordons, func(c reconciler.Cordon) bool { return c.Node == change.Node })
		home := VolumeFact(&in.Facts, change.Slot, change.Node)
		if change.Stop || !closed || home != nil && home.Deleting == nil && c.w.been[change.Slot.String()+" on "+change.Node] {
			continue
		}
		was := NodeFact(&in.Facts, change.Node)
		at := false
		for _, o := range was.Assignment.Orders {
			at = at || o.Slot == change.Slot
		}
		if !at {
			c.fail("I36: %s is placed on %s, which takes no new work: %s", change.Slot, change.Node, text(in.Facts.Cordons))
		}
	}
}
