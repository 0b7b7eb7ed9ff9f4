package invariants

import (
	"bytes"
	"slices"
	"strings"

	"github.com/bayplan/bayplan/nodes"
	"github.com/bayplan/bayplan/reconciler"
	"github.com/bayplan/bayplan/schema"
)

// checkLimits: nothing is placed that takes a pool past its limit (I19).
func (c *check) checkLimits(p *reconciler.Plan) {
	for _, pool := range p.Facts.Spec.Pools {
		if pool.Limit == nil {
			continue
		}
		var held schema.CPU
		placed := false
		for i := range p.Facts.Nodes {
			for _, o := range p.Facts.Nodes[i].Assignment.Orders {
				if o.Workload == nil || o.Workload.Pool != pool.Name || p.Facts.Ended(p.Facts.Nodes[i].Name, &o) {
					continue
				}
				held += o.Workload.Resources.CPU
				placed = placed || slices.ContainsFunc(p.Changes, func(c reconciler.Change) bool {
					return !c.Stop && !o.Stop && c.Node == p.Facts.Nodes[i].Name && c.Slot == o.Slot && c.Digest == o.Digest && c.Reason != nodes.PortConflict
				})
			}
		}
		if placed && held > pool.Limit.CPU {
			c.fail("I19: pool %s holds %s of %s: %s", pool.Name, held, pool.Limit.CPU, text(p.Changes))
		}
	}
}

// checkSame: the input stays as it was, and the same input, with other memory
// to work in, through the ledger and with maps built anew, gives the same plan
// (I14).
func (c *check) checkSame(in reconciler.Input, p *reconciler.Plan) {
	again := in
	again.Scratch = nil
	again.Facts = throughLedger(in.Facts)
	was := text([]any{in.Desired, in.Observed, in.Facts})
	other := reconciler.Reconcile(again)
	if !bytes.Equal(was, text([]any{in.Desired, in.Observed, in.Facts})) {
		c.fail("I14: Reconcile changed its input")
	}
	if a, b := text(p), text(other); !bytes.Equal(a, b) {
		c.fail("I14: two plans for one input:\n%s\n%s", a, b)
	}
	if !p.FactsChanged && !bytes.Equal(text(in.Facts), text(p.Facts)) {
		c.fail("I15: the facts changed and the plan does not say so")
	}
	if p.FactsChanged && bytes.Equal(text(in.Facts), text(p.Facts)) {
		c.fail("I15: the plan says that the facts changed and they did not")
	}
}

// checkShape: everything is sorted, unique, about known nodes, and versions
// only go up.
func (c *check) checkShape(in reconciler.Input, p *reconciler.Plan) {
	for i := range p.Assignments {
		a := &p.Assignments[i]
		if i > 0 && p.Assignments[i-1].Node >= a.Node {
			c.fail("assignments are not sorted")
		}
		was, is := NodeFact(&in.Facts, a.Node), NodeFact(&p.Facts, a.Node)
		if is == nil || is.Assignment.Version != a.Version {
			c.fail("I32: the assignment of %s is not in the facts", a.Node)
		}
		if was != nil && was.Assignment.Version.Compare(a.Version) >= 0 || a.Version.Epoch != in.Epoch {
			c.fail("I20: %s goes to version %v", a.Node, a.Version)
		}
	}
	for i := range p.Facts.Nodes {
		orders := p.Facts.Nodes[i].Assignment.Orders
		if !slices.IsSortedFunc(orders, func(a, b nodes.Order) int { return strings.Compare(a.ID, b.ID) }) {
			c.fail("orders are not sorted")
		}
		for j := range orders {
			if j > 0 && orders[j-1].ID == orders[j].ID {
				c.fail("%s is ordered twice on %s", orders[j].ID, p.Facts.Nodes[i].Name)
			}
		}
	}
	seen := map[string]bool{}
	for _, x := range p.Changes {
		key := x.Node + " " + nodes.InstanceID(x.Slot, x.Digest)
		if NodeFact(&p.Facts, x.Node) == nil || seen[key] {
			c.fail("change of %s is about an unknown node or told twice", key)
		}
		seen[key] = true
	}
}

// checkRoom: what is ordered on a node fits on it, stopping ones included, and
// no two orders have one port (I3); once decided, a daemon is wanted once there.
func (c *check) checkRoom(p *reconciler.Plan) {
	for i := range p.Facts.Nodes {
		n := &p.Facts.Nodes[i]
		var sum nodes.Capacity
		ports, daemons := map[int]string{}, map[string]string{}
		for _, o := range n.Assignment.Orders {
			if p.Facts.Ended(n.Name, &o) {
				continue
			}
			if w := o.Workload; w != nil {
				sum = sum.Plus(nodes.Capacity{CPU: w.Resources.CPU, Memory: w.Resources.Memory})
			}
			for _, port := range o.Ports {
				if ports[port] != "" {
					c.fail("I3: port %d of %s is given to %s and %s", port, n.Name, ports[port], o.ID)
				}
				ports[port] = o.ID
			}
			if r := RolloutOf(&p.Facts, o.Slot.Workload); !p.FactsChanged && !o.Stop && r != nil && kindOf(r) == schema.Daemon {
				if was, ok := daemons[o.Slot.Workload]; ok && was != o.Slot.String() {
					c.fail("daemon %s has slots %s and %s on %s", o.Slot.Workload, was, o.Slot, n.Name)
				}
				daemons[o.Slot.Workload] = o.Slot.String()
			}
		}
		if free := n.Node.Allocatable.Minus(sum); free.CPU < 0 || free.Memory < 0 {
			c.fail("I3: %s is over by %v", n.Name, free)
		}
	}
}
